"""`projections rebuild`, `compare`, `swap`, `drop`, and reports as of a moment: as people and scripts call them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.following.swapping import alone
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import OrderCancelled
from tests.commands import Ran
from tests.following.comparing import differing_bytes
from tests.following.histories import START, an_id, placed
from tests.following.writing import Writing
from tests.waiting import until

ORDERS = [an_id(f"order {number}") for number in range(150)]


@pytest.fixture
def writing(ledger_url: str) -> Iterator[Writing]:
    journal = Journal(ledger_url, MasterKey(os.urandom(32)))
    yield Writing(journal)
    journal.close()


@pytest.fixture
def followed(writing: Writing) -> Writing:
    """A journal long enough for two processes, and a read model of it."""
    writing.write_all([(order, placed()) for order in ORDERS])
    position = writing.write_all([(order, OrderCancelled()) for order in ORDERS[:50]])
    Follower(writing.journal.url, find("order_status")).catch_up(position)
    return writing


def test_rebuilt_by_two_processes_swapped_back_and_dropped(followed: Writing) -> None:
    url = followed.journal.url
    done = Ran(url, "projections", "rebuild", "order_status", "--jobs", "2", "--json").document
    assert (done["folded_to"], done["swapped"], done["side"]) == (200, True, "order_status__1")
    assert (done["comparison"]["differing"], done["comparison"]["rows"] > 500) == (0, True)
    listed = Ran(url, "projections", "list", "--json").document["projections"]
    assert [(each["schema"], each["current"], each["position"]) for each in listed] == [
        ("order_status", True, 200),
        ("order_status__1", False, 200),
    ]
    compared = Ran(url, "projections", "compare", "order_status", "--json").document
    assert (compared["comparison"]["differing"], compared["swapped"]) == (0, False)
    swapped = Ran(url, "projections", "swap", "order_status", "--back", "--json").document
    assert (swapped["version"], swapped["side"], swapped["position"]) == (1, "order_status__1", 200)
    with psycopg.connect(url, autocommit=True) as connection:
        for schema in ("order_status", "order_status__1"):
            assert differing_bytes(connection, find("order_status"), followed.codec, schema) == 0
    dropped = Ran(url, "projections", "drop", "order_status", "--version", "1", "--json").document
    assert dropped == {"dropped": "order_status__1"}
    Ran(url, "projections", "swap", "order_status").failed_saying("There is no copy of order_status beside")


def test_in_words(followed: Writing) -> None:
    url = followed.journal.url
    ran = Ran(url, "projections", "rebuild", "order_status", "--jobs", "1")
    assert (ran.code, ran.out) == (0, "")
    assert "order_status version 1 was rebuilt to position 200" in ran.err
    assert "rows compared, 0 differ" in ran.err
    assert "0 differ" in Ran(url, "projections", "compare", "order_status").err
    assert "is read since position 200" in Ran(url, "projections", "swap", "order_status").err


def test_a_difference_is_named_and_nothing_is_swapped(followed: Writing) -> None:
    url = followed.journal.url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE order_status.orders SET number = 'Z-1' WHERE order_id = %s", (ORDERS[0],))
    ran = Ran(url, "projections", "rebuild", "order_status", "--json")
    assert ran.code == 1
    (row,) = json.loads(ran.out)["comparison"]["first"]
    assert row == {"table": "orders", "key": {"order_id": str(ORDERS[0])}, "columns": ["number"], "only_in": None}
    assert f"1 rows of order_status differ without a change of its version: orders order_id {ORDERS[0]}" in ran.err
    Ran(url, "projections", "swap", "order_status").failed_saying("1 rows of order_status differ")
    assert Ran(url, "projections", "swap", "order_status", "--differing").code == 0


def started(url: str, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "order_ledger", *command],
        env={**os.environ, "LEDGER_DATABASE_URL": url, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_before_its_end(followed: Writing, ending: signal.Signals) -> None:
    """Cancelled, it leaves nothing behind; killed, it goes on when it is run again. What is read is read on."""
    url = followed.journal.url
    with psycopg.connect(url) as blocking, psycopg.connect(url, autocommit=True) as connection:
        # All is folded by then, and the copy's place beside the other one cannot be taken while this is held.
        blocking.execute("SELECT FROM order_status.bookmark FOR UPDATE")
        rebuild = started(url, "projections", "rebuild", "order_status", "--jobs", "2")
        try:
            _until_it_waits(connection)
            rebuild.send_signal(ending)
            out, err = rebuild.communicate(timeout=30)
        finally:
            rebuild.kill()
            rebuild.communicate()
    assert out == ""
    left = Ran(url, "projections", "list", "--json").document
    assert [each["schema"] for each in left["projections"] if each["current"]] == ["order_status"]
    if ending == signal.SIGKILL:
        assert left["aside"] == ["order_status__1_new"]
        assert Ran(url, "projections", "rebuild", "order_status", "--json").document["resumed"]
    else:
        assert (left["aside"], len(left["projections"])) == ([], 1)
        assert rebuild.returncode != 0
        assert "Traceback" not in err


def _until_it_waits(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    query = (
        "SELECT FROM pg_stat_activity WHERE application_name = 'order-ledger projections order_status' "
        "AND wait_event_type = 'Lock' AND datname = current_database()"
    )
    until(lambda: connection.execute(query).fetchone() is not None)


def test_a_moment_is_kept_until_it_is_dropped(writing: Writing) -> None:
    url = writing.journal.url
    writing.write(ORDERS[0], placed())
    writing.at = START + timedelta(days=1)
    writing.write(ORDERS[0], OrderCancelled())
    view = Ran(url, "projections", "rebuild", "order_status", "--as-of", "2026-11-22", "--json").document
    schema = "order_status__as_of_20261122t000000_000000"
    assert view == {"name": "order_status", "version": 1, "schema": schema, "position": 2}
    with psycopg.connect(url) as connection:
        assert connection.execute(f"SELECT state FROM {schema}.orders".encode()).fetchall() == [("placed",)]
    assert Ran(url, "projections", "list", "--json").document["aside"] == [schema]
    assert Ran(url, "projections", "drop", "order_status", "--as-of", "2026-11-22", "--json").document == {
        "dropped": schema
    }
    Ran(url, "projections", "drop", "order_status", "--position", "7").failed_saying(
        "was not rebuilt as of that moment"
    )


def test_report_status_as_of_a_moment(writing: Writing) -> None:
    url = writing.journal.url
    writing.write(ORDERS[0], placed())
    writing.at = START + timedelta(days=1)
    writing.write(ORDERS[0], OrderCancelled())
    known = datetime.now(UTC).isoformat()
    writing.at = START
    writing.write(ORDERS[1], placed())

    def states(*options: str) -> dict[str, int]:
        found = Ran(url, "report", "status", "--json", *options).document["states"]
        return {state: orders for state, orders in found.items() if orders}

    assert states("--as-of", "2026-11-22") == {"placed": 2}
    assert states("--as-of", "2026-11-21T10:59:59+02:00") == {}
    assert states("--as-recorded", known) == {"cancelled": 1}
    assert Ran(url, "report", "fulfilment", "--json", "--position", "1").document["orders"] == 1
    listed = Ran(url, "projections", "list", "--json").document
    assert listed["aside"] == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--as-of", "yesterday"), "is no time such as"),
        (("--as-of", "2026-11-22", "--position", "1"), "Give one of"),
        (("--position", "-1"), "position"),
    ],
)
def test_a_moment_that_is_none(writing: Writing, options: tuple[str, ...], why: str) -> None:
    Ran(writing.journal.url, "report", "status", *options).failed_saying(why, code=2)


def test_a_second_one_at_once_is_refused(followed: Writing) -> None:
    with alone(followed.journal.url, "order_status"):
        Ran(followed.journal.url, "projections", "rebuild", "order_status").failed_saying(
            "order_status is being rebuilt, compared or swapped by somebody else since"
        )
