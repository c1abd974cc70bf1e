"""A command that is sent again under its key: done once, and answered as the first time."""

import asyncio
from uuid import uuid4

import psycopg
import pytest
from msgspec.structs import replace

from order_ledger.journal import writer as module
from order_ledger.journal.appending import Key
from order_ledger.journal.writer import Decision, Writer
from order_ledger.refusals import KeyInFlight, KeyReused, Refused
from tests.journal.holding import (
    cause_of,
    holding,
    holding_once,
    key,
    new_order,
    releasing,
    run,
    run_two,
    stored,
)


def test_the_same_key_has_the_first_answer(ledger_url: str) -> None:
    async def test(first: Writer, second: Writer) -> None:
        order, sent = new_order(), key(new_order())
        written = await first.write(sent, [order], holding_once(order))
        await second.write(key(order), [order], releasing(order))
        for writer in (first, second):
            again = await writer.write(sent, [order], holding_once(order))
            assert again.replayed
            assert again.standings == written.standings
            assert again.entries == written.entries
            assert again.outcome.positions == written.outcome.positions
        # Where it is refused now, it still was accepted then.
        await first.write(key(order), [order], holding_once(order))
        assert (await second.write(sent, [order], holding_once(order))).replayed
        assert (await first.write(sent, [order], holding_once(order), expected=(order.id, 0))).replayed

    run_two(ledger_url, test)


def test_placing_again_names_the_stream_of_the_first_time(ledger_url: str) -> None:
    """The account's key leads to the first order's id, though every try makes up a new one."""

    async def test(first: Writer, second: Writer) -> None:
        account = uuid4()
        placed, again = new_order(), new_order()
        sent = Key(account, "place", b"bound", b"body")
        written = await first.write(sent, [placed], holding(placed), new=True)
        replayed = await second.write(sent, [again], holding(again), new=True)
        assert replayed.replayed
        assert list(replayed.standings) == [placed.id]
        assert replayed.standings == written.standings
        assert stored(ledger_url, again) == []

    run_two(ledger_url, test)


@pytest.mark.parametrize("other", [{"body": b"another body"}, {"bound": b"another account"}])
def test_a_key_used_for_something_else_is_refused(ledger_url: str, other: dict[str, bytes]) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        sent = key(order)
        await writer.write(sent, [order], holding(order))
        reused = replace(sent, **other)
        with pytest.raises(KeyReused):
            await writer.write(reused, [order], holding(order))
        with pytest.raises(KeyReused):  # also where it would be refused
            await writer.write(reused, [order], holding_once(order))
        assert stored(ledger_url, order) == [1]

    run(ledger_url, test)


def test_an_accepted_no_op_is_remembered(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        await writer.write(key(order), [order], holding(order))
        sent, cause = key(order), cause_of()
        nothing = await writer.write(sent, [order], lambda standings: Decision({}, cause))
        assert nothing.entries == ()
        assert (nothing.standings[order.id].version, nothing.outcome.positions) == (1, (1,))
        await writer.write(key(order), [order], holding(order))
        again = await writer.write(sent, [order], holding(order))
        assert (again.replayed, again.entries, again.standings) == (True, (), nothing.standings)

    run(ledger_url, test)


def test_a_refusal_is_not_remembered(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        sent = key(order)
        await writer.write(key(order), [order], holding(order))
        with pytest.raises(Refused):
            await writer.write(sent, [order], holding_once(order))
        await writer.write(key(order), [order], releasing(order))
        assert not (await writer.write(sent, [order], holding_once(order))).replayed

    run(ledger_url, test)


def test_twins_are_done_once(ledger_url: str) -> None:
    async def test(first: Writer, second: Writer) -> None:
        order = new_order()
        sent = key(order)
        written = await asyncio.gather(
            *(writer.write(sent, [order], holding(order)) for writer in (first, second) for _ in range(10))
        )
        assert stored(ledger_url, order) == [1]
        assert sum(not each.replayed for each in written) == 1
        assert len({each.outcome.positions for each in written}) == 1

    run_two(ledger_url, test)


def test_a_twin_of_one_who_was_refused_tries_for_itself(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        sent = key(order)
        await writer.write(key(order), [order], holding(order))
        outcomes = await asyncio.gather(
            *(writer.write(sent, [order], holding_once(order)) for _ in range(3)), return_exceptions=True
        )
        assert [type(each) for each in outcomes] == [Refused] * 3

    run(ledger_url, test)


def test_a_twin_whose_first_takes_too_long_is_told(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TWIN_SECONDS", 0.2)

    async def test(writer: Writer) -> None:
        order = new_order()
        sent = key(order)
        with psycopg.connect(ledger_url) as blocking:
            blocking.execute("LOCK TABLE journal.entry IN EXCLUSIVE MODE")
            first = asyncio.create_task(writer.write(sent, [order], holding(order)))
            await asyncio.sleep(0.05)
            with pytest.raises(KeyInFlight):
                await writer.write(sent, [order], holding(order))
            blocking.rollback()
        assert not (await first).replayed
        assert (await writer.write(sent, [order], holding(order))).replayed

    run(ledger_url, test)
