"""Folding a range of streams straight through, each from nothing, into tables that are empty there.

Entries come in the order of streams and versions, so that one state is held at a time and rows are written once:
memory does not grow with the journal. What cannot be folded is parked as a follower would park it.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from struct import Struct as Packing
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from order_ledger.entries import Entry
from order_ledger.following.contract import Folding, Projection
from order_ledger.following.folding import FoldedStream
from order_ledger.following.parking import park
from order_ledger.following.ranges import Range
from order_ledger.following.writing import Writer
from order_ledger.journal.codec import Codec, Unreadable
from order_ledger.journal.feed import FeedRow
from order_ledger.moments import has_happened

_STREAMS_A_WRITE = 1_000
_ENTRIES_A_ROW = 64
# A row holds some entries of a stream: to take in a row costs the driver more than to decode a small entry.
_OUT = sql.SQL(
    "COPY (SELECT originator_id, array_position({kinds}, min(kind)), "
    "string_agg(int8send(originator_version), ''::bytea ORDER BY originator_version), "
    "string_agg(int8send(notification_id), ''::bytea ORDER BY originator_version), "
    "string_agg(state, '\\x0a'::bytea ORDER BY originator_version) "
    "FROM journal.entry WHERE originator_id BETWEEN {first} AND {last} AND notification_id <= {until} "
    "AND kind = ANY({kinds}) AND topic <> ALL({ignored}) AND recorded_at <= {recorded_by} "
    "GROUP BY originator_id, originator_version / {entries_a_row} "
    "ORDER BY originator_id, originator_version / {entries_a_row}) TO STDOUT (FORMAT binary)"
)
# PostgreSQL's binary form of COPY: one message a row; before each value its length. The first row follows a header.
_HEADER_BYTES = 19
_ROW = Packing(">hi16siii")
_LENGTH = Packing(">i")
_NAME = "SELECT topic FROM journal.entry WHERE originator_id = %s AND originator_version = %s"
_STATE = "SELECT state FROM journal.entry WHERE originator_id = %s AND originator_version = %s"


class Cut(Struct, frozen=True, kw_only=True):
    """Up to where a journal is folded: to this position and, as of a moment, only what had happened or was recorded
    by then."""

    until: int
    happened_by: datetime | None = None
    recorded_by: datetime | None = None


class Builder:
    """Folds ranges of streams. It reads the journal on one connection while it writes on the other, which is in the
    schema to be built and in a transaction of the caller's."""

    def __init__(
        self,
        reading: Connection[TupleRow],
        writing: Connection[TupleRow],
        projection: Projection,
        codec: Codec,
        cut: Cut,
    ) -> None:
        self._reading, self._writing = reading, writing
        self._projection = projection
        self._codec = codec
        self._cut = cut
        self._writer = Writer(writing, projection.tables)

    def build(self, streams: Range) -> None:
        """Folds the streams of this range, and writes the rows that they make."""
        chunk: list[FoldedStream] = []
        for stream in self._folded(streams):
            chunk.append(stream)
            if len(chunk) == _STREAMS_A_WRITE:
                self._write(chunk)
                chunk = []
        self._write(chunk)

    def _write(self, streams: Sequence[FoldedStream]) -> None:
        self._writer.write_or_mark(streams)
        failed = [stream for stream in streams if stream.failed_at is not None]
        for stream in failed:
            assert stream.failed_at is not None
            stream.failed_at = stream.failed_at._replace(name=self._name_of(stream.failed_at))
        park(self._writing, failed)

    def _name_of(self, entry: FeedRow) -> str:
        row = self._writing.execute(_NAME, (entry.stream, entry.version)).fetchone()
        assert row is not None, "it was read just now"
        return str(row[0])

    def _out(self, streams: Range) -> sql.Composed:
        # As of a moment, an entry that no fold reads may still say when the one after it happened.
        ignored = self._projection.ignored if self._cut.happened_by is None else ()
        return _OUT.format(
            kinds=sql.Literal([folding.kind for folding in self._projection.foldings]),
            first=sql.Literal(streams[0]),
            last=sql.Literal(streams[1]),
            until=sql.Literal(self._cut.until),
            ignored=sql.SQL("{}::text[]").format(sql.Literal(list(ignored))),
            recorded_by=sql.Literal(self._cut.recorded_by) if self._cut.recorded_by else sql.SQL("'infinity'"),
            entries_a_row=sql.Literal(_ENTRIES_A_ROW),
        )

    def _folded(self, streams: Range) -> Iterator[FoldedStream]:
        """The streams, each with the rows that its entries make, or with where its fold failed."""
        foldings = self._projection.foldings
        with self._reading.cursor() as cursor, cursor.copy(self._out(streams)) as copy:
            header = _HEADER_BYTES
            current = b""
            one: _One | None = None
            for row in copy:
                place, header = header, 0
                if len(row) < place + _ROW.size:
                    continue  # the end
                _, _, number, _, kind, size = _ROW.unpack_from(row, place)
                numbers = Packing(f">{size // 8}q")
                place += _ROW.size
                versions = numbers.unpack_from(row, place)
                place += size + _LENGTH.size
                positions = numbers.unpack_from(row, place)
                place += size + _LENGTH.size
                if number != current:
                    if one is not None:
                        yield one.finished()
                    current = number
                    one = _One(
                        UUID(bytes=number), foldings[kind - 1], self._codec, self._cut.happened_by, self._state_of
                    )
                assert one is not None
                one.take(versions, positions, row[place:])
            if one is not None:
                yield one.finished()

    def _state_of(self, stream: UUID, version: int) -> bytes:
        row = self._writing.execute(_STATE, (stream, version)).fetchone()
        assert row is not None, "it was read just now"
        return bytes(row[0])


