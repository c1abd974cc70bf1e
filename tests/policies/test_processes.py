"""The policy as processes: killed at chosen moments, two at once, stopped in order, and under its own database role."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from order_ledger.journal.database_roles import as_role
from order_ledger.policies.engine import status
from tests.commands import Ran
from tests.examples import BOOK_PLACED, CONFIRMED, paid, shipped
from tests.policies.shop import Shop, gapless
from tests.waiting import until

PROJECT = Path(__file__).parents[2]
ONE = shipped((1, 1))


@contextmanager
def policy(shop: Shop, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """`order-ledger policy issue_documents` in a process of its own, which does not outlive the test."""
    started = subprocess.Popen(
        [sys.executable, "-m", "order_ledger", "policy", "issue_documents", *options],
        env={**os.environ, "LEDGER_DATABASE_URL": shop.journal.url, "LEDGER_MASTER_KEY": bytes(range(32)).hex()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def orders(shop: Shop, count: int) -> list[UUID]:
    return [shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00", payment=uuid4()), ONE) for _ in range(count)]


@pytest.mark.parametrize("step", ["decided", "appended", "committed"])
def test_killed_before_the_append_before_the_commit_and_after_it(shop: Shop, step: str) -> None:
    """Nothing is lost, nothing is doubled, and no number is left out."""
    with shop.running(begin_at=1):
        pass
    made = orders(shop, 6)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "tests.policies.dying", shop.journal.url, step, "3"]
    ended = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    shop.issues()
    issued = shop.issued(*made)
    assert len(issued) == 12 and gapless(issued)


def test_two_processes_of_one_policy_issue_nothing_twice(shop: Shop) -> None:
    with shop.running(begin_at=1):
        pass
    made = orders(shop, 6)
    with ExitStack() as processes, shop.connected() as connection:
        for _ in range(2):
            processes.enter_context(policy(shop))
        until(lambda: _running(shop) == 2)
        made += orders(shop, 20)
        until(lambda: len(shop.issued(*made)) == 52)
        until(lambda: status.status(connection)[0].lag_events == 0)
    assert gapless(shop.issued(*made))


def test_stopped_in_order(shop: Shop) -> None:
    with policy(shop, "--from", "1") as process:
        (order,) = orders(shop, 1)
        until(lambda: len(shop.issued(order)) == 2)
        (later,) = orders(shop, 1)
        report = Ran(shop.journal.url, "report", "documents", "--json")
        assert (report.document["holds"], report.document["documents"], report.err) == (True, 4, "")
        assert len(shop.issued(later)) == 2, "the report waited for it"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err == (
        "running issue_documents\nissue_documents is new here, and answers what comes after position 0\n"
    )  # fmt: skip


def test_a_policy_that_there_is_not(shop: Shop) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "order_ledger", "policy", "nothing"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (
        1, "order-ledger: There is no policy nothing. There are: issue_documents.\n",
    )  # fmt: skip


def test_its_role_of_the_database_changes_no_entry_and_no_file(shop: Shop) -> None:
    with psycopg.connect(as_role(shop.journal.url, "order_ledger_policy"), autocommit=True) as connection:
        for statement in (
            "UPDATE journal.entry SET kind = 'order'",
            "DELETE FROM journal.entry",
            "DELETE FROM documents.counter",
            "INSERT INTO documents.file (number, media_type, layout, erased, made_with, sha256) "
            "VALUES ('a', 'b', '1', false, '', '')",
            "UPDATE personal.key SET wrapped = NULL",
            "SELECT * FROM personal.contact",
        ):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement.encode())


def _running(shop: Shop) -> int:
    with shop.connected() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'order-ledger policy issue_documents' AND datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])
