"""Folding a range of streams straight through, each from nothing, into tables that are empty there.

Entries come in the order of streams and versions, so that one state is held at a time and rows are written once:
memory does not grow with the journal. A stream on which anything fails is read again and folded as a follower does it,
entry by entry, which says where it failed; so it is parked as a follower would park it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from struct import Struct as Packing
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from order_ledger.following.contract import Folding, Projection, Rows
from order_ledger.following.folding import FoldedStream, fold_stream
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
_ENTRIES = (
    "SELECT notification_id, originator_id, originator_version, topic, kind, state FROM journal.entry "
    "WHERE originator_id = %s AND notification_id <= %s AND topic <> ALL(%s) "
    "AND recorded_at <= coalesce(%s, 'infinity'::timestamptz) ORDER BY originator_version"
)


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
        self._foldings = projection.foldings
        # As of a moment, an entry that no fold reads may still say when the one after it happened.
        self._ignored = list(projection.ignored) if cut.happened_by is None else []
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
        if not self._writer.write(streams):
            # Somebody's rows were refused: to say whose, and what waits behind them, their entries are needed.
            for stream in streams:
                stream.entries = stream.entries or self._entries(stream.stream, stream.folding)
            self._writer.write_each_or_mark(streams)
        park(self._writing, [stream for stream in streams if stream.failed_at is not None])

    def _out(self, streams: Range) -> sql.Composed:
        return _OUT.format(
            kinds=sql.Literal([folding.kind for folding in self._foldings]),
            first=sql.Literal(streams[0]),
            last=sql.Literal(streams[1]),
            until=sql.Literal(self._cut.until),
            ignored=sql.SQL("{}::text[]").format(sql.Literal(self._ignored)),
            recorded_by=sql.Literal(self._cut.recorded_by) if self._cut.recorded_by else sql.SQL("'infinity'"),
            entries_a_row=sql.Literal(_ENTRIES_A_ROW),
        )

    def _folded(self, streams: Range) -> Iterator[FoldedStream]:
        """The streams, each with the rows that its entries make, or with where its fold failed."""
        with self._reading.cursor() as cursor, cursor.copy(self._out(streams)) as copy:
            header = _HEADER_BYTES
            current = b""
            one: _Fold | None = None
            for row in copy:
                place, header = header, 0
                if len(row) < place + _ROW.size:
                    continue  # the end
                _, _, number, _, kind, size = _ROW.unpack_from(row, place)
                place += _ROW.size
                positions = Packing(f">{size // 8}q").unpack_from(row, place)
                place += size + _LENGTH.size
                if number != current:
                    if one is not None:
                        yield self._finished(current, one)
                    current = number
                    one = _Fold(self._foldings[kind - 1], self._codec, self._cut.happened_by)
                assert one is not None
                one.take(positions, row[place:])
            if one is not None:
                yield self._finished(current, one)

    def _finished(self, number: bytes, one: "_Fold") -> FoldedStream:
        stream = FoldedStream(UUID(bytes=number), one.folding, (), {}, after=one.rows())
        if one.failed:
            stream.after = None
            stream.entries = self._entries(stream.stream, stream.folding)
            if stream.entries:
                fold_stream(stream, self._codec)
        return stream

    def _entries(self, stream: UUID, folding: Folding[Any]) -> list[FeedRow]:
        """The entries of one stream that its fold reads."""
        sought = (stream, self._cut.until, self._ignored, self._cut.recorded_by)
        rows = [FeedRow(*row) for row in self._writing.execute(_ENTRIES, sought, binary=True)]
        return rows if self._cut.happened_by is None else self._that_happened(rows, folding, self._cut.happened_by)

    def _that_happened(self, rows: Sequence[FeedRow], folding: Folding[Any], by: datetime) -> list[FeedRow]:
        ignored = {event.__name__ for event in folding.ignores}
        kept, happened = [], True
        for row in rows:
            try:
                happened = has_happened(self._codec.stored(row.state).at, happened, by)
            except Unreadable:
                happened = True  # for the fold to fail on
            if happened and row.name not in ignored:
                kept.append(row)
        return kept


class _Fold:
    """The fold of one stream, some entries at a time. What it fails on, and why, it does not say."""

    def __init__(self, folding: Folding[Any], codec: Codec, happened_by: datetime | None) -> None:
        self.folding = folding
        self.failed = False
        self._codec = codec
        self._state: Any = None
        self._happened, self._happened_by = True, happened_by

    def take(self, positions: Sequence[int], lines: bytes | bytearray | memoryview) -> None:
        """Folds the next entries, which are lines."""
        if self.failed:
            return
        fold, state = self.folding.fold, self._state
        try:
            for entry in self._codec.decode_lines(lines, positions):
                if self._happened_by is not None:
                    self._happened = has_happened(entry.at, self._happened, self._happened_by)
                    if not self._happened or type(entry.event) in self.folding.ignores:
                        continue
                state = fold(state, entry)
        except Exception:
            self.failed = True
        self._state = state

    def rows(self) -> Rows | None:
        """What the entries make; None where that is nothing, or where it failed."""
        if self.failed or self._state is None:
            return None
        try:
            return self.folding.rows(self._state)
        except Exception:
            self.failed = True
            return None
