"""The write side, one sentence: the history with its version, the decision, append after that version.

A decision on a state that turns out old is never told: it is taken again on the new history.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID
from weakref import WeakValueDictionary

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import Cause, Entry, Event, Fact
from order_ledger.journal.appending import Appending, Key, Outcome, Proposal
from order_ledger.journal.codec import Codec
from order_ledger.journal.group_commit import GroupCommit
from order_ledger.journal.keys import Keyring
from order_ledger.journal.pool import Pool
from order_ledger.journal.standings import Standing, Standings, Stream
from order_ledger.refusals import Contended, KeyInFlight, KeyReused, Refusal, Stale

_REMEMBERED = """
    SELECT command, bound, body, streams, versions, positions FROM journal.idempotency_key WHERE scope = %s AND key = %s
"""
_MOST_TRIES = 10
_TWIN_SECONDS = 10.0
_TURN_SECONDS = 10.0


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

    Everything raised is a `Refusal`, `Unavailable` among them.
    """

    def __init__(
        self,
        url: str,
        codec: Codec,
        keyring: Keyring,
        pool: Pool,
        standings: Standings,
    ) -> None:
        self.codec = codec
        self.keyring = keyring
        self.pool = pool
        self.standings = standings
        self.commits = GroupCommit(url)
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._in_flight: dict[tuple[UUID, str], asyncio.Event] = {}

    async def __aenter__(self) -> "Writer":
        await self.commits.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.commits.__aexit__(*exception)

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
        standings = (
            {stream.id: self.standings.unbegun(stream) for stream in streams}
            if new
            else await self.standings.known(streams)
        )
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
                newer = await self.standings.of_all(streams)
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
        newer = await self.standings.of_all(streams)
        if all(newer[stream.id].version == standings[stream.id].version for stream in streams):
            # Then what we remember is ahead of it: the server was exchanged for one that lacks the last entries.
            self.standings.forget(streams)
            newer = await self.standings.of_all(streams)
        return newer

    async def _encode(
        self, streams: Sequence[Stream], standings: Mapping[UUID, Standing], decision: Decision
    ) -> list[Appending]:
        needed = {name for facts in decision.facts.values() for name in self.codec.keys_needed(facts, decision.cause)}
        if self.keyring.missing(needed):
            async with self.pool.connection() as connection:
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
            after[stream.id] = self.standings.after(
                stream, before[stream.id], entries, [each.hash for each in appending.entries]
            )
            self.standings.keep(stream, after[stream.id])
        return Written(outcome, after, tuple(appended))

    async def _remembered(self, key: Key) -> Outcome | None:
        async with self.pool.connection() as connection:
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
            told, hashes = await self.standings.entries(stream, until=version)
            standings[stream_id] = self.standings.after(stream, self.standings.unbegun(stream), told, hashes)
            entries += [entry for entry in told if entry.command.id == outcome.command]
        return Written(outcome, standings, tuple(entries), replayed=outcome.command != command)
