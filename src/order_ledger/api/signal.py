"""One connection that listens for the settler's word, for all who wait in this process."""

import asyncio
from contextlib import suppress

import psycopg
from psycopg import AsyncConnection

from order_ledger.journal.feed import CHANNEL

_BACKSTOP_SECONDS = 1.0


class Signal:
    """Wakes everybody who waits when the feed moved, and once a second in any case."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.position = 0

    async def __aenter__(self) -> "Signal":
        self._task = asyncio.create_task(self._listen(), name="signal")
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def wait(self) -> None:
        """Until the feed moved, or the backstop's time is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), _BACKSTOP_SECONDS)

    async def _listen(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._url, autocommit=True, application_name="order-ledger signal"
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    async for notification in connection.notifies():
                        self.position = int(notification.payload)
                        self._moved.set()
                        self._moved = asyncio.Event()
            except psycopg.OperationalError:
                await asyncio.sleep(_BACKSTOP_SECONDS)
