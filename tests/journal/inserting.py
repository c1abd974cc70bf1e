"""Entries as the table takes them, whatever they say."""

from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import TupleRow

_INSERT = (
    "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
    "VALUES (%s, %s, 'Tried', 'bytes', 'order', now(), %s)"
)


def insert(connection: Connection[TupleRow], stream: UUID | None = None, version: int = 1) -> None:
    """One entry, of a new stream unless told of which."""
    connection.execute(_INSERT, (stream or uuid4(), version, bytes(32)))
