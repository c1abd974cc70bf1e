"""Following the feed: every entry folded into rows exactly once.

One transaction locks the bookmark, reads a batch of the feed, loads the rows of the streams it touches, folds, writes
every row that changed once, and moves the bookmark. Whatever interrupts it leaves rows and bookmark where they were.
Two processes on one part take turns.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection, IsolationLevel, errors
from psycopg.rows import TupleRow

from order_ledger.following import installing, lag
from order_ledger.following.collecting import without_collecting
from order_ledger.following.contract import Folding, Projection
from order_ledger.following.folding import FoldedStream, Kept, fold_stream
from order_ledger.following.installing import CannotFollow
from order_ledger.following.parking import park, wait_behind
from order_ledger.following.writing import Writer
from order_ledger.journal import feed
from order_ledger.journal.codec import Codec
from order_ledger.journal.database_roles import as_role
from order_ledger.journal.feed import FeedRow, Wanted
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.tailing import Say, Stopped, keep_at, listen, wait_for_news

LARGEST_BATCH = 20_000
_MOST_STREAMS_KEPT = 20_000
_LOOK_SECONDS = 0.1


class Advance(Struct, frozen=True):
    """What one batch did: where the bookmark is now, and how many entries were looked at, folded and parked."""

    position: int
    scanned: int
    folded: int
    parked: int


class _Moved(Exception):
    """Another version took this one's place, or its schema was dropped: ask where it is now."""


