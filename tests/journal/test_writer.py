"""From a decision to the journal, whoever else decides at the same time, and whatever becomes of the database."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import psycopg
import pytest

from order_ledger.entries import Fact
from order_ledger.journal import writer as module
from order_ledger.journal.keys import PersonErased
from order_ledger.journal.standings import Standing, Stream
from order_ledger.journal.writer import Decision, Writer, Written
from order_ledger.orders.events import NoteAdded, OrderHeld
from order_ledger.refusals import (
    Contended,
    Refused,
    Stale,
    Unavailable,
)
from order_ledger.values import Text, unsealed
from tests.journal.away import administer, away
from tests.journal.holding import (
    NOW,
    Decide,
    Holds,
    cause_of,
    holding,
    holding_once,
    key,
    new_order,
    releasing,
    run,
    run_two,
    stored,
    writer_at,
)


def test_written(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        written = await writer.write(key(order), [order], holding(order, times=2))
        standing = written.standings[order.id]
        assert (standing.version, standing.state, standing.position) == (2, Holds(2, True), 2)
        assert [type(entry.event) for entry in written.entries] == [OrderHeld, OrderHeld]
        assert not written.replayed
        # What it remembers is what anybody reads.
        assert await writer.standings.of(order) == standing
        assert await writer_reads(ledger_url, order) == standing

    run(ledger_url, test)


async def writer_reads(url: str, order: Stream) -> Standing:
    async with writer_at(url) as other:
        return await other.standings.of(order)


def test_new_where_it_has_begun_is_decided_on_what_is_there(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        await writer.write(key(order), [order], holding_once(order), new=True)
        with pytest.raises(Refused, match="held already"):
            await writer.write(key(order), [order], holding_once(order), new=True)

    run(ledger_url, test)


def test_all_who_want_one_stream_get_their_turn(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        await asyncio.gather(*(writer.write(key(order), [order], holding(order)) for _ in range(60)))
        assert stored(ledger_url, order) == list(range(1, 61))
        assert (await writer.standings.of(order)).state == Holds(60, True)

    run(ledger_url, test)


def test_all_who_want_several_streams_do_too(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        orders = [new_order() for _ in range(3)]
        pairs = [(orders[n % 3], orders[(n + 1) % 3]) for n in range(30)]
        await asyncio.gather(*(writer.write(key(a), [a, b], holding(a, b)) for a, b in pairs))
        assert [len(stored(ledger_url, order)) for order in orders] == [20, 20, 20]

    run(ledger_url, test)


def test_of_several_processes_each_command_is_done_once_or_contended(ledger_url: str) -> None:
    async def test(*writers: Writer) -> None:
        order = new_order()
        outcomes = await asyncio.gather(
            *(writer.write(key(order), [order], holding(order)) for writer in writers for _ in range(30)),
            return_exceptions=True,
        )
        done = [each for each in outcomes if isinstance(each, Written)]
        assert all(isinstance(each, (Written, Contended)) for each in outcomes)
        assert sorted(each.standings[order.id].version for each in done) == stored(ledger_url, order)
        assert len(done) > 30

    run_two(ledger_url, test)


def test_whoever_waits_too_long_for_a_turn_is_told(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TURN_SECONDS", 0.2)

    async def test(writer: Writer) -> None:
        order, other = new_order(), new_order()
        with psycopg.connect(ledger_url) as blocking:
            blocking.execute("LOCK TABLE journal.entry IN EXCLUSIVE MODE")
            first = asyncio.create_task(writer.write(key(order), [order], holding(order)))
            await asyncio.sleep(0.05)
            with pytest.raises(Contended):
                await writer.write(key(order), [order, other], holding(order))
            blocking.rollback()
            await first
        # It left no turn taken behind.
        await writer.write(key(order), [order, other], holding(order, other))

    run(ledger_url, test)


def test_whoever_leaves_in_the_middle_leaves_no_turn_taken(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        order = new_order()
        with psycopg.connect(ledger_url) as blocking:
            blocking.execute("LOCK TABLE journal.entry IN EXCLUSIVE MODE")
            sent = [asyncio.create_task(writer.write(key(order), [order], holding(order))) for _ in range(3)]
            await asyncio.sleep(0.1)
            for each in sent[:2]:
                each.cancel()
            blocking.rollback()
        await sent[2]
        # The first was under way already, and the second was not.
        assert stored(ledger_url, order) == [1, 2]

    run(ledger_url, test)


def test_an_old_memory_is_noticed_at_the_append(ledger_url: str) -> None:
    async def test(first: Writer, second: Writer) -> None:
        order = new_order()
        await first.write(key(order), [order], holding(order))
        await second.write(key(order), [order], holding(order))
        written = await first.write(key(order), [order], holding(order))
        assert written.standings[order.id].state == Holds(3, True)
        assert stored(ledger_url, order) == [1, 2, 3]

    run_two(ledger_url, test)


def test_a_refusal_is_never_told_from_memory(ledger_url: str) -> None:
    async def test(first: Writer, second: Writer) -> None:
        order = new_order()
        await first.write(key(order), [order], holding_once(order))
        await second.write(key(order), [order], releasing(order))
        written = await first.write(key(order), [order], holding_once(order))
        assert written.standings[order.id].version == 3
        with pytest.raises(Refused, match="held already"):
            await first.write(key(order), [order], holding_once(order))
        with pytest.raises(Refused, match="held already"):
            await second.write(key(order), [order], holding_once(order))

    run_two(ledger_url, test)


def test_a_memory_ahead_of_the_journal_is_let_go(ledger_url: str) -> None:
    """The server was exchanged for one that lacks the last entries."""

    async def test(writer: Writer) -> None:
        order = new_order()
        await writer.write(key(order), [order], holding(order))
        await writer.write(key(order), [order], holding(order))
        administer(
            ledger_url,
            "ALTER TABLE journal.entry DISABLE TRIGGER permanent; "
            "DELETE FROM journal.entry WHERE originator_version = 2",
            at=ledger_url,
        )
        written = await writer.write(key(order), [order], holding(order))
        assert written.standings[order.id].state == Holds(2, True)

    run(ledger_url, test)


def test_the_version_that_was_expected(ledger_url: str) -> None:
    async def test(first: Writer, second: Writer) -> None:
        order = new_order()
        await first.write(key(order), [order], holding(order), expected=(order.id, 0))
        await second.write(key(order), [order], holding(order), expected=(order.id, 1))
        # The first remembers version 1, and the caller has seen what the second made of it.
        await first.write(key(order), [order], holding(order), expected=(order.id, 2))
        with pytest.raises(Stale) as stale:
            await second.write(key(order), [order], holding(order), expected=(order.id, 2))
        assert (stale.value.expected, stale.value.version) == (2, 3)
        with pytest.raises(Stale):
            await first.write(key(order), [order], holding(order), expected=(order.id, 4))
        assert stored(ledger_url, order) == [1, 2, 3]

    run_two(ledger_url, test)


def test_of_two_who_expect_the_same_version_one_wins(ledger_url: str) -> None:
    async def test(*writers: Writer) -> None:
        order = new_order()
        outcomes = await asyncio.gather(
            *(
                writer.write(key(order), [order], holding(order), expected=(order.id, 0))
                for writer in writers
                for _ in range(5)
            ),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["Stale"] * 9 + ["Written"]

    run_two(ledger_url, test)


def test_a_commit_whose_answer_was_lost_is_the_first_answer(ledger_url: str) -> None:
    """The connection is killed while the command commits; it is sent again, and is found to be done."""

    async def test(writer: Writer) -> None:
        order = new_order()
        for _ in range(3):
            await writer.write(key(order), [order], holding(order))
        lost = 0
        for number in range(30):
            task = asyncio.create_task(writer.write(key(order), [order], holding(order, times=2)))
            await asyncio.sleep(0.0005 * (number % 6))
            lost += await asyncio.to_thread(kill_group_commits, ledger_url)
            written = await task
            assert not written.replayed
            assert len(written.entries) == 2
            assert written.standings[order.id].state == Holds(3 + 2 * (number + 1), True)
        assert lost > 0
        assert stored(ledger_url, order) == list(range(1, 64))

    run(ledger_url, test)


def kill_group_commits(url: str) -> int:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'order-ledger group commit'"
        ).fetchall()
    return len(rows)


def test_a_database_away_for_a_moment_leaves_nothing_half_done(ledger_url: str) -> None:
    async def test(writer: Writer) -> None:
        pairs = [(new_order(), new_order()) for _ in range(20)]
        keys = [key(first) for first, _ in pairs]

        async def write(number: int) -> Written | None:
            try:
                return await writer.write(keys[number], list(pairs[number]), holding(*pairs[number]))
            except Unavailable:
                return None

        with away(ledger_url):
            trying = [asyncio.create_task(write(number)) for number in range(len(pairs))]
            await asyncio.sleep(1.5)
        done = await asyncio.gather(*trying)
        for number, (first, second) in enumerate(pairs):
            assert stored(ledger_url, first) == stored(ledger_url, second)
            if done[number] is not None:
                assert stored(ledger_url, first) == [1]
        # Whoever was told that it is away has it done now, once.
        for number, (first, second) in enumerate(pairs):
            await until_there(write, number)
            assert stored(ledger_url, first) == stored(ledger_url, second) == [1]

    run(ledger_url, test)


async def until_there(write: Callable[[int], Awaitable[Written | None]], number: int) -> None:
    for _ in range(20):
        if await write(number) is not None:
            return
        await asyncio.sleep(0.5)
    raise AssertionError("the database is back, and the writer does not find it")


def test_nothing_is_kept_of_somebody_forgotten(ledger_url: str) -> None:
    def noting(order: Stream, person: UUID) -> Decide:
        cause = cause_of()
        text: Text = "Call me."
        event = NoteAdded(
            note=1, text=unsealed(text, person), audience="staff", about="order", for_role=None, answers_note=None
        )
        return lambda standings: Decision({order.id: [Fact(event, NOW)]}, cause)

    async def test(first: Writer, second: Writer) -> None:
        order, person = new_order(), uuid4()
        await first.write(key(order), [order], noting(order, person))
        async with first.pool.connection() as connection:
            await connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now()")
        with pytest.raises(PersonErased) as refused:
            await second.write(key(order), [order], noting(order, person))
        assert (refused.value.code, refused.value.person) == ("person_forgotten", person)
        assert stored(ledger_url, order) == [1]

    run_two(ledger_url, test)
