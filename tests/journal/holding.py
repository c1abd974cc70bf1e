"""Orders that are held and released and nothing else, and writers to do it: who decides what of it is the test's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
from msgspec import Struct

from order_ledger.entries import By, Cause, CommandRef, Entry, Event, Fact, Kind
from order_ledger.journal.appending import Key
from order_ledger.journal.codec import Codec
from order_ledger.journal.journal import Journal
from order_ledger.journal.keys import Keyring
from order_ledger.journal.names import EVENTS
from order_ledger.journal.pool import Pool
from order_ledger.journal.standings import Evolve, Standing, Standings, Stream
from order_ledger.journal.writer import Decision, Writer
from order_ledger.orders.events import NoteAdded, OrderHeld, OrderReleased
from order_ledger.refusals import (
    Blocker,
    Refused,
)
from tests.journal.conftest import MASTER

NOW = datetime(2026, 11, 21, 20, 15, 3, tzinfo=UTC)


class Holds(Struct, frozen=True):
    """An order as these tests see it: how often it was held, and whether it is."""

    count: int = 0
    held: bool = False


def evolve(holds: Holds | None, entry: Entry[Event]) -> Holds:
    holds = holds or Holds()
    match entry.event:
        case OrderHeld():
            return Holds(holds.count + 1, True)
        case OrderReleased():
            return Holds(holds.count, False)
        case NoteAdded():
            return holds
        case other:
            raise AssertionError(f"an order has no {other}")


Decide = Callable[[Mapping[UUID, Standing]], Decision]


def holding(*orders: Stream, times: int = 1) -> Decide:
    """Hold all of these, whatever they are."""
    cause = cause_of()
    return lambda standings: Decision({order.id: [Fact(OrderHeld(), NOW)] * times for order in orders}, cause)


def holding_once(order: Stream) -> Decide:
    """Hold it, unless it is held."""
    cause = cause_of()

    def decide(standings: Mapping[UUID, Standing]) -> Decision:
        if standings[order.id].state and standings[order.id].state.held:
            raise Refused(Blocker("held", "It is held already."))
        return Decision({order.id: [Fact(OrderHeld(), NOW)]}, cause)

    return decide


def releasing(order: Stream) -> Decide:
    cause = cause_of()
    return lambda standings: Decision({order.id: [Fact(OrderReleased(), NOW)]}, cause)


def cause_of() -> Cause:
    return Cause(By(None, "ledger"), "api", CommandRef(uuid4(), "hold"))


def new_order() -> Stream:
    return Stream("order", uuid4())


def key(order: Stream, body: bytes = b"body", text: str = "") -> Key:
    return Key(order.id, text or str(uuid4()), b"bound", body)


@asynccontextmanager
async def writer_at(url: str, cached_streams: int = 20_000) -> AsyncIterator[Writer]:
    with Journal(url, MASTER) as journal:
        codec = Codec(journal.ledger, EVENTS)
    async with Pool(url) as pool:
        evolves: Mapping[Kind, Evolve] = {"order": evolve, "item": lambda *_: "item"}
        standings = Standings(pool, codec, evolves, cached_streams=cached_streams)
        async with Writer(url, codec, Keyring(MASTER), pool, standings) as writer:
            yield writer


def run(url: str, test: Callable[[Writer], Awaitable[None]]) -> None:
    async def main() -> None:
        async with writer_at(url) as writer:
            await test(writer)

    asyncio.run(main())


def run_two(url: str, test: Callable[[Writer, Writer], Awaitable[None]]) -> None:
    """Two processes, as far as the journal is concerned: they share no memory."""

    async def main() -> None:
        async with writer_at(url) as first, writer_at(url) as second:
            await test(first, second)

    asyncio.run(main())


def stored(url: str, order: Stream) -> list[int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT originator_version FROM journal.entry WHERE originator_id = %s ORDER BY 1", (order.id,)
        )
        return [version for (version,) in rows]
