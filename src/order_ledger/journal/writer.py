"""The write side, one sentence: the history with its version, the decision, append after that version.

States are kept between commands and brought up to date by what was appended since. A decision on a state that
turns out old is never told: it is taken again on the new history.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import psycopg
from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from order_ledger.entries import Cause, Entry, Event, Fact, Kind
from order_ledger.journal.appending import Appending, Key, Outcome, Proposal
from order_ledger.journal.codec import Codec, Head, genesis
from order_ledger.journal.group_commit import GroupCommit
from order_ledger.journal.keys import Keyring
from order_ledger.refusals import Contended, KeyInFlight, KeyReused, Refusal, Stale, Unavailable

_TAIL = """
    SELECT wanted.number, e.state, e.hash, e.notification_id
    FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY AS wanted (stream, version, number)
    JOIN journal.entry e ON e.originator_id = wanted.stream AND e.originator_version > wanted.version
    ORDER BY wanted.number, e.originator_version
"""
_REMEMBERED = """
    SELECT command, bound, body, streams, versions, positions FROM journal.idempotency_key WHERE scope = %s AND key = %s
"""
_MOST_TRIES = 10
_TWIN_SECONDS = 10.0
_TURN_SECONDS = 10.0
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


class Decision(Struct, frozen=True):
    """What a command makes happen, stream by stream; an empty one is an accepted no-op."""

    facts: Mapping[UUID, Sequence[Fact]]
    cause: Cause


class Written(Struct, frozen=True):
    """What a command led to. `entries` are those appended; `replayed` when the answer was given before.

    Of the entries of one stream only the last is sure to know its position.
    """

    outcome: Outcome
    standings: Mapping[UUID, Standing]
    entries: tuple[Entry[Event], ...]
    replayed: bool = False


class Writer:
    """Takes commands' decisions to the journal, for one process. Use it as an async context manager.

    `evolves` folds each kind of stream. Everything raised is a `Refusal`, `Unavailable` among them.
    """

    def __init__(
        self,
        url: str,
        codec: Codec,
        keyring: Keyring,
        evolves: Mapping[Kind, Evolve],
        *,
        readers: int = 4,
        cached_streams: int = 20_000,
        largest_batch: int = 256,
    ) -> None:
        self.codec = codec
        self.keyring = keyring
        self._evolves = evolves
        self._cached: OrderedDict[Stream, Standing] = OrderedDict()
        self._cached_streams = cached_streams
        self._looked_at: dict[Stream, float] = {}
        self.commits = GroupCommit(url, largest_batch=largest_batch)
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=readers,
            open=False,
            timeout=5,
            reconnect_timeout=5,  # then the next who asks tries at once, where the pool would wait ever longer
            kwargs={"autocommit": True, "application_name": "order-ledger reader"},
        )
        self._asked: list[tuple[Sequence[Stream], asyncio.Future[dict[UUID, Standing]]]] = []
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._asking: asyncio.Task[None] | None = None
        self._in_flight: dict[tuple[UUID, str], asyncio.Event] = {}

    async def __aenter__(self) -> "Writer":
        await self._pool.open()
        await self.commits.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.commits.__aexit__(*exception)
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """A connection to read with, in autocommit; raises `Unavailable` while the database is away."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise Unavailable() from error
        except psycopg.OperationalError as error:
            # Where one connection is lost the others usually are: find out now, not one refusal after the other.
            await self._pool.check()
            raise Unavailable() from error

    async def standing(self, stream: Stream) -> Standing:
        """Where the stream stands now. Those who ask at the same time share one question to the database."""
        return (await self.standings((stream,)))[stream.id]

    async def standings(self, streams: Sequence[Stream]) -> dict[UUID, Standing]:
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
                return await self.standings(streams)
            found[stream.id] = standing
        return found

    async def entries(self, stream: Stream, until: int | None = None) -> tuple[list[Entry[Event]], list[bytes]]:
        """The stream's entries up to this version, and their hashes."""
        async with self.connection() as connection:
            cursor = await connection.execute(
                "SELECT state, hash, notification_id FROM journal.entry WHERE originator_id = %s "
                "AND originator_version <= %s ORDER BY originator_version",
                (stream.id, until if until is not None else 2**62),
                prepare=True,
            )
            rows = await cursor.fetchall()
        entries = [self.codec.decode(bytes(state), position) for state, _, position in rows]
        if entries and entries[0].kind != stream.kind:
            return [], []  # the id is of something else: of this kind, nothing has begun
        return entries, [bytes(row[1]) for row in rows]

    async def write(
        self,
        key: Key,
        streams: Sequence[Stream],
        decide: Callable[[Mapping[UUID, Standing]], Decision],
        *,
        new: bool = False,
        expected: tuple[UUID, int] | None = None,
    ) -> Written:
        """Decides on the history of these streams and appends what follows, all or nothing.

        The same key again gives the first answer. `new` says that the streams have not begun. `expected` names a
        stream and the version that the caller knows it at: raises `Stale` where it went on.
        """
        name = (key.scope, key.key)
        while (twin := self._in_flight.get(name)) is not None:
            try:
                await asyncio.wait_for(twin.wait(), _TWIN_SECONDS)
            except TimeoutError:
                raise KeyInFlight() from None
            if remembered := await self._remembered(key):
                return await self._replayed(key, streams, remembered)
        mine = self._in_flight[name] = asyncio.Event()
        try:
            if new:
                return await self._write(key, streams, decide, new, expected)
            async with self._turn(streams):
                return await self._write(key, streams, decide, new, expected)
        finally:
            del self._in_flight[name]
            mine.set()

    @asynccontextmanager
    async def _turn(self, streams: Iterable[Stream]) -> AsyncIterator[None]:
        """Commands of this process on one stream are decided one after the other, each on what the last one made of it.

        Decided at once, all but the first would be stale, and again, and again.
        """
        taken: list[asyncio.Lock] = []
        try:
            for stream in sorted(stream.id for stream in streams):  # in one order, or two would wait for each other
                lock = self._turns.get(stream)
                if lock is None:
                    lock = self._turns[stream] = asyncio.Lock()
                if lock.locked():
                    await asyncio.wait_for(lock.acquire(), _TURN_SECONDS)
                else:
                    await lock.acquire()
                taken.append(lock)
        except TimeoutError:
            self._give(taken)
            raise Contended() from None
        except BaseException:
            self._give(taken)
            raise
        try:
            yield
        finally:
            self._give(taken)

    @staticmethod
    def _give(taken: Iterable[asyncio.Lock]) -> None:
        for lock in taken:
            lock.release()

    async def _write(
        self,
        key: Key,
        streams: Sequence[Stream],
        decide: Callable[[Mapping[UUID, Standing]], Decision],
        new: bool,
        expected: tuple[UUID, int] | None,
    ) -> Written:
        fresh = new
        standings = {stream.id: self._unbegun(stream) for stream in streams} if new else await self._known(streams)
        for _ in range(_MOST_TRIES):
            try:
                if expected is not None and standings[expected[0]].version != expected[1]:
                    raise Stale(expected[1], standings[expected[0]].version)
                decision = decide(standings)
            except Refusal:
                # Never told from memory: a retry has its first answer, and others may have mended what was missing.
                if remembered := await self._remembered(key):
                    return await self._replayed(key, streams, remembered)
                if fresh:
                    raise
                newer = await self.standings(streams)
                fresh = True
                if all(newer[stream.id].version == standings[stream.id].version for stream in streams):
                    raise
                standings = newer
                continue
            appendings = await self._encode(streams, standings, decision)
            outcome = await self.commits.append(Proposal(decision.cause.command.id, appendings, key))
            if outcome.outcome == "appended":
                return self._appended(streams, standings, appendings, outcome)
            if outcome.outcome == "remembered":
                # Also by ourselves: the answer to the first sending got lost, and the journal knows what it did.
                return await self._replayed(key, streams, outcome, decision.cause.command.id)
            standings, fresh = await self._newer(streams, standings), True
        raise Contended()

    async def _newer(self, streams: Sequence[Stream], standings: Mapping[UUID, Standing]) -> dict[UUID, Standing]:
        """What the journal holds after all, where these standings turned out stale."""
        newer = await self.standings(streams)
        if all(newer[stream.id].version == standings[stream.id].version for stream in streams):
            # Then what we remember is ahead of it: the server was exchanged for one that lacks the last entries.
            for stream in streams:
                self._cached.pop(stream, None)
            newer = await self.standings(streams)
        return newer

    async def _encode(
        self, streams: Sequence[Stream], standings: Mapping[UUID, Standing], decision: Decision
    ) -> list[Appending]:
        needed = {name for facts in decision.facts.values() for name in self.codec.keys_needed(facts, decision.cause)}
        if self.keyring.missing(needed):
            async with self.connection() as connection:
                await self.keyring.make_async(connection, needed)
        now = datetime.now(UTC)
        return [
            Appending(
                stream.id,
                standings[stream.id].version,
                self.codec.encode(
                    stream.kind,
                    stream.id,
                    standings[stream.id].head,
                    decision.facts.get(stream.id, ()),
                    decision.cause,
                    now,
                    self.keyring,
                ),
            )
            for stream in streams
        ]

    def _appended(
        self,
        streams: Sequence[Stream],
        before: Mapping[UUID, Standing],
        appendings: Sequence[Appending],
        outcome: Outcome,
    ) -> Written:
        after: dict[UUID, Standing] = {}
        appended: list[Entry[Event]] = []
        for stream, appending in zip(streams, appendings, strict=True):
            entries = [each.entry for each in appending.entries if each.entry is not None]
            if entries:  # the others' positions lie before it, with those of other writers in between
                entries[-1] = replace(entries[-1], position=outcome.positions[outcome.streams.index(stream.id)])
            appended += entries
            after[stream.id] = self._advance(
                stream, before[stream.id], entries, [each.hash for each in appending.entries]
            )
            self._keep(stream, after[stream.id])
        return Written(outcome, after, tuple(appended))

    async def _remembered(self, key: Key) -> Outcome | None:
        async with self.connection() as connection:
            cursor = await connection.execute(_REMEMBERED, (key.scope, key.key), prepare=True)
            row = await cursor.fetchone()
        if row is None:
            return None
        command, bound, body, streams, versions, positions = row
        return Outcome(
            "remembered", command, bytes(bound), bytes(body), tuple(streams), tuple(versions), tuple(positions)
        )

    async def _replayed(
        self, key: Key, streams: Sequence[Stream], outcome: Outcome, command: UUID | None = None
    ) -> Written:
        if (outcome.bound, outcome.body) != (key.bound, key.body):
            raise KeyReused()
        kinds = {stream.kind for stream in streams}
        assert len(kinds) == 1 or {stream.id for stream in streams} == set(outcome.streams)
        by_id = {stream.id: stream.kind for stream in streams}
        kind = streams[0].kind
        standings, entries = {}, []
        for stream_id, version in zip(outcome.streams, outcome.versions, strict=True):
            stream = Stream(by_id.get(stream_id, kind), stream_id)
            told, hashes = await self.entries(stream, until=version)
            standings[stream_id] = self._advance(stream, self._unbegun(stream), told, hashes)
            entries += [entry for entry in told if entry.command.id == outcome.command]
        return Written(outcome, standings, tuple(entries), replayed=outcome.command != command)

    async def _known(self, streams: Sequence[Stream]) -> dict[UUID, Standing]:
        """From memory where it is there: what is old is noticed at the append."""
        kept = {stream.id: self._cached.get(stream) for stream in streams}
        missing = [stream for stream in streams if kept[stream.id] is None]
        loaded = await self.standings(missing)
        return {stream.id: kept[stream.id] or loaded[stream.id] for stream in streams}

    def _keep(self, stream: Stream, standing: Standing) -> None:
        kept = self._cached.get(stream)
        if kept is None or kept.version <= standing.version:
            self._cached[stream] = standing
        self._cached.move_to_end(stream)
        if len(self._cached) > self._cached_streams:
            self._cached.popitem(last=False)

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
        known = {stream: self._cached.get(stream) or self._unbegun(stream) for stream in streams}
        looked_at = asyncio.get_running_loop().time()
        async with self.connection() as connection:
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
                entries = [self.codec.decode(bytes(state), position) for _, state, _, position in tail]
                if entries[0].kind != stream.kind:
                    continue  # the id is of something else: of this kind, nothing has begun
                known[stream] = self._advance(stream, known[stream], entries, [bytes(row[2]) for row in tail])
                self._keep(stream, known[stream])
            except Exception as error:
                unreadable[stream] = error
        if len(self._looked_at) > self._cached_streams:
            self._looked_at.clear()
        self._looked_at.update((stream, looked_at) for stream in streams if stream not in unreadable)
        return known, unreadable

    def _advance(
        self, stream: Stream, standing: Standing, entries: Sequence[Entry[Event]], hashes: Sequence[bytes]
    ) -> Standing:
        if not entries:
            return standing
        evolve, state = self._evolves[stream.kind], standing.state
        for entry in entries:
            state = evolve(state, entry)
        last = entries[-1]
        return Standing(state, Head(last.version, hashes[-1], last.recorded_at), last.position)

    def _unbegun(self, stream: Stream) -> Standing:
        return Standing(None, Head(0, genesis(self.codec.ledger, stream.kind, stream.id), None))
