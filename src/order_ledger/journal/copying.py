"""Many entries at once: the table's own binary form (PostgreSQL, COPY, "Binary Format"), in and out.

What goes in takes positions under the same lock as any other append; a transaction should last a second at most,
for the feed waits for each.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from struct import Struct as Packing
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composable

from order_ledger.journal.codec import Encoded

COLUMNS = "originator_id, originator_version, topic, kind, recorded_at, hash, state"

_IN = f"COPY journal.entry ({COLUMNS}) FROM STDIN (FORMAT binary)"
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BEFORE_TEXTS = Packing(">hi16siq")
_AFTER_TEXTS = Packing(">iqi32si")
_BYTES_A_WRITE = 1 << 18


class CopiedEntry(NamedTuple):
    """One row of the table as it stands, nothing of it believed yet."""

    stream: UUID
    version: int
    name: str
    kind: str
    recorded_at: datetime
    hash: bytes
    state: bytes


def copy_in(connection: Connection[TupleRow], entries: Iterable[Encoded | CopiedEntry]) -> None:
    """Appends these entries. Raises `UniqueViolation` where one of their places is taken; then none is appended."""
    names: dict[tuple[str, str], bytes] = {}
    stream: UUID | None = None
    stream_bytes = b""
    piece = bytearray(_HEAD)
    with connection.cursor() as cursor, cursor.copy(_IN) as copy:
        for entry in entries:
            texts = names.get((entry.name, entry.kind))
            if texts is None:
                texts = names[entry.name, entry.kind] = _text(entry.name) + _text(entry.kind)
            if entry.stream is not stream:
                stream, stream_bytes = entry.stream, entry.stream.bytes
            recorded_at = (entry.recorded_at - _EPOCH) // _MICROSECOND
            piece += _BEFORE_TEXTS.pack(7, 16, stream_bytes, 8, entry.version)
            piece += texts
            piece += _AFTER_TEXTS.pack(8, recorded_at, 32, entry.hash, len(entry.state))
            piece += entry.state
            if len(piece) > _BYTES_A_WRITE:
                copy.write(piece)
                piece = bytearray()
        copy.write(piece + _END)


def copy_out(connection: Connection[TupleRow], query: Composable) -> Iterator[CopiedEntry]:
    """The rows of a query for `COLUMNS`, one after the other: they are never all in memory."""
    with (
        connection.cursor() as cursor,
        cursor.copy(SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)) as copy,
    ):
        copy.set_types(["uuid", "int8", "text", "text", "timestamptz", "bytea", "bytea"])
        for stream, version, name, kind, recorded_at, digest, state in copy.rows():
            yield CopiedEntry(stream, version, name, kind, recorded_at, bytes(digest), bytes(state))


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4) + encoded
