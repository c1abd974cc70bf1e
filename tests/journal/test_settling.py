"""Somebody says how far the feed is final, whatever becomes of their connection."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.journal.feed import settled
from order_ledger.journal.settling import _SETTLER, Settler
from order_ledger.journal.tailing import Say
from tests.journal.inserting import insert


@pytest.fixture
def connection(ledger_url: str) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        yield connection


def test_a_settler_says_how_far_the_feed_is_final(connection: Connection[TupleRow], ledger_url: str) -> None:
    connection.execute("LISTEN journal_settled")
    with settling(ledger_url):
        insert(connection)
        (told,) = connection.notifies(timeout=10, stop_after=1)
        assert told.payload == "1"
        with psycopg.connect(ledger_url) as slow:
            insert(slow)
            insert(connection)
            assert list(connection.notifies(timeout=0.3)) == []
            slow.commit()
        (told,) = connection.notifies(timeout=10, stop_after=1)
        assert told.payload == "3"
        assert connection.execute("SELECT position FROM journal.settled").fetchone() == (3,)


def test_a_settler_names_a_position_that_exists(connection: Connection[TupleRow], ledger_url: str) -> None:
    """The sequence may issue a number again after a crash, so that one without an entry is no place to stand on."""
    insert(connection)
    with psycopg.connect(ledger_url) as given_up:
        insert(given_up)
        given_up.rollback()
    assert settled(connection) == 2
    with settling(ledger_url):
        wait_for(connection, 1)
        time.sleep(0.2)
        assert connection.execute("SELECT position FROM journal.settled").fetchone() == (1,)


def test_the_second_settler_takes_over_when_the_first_is_gone(
    connection: Connection[TupleRow], ledger_url: str
) -> None:
    with settling(ledger_url):
        insert(connection)
        wait_for(connection, 1)
        with settling(ledger_url):
            end_the_elected(connection)
            insert(connection)
            wait_for(connection, 2)


def test_a_settler_whose_connection_is_lost_says_so_and_makes_another(
    connection: Connection[TupleRow], ledger_url: str
) -> None:
    said: list[str] = []
    with settling(ledger_url, said.append):
        insert(connection)
        wait_for(connection, 1)
        end_the_elected(connection)
        insert(connection)
        wait_for(connection, 2)
    assert [sentence.partition(":")[0] for sentence in said] == ["the database is away, trying again"]


def test_a_stopped_settler_that_was_never_elected_ends(ledger_url: str, connection: Connection[TupleRow]) -> None:
    connection.execute("SELECT pg_advisory_lock(%s)", (_SETTLER,))
    with settling(ledger_url):
        time.sleep(0.1)


def end_the_elected(connection: Connection[TupleRow]) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND application_name = 'order-ledger settler' AND datname = current_database()"
    )


def wait_for(connection: Connection[TupleRow], position: int) -> None:
    until = time.monotonic() + 20
    while connection.execute("SELECT position FROM journal.settled").fetchone() != (position,):
        assert time.monotonic() < until, f"nobody said that {position} is final"
        time.sleep(0.02)


@contextmanager
def settling(url: str, say: Say = lambda _: None) -> Iterator[None]:
    """A settler in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=Settler(url).run, args=(stop.is_set, say))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
