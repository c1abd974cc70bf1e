"""Followers as processes: killed at any moment, stopped in order, two on one part, and a database that goes away."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Event
from order_ledger.following import installing, lag
from order_ledger.following.live import Follower
from order_ledger.following.projections import find, names
from order_ledger.following.rebuilding import rebuild
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import MasterKey
from order_ledger.postgres import embedded_postgres
from tests.following import dying
from tests.following.comparing import differing_bytes
from tests.following.histories import an_id, placed, random_history
from tests.following.toys import tally_projection
from tests.following.writing import Writing
from tests.journal.feed_torture import kill_server
from tests.waiting import until

ROOT = Path(__file__).parents[2]
ORDERS = [an_id(f"order {number}") for number in range(60)]


@contextmanager
def process(url: str, *command: str) -> Iterator["subprocess.Popen[str]"]:
    """The command line in a process of its own, which does not outlive the test."""
    started = subprocess.Popen(
        [sys.executable, "-m", "order_ledger", *command],
        env={**os.environ, "LEDGER_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@contextmanager
def load(writing: Writing, random: Random) -> Iterator[None]:
    """Entries are written all the while, some hundreds a second."""
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.02):
            orders = random.sample(ORDERS, 5)
            events = [(order, event) for order in orders for event in some(random, order in writing.heads)]
            writing.write_all(events)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def some(random: Random, begun: bool) -> list[Event]:
    return list(random_history(random, 4)[1 if begun else 0 :])


@pytest.mark.parametrize(
    ("name", "kills"),
    [
        ("order_status", 4),
        *(pytest.param(name, 50, marks=[pytest.mark.long, pytest.mark.timeout(900)]) for name in names()),
    ],
)
def test_killed_at_random_moments_under_load(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, name: str, kills: int
) -> None:
    """The rows are those of a fresh fold, and of a rebuild: not a byte differs."""
    random, projection = Random(11), find(name)
    installing.install(connection, projection)
    positions = []
    with load(writing, random):
        for _ in range(kills):
            before = lag.status(connection)[0].position
            with process(journal.url, "follow", name) as follower:
                until(lambda: lag.status(connection)[0].position > before)  # noqa: B023
                time.sleep(random.random() / 2)
                follower.send_signal(signal.SIGKILL)
                follower.wait()
            positions.append(lag.status(connection)[0].position)
    assert positions == sorted(set(positions)), "each of them got on before it was killed"
    end = lag.settled_end(connection)
    assert Follower(journal.url, projection).catch_up(end) == end
    assert lag.status(connection)[0].parked == 0
    assert differing_bytes(connection, projection, journal.codec) == 0
    done = rebuild(journal.url, projection)
    assert done.comparison is not None and done.comparison.equal and done.position == end


@pytest.mark.parametrize("point", dying.POINTS)
@pytest.mark.parametrize(
    "name",
    ["order_status", *(pytest.param(name, marks=pytest.mark.long) for name in names() if name != "order_status")],
)
def test_killed_at_a_chosen_point(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, name: str, point: str
) -> None:
    """A batch has happened whole, or not at all."""
    random, projection = Random(13), find(name)
    writing.write_all([(order, event) for order in ORDERS for event in some(random, False)])
    with subprocess.Popen(
        [sys.executable, "-m", "tests.following.dying", journal.url, name, point], cwd=ROOT
    ) as follower:
        assert follower.wait(60) == -signal.SIGKILL
    stands = lag.status(connection)[0].position
    assert stands == (2 if point == "after committing" else 1) * dying.BATCH
    end = lag.settled_end(connection)
    assert Follower(journal.url, projection).catch_up(end) == end > 3 * dying.BATCH
    assert lag.status(connection)[0].parked == 0
    assert differing_bytes(connection, projection, journal.codec) == 0
    done = rebuild(journal.url, projection)
    assert done.comparison is not None and done.comparison.equal


def test_two_processes_on_one_part_fold_nothing_twice(
    writing: Writing, connection: Connection[TupleRow], journal: Journal
) -> None:
    random, projection = Random(12), find("order_status")
    installing.install(connection, projection)
    with process(journal.url, "follow", "order_status"), process(journal.url, "follow", "order_status"):
        with load(writing, random):
            until(lambda: _followers(connection) == 2)
            time.sleep(1.5)
        end = lag.settled_end(connection)
        assert lag.wait_for(connection, "order_status", end, 60) == "reached"
    assert differing_bytes(connection, projection, journal.codec) == 0


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_order(journal: Journal, connection: Connection[TupleRow], ending: signal.Signals) -> None:
    installing.install(connection, find("order_status"))
    with process(journal.url, "follow", "order_status") as follower:
        until(lambda: _followers(connection) == 1)
        follower.send_signal(ending)
        out, err = follower.communicate(timeout=20)
    assert follower.returncode == 0
    assert out == ""
    assert err == "following order_status version 1, part 1 of 1\n"


def test_the_settler_is_stopped_in_order(writing: Writing, connection: Connection[TupleRow], journal: Journal) -> None:
    with process(journal.url, "settle") as settler:
        position = writing.write(ORDERS[0], placed())
        until(lambda: connection.execute("SELECT position FROM journal.settled").fetchone() == (position,))
        settler.send_signal(signal.SIGTERM)
        out, err = settler.communicate(timeout=20)
    assert (settler.returncode, out, err) == (0, "", "settling\n")


def test_one_part_of_several(writing: Writing, connection: Connection[TupleRow], journal: Journal) -> None:
    position = writing.write_all([(order, placed()) for order in ORDERS])
    with process(journal.url, "follow", "order_status", "--part", "2/2"):
        until(lambda: [each.position for each in _status(connection)] == [0, position])
    with process(journal.url, "follow", "order_status", "--part", "1/2"):
        until(lambda: [each.position for each in _status(connection)] == [position, position])
    assert differing_bytes(connection, find("order_status"), journal.codec) == 0


def test_a_database_that_is_stopped_and_started_again(tmp_path: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="order-ledger-tests-"))
    home.chmod(0o711)
    projection, stop, said = tally_projection(tmp_path), threading.Event(), list[str]()
    with embedded_postgres(home) as url:
        migrate(url)
        journal = Journal(url, MasterKey(os.urandom(32)))
        writing = Writing(journal)
        writing.write(ORDERS[0], placed())
        journal.close()
        follower = Follower(url, projection)
        thread = threading.Thread(target=follower.run, args=(stop.is_set, said.append))
        thread.start()
        with psycopg.connect(url, autocommit=True) as connection:
            until(lambda: [each.position for each in _status(connection)] == [1])
    # The last one out stopped the server. A follower does not keep one up, only who runs it does.
    until(lambda: bool(said))
    try:
        with embedded_postgres(home) as again:
            assert again == url
            journal = Journal(url, MasterKey(os.urandom(32)))
            writing.journal = journal
            position = writing.write(ORDERS[1], placed())
            journal.close()
            with psycopg.connect(url, autocommit=True) as connection:
                until(lambda: [each.position for each in _status(connection)] == [position])
                assert differing_bytes(connection, projection, journal.codec) == 0
            stop.set()
            thread.join()
    finally:
        stop.set()
        thread.join()
        shutil.rmtree(home)
    assert said[0].startswith("the database is away, trying again")


def test_what_a_killed_server_loses_of_a_read_model_is_folded_again() -> None:
    """Batches are committed without waiting for the disk: a crash takes the last of them, each whole."""
    home = Path(tempfile.mkdtemp(prefix="order-ledger-tests-"))
    home.chmod(0o711)
    random, projection, master = Random(15), find("order_status"), MasterKey(os.urandom(32))
    try:
        with embedded_postgres(home) as url:
            migrate(url)
            with Journal(url, master) as journal, process(url, "follow", "order_status"):
                writing = Writing(journal)
                with psycopg.connect(url, autocommit=True) as connection:
                    until(lambda: [each.followed for each in lag.status(connection)] == [True])
                    for _ in range(30):
                        orders = random.sample(ORDERS, 5)
                        end = writing.write_all(
                            [(order, event) for order in orders for event in some(random, order in writing.heads)]
                        )
                    until(lambda: lag.status(connection)[0].position > end // 2)
                kill_server(home)
                with embedded_postgres(home), psycopg.connect(url, autocommit=True) as connection:
                    until(lambda: lag.status(connection)[0].position == end)
                    assert differing_bytes(connection, projection, journal.codec) == 0
    finally:
        shutil.rmtree(home)


def _followers(connection: Connection[TupleRow]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name LIKE 'order-ledger follow%' AND datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _status(connection: Connection[TupleRow]) -> list[lag.Status]:
    return [each for each in lag.status(connection) if each.parked == 0]


def test_one_process_keeps_the_copy_that_is_read_and_the_one_beside_it(
    writing: Writing, connection: Connection[TupleRow], journal: Journal
) -> None:
    """Through a rebuild and the swap; and it is stopped in order while it does."""
    projection = find("order_status")
    position = writing.write_all([(order, placed()) for order in ORDERS])
    with process(journal.url, "follow", "order_status") as follower:
        until(lambda: [each.position for each in _status(connection)] == [position])
        assert rebuild(journal.url, projection).side == "order_status__1"
        end = writing.write_all([(order, event) for order in ORDERS[:9] for event in some(Random(14), True)])
        until(lambda: [each.position for each in _status(connection)] == [end, end])
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(20) == 0
    for schema in ("order_status", "order_status__1"):
        assert differing_bytes(connection, projection, journal.codec, schema) == 0
