"""The feed delivers everything, once, and turns no stream around."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow

from order_ledger.journal.feed import HOLDERS, read, settled
from tests.journal.feed_torture import Report, torture
from tests.journal.inserting import insert


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="order-ledger-torture-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(180)
def test_nothing_is_lost_turned_or_told_twice_while_the_server_is_killed(home: Path) -> None:
    readers = ("autocommit", "transaction", "autocommit", "naive")
    proven(torture(home, seed=20261121, writers=8, readers=readers, seconds=4, kills=1))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 6))
def test_nothing_is_lost_in_minutes_of_it(home: Path, seed: int) -> None:
    readers = ("autocommit", "transaction", "autocommit", "transaction", "naive")
    proven(torture(home, seed=seed, writers=12, readers=readers, seconds=60, kills=3))


def proven(report: Report) -> None:
    # First that it was torture at all: a reader who believes in positions loses entries under it.
    (naive,) = report.of("naive")
    assert naive.lost > 0
    assert report.writers["in_doubt"] > 0, "the kill hit nobody"
    assert min(report.writers[each] for each in ("committed", "rolled_back", "prepared", "copied")) > 0
    for each in (*report.of("autocommit"), *report.of("transaction")):
        assert each.delivered == report.committed == report.in_table
        assert (each.lost, each.twice, each.never_committed, each.turned) == (0, 0, 0, 0)


@pytest.fixture
def connection(ledger_url: str) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        yield connection


def positions(
    connection: Connection[TupleRow], after: int = 0, limit: int = 100, until: int | None = None
) -> list[int]:
    return [row.position for row in read(connection, after, limit, until)]


def test_an_empty_journal_has_nothing_to_tell(connection: Connection[TupleRow]) -> None:
    assert settled(connection) == 0
    assert read(connection, 0, 10) == []


def test_rows_are_told_in_order_up_to_the_limit_and_the_end(connection: Connection[TupleRow]) -> None:
    stream = uuid4()
    for version in range(1, 6):
        insert(connection, stream, version)
    assert positions(connection) == [1, 2, 3, 4, 5]
    assert positions(connection, after=2) == [3, 4, 5]
    assert positions(connection, limit=2) == [1, 2]
    assert positions(connection, until=3) == [1, 2, 3]
    assert positions(connection, after=3, until=3) == []
    assert read(connection, 4, 1) == [(5, stream, 5, "Tried", "order", b"bytes")]


def test_the_feed_waits_for_the_first_of_two_and_then_tells_both(
    connection: Connection[TupleRow], ledger_url: str
) -> None:
    insert(connection)
    with psycopg.connect(ledger_url, application_name="slow writer") as slow:
        insert(slow)
        insert(connection)
        assert positions(connection) == [1]
        assert settled(connection) == 1
        ((pid, name, seconds),) = connection.execute(HOLDERS).fetchall()
        assert (pid, name) == (slow.info.backend_pid, "slow writer")
        assert 0 <= seconds < 60
        slow.commit()
    assert positions(connection) == [1, 2, 3]
    assert connection.execute(HOLDERS).fetchall() == []


def test_a_position_of_a_rollback_is_passed_over(connection: Connection[TupleRow], ledger_url: str) -> None:
    with psycopg.connect(ledger_url) as slow:
        insert(slow)
        insert(connection)
        assert positions(connection) == []
        slow.rollback()
    assert positions(connection) == [2]


def test_a_lock_of_somebody_else_does_not_hold_the_feed(connection: Connection[TupleRow], ledger_url: str) -> None:
    insert(connection)
    with psycopg.connect(ledger_url) as stranger:
        stranger.execute("SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock(2, 3), pg_advisory_xact_lock(-1)")
        assert positions(connection) == [1]
        assert connection.execute(HOLDERS).fetchall() == []


@pytest.mark.parametrize("before", [0, 2])
def test_a_stranger_who_holds_a_lock_of_the_feed_alone_makes_writers_wait(
    connection: Connection[TupleRow], ledger_url: str, before: int
) -> None:
    for _ in range(before):
        insert(connection)
    with psycopg.connect(ledger_url) as stranger:
        stranger.execute("SELECT pg_advisory_xact_lock((20300::bigint << 48) | %s)", (before,))
        done = threading.Event()

        def write() -> None:
            with psycopg.connect(ledger_url, autocommit=True) as writer:
                insert(writer)
                done.set()

        thread = threading.Thread(target=write)
        thread.start()
        assert not done.wait(0.3)
        stranger.rollback()
        thread.join(30)
    assert positions(connection) == list(range(1, before + 2))


def test_the_first_entry_of_all_holds_the_feed_too(connection: Connection[TupleRow], ledger_url: str) -> None:
    with psycopg.connect(ledger_url) as first:
        insert(first)
        insert(connection)
        assert positions(connection) == [] and settled(connection) == 0
        first.commit()
    assert positions(connection) == [1, 2]


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_a_snapshot_older_than_the_question_is_refused(ledger_url: str, level: IsolationLevel) -> None:
    """It would not see what became final since: those entries would be passed over for ever."""
    with psycopg.connect(ledger_url) as reader:
        reader.isolation_level = level
        with pytest.raises(AssertionError, match="READ COMMITTED"):
            read(reader, 0, 10)


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_database_whose_own_default_is_an_older_snapshot_is_refused_too(ledger_url: str, autocommit: bool) -> None:
    with psycopg.connect(ledger_url, autocommit=autocommit) as reader:
        reader.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.commit()
        with reader.transaction(), pytest.raises(AssertionError, match="READ COMMITTED"):
            read(reader, 0, 10)
