"""The library's recorder, on our table and our feed.

What it keeps of the library: the contract, its errors, its way of selecting a stream. What is ours: the table,
positions drawn without a lock that serialises commits, and a feed that stops where positions are not final yet.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import ApplicationRecorder, Mapper, Notification, StoredEvent, Subscription
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore, PostgresSubscription
from psycopg.sql import SQL, Composed

from order_ledger.entries import Entry, Event
from order_ledger.journal.codec import Codec, Encoded
from order_ledger.journal.feed import CHANNEL

INSERT_ONE = (
    "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING notification_id"
)
_INSERT = SQL(
    "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
    "SELECT * FROM unnest("
    "%s::uuid[], %s::bigint[], %s::text[], %s::bytea[], %s::text[], %s::timestamptz[], %s::bytea[]) "
    "AS e (stream, version, name, state, kind, recorded_at, hash) ORDER BY stream, version "
    "RETURNING notification_id"
)


class _Columns(msgspec.Struct, frozen=True):
    """What the table repeats of the bytes."""

    kind: str
    recorded_at: datetime


class JournalRecorder(PostgresApplicationRecorder):
    """Stores the library's stored events as entries, and hands out notifications that are final."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name="entry")
        self.sql_create_statements: list[Composed] = []  # migrations make the table
        self.channel_name = CHANNEL

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """All or nothing, once: a lost connection is an error here, never a blind second try."""
        if not stored_events:
            return []
        columns = [_columns(event.state) for event in stored_events]
        if len(stored_events) == 1:
            return self._insert_one(stored_events[0], columns[0])
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            cursor.execute(
                _INSERT,
                (
                    [event.originator_id for event in stored_events],
                    [event.originator_version for event in stored_events],
                    [event.topic for event in stored_events],
                    [event.state for event in stored_events],
                    [column.kind for column in columns],
                    [column.recorded_at for column in columns],
                    [hashlib.sha256(event.state).digest() for event in stored_events],
                ),
            )
            return sorted(row["notification_id"] for row in cursor.fetchall())

    def _insert_one(self, event: StoredEvent, column: "_Columns") -> Sequence[int]:
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            digest = hashlib.sha256(event.state).digest()
            values = (event.originator_id, event.originator_version, event.topic, event.state)
            cursor.execute(INSERT_ONE, (*values, column.kind, column.recorded_at, digest), prepare=True)
            return [row["notification_id"] for row in cursor.fetchall()]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Notifications that are final, in order. What is settled is asked first, in a statement of its own."""
        with self.datastore.get_connection() as connection:
            row = connection.execute("SELECT journal.settled_position() AS settled").fetchone()
        assert row is not None
        settled = row["settled"]
        found: Sequence[Notification] = super().select_notifications(
            start, limit, settled if stop is None else min(stop, settled), topics, inclusive_of_start=inclusive_of_start
        )
        return found

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        return JournalSubscription(recorder=self, gt=gt, topics=topics)


class JournalSubscription(PostgresSubscription):
    """Wakes on the settler's word, and looks by itself ten times a second where no settler runs."""

    def _listen(self) -> None:
        try:
            with self._recorder.datastore.get_connection() as connection:
                connection.execute(f"LISTEN {CHANNEL}".encode())
                while not self._has_been_stopped and not self._thread_error:
                    for _ in connection.notifies(timeout=0.1, stop_after=1):
                        pass
                    self._has_been_notified.set()
        except BaseException as error:
            if self._thread_error is None:
                self._thread_error = error
            self.stop()


class EntryMapper(Mapper[UUID]):
    """Between the library's stored events and our entries: the bytes are ours, sealed values stay sealed."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        assert isinstance(domain_event, Encoded), "entries are encoded with their place in the chain"
        return StoredEvent(domain_event.stream, domain_event.version, domain_event.name, domain_event.state)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        entry: Entry[Event] = self.codec.decode(stored_event.state)
        return entry


def _columns(state: bytes) -> _Columns:
    try:
        return msgspec.json.decode(state, type=_Columns)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Columns("foreign", datetime.now(UTC))  # not an entry of ours; `audit verify` says so
