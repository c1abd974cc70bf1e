"""Where streams stand. States are kept, and brought up to date by what was appended since."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.rows import TupleRow

from order_ledger.entries import Entry, Event, Kind
from order_ledger.journal.codec import Codec, Head, genesis
from order_ledger.journal.pool import Pool

_TAIL = """
    SELECT wanted.number, e.state, e.hash, e.notification_id
    FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY AS wanted (stream, version, number)
    JOIN journal.entry e ON e.originator_id = wanted.stream AND e.originator_version > wanted.version
    ORDER BY wanted.number, e.originator_version
"""
_GLANCE_SECONDS = 0.01

Evolve = Callable[[Any, Any], Any]
"""The state after one more entry; None is the state of a stream that has not begun."""


class Stream(Struct, frozen=True):
    """One stream by its kind and id."""

    kind: Kind
    id: UUID


class Standing(Struct, frozen=True):
    """Where a stream stands: its state after its last entry, its head, and that entry's position."""

    state: Any
    head: Head
    position: int = 0

    @property
    def version(self) -> int:
        return self.head.version


class Standings:
    """Where streams stand, and how they came there, as one process reads it. `evolves` folds each kind of stream."""

    def __init__(
        self, pool: Pool, codec: Codec, evolves: Mapping[Kind, Evolve], *, cached_streams: int = 20_000
    ) -> None:
        self._pool = pool
        self._codec = codec
        self._evolves = evolves
        self._cached: OrderedDict[Stream, Standing] = OrderedDict()
        self._cached_streams = cached_streams
        self._looked_at: dict[Stream, float] = {}
        self._asked: list[tuple[Sequence[Stream], asyncio.Future[dict[UUID, Standing]]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def of(self, stream: Stream) -> Standing:
        """Where the stream stands now. Those who ask at the same time share one question to the database."""
        return (await self.of_all((stream,)))[stream.id]

    async def of_all(self, streams: Sequence[Stream]) -> dict[UUID, Standing]:
        """The same for several, in one question."""
        if not streams:
            return {}
        answer: asyncio.Future[dict[UUID, Standing]] = asyncio.get_running_loop().create_future()
        self._asked.append((streams, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="standings")
        return await answer

    async def glance(self, streams: Sequence[Stream]) -> dict[UUID, Standing]:
        """The same for what a command only looks at: who asks, what is listed, who sells. At most 10 ms old.

        A command that comes while one of these changes may be decided before the change or after it anyway.
        """
        since = asyncio.get_running_loop().time() - _GLANCE_SECONDS
        found: dict[UUID, Standing] = {}
        for stream in streams:
            standing = self._cached.get(stream)
            if standing is None or self._looked_at.get(stream, 0.0) < since:
                return await self.of_all(streams)
            found[stream.id] = standing
        return found

    async def known(self, streams: Sequence[Stream]) -> dict[UUID, Standing]:
        """From memory where it is there: what is old is noticed at the append."""
        kept = {stream.id: self._cached.get(stream) for stream in streams}
        missing = [stream for stream in streams if kept[stream.id] is None]
        loaded = await self.of_all(missing)
        return {stream.id: kept[stream.id] or loaded[stream.id] for stream in streams}

    async def entries(self, stream: Stream, until: int | None = None) -> tuple[list[Entry[Event]], list[bytes]]:
        """The stream's entries up to this version, and their hashes."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT state, hash, notification_id FROM journal.entry WHERE originator_id = %s "
                "AND originator_version <= %s ORDER BY originator_version",
                (stream.id, until if until is not None else 2**62),
                prepare=True,
            )
            rows = await cursor.fetchall()
        entries = [self._codec.decode(bytes(state), position) for state, _, position in rows]
        if entries and entries[0].kind != stream.kind:
            return [], []  # the id is of something else: of this kind, nothing has begun
        return entries, [bytes(row[1]) for row in rows]

    def unbegun(self, stream: Stream) -> Standing:
        """Where a stream stands that has no entries."""
        return Standing(None, Head(0, genesis(self._codec.ledger, stream.kind, stream.id), None))

    def after(
        self, stream: Stream, standing: Standing, entries: Sequence[Entry[Event]], hashes: Sequence[bytes]
    ) -> Standing:
        """Where the stream stands after these entries, which follow the standing; `hashes` are theirs."""
        if not entries:
            return standing
        evolve, state = self._evolves[stream.kind], standing.state
        for entry in entries:
            state = evolve(state, entry)
        last = entries[-1]
        return Standing(state, Head(last.version, hashes[-1], last.recorded_at), last.position)

    def keep(self, stream: Stream, standing: Standing) -> None:
        """Remembers this, unless a later standing is remembered."""
        kept = self._cached.get(stream)
        if kept is None or kept.version <= standing.version:
            self._cached[stream] = standing
        self._cached.move_to_end(stream)
        if len(self._cached) > self._cached_streams:
            self._cached.popitem(last=False)

    def forget(self, streams: Iterable[Stream]) -> None:
        """These are read from their beginning when they are next asked for."""
        for stream in streams:
            self._cached.pop(stream, None)

    async def _ask(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            wanted = list(dict.fromkeys(stream for streams, _ in asked for stream in streams))
            try:
                found, unreadable = await self._read(wanted)
            except Exception as error:
                found, unreadable = {}, dict.fromkeys(wanted, error)
            for streams, answer in asked:
                if answer.done():
                    continue
                failed = [unreadable[stream] for stream in streams if stream in unreadable]
                if failed:
                    answer.set_exception(failed[0])
                else:
                    answer.set_result({stream.id: found[stream] for stream in streams})
        self._asking = None

    async def _read(self, streams: Sequence[Stream]) -> tuple[dict[Stream, Standing], dict[Stream, Exception]]:
        """Where these streams stand; and those that cannot be read, which are no reason to refuse the others."""
        known = {stream: self._cached.get(stream) or self.unbegun(stream) for stream in streams}
        looked_at = asyncio.get_running_loop().time()
        async with self._pool.connection() as connection:
            sought = ([stream.id for stream in known], [standing.version for standing in known.values()])
            cursor = await connection.execute(_TAIL, sought, prepare=True)
            rows = await cursor.fetchall()
        tails: dict[int, list[TupleRow]] = {}
        for row in rows:
            tails.setdefault(row[0] - 1, []).append(row)
        unreadable: dict[Stream, Exception] = {}
        for number, tail in tails.items():
            stream = streams[number]
            try:
                entries = [self._codec.decode(bytes(state), position) for _, state, _, position in tail]
                if entries[0].kind != stream.kind:
                    continue  # the id is of something else: of this kind, nothing has begun
                known[stream] = self.after(stream, known[stream], entries, [bytes(row[2]) for row in tail])
                self.keep(stream, known[stream])
            except Exception as error:
                unreadable[stream] = error
        if len(self._looked_at) > self._cached_streams:
            self._looked_at.clear()
        self._looked_at.update((stream, looked_at) for stream in streams if stream not in unreadable)
        return known, unreadable
