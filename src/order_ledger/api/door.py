"""What every route needs, put together once per process: the writer, who is calling, and what is written down of it."""

import hashlib
from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import Request

from order_ledger.accounts import Logins, Tokens
from order_ledger.api.access_log import Access, AccessLog
from order_ledger.api.callers import Caller, calling_as, person_of
from order_ledger.api.headers import header
from order_ledger.api.metrics import Metrics
from order_ledger.api.problems import TooLarge
from order_ledger.api.signal import Signal
from order_ledger.journal.appending import Key
from order_ledger.journal.codec import Codec
from order_ledger.journal.evolves import EVOLVES
from order_ledger.journal.keys import Keyring
from order_ledger.journal.pool import Pool
from order_ledger.journal.sealing import MasterKey
from order_ledger.journal.standings import Standings, Stream
from order_ledger.journal.writer import Writer
from order_ledger.refusals import Invalid, KeyRequired, Violation

LARGEST_BODY_BYTES = 32 * 1024
LONGEST_KEY = 200


class Door:
    """The door of one process. Use it as an async context manager."""

    def __init__(self, url: str, codec: Codec, master: MasterKey) -> None:
        self.url = url
        self.pool = Pool(url)
        self.standings = Standings(self.pool, codec, EVOLVES)
        self.writer = Writer(url, codec, Keyring(master), self.pool, self.standings)
        self.access_log = AccessLog(self.pool)
        signing_key = master.derive(b"tokens")
        self.tokens = Tokens(signing_key)
        self.logins = Logins(signing_key)
        self.metrics = Metrics(self.writer)
        self.signal = Signal(url)
        self._body_key = master.derive(b"idempotency")
        self._open = AsyncExitStack()

    async def __aenter__(self) -> "Door":
        await self._open.enter_async_context(self.pool)
        await self._open.enter_async_context(self.writer)
        await self._open.enter_async_context(self.access_log)
        await self._open.enter_async_context(self.signal)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._open.aclose()

    async def caller(self, request: Request) -> Caller:
        """Who is calling; raises `Unauthenticated`, and what `calling_as` does."""
        person = Stream("person", person_of(request, self.tokens))
        return calling_as(request, person.id, (await self.standings.glance([person]))[person.id].state)

    def key(self, request: Request, scope: Any, calling: Caller, body: bytes) -> Key:
        """The idempotency key of this request, bound to who sent it, where to, and what. Raises `KeyRequired`."""
        given = header(request, b"idempotency-key")
        if not given:
            raise KeyRequired()
        if len(given) > LONGEST_KEY or not given.isprintable():
            raise Invalid(Violation("Idempotency-Key", "key", f"A key is 1 to {LONGEST_KEY} printable characters."))
        bound = (
            f"{calling.person}|{calling.role}|{calling.on_behalf_of}|{request.scope['method']}|{request.scope['path']}"
        )
        return Key(
            scope,
            given,
            hashlib.sha256(bound.encode()).digest(),
            hashlib.blake2b(body, key=self._body_key, digest_size=32).digest(),
        )

    async def seen(self, calling: Caller, what: str, subject: Any = None) -> None:
        """Writes down that personal data is about to be shown."""
        await self.access_log.record(
            Access(calling.person, calling.role, calling.on_behalf_of, f"read:{what}", subject)
        )


async def body_of(request: Request, largest: int = LARGEST_BODY_BYTES) -> bytes:
    """The body, or `TooLarge` as soon as it is."""
    announced = header(request, b"content-length") or ""
    if announced.isdigit() and int(announced) > largest:
        raise _too_large(largest)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > largest:
            raise _too_large(largest)
        chunks.append(chunk)
    return b"".join(chunks)


def door_of(request: Request) -> Door:
    """The door that this request came through."""
    door = request.app.state.door
    assert isinstance(door, Door)
    return door


def _too_large(largest: int) -> TooLarge:
    return TooLarge(Violation("", "too_large", f"A body is at most {largest:,} bytes."))
