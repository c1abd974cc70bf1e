"""Where streams stand, as one process reads it: together with whoever asks at the same time, and with a memory."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from order_ledger.entries import Fact
from order_ledger.items.events import ItemDelisted
from order_ledger.journal.codec import Unreadable
from order_ledger.journal.standings import Standing, Stream
from order_ledger.journal.writer import Decision, Writer
from order_ledger.refusals import (
    Contended,
    Unavailable,
)
from tests.journal.away import away
from tests.journal.holding import (
    NOW,
    Holds,
    cause_of,
    holding,
    key,
    new_order,
    run,
    run_two,
    writer_at,
)


def test_reading_while_the_database_is_away_is_told(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        await writer.write(key(order), [order], holding(order))
        with away(ledger_url):
            with pytest.raises(Unavailable):
                await writer.standings.of(order)
            with pytest.raises(Unavailable):
                await writer.standings.entries(order)

    run(ledger_url, test)


def test_many_who_ask_at_once_share_one_question(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        orders = [new_order() for _ in range(10)]
        for order in orders:
            await writer.write(key(order), [order], holding(order))
        standings = await asyncio.gather(*(writer.standings.of(order) for order in orders * 10))
        assert {standing.state for standing in standings} == {Holds(1, True)}
        found = await writer.standings.of_all([*orders, new_order()])
        assert sorted(standing.version for standing in found.values()) == [0] + [1] * 10
        assert await writer.standings.of_all([]) == {}

    run(ledger_url, test)


def test_what_is_seldom_used_is_forgotten_and_read_again(ledger_url: str) -> None:
    async def main() -> None:
        async with writer_at(ledger_url, cached_streams=2) as writer:
            orders = [new_order() for _ in range(5)]
            for _ in range(3):
                for order in orders:
                    await writer.write(key(order), [order], holding(order))
            assert [(await writer.standings.of(order)).version for order in orders] == [3] * 5

    asyncio.run(main())


def test_an_entry_that_cannot_be_read_hurts_only_its_own_stream(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order, broken = new_order(), new_order()
        await writer.write(key(order), [order], holding(order))
        with psycopg.connect(ledger_url) as connection:
            connection.execute(
                "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
                "VALUES (%s, 1, 'OrderHeld', 'nothing we know', 'order', now(), sha256(''))",
                (broken.id,),
            )
        asked = [writer.standings.of(broken), writer.standings.of(order), writer.standings.of_all([order, broken])]
        unread, read, both = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(unread, Unreadable)
        assert isinstance(both, Unreadable)
        assert isinstance(read, Standing)
        assert read.state == Holds(1, True)

    run(ledger_url, test)


def test_an_id_of_something_else_is_nothing_of_this_kind(ledger_url: str) -> None:
    async def test(first: Writer, second: Writer) -> None:
        item, cause = Stream("item", uuid4()), cause_of()
        await first.write(key(item), [item], lambda standings: Decision({item.id: [Fact(ItemDelisted(), NOW)]}, cause))
        order = Stream("order", item.id)
        for writer in (first, second):
            assert (await writer.standings.of(order)).state is None
            assert (await writer.standings.of(item)).state == "item"
            found = await asyncio.gather(writer.standings.of(order), writer.standings.of(item))
            assert [standing.state for standing in found] == [None, "item"]
            with pytest.raises(Contended):
                await writer.write(key(order), [order], holding(order))

    run_two(ledger_url, test)
