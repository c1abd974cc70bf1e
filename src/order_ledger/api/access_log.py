"""Who tried and was refused, and who looked at personal data: kept beside the journal, appended in groups."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from order_ledger.journal.pool import Pool
from order_ledger.refusals import Unavailable

_INSERT = """
    INSERT INTO journal.access (at, person, role, on_behalf_of, what, subject, code, detail)
    SELECT at, person, role, on_behalf_of, what, subject, code, detail FROM unnest(
        %s::timestamptz[], %s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::jsonb[]
    ) AS a (at, person, role, on_behalf_of, what, subject, code, detail)
"""


class Access(msgspec.Struct, frozen=True):
    """One try or one look. `what` is a command's name, or `read:` and what was read; `code` that of the refusal."""

    person: UUID | None
    role: str | None
    on_behalf_of: UUID | None
    what: str
    subject: UUID | None = None
    code: str | None = None
    detail: dict[str, Any] = {}


class AccessLog:
    """Writes what it is told within a moment, many at once. Use it as an async context manager."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._told: asyncio.Queue[tuple[datetime, Access, asyncio.Future[None]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "AccessLog":
        self._task = asyncio.create_task(self._run(), name="access log")
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._told.join()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def record(self, access: Access) -> None:
        """Returns once it is written; raises `Unavailable` where it cannot be, for then nothing may be shown."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told.put_nowait((datetime.now(UTC), access, written))
        await written

    async def _run(self) -> None:
        async for told in self._groups():
            try:
                async with self._pool.connection() as connection:
                    await connection.execute(_INSERT, _columns(told))
            except (Unavailable, psycopg.Error) as error:
                refusal = error if isinstance(error, Unavailable) else Unavailable()
                for _, _, written in told:
                    if not written.done():
                        written.set_exception(refusal)
            else:
                for _, _, written in told:
                    if not written.done():
                        written.set_result(None)
            for _ in told:
                self._told.task_done()

    async def _groups(self) -> AsyncIterator[list[tuple[datetime, Access, asyncio.Future[None]]]]:
        while True:
            told = [await self._told.get()]
            while not self._told.empty() and len(told) < 500:
                told.append(self._told.get_nowait())
            yield told


def _columns(told: list[tuple[datetime, Access, asyncio.Future[None]]]) -> tuple[list[Any], ...]:
    accesses = [access for _, access, _ in told]
    return (
        [at for at, _, _ in told],
        [access.person for access in accesses],
        [access.role for access in accesses],
        [access.on_behalf_of for access in accesses],
        [access.what for access in accesses],
        [access.subject for access in accesses],
        [access.code for access in accesses],
        [msgspec.json.encode(access.detail).decode() for access in accesses],
    )
