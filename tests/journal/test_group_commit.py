"""Many commands in one statement, each accepted or refused by itself, none torn, none done twice."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.journal.appending import Appending, Key, Outcome, Proposal
from order_ledger.journal.codec import Codec, Head, genesis
from order_ledger.journal.group_commit import GroupCommit
from order_ledger.journal.journal import Journal
from order_ledger.journal.keys import Keyring
from order_ledger.orders.events import OrderHeld
from order_ledger.refusals import Unavailable
from tests.journal.away import administer, away
from tests.journal.commit_torture import Report, torture
from tests.journal.conftest import MASTER

NOW = datetime(2026, 11, 21, 20, 15, 3, tzinfo=UTC)


def test_no_command_is_torn_or_done_twice_while_connections_are_killed(ledger_url: str, tmp_path: Path) -> None:
    proven(torture(ledger_url, tmp_path, seed=20261121, workers=4, seconds=5))


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1, 6))
def test_none_is_torn_in_minutes_of_it(ledger_url: str, tmp_path: Path, seed: int) -> None:
    proven(torture(ledger_url, tmp_path, seed=seed, workers=6, seconds=60))


def proven(report: Report) -> None:
    # First that it was torture: connections were killed, keys came twice, commands were of several entries.
    assert min(report.kills, report.appended, report.remembered, report.commands_of_several) > 0
    assert report.unanswered == 0
    assert report.sent == report.appended + report.remembered + report.gave_up
    assert (report.torn, report.twice, report.false_answers, report.deadlocks) == (0, 0, 0, 0)
    assert (report.gaps, report.broken_chains) == (0, 0)


@pytest.fixture
def codec(journal: Journal) -> Codec:
    return journal.codec


def proposal(codec: Codec, *streams: UUID, base: int = 0, entries: int = 1, key: Key | None = None) -> Proposal:
    """A command that holds these orders, which were last at this version."""
    command = uuid4()
    cause = Cause(By(None, "ledger"), "api", CommandRef(command, "hold"))
    appendings = [
        Appending(
            stream,
            base,
            codec.encode(
                "order",
                stream,
                Head(base, genesis(codec.ledger, "order", stream), None),
                [Fact(OrderHeld(), NOW)] * entries,
                cause,
                NOW,
                Keyring(MASTER),
            ),
        )
        for stream in streams
    ]
    return Proposal(command, appendings, key or Key(streams[0], str(uuid4())))


def together(url: str, *proposals: Proposal) -> list[Outcome]:
    """What becomes of these when they arrive at once."""

    async def run() -> list[Outcome]:
        async with GroupCommit(url) as commits:
            return await asyncio.gather(*map(commits.append, proposals))

    return asyncio.run(run())


def test_what_arrives_at_once_goes_into_one_statement(ledger_url: str, codec: Codec) -> None:
    async def run() -> tuple[int, int]:
        async with GroupCommit(ledger_url) as commits:
            outcomes = await asyncio.gather(*(commits.append(proposal(codec, uuid4())) for _ in range(50)))
            assert {outcome.outcome for outcome in outcomes} == {"appended"}
            assert sorted(outcome.position for outcome in outcomes) == list(range(1, 51))
            return commits.proposals, commits.batches

    proposals, batches = asyncio.run(run())
    assert proposals == 50
    assert batches <= 2


def test_each_is_accepted_or_refused_by_itself(ledger_url: str, codec: Codec) -> None:
    stream, other = uuid4(), uuid4()
    first = proposal(codec, stream)
    appended, late, untouched = together(ledger_url, first, proposal(codec, stream), proposal(codec, other, entries=2))
    assert (appended.outcome, appended.streams, appended.versions) == ("appended", (stream,), (1,))
    assert late == Outcome("stale")
    assert (untouched.outcome, untouched.streams, untouched.versions) == ("appended", (other,), (2,))


def test_a_command_on_several_streams_stands_or_falls_whole(ledger_url: str, journal: Journal, codec: Codec) -> None:
    first, second = sorted([uuid4(), uuid4()])
    together(ledger_url, proposal(codec, second))
    (fallen,) = together(ledger_url, proposal(codec, first, second))
    assert fallen.outcome == "stale"
    assert journal.load(first, "order")[0] == []


def test_the_same_key_has_the_same_answer_and_nothing_is_done_again(ledger_url: str, codec: Codec) -> None:
    stream, other = uuid4(), uuid4()
    first = proposal(codec, stream, other, entries=2, key=Key(stream, "key", b"bound", b"body"))
    again = proposal(codec, stream, other, entries=2, key=Key(stream, "key", b"bound", b"other"))
    elsewhere = proposal(codec, uuid4(), key=Key(other, "key"))
    appended, remembered, in_other_scope = together(ledger_url, first, again, elsewhere)
    assert appended.outcome == "appended"
    assert remembered.outcome == "remembered"
    assert (remembered.command, remembered.bound, remembered.body) == (first.command, b"bound", b"body")
    assert remembered.versions == appended.versions == (2, 2)
    assert remembered.positions == appended.positions
    assert in_other_scope.outcome == "appended"


def test_an_accepted_no_op_is_remembered(ledger_url: str, codec: Codec) -> None:
    stream = uuid4()
    together(ledger_url, proposal(codec, stream))
    nothing = Proposal(uuid4(), [Appending(stream, 1, ())], Key(stream, "nothing"))
    (done,) = together(ledger_url, nothing)
    (again,) = together(ledger_url, Proposal(uuid4(), [Appending(stream, 1, ())], Key(stream, "nothing")))
    assert (done.outcome, done.versions, done.positions) == ("appended", (1,), (1,))
    assert (again.outcome, again.command, again.versions) == ("remembered", nothing.command, (1,))


def test_one_at_fault_does_not_hurt_the_others(ledger_url: str, codec: Codec) -> None:
    faulty = proposal(codec, uuid4(), key=Key(uuid4(), "a key with \0 in it"))

    async def run() -> list[Outcome | BaseException]:
        async with GroupCommit(ledger_url) as commits:
            sent = [proposal(codec, uuid4()), faulty, proposal(codec, uuid4())]
            return await asyncio.gather(*map(commits.append, sent), return_exceptions=True)

    before, fault, after = asyncio.run(run())
    assert isinstance(fault, psycopg.DataError)
    assert isinstance(before, Outcome)
    assert isinstance(after, Outcome)
    assert before.outcome == after.outcome == "appended"


@pytest.mark.parametrize(
    "text", ['a "quoted" key', "back\\slash", "{braces}, commas", "NULL", "", " ", "ключ 🔑", "a\nb"]
)
def test_any_text_may_be_a_key(ledger_url: str, codec: Codec, text: str) -> None:
    stream = uuid4()
    first, again = together(
        ledger_url, proposal(codec, stream, key=Key(stream, text)), proposal(codec, stream, key=Key(stream, text))
    )
    assert (first.outcome, again.outcome) == ("appended", "remembered")


def test_a_position_that_is_there_already_is_a_fault_and_no_race(ledger_url: str, codec: Codec) -> None:
    together(ledger_url, proposal(codec, uuid4()))
    administer(ledger_url, "SELECT setval('journal.entry_notification_id_seq', 1, false)", at=ledger_url)
    with pytest.raises(psycopg.errors.UniqueViolation, match="entry_position"):
        together(ledger_url, proposal(codec, uuid4()))


def test_a_database_away_for_a_moment_is_waited_for(ledger_url: str, codec: Codec) -> None:
    stream = uuid4()

    async def run() -> Outcome:
        async with GroupCommit(ledger_url) as commits:
            await commits.append(proposal(codec, stream))
            with away(ledger_url):
                waiting = asyncio.create_task(commits.append(proposal(codec, stream, base=1)))
                await asyncio.sleep(1)
                assert not waiting.done()
            return await waiting

    assert asyncio.run(run()).versions == (2,)


def test_a_database_away_for_longer_is_told(ledger_url: str, codec: Codec) -> None:
    stream = uuid4()

    async def run() -> Outcome:
        async with GroupCommit(ledger_url, patience_seconds=0.5) as commits:
            sent = proposal(codec, stream)
            with away(ledger_url), pytest.raises(Unavailable):
                await commits.append(sent)
            return await commits.append(sent)

    assert asyncio.run(run()).outcome == "appended"
    with psycopg.connect(ledger_url) as connection:
        assert connection.execute("SELECT count(*) FROM journal.entry").fetchone() == (1,)


def test_a_server_that_takes_no_writes_is_away(ledger_url: str, codec: Codec) -> None:
    """It was the primary until a moment ago."""

    async def run() -> Outcome:
        async with GroupCommit(ledger_url, patience_seconds=0.5) as commits:
            sent = proposal(codec, uuid4())
            administer(ledger_url, "ALTER DATABASE {} SET default_transaction_read_only = on")
            with pytest.raises(Unavailable):
                await commits.append(sent)
            administer(ledger_url, "ALTER DATABASE {} RESET default_transaction_read_only")
            return await commits.append(sent)

    assert asyncio.run(run()).outcome == "appended"


def test_whoever_waits_when_it_ends_is_told(ledger_url: str, codec: Codec) -> None:
    async def run() -> list[Outcome | BaseException]:
        async with GroupCommit(ledger_url, largest_batch=2) as commits:
            await commits.append(proposal(codec, uuid4()))
            with psycopg.connect(ledger_url) as blocking:
                blocking.execute("LOCK TABLE journal.entry IN EXCLUSIVE MODE")
                sent = [asyncio.create_task(commits.append(proposal(codec, uuid4()))) for _ in range(5)]
                await asyncio.sleep(0.3)
                await commits.__aexit__()
        return await asyncio.gather(*sent, return_exceptions=True)

    assert [type(each) for each in asyncio.run(run())] == [Unavailable] * 5


def test_whoever_comes_after_its_end_is_told(ledger_url: str, codec: Codec) -> None:
    async def run() -> None:
        commits = GroupCommit(ledger_url)
        with pytest.raises(Unavailable):
            await commits.append(proposal(codec, uuid4()))
        async with commits:
            await commits.append(proposal(codec, uuid4()))
        with pytest.raises(Unavailable):
            await commits.append(proposal(codec, uuid4()))

    asyncio.run(run())


def test_a_caller_who_left_does_not_stop_the_others(ledger_url: str, journal: Journal, codec: Codec) -> None:
    left, stayed = uuid4(), uuid4()

    async def run() -> Outcome:
        async with GroupCommit(ledger_url) as commits:
            with psycopg.connect(ledger_url) as blocking:
                blocking.execute("LOCK TABLE journal.entry IN EXCLUSIVE MODE")
                leaving = asyncio.create_task(commits.append(proposal(codec, left)))
                staying = asyncio.create_task(commits.append(proposal(codec, stayed)))
                await asyncio.sleep(0.2)
                leaving.cancel()
                blocking.rollback()
            return await staying

    assert asyncio.run(run()).outcome == "appended"
    assert len(journal.load(left, "order")[0]) == 1
