"""While one batch commits, the commands that arrive wait, and go into the next one together.

One connection, one statement in flight. A connection lost at commit is made again and the same batch is sent
again: the remembered keys answer for what was done the first time. Therefore every proposal here carries a key.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import ReadOnlySqlTransaction, UniqueViolation
from psycopg.rows import TupleRow

from order_ledger.journal.appending import STATEMENT, Outcome, Proposal, is_race, outcomes, parameters
from order_ledger.refusals import Unavailable

_MOST_RACES = 20
_GATHER_SECONDS = 0.001
# A server that takes no writes was the primary until a moment ago: its successor is found by connecting again.
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction)


class GroupCommit:
    """Appends what it is given in batches, in order of arrival. Use it as an async context manager."""

    def __init__(self, url: str, *, largest_batch: int = 256, patience_seconds: float = 8.0) -> None:
        self._url = url
        self._largest_batch = largest_batch
        self._patience_seconds = patience_seconds
        self._waiting: deque[tuple[Proposal, asyncio.Future[Outcome]]] = deque()
        self._arrived = asyncio.Event()
        self._connection: AsyncConnection[TupleRow] | None = None
        self._task: asyncio.Task[None] | None = None
        self.batches = 0
        self.proposals = 0

    async def __aenter__(self) -> "GroupCommit":
        self._task = asyncio.create_task(self._run(), name="group commit")
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            await self._connection.close()
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(Unavailable())

    async def append(self, proposal: Proposal) -> Outcome:
        """What became of this proposal; raises `Unavailable` while the database is away.

        After `Unavailable` it may have been done all the same: the same key again gives the answer.
        """
        assert proposal.key is not None, "a proposal without a key cannot be sent again"
        if self._task is None or self._task.done():
            raise Unavailable()  # nobody would ever send it
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((proposal, future))
        self._arrived.set()
        return await future

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            # Whoever has just been answered, or has just arrived, is decided first and goes into the same batch.
            await asyncio.sleep(_GATHER_SECONDS)
            batch = self._next_batch()
            if not batch:
                self._arrived.clear()
                continue
            try:
                await self._answer(batch)
            except BaseException:
                self._fail(batch, Unavailable())
                raise

    async def _answer(self, batch: Sequence[tuple[Proposal, asyncio.Future[Outcome]]]) -> None:
        try:
            found = await self._send([proposal for proposal, _ in batch])
        except Unavailable as error:
            self._fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                self._fail(batch, error)
            else:  # one of them is at fault, and the others shall not suffer for it
                for one in batch:
                    await self._answer([one])
        else:
            self.batches += 1
            self.proposals += len(batch)
            for (_, future), outcome in zip(batch, found, strict=True):
                if not future.done():
                    future.set_result(outcome)

    @staticmethod
    def _fail(batch: Sequence[tuple[Proposal, asyncio.Future[Outcome]]], error: Exception) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)

    def _next_batch(self) -> list[tuple[Proposal, asyncio.Future[Outcome]]]:
        """At most one command a stream, and one use of a key: what would follow another waits for the next batch."""
        batch: list[tuple[Proposal, asyncio.Future[Outcome]]] = []
        kept: deque[tuple[Proposal, asyncio.Future[Outcome]]] = deque()
        taken: set[UUID] = set()
        keys: set[tuple[UUID, str]] = set()
        while self._waiting and len(batch) < self._largest_batch:
            proposal, future = self._waiting.popleft()
            assert proposal.key is not None
            name = (proposal.key.scope, proposal.key.key)
            if name in keys or any(stream in taken for stream in proposal.streams):
                kept.append((proposal, future))
            else:
                batch.append((proposal, future))
            # A stream that is waited for stays in the order of arrival too.
            taken.update(proposal.streams)
            keys.add(name)
        self._waiting.extendleft(reversed(kept))
        return batch

    async def _send(self, proposals: Sequence[Proposal]) -> list[Outcome]:
        sent = parameters(proposals)
        until = asyncio.get_running_loop().time() + self._patience_seconds
        races = losses = 0
        while True:
            try:
                connection = await self._connected()
                cursor = await connection.execute(STATEMENT, sent, prepare=True)
                return outcomes(await cursor.fetchall(), len(proposals))
            except UniqueViolation as violation:
                races += 1
                if not is_race(violation) or races == _MOST_RACES:
                    raise
                await asyncio.sleep(0.001 * races)
            except _LOST as error:
                await self._forget_connection()
                if asyncio.get_running_loop().time() > until:
                    raise Unavailable() from error
                losses += 1
                await asyncio.sleep(0 if losses == 1 else 0.1)

    async def _connected(self) -> AsyncConnection[TupleRow]:
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection.connect(
                self._url, autocommit=True, application_name="order-ledger group commit", connect_timeout=5
            )
            # One statement is all that this connection sends. PostgreSQL 15 would plan it anew for every batch, which
            # takes a command that is alone in one a quarter of its time.
            await self._connection.execute("SET statement_timeout = '30s'; SET plan_cache_mode = force_generic_plan")
        return self._connection

    async def _forget_connection(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                await self._connection.close()
            self._connection = None
