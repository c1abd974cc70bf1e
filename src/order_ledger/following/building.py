"""Folding a range of streams straight through, each from nothing, into tables that are empty there.

Entries come in the order of streams and versions, so that one state is held at a time and rows are written once:
memory does not grow with the journal. A stream on which anything fails is read again and folded as a follower does it,
entry by entry, which says where it failed; so it is parked as a follower would park it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from struct import Struct as Packing
from typing import Any
from uuid import UUID

import psycopg
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
_ENTRIES_AT_ONCE = 1_000
_READ = sql.SQL(
    "FROM journal.entry WHERE notification_id <= {until} AND kind = ANY({kinds}) AND topic <> ALL({ignored}) "
    "AND recorded_at <= {recorded_by}"
)
_PIECE = sql.SQL("count(*), string_agg(state, '\\x0a'::bytea ORDER BY originator_version)")
# A row is a stream: to take in a row costs the driver more than to decode a small entry. Rows come in the order of the
# journal's key, so that the server sorts nothing.
_OUT = sql.SQL(
    "COPY (SELECT originator_id, {kind}, {piece} {read} "
    "AND originator_id BETWEEN {first} AND {last} AND originator_id <> ALL({long}) "
    "GROUP BY originator_id ORDER BY originator_id) TO STDOUT (FORMAT binary)"
)
# Which of the kinds a stream is of, counted from 1.
_KIND = sql.SQL("array_position({kinds}, min(kind))")
_ONE_KIND = sql.SQL("1")
_LONG = (
    "SELECT originator_id, kind FROM journal.entry WHERE originator_id BETWEEN %s AND %s AND originator_version = %s "
    "AND kind = ANY(%s)"
)
_PIECE_OF_LONG = sql.SQL(
    "SELECT {piece} {read} AND originator_id = %s AND originator_version BETWEEN %s AND %s GROUP BY originator_id"
)
_LENGTH_OF_LONG = "SELECT max(originator_version) FROM journal.entry WHERE originator_id = %s"
_ENTRIES = sql.SQL(
    "SELECT notification_id, originator_id, originator_version, topic, kind, state {read} AND originator_id = %s "
    "ORDER BY originator_version"
)
# PostgreSQL's binary form of COPY: one message a row; before each value its length. The first row follows a header.
_HEADER_BYTES = 19
_ROW = Packing(">hi16siiiqi")

Piece = tuple[int, bytes | bytearray | memoryview]
"""Some entries of a stream: how many, and their bytes, one a line."""


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
        self._codec = codec
        self._cut = cut
        # As of a moment, an entry that no fold reads may still say when the one after it happened.
        ignored = list(projection.ignored) if cut.happened_by is None else []
        self._read = _READ.format(
            until=sql.Literal(cut.until),
            kinds=sql.Literal([folding.kind for folding in projection.foldings]),
            ignored=sql.SQL("{}::text[]").format(sql.Literal(ignored)),
            recorded_by=sql.Literal(cut.recorded_by) if cut.recorded_by else sql.SQL("'infinity'"),
        )
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

    def _folded(self, streams: Range) -> Iterator[FoldedStream]:
        """The streams, each with the rows that its entries make, or with where its fold failed."""
        kinds = [folding.kind for folding in self._foldings]
        long = self._writing.execute(_LONG, (*streams, _ENTRIES_AT_ONCE + 1, kinds)).fetchall()
        out = _OUT.format(
            kind=_ONE_KIND if len(kinds) == 1 else _KIND.format(kinds=sql.Literal(kinds)),
            piece=_PIECE,
            read=self._read,
            first=sql.Literal(streams[0]),
            last=sql.Literal(streams[1]),
            long=sql.SQL("{}::uuid[]").format(sql.Literal([stream for stream, _ in long])),
        )
        with self._reading.cursor() as cursor, cursor.copy(out) as copy:
            header = _HEADER_BYTES
            for row in copy:
                place, header = header, 0
                if len(row) < place + _ROW.size:
                    continue  # the end
                _, _, stream, _, kind, _, entries, _ = _ROW.unpack_from(row, place)
                piece = (entries, row[place + _ROW.size :])
                yield self._fold(UUID(bytes=stream), self._foldings[kind - 1], (piece,))
        for stream, kind in long:
            yield self._fold(stream, self._foldings[kinds.index(kind)], self._pieces(stream))

    def _pieces(self, stream: UUID) -> Iterator[Piece]:
        """A stream of many entries, which need not be in memory all at once."""
        (length,) = self._writing.execute(_LENGTH_OF_LONG, (stream,)).fetchone() or (0,)
        statement = _PIECE_OF_LONG.format(piece=_PIECE, read=self._read)
        for first in range(1, length + 1, _ENTRIES_AT_ONCE):
            last = first + _ENTRIES_AT_ONCE - 1
            yield from self._writing.execute(statement, (stream, first, last), binary=True).fetchall()

    def _fold(self, number: UUID, folding: Folding[Any], pieces: Iterable[Piece]) -> FoldedStream:
        stream = FoldedStream(number, folding, (), {})
        try:
            stream.after = self._rows(folding, pieces)
        except psycopg.Error:
            raise
        except Exception:
            stream.entries = self._entries(number, folding)
            if stream.entries:
                fold_stream(stream, self._codec)
        return stream

    def _rows(self, folding: Folding[Any], pieces: Iterable[Piece]) -> Rows | None:
        """What the entries make; None where they make nothing."""
        fold, ignores, happened_by = folding.fold, folding.ignores, self._cut.happened_by
        state, happened = None, True
        for entries, lines in pieces:
            for entry in self._codec.decode_lines(lines, entries):
                if happened_by is not None:
                    happened = has_happened(entry.at, happened, happened_by)
                    if not happened or type(entry.event) in ignores:
                        continue
                state = fold(state, entry)
        return None if state is None else folding.rows(state)

    def _entries(self, stream: UUID, folding: Folding[Any]) -> list[FeedRow]:
        """The entries of one stream that its fold reads."""
        found = self._writing.execute(_ENTRIES.format(read=self._read), (stream,), binary=True)
        rows = [FeedRow(*row) for row in found]
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