class _One:
    """One stream, taken some entries at a time."""

    def __init__(
        self,
        number: UUID,
        folding: Folding[Any],
        codec: Codec,
        happened_by: datetime | None,
        state_of: Callable[[UUID, int], bytes],
    ) -> None:
        self._stream = FoldedStream(number, folding, (), {})
        self._folding = folding
        self._codec = codec
        self._state_of = state_of
        self._state: Any = None
        self._first: tuple[int, int] | None = None
        self._last = (0, 0)
        self._happened, self._happened_by = True, happened_by

    def take(self, versions: Sequence[int], positions: Sequence[int], lines: bytes | bytearray | memoryview) -> None:
        """Folds the next entries, which are lines. Whatever a fold raises concerns this stream alone, so nothing is
        let through."""
        self._first = self._first or (versions[0], positions[0])
        self._last = (versions[-1], positions[-1])
        if self._stream.failed_at is not None:
            return
        if self._happened_by is None:
            try:
                entries: Sequence[Entry[Any]] = self._codec.decode_lines(lines, positions)
            except Unreadable:
                entries = ()
            if entries:
                self._fold(entries, versions)
                return
        # As of a moment, or where one of them cannot be read: each by itself.
        for version, position, state in zip(versions, positions, self._states(versions, lines), strict=True):
            if self._stream.failed_at is None:
                self._take_one(version, position, state)

    def _states(self, versions: Sequence[int], lines: bytes | bytearray | memoryview) -> Sequence[bytes]:
        """The bytes of each entry. No entry of ours is of several lines; what somebody else wrote may be."""
        states = bytes(lines).split(b"\n")
        if len(states) == len(versions):
            return states
        return [self._state_of(self._stream.stream, version) for version in versions]

    def _fold(self, entries: Sequence[Entry[Any]], versions: Sequence[int]) -> None:
        fold, state = self._folding.fold, self._state
        for entry, version in zip(entries, versions, strict=True):
            try:
                state = fold(state, entry)
            except Exception as error:
                self._stream.fail(self._row(version, entry.position), error)
                break
        self._state = state

    def _take_one(self, version: int, position: int, state: bytes) -> None:
        try:
            if self._happened_by is None or self._counts(state, self._happened_by):
                self._state = self._folding.fold(self._state, self._codec.decode(state, position))
        except Exception as error:
            self._stream.fail(self._row(version, position), error)

    def finished(self) -> FoldedStream:
        """The stream with the rows that it gets."""
        stream = self._stream
        assert self._first is not None, "it has an entry"
        stream.entries = (self._row(*self._first), self._row(*self._last))
        if self._state is not None:
            try:
                stream.after = self._folding.rows(self._state)
            except Exception as error:
                stream.fail(stream.entries[0], error)
        return stream

    def _counts(self, state: bytes, happened_by: datetime) -> bool:
        stored = self._codec.stored(state)
        self._happened = has_happened(stored.at, self._happened, happened_by)
        return self._happened and stored.name not in {event.__name__ for event in self._folding.ignores}

    def _row(self, version: int, position: int) -> FeedRow:
        return FeedRow(position, self._stream.stream, version, "", self._folding.kind, b"")
