"""Connections to read with: whoever asks after the server hung up gets one that works."""

import asyncio

import psycopg
import pytest

from order_ledger.journal.pool import Pool
from order_ledger.refusals import Unavailable
from tests.journal.away import away


async def _backend(pool: Pool) -> int:
    async with pool.connection() as connection:
        (pid,) = await (await connection.execute("SELECT pg_backend_pid()")).fetchone() or (0,)
        return int(pid)


def test_a_connection_that_the_server_ended_is_not_lent(database: str) -> None:
    async def main() -> None:
        async with Pool(database) as pool:
            for _ in range(3):
                ended = await _backend(pool)
                with psycopg.connect(database, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", (ended,))
                assert await _backend(pool) != ended

    asyncio.run(main())


def test_while_the_database_is_away_everybody_is_told_so_and_after_it_nobody(database: str) -> None:
    async def main() -> None:
        async with Pool(database) as pool:
            await _backend(pool)
            with away(database), pytest.raises(Unavailable):
                await _backend(pool)
            assert await _backend(pool)

    asyncio.run(main())
