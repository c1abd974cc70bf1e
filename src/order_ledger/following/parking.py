"""Streams that a fold failed on: put aside with their later entries, until a retry puts them back in order."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow

from order_ledger.following import installing
from order_ledger.following.contract import Folding, Projection
from order_ledger.following.folding import FoldedStream, fold_stream
from order_ledger.following.writing import Writer
from order_ledger.journal.codec import Codec
from order_ledger.journal.feed import FeedRow, part_of
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS

_FOLDED_ENTRIES = (
    "SELECT notification_id, originator_id, originator_version, topic, kind, state FROM journal.entry "
    "WHERE originator_id = %s AND notification_id <= %s AND topic <> ALL(%s) ORDER BY originator_version"
)


class Parked(Struct, frozen=True):
    """A stream that was put aside: the entry its fold failed on, why, and the last entry that waits behind it."""

    stream: UUID
    kind: str
    version: int
    position: int
    name: str
    error: str
    last_version: int


def park(connection: Connection[TupleRow], streams: Iterable[FoldedStream]) -> None:
    """Puts these streams aside, each with the entry it failed on."""
    for stream in streams:
        failed_at, last = stream.failed_at, stream.entries[-1]
        assert failed_at is not None
        connection.execute(
            "INSERT INTO parked (stream, kind, version, position, name, error, last_version, last_position) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                stream.stream, failed_at.kind, failed_at.version, failed_at.position, failed_at.name, stream.error,
                last.version, last.position,
            ),
        )  # fmt: skip


def wait_behind(connection: Connection[TupleRow], by_stream: dict[UUID, list[FeedRow]]) -> int:
    """Takes the entries of parked streams out of a batch, and answers how many they were."""
    parked = connection.execute(
        "SELECT stream FROM parked WHERE stream = ANY(%s)", (list(by_stream),), prepare=True, binary=True
    ).fetchall()
    waiting = 0
    for (stream,) in parked:
        entries = by_stream.pop(stream)
        waiting += len(entries)
        connection.execute(
            "UPDATE parked SET last_version = %s, last_position = %s WHERE stream = %s",
            (entries[-1].version, entries[-1].position, stream),
        )
    return waiting


def parked_streams(connection: Connection[TupleRow], schema: str) -> list[Parked]:
    """The streams that are parked in this schema, those that failed first first."""
    with connection.transaction():
        installing.enter(connection, schema)
        rows = connection.execute(
            "SELECT stream, kind, version, position, name, error, last_version FROM parked ORDER BY position"
        ).fetchall()
    return [Parked(*row) for row in rows]


def retry(
    connection: Connection[TupleRow], projection: Projection, stream: UUID | None = None
) -> tuple[list[UUID], list[Parked]]:
    """Folds parked streams anew, from their first entry to where their part stands.

    Answers those that were put back, and those that failed again, of every copy of this version. The connection is in
    autocommit; each stream is a transaction of its own, which the follower waits for.
    """
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    codec = Codec(inspect(connection), EVENTS, UPCASTERS)
    put_back: dict[UUID, None] = {}
    failing: dict[UUID, Parked] = {}
    for copy in installing.copies(connection, projection.name):
        if copy.version == projection.version:
            back, still = _retry_in(connection, projection, copy.schema, stream, codec)
            put_back |= dict.fromkeys(back)
            failing |= {parked.stream: parked for parked in still}
    return [stream for stream in put_back if stream not in failing], list(failing.values())


def _retry_in(
    connection: Connection[TupleRow], projection: Projection, schema: str, stream: UUID | None, codec: Codec
) -> tuple[list[UUID], list[Parked]]:
    foldings: dict[str, Folding[Any]] = {folding.kind: folding for folding in projection.foldings}
    installing.enter(connection, schema)
    tried = [parked for parked in parked_streams(connection, schema) if stream is None or parked.stream == stream]
    for parked in tried:
        with connection.transaction():
            _retry_one(connection, projection, parked, foldings, codec)
    failing = {parked.stream: parked for parked in parked_streams(connection, schema)}
    put_back = [parked.stream for parked in tried if parked.stream not in failing]
    return put_back, [failing[parked.stream] for parked in tried if parked.stream in failing]


def _retry_one(
    connection: Connection[TupleRow],
    projection: Projection,
    parked: Parked,
    foldings: dict[str, Folding[Any]],
    codec: Codec,
) -> None:
    bookmarks = connection.execute("SELECT part, parts, position FROM bookmark ORDER BY part FOR UPDATE").fetchall()
    here = part_of(parked.stream, bookmarks[0][1])
    position = next(position for part, _, position in bookmarks if part == here)
    rows = connection.execute(_FOLDED_ENTRIES, (parked.stream, position, list(projection.ignored)), binary=True)
    entries = [FeedRow(*row) for row in rows.fetchall()]
    stream = FoldedStream(parked.stream, foldings[parked.kind], entries, {})
    fold_stream(stream, codec)
    writer = Writer(connection, projection.tables)
    stream.before = writer.load([parked.stream]).get(parked.stream, {})
    writer.write_or_mark([stream])
    connection.execute("DELETE FROM parked WHERE stream = %s", (parked.stream,))
    if stream.failed_at is not None:
        park(connection, [stream])
