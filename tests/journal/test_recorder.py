"""The library's own cases of what a recorder does, on ours.

Left out is `NonInterleavingNotificationIDsBaseCase`: it asserts that two writers' positions never interleave. That is
what the stock recorder's table lock does to make its feed safe, and not the contract; our writers draw positions side
by side, and the feed stops where they are not final yet. On ours that case passes or fails by chance.

Nothing else is overridden. In some cases the library counts versions from 0, which our table refuses: there, and
only there, the table is told to take it.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent
from eventsourcing.postgres import PostgresDatastore
from eventsourcing.tests.persistence import ApplicationRecorderTestCase
from psycopg.conninfo import conninfo_to_dict

from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.items.events import ItemDelisted
from order_ledger.journal.journal import Journal
from order_ledger.journal.recorder import JournalRecorder


def recorder_at(url: str) -> JournalRecorder:
    given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    names = ("dbname", "host", "port", "user", "password")
    return JournalRecorder(PostgresDatastore(*(given.get(name, "") for name in names), pool_size=2, max_overflow=12,
                                             schema="journal"))  # fmt: skip


class TestJournalRecorder(ApplicationRecorderTestCase[Any]):
    """`ApplicationRecorderTestCase`, every case of it, and the optional one of subscriptions."""

    @pytest.fixture(autouse=True)
    def _on(self, ledger_url: str) -> Iterator[None]:
        self.url = ledger_url
        self.made: list[JournalRecorder] = []
        yield
        for recorder in self.made:
            recorder.datastore.close()

    def create_recorder(self) -> JournalRecorder:
        recorder = recorder_at(self.url)
        self.made.append(recorder)
        return recorder

    def test_concurrent_no_conflicts(self, initial_position: int = 0) -> None:
        take_version_zero(self.url)
        super().test_concurrent_no_conflicts(initial_position)

    def test_concurrent_throughput(self) -> None:
        take_version_zero(self.url)
        super().test_concurrent_throughput()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


def take_version_zero(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("ALTER DOMAIN journal.version DROP CONSTRAINT version_check")


@pytest.fixture
def recorder(ledger_url: str) -> Iterator[JournalRecorder]:
    recorder = recorder_at(ledger_url)
    yield recorder
    recorder.datastore.close()


def test_nothing_stored_takes_no_position(recorder: JournalRecorder) -> None:
    assert recorder.insert_events([]) == []
    assert recorder.max_notification_id() is None


@pytest.mark.parametrize(
    ("version", "state", "hash_"), [(0, b"{}", bytes(32)), (1, bytes(65_536), bytes(32)), (1, b"{}", bytes(31))]
)
def test_the_table_itself_takes_nothing_else(ledger_url: str, version: int, state: bytes, hash_: bytes) -> None:
    """Whoever writes: a version counts from one, an entry fits into what every reader can hold, a hash is SHA-256."""
    insert = (
        "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
        "VALUES (%s, %s, 'OrderHeld', %s, 'order', now(), %s)"
    )
    with psycopg.connect(ledger_url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(insert, (uuid4(), version, state, hash_))


@pytest.mark.parametrize("versions", [[0], [0, 1], [-1]])
def test_versions_count_from_one(recorder: JournalRecorder, versions: list[int]) -> None:
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(uuid4(), version) for version in versions])
    assert recorder.max_notification_id() is None


def test_of_several_events_all_are_stored_or_none(recorder: JournalRecorder) -> None:
    stream = uuid4()
    recorder.insert_events([stored(stream, 2)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(stream, 1), stored(stream, 2), stored(stream, 3)])
    assert [event.originator_version for event in recorder.select_events(stream)] == [2]


def test_an_entry_too_large_is_refused_by_the_table_too(recorder: JournalRecorder) -> None:
    with pytest.raises(IntegrityError):
        recorder.insert_events([StoredEvent(uuid4(), 1, "topic", b"x" * 65_536)])


def test_a_lost_connection_is_an_error_and_never_a_second_try(recorder: JournalRecorder) -> None:
    """The library's own retry would send the events again, and turn a success into a conflict."""
    recorder.insert_events([stored(uuid4(), 1)])
    with recorder.datastore.get_connection() as connection:
        connection.execute("CREATE TABLE tries (at timestamptz)")
        # The server ends the session in the middle of the statement, as an administrator or a fail-over would.
        connection.execute(
            """
            CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NEW; END'
            """
        )
        connection.execute("CREATE SEQUENCE tried")
        connection.execute(
            """
            CREATE FUNCTION count_tries() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM nextval(''tried''); RETURN NEW; END'
            """
        )
        connection.execute(
            "CREATE TRIGGER a BEFORE INSERT ON journal.entry FOR EACH ROW EXECUTE FUNCTION count_tries()"
        )
        connection.execute(
            "CREATE TRIGGER b BEFORE INSERT ON journal.entry FOR EACH ROW EXECUTE FUNCTION end_session()"
        )
    with pytest.raises(OperationalError):
        recorder.insert_events([stored(uuid4(), 1)])
    with recorder.datastore.get_connection() as connection:
        row = connection.execute("SELECT last_value FROM tried").fetchone()
    assert row == {"last_value": 1}


def test_notifications_stop_where_positions_are_not_final(recorder: JournalRecorder, ledger_url: str) -> None:
    recorder.insert_events([stored(uuid4(), 1)])
    with psycopg.connect(ledger_url) as slow:
        slow.execute(
            "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
            "VALUES (%s, 1, 'slow', '', 'order', now(), %s)",
            (uuid4(), bytes(32)),
        )
        recorder.insert_events([stored(uuid4(), 1)])
        assert recorder.max_notification_id() == 3
        assert [each.id for each in recorder.select_notifications(None, 10)] == [1]
        assert [each.id for each in recorder.select_notifications(None, 10, stop=3)] == [1]
        slow.commit()
    assert [each.id for each in recorder.select_notifications(None, 10)] == [1, 2, 3]


def test_the_columns_repeat_what_the_bytes_say(journal: Journal, recorder: JournalRecorder) -> None:
    stream, now = uuid4(), datetime(2026, 11, 21, 20, 15, 3, 123456, tzinfo=UTC)
    _, head = journal.load(stream, "item")
    cause = Cause(By(uuid4(), "manufacturer"), "api", CommandRef(uuid4(), "delist"))
    (entry,) = journal.encode("item", stream, head, [Fact(ItemDelisted(), now)], cause, now).entries
    recorder.insert_events([journal.mapper.to_stored_event(entry)])  # type: ignore[arg-type]
    with journal.connection() as connection:
        row = connection.execute("SELECT kind, topic, recorded_at, hash FROM journal.entry").fetchone()
    assert row == ("item", "ItemDelisted", now, hashlib.sha256(entry.state).digest())
    (event,) = recorder.select_events(stream)
    read: Any = journal.mapper.to_domain_event(event)
    assert (read.stream, read.version, read.event) == (stream, 1, ItemDelisted())


def stored(stream: UUID, version: int) -> StoredEvent:
    return StoredEvent(stream, version, "topic", b"state")
