"""Connections to read with, shared by all that one process does at a time."""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from order_ledger.refusals import Unavailable

_MOST_CONNECTIONS = 4


async def _check(connection: AsyncConnection[TupleRow]) -> None:
    """Raises where the server has hung up, as after its restart. It costs no round trip: while nothing was asked there
    is nothing to be read from a connection but its end."""
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    if readable.poll(0):
        await AsyncConnectionPool.check_connection(connection)


class Pool:
    """Lends connections in autocommit to one process, a few at a time. Use it as an async context manager."""

    def __init__(self, url: str) -> None:
        self._connections: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=_MOST_CONNECTIONS,
            open=False,
            timeout=5,
            check=_check,
            reconnect_timeout=5,  # then the next who asks tries at once, where the pool would wait ever longer
            kwargs={"autocommit": True, "application_name": "order-ledger reader"},
        )

    async def __aenter__(self) -> "Pool":
        await self._connections.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._connections.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """A connection to read with; raises `Unavailable` while the database is away."""
        try:
            async with self._connections.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise Unavailable() from error
        except psycopg.OperationalError as error:
            # Where one connection is lost the others usually are: find out now, not one refusal after the other.
            await self._connections.check()
            raise Unavailable() from error