class Follower:
    """One part of one projection: of the copy that is read or, as a follower of the side, of the same version made
    anew beside it. It is given connections, and opens none but in `run`."""

    def __init__(
        self,
        url: str,
        projection: Projection,
        *,
        part: int = 1,
        parts: int = 1,
        batch: int = LARGEST_BATCH,
        side: bool = False,
    ) -> None:
        if not 1 <= part <= parts:
            raise CannotFollow(f"There is no part {part} of {parts}.")
        self.projection = projection
        self.part, self.parts = part, parts
        self.batch = batch
        self.side = side
        self._url = url
        self._foldings: dict[str, Folding[Any]] = {folding.kind: folding for folding in projection.foldings}
        self._wanted = Wanted(tuple(self._foldings), projection.ignored, part, parts)
        self._codec: Codec | None = None
        self._writer: Writer | None = None
        # The tables with the bookmark and the version of the copy that we are in, which keep these numbers whatever
        # their schema is called.
        self._tables: tuple[int, int] | None = None
        # What streams came to, those folded last at the end; true for as long as the bookmark stands where we left it.
        self._kept: dict[UUID, Kept] = {}
        self._kept_at: int | None = None

    def run(self, stopped: Stopped, say: Say = lambda _: None) -> None:
        """Until stopped. A lost connection is made again, after a pause that grows; `say` gets what a person
        should know. Raises `CannotFollow`, and `Unfit` where the database is."""

        def follow(under_way: Callable[[], None]) -> None:
            with self.connect() as connection:
                self.prepare(connection)
                under_way()
                self._follow(connection, stopped, say)

        keep_at(follow, stopped, say)

    def catch_up(self, until: int, stopped: Stopped = lambda: False) -> int:
        """Folds all that is final up to this position, and answers where the bookmark is then."""
        with self.connect() as connection:
            self.prepare(connection)
            while True:
                advance = self.advance(connection)
                if advance.position >= until or stopped():
                    return advance.position
                if advance.scanned == 0:
                    # What is still missing is held back by a transaction that has not ended.
                    time.sleep(_LOOK_SECONDS)

    def connect(self) -> Connection[TupleRow]:
        """One that may read the journal and write read models, and nothing else, where the database has such a role."""
        return psycopg.connect(
            as_role(self._url, "order_ledger_follower"),
            autocommit=True,
            application_name=f"order-ledger follow {self.projection.name} {self.part}/{self.parts}",
        )

    def prepare(self, connection: Connection[TupleRow]) -> None:
        """Makes the connection one to follow on, and the projection's schema if it is not there."""
        connection.isolation_level = IsolationLevel.READ_COMMITTED
        # A crash of the server may lose the last batches, rows and bookmark together: they are folded again.
        connection.execute("SET synchronous_commit = off")
        self._enter(connection)

    def advance(self, connection: Connection[TupleRow], until: int | None = None) -> Advance:
        """One batch, in a transaction of its own. Raises `CannotFollow`."""
        for _ in range(3):
            kept_at, self._kept_at = self._kept_at, None  # until what was folded is committed
            try:
                with without_collecting(), connection.transaction():
                    position = self._lock(connection)
                    if position != kept_at:
                        self._kept.clear()
                    advance = self._fold_batch(connection, position, until)
                self._kept_at = advance.position
                return advance
            except _Moved:
                self._enter(connection)
        raise CannotFollow(f"The schemas of {self.projection.name} change too often to follow one of them.")

    def enter(self, connection: Connection[TupleRow], schema: str) -> None:
        """Goes on in this schema, which holds a copy of the projection's version. Raises `UndefinedTable`."""
        if self._codec is None:
            self._codec = Codec(inspect(connection), EVENTS, UPCASTERS)
        installing.enter(connection, schema)
        row = connection.execute("SELECT 'bookmark'::regclass::oid, 'projection'::regclass::oid").fetchone()
        assert row is not None
        self._tables = (row[0], row[1])
        self._writer = Writer(connection, self.projection.tables)
        self._kept.clear()

    def _enter(self, connection: Connection[TupleRow]) -> None:
        find = installing.find_side if self.side else installing.install
        with psycopg.connect(self._url, autocommit=True) as owner:
            self._codec = Codec(inspect(owner), EVENTS, UPCASTERS)
            for _ in range(3):
                with suppress(errors.UndefinedTable):  # it was renamed or dropped since it was found
                    return self.enter(connection, find(owner, self.projection, self.parts))
        raise CannotFollow(f"The schemas of {self.projection.name} change too often to follow one of them.")

    def _lock(self, connection: Connection[TupleRow]) -> int:
        """The bookmark's position, locked. Raises `_Moved` where the schema is not this version's any more."""
        try:
            row = connection.execute(
                "SELECT position, parts, tableoid FROM bookmark WHERE part = %s FOR UPDATE", (self.part,), prepare=True
            ).fetchone()
            # What a name means was looked up before the lock was waited for. Under the lock it stands still.
            holds = connection.execute("SELECT version, tableoid FROM projection", prepare=True).fetchone()
        except errors.UndefinedTable as error:
            raise _Moved from error
        assert self._tables is not None, "prepared"
        bookmarks, versions = self._tables
        if holds != (self.projection.version, versions) or (row is not None and row[2] != bookmarks):
            raise _Moved
        if row is None or row[1] != self.parts:
            raise CannotFollow(
                f"{self.projection.name} is not followed in {self.parts} parts any more: stop this process."
            )
        return int(row[0])

    def _fold_batch(self, connection: Connection[TupleRow], position: int, until: int | None) -> Advance:
        scan = feed.scan(connection, position, self.batch, self._wanted, until)
        parked = self._fold(connection, scan.rows) if scan.rows else 0
        if scan.position > position:
            connection.execute(
                "UPDATE bookmark SET position = %s WHERE part = %s", (scan.position, self.part), prepare=True
            )
        return Advance(scan.position, scan.scanned, len(scan.rows), parked)

    def _fold(self, connection: Connection[TupleRow], rows: Sequence[FeedRow]) -> int:
        assert self._codec is not None and self._writer is not None, "prepared"
        by_stream: dict[UUID, list[FeedRow]] = {}
        for row in rows:
            by_stream.setdefault(row.stream, []).append(row)
        waiting = wait_behind(connection, by_stream)
        # A stream that begins in this batch has no rows yet.
        unknown = [stream for stream, entries in by_stream.items() if entries[0].version > 1]
        loaded = self._writer.load([stream for stream in unknown if stream not in self._kept])
        streams = []
        for number, entries in by_stream.items():
            kept = self._kept.pop(number, None) or Kept(None, loaded.get(number, {}))
            streams.append(FoldedStream(number, self._foldings[entries[0].kind], entries, kept.rows, kept.state))
        for stream in streams:
            fold_stream(stream, self._codec)
        self._writer.write_or_mark(streams)
        failed = [stream for stream in streams if stream.failed_at is not None]
        park(connection, failed)
        self._keep(streams)
        return len(failed) + waiting

    def _keep(self, streams: Sequence[FoldedStream]) -> None:
        for stream in streams:
            if stream.failed_at is None and stream.after is not None:
                self._kept[stream.stream] = Kept(stream.state, stream.after)
        for oldest in list(islice(self._kept, max(len(self._kept) - _MOST_STREAMS_KEPT, 0))):
            del self._kept[oldest]

    def _follow(self, connection: Connection[TupleRow], stopped: Stopped, say: Say) -> None:
        lag.announce(connection, self.projection.name, self.projection.version, self.part)
        listen(connection)
        while not stopped():
            advance = self.advance(connection)
            if advance.parked:
                say(f"{advance.parked} entries or streams were parked: order-ledger projections list says which")
            if advance.scanned < self.batch:
                wait_for_news(connection, stopped)
