"""Tortures group commit with real processes: hot streams, keys sent twice, connections that are killed at commit.

    python -m tests.journal.commit_torture --seed 1 --workers 4 --seconds 30

Every worker is a process with a group commit of its own and many commands at once: of one to four entries, on one to
three streams that all workers want, or on new ones. Some commands are sent twice at once, some by every worker, each
time with the same key. All the while the workers' connections are killed. At the end the journal is compared with
what was sent and what was answered.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid4, uuid5

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.journal.appending import Appending, Key, Outcome, Proposal
from order_ledger.journal.codec import Codec, Head, base64url, genesis
from order_ledger.journal.group_commit import GroupCommit
from order_ledger.journal.keys import Keyring
from order_ledger.journal.migrations import inspect
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import OrderHeld
from order_ledger.refusals import Unavailable

HOT_STREAMS = 5
COMMANDS_AT_ONCE = 24
MOST_TRIES = 200
_HEADS = """
    SELECT h.* FROM unnest(%s::uuid[]) AS wanted (stream) CROSS JOIN LATERAL (
        SELECT originator_id, originator_version, hash, recorded_at FROM journal.entry
        WHERE originator_id = wanted.stream ORDER BY originator_version DESC LIMIT 1
    ) h
"""


class Answered(NamedTuple):
    """A command that was sent, and the one answer to it."""

    key: str
    scope: str
    command: str
    entries: int
    outcome: str
    by: str | None
    streams: list[str]
    versions: list[int]
    positions: list[int]


class Worker:
    """One process."""

    def __init__(self, url: str, seed: int, number: int) -> None:
        self.url, self.seed, self.number = url, seed, number
        self.random = Random(f"{seed}/{number}")
        self.codec = Codec(ledger_of(url), [OrderHeld])
        self.keyring = Keyring(MasterKey(bytes(32)))
        self.hot = [uuid5(UUID(int=seed), f"hot/{n}") for n in range(HOT_STREAMS)]
        self.answered: list[Answered] = []
        self.sent = 0
        self.common = 0

    async def run(self, stop: Path) -> None:
        connection = await AsyncConnection.connect(self.url, autocommit=True)
        self.reading, self.lock = connection, asyncio.Lock()
        async with connection, GroupCommit(self.url, largest_batch=32) as self.commits:
            await asyncio.gather(*(self.send_all(stop.exists) for _ in range(COMMANDS_AT_ONCE)))

    async def send_all(self, stopped: Callable[[], bool]) -> None:
        while not stopped():
            dice = self.random.random()
            if dice < 0.1:  # the same key by every process, at about the same time
                self.common += 1
                await self.send(f"common-{self.common}", UUID(int=self.seed))
            elif dice < 0.2:  # the same key twice at once
                key, scope = str(uuid4()), self.random.choice(self.hot)
                await asyncio.gather(self.send(key, scope), self.send(key, scope))
            else:
                await self.send(str(uuid4()), self.random.choice(self.hot))

    async def send(self, key: str, scope: UUID) -> None:
        """Decides until it is appended or remembered, or others were faster too often; sends again what got lost."""
        self.sent += 1
        count = self.random.randint(1, 3)
        streams = (
            self.random.sample(self.hot, k=count) if self.random.random() < 0.7 else [uuid4() for _ in range(count)]
        )
        entries = {stream: self.random.randint(0 if n else 1, 2) for n, stream in enumerate(streams)}
        command = uuid4()
        outcome = Outcome("stale")
        for _ in range(MOST_TRIES):
            proposal = await self.decide(command, entries, Key(scope, key, b"bound", b"body"))
            try:
                outcome = await self.commits.append(proposal)
            except Unavailable:
                continue
            if outcome.outcome != "stale":
                break
        self.answered.append(
            Answered(
                key, str(scope), str(command), sum(entries.values()), outcome.outcome,
                str(outcome.command) if outcome.command else None,
                [str(stream) for stream in outcome.streams], list(outcome.versions), list(outcome.positions),
            )
        )  # fmt: skip

    async def decide(self, command: UUID, entries: dict[UUID, int], key: Key) -> Proposal:
        heads = await self.heads(list(entries))
        now = datetime.now(UTC)
        cause = Cause(By(None, "ledger"), "api", CommandRef(command, "hold"))
        appendings = [
            Appending(
                stream,
                heads[stream].version,
                self.codec.encode(
                    "order", stream, heads[stream], [Fact(OrderHeld(), now)] * count, cause, now, self.keyring
                ),
            )
            for stream, count in entries.items()
        ]
        return Proposal(command, appendings, key)

    async def heads(self, streams: list[UUID]) -> dict[UUID, Head]:
        async with self.lock:
            rows = await (await self.reading.execute(_HEADS, (streams,))).fetchall()
        found = {stream: Head(0, genesis(self.codec.ledger, "order", stream), None) for stream in streams}
        return found | {row[0]: Head(row[1], bytes(row[2]), row[3]) for row in rows}


class Report(NamedTuple):
    """What came of it. All that should not be is counted; `appended`, `remembered`, `stale` are answers."""

    sent: int
    appended: int
    remembered: int
    gave_up: int
    kills: int
    entries: int
    commands_of_several: int
    unanswered: int
    torn: int
    twice: int
    false_answers: int
    gaps: int
    broken_chains: int
    deadlocks: int


def torture(url: str, folder: Path, *, seed: int, workers: int, seconds: float) -> Report:
    """Runs it all on this database, which holds a ledger."""
    stop = folder / "stop"
    with psycopg.connect(url, autocommit=True) as connection:
        # Shorter than the time between kills, for a kill would end a deadlock before anybody noticed it.
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET deadlock_timeout = '5ms'").format(name))
    commands = [
        [sys.executable, "-m", "tests.journal.commit_torture", "worker", url, str(seed), str(n), str(stop),
         str(folder / f"{n}.json")]
        for n in range(workers)
    ]  # fmt: skip
    processes = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for each in commands]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n", process.communicate()[1]
        with psycopg.connect(url, autocommit=True) as connection:
            kills = kill_connections(connection, seconds, Random(seed))
        stop.touch()
        for process in processes:
            _, errors = process.communicate(timeout=90)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    told = [json.loads((folder / f"{n}.json").read_text()) for n in range(workers)]
    return judged(url, told, kills)


def kill_connections(connection: psycopg.Connection[TupleRow], seconds: float, random: Random) -> int:
    kills, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(random.uniform(0.02, 0.15))
        # The one who waits for its commit to reach the disk first: that is where an answer gets lost.
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'order-ledger group commit' AND state = 'active' "
            "ORDER BY wait_event_type = 'IO' DESC NULLS LAST, random() LIMIT 1"
        ).fetchall()
        kills += sum(row[0] for row in rows)
    return kills


def judged(url: str, told: Sequence[dict[str, Any]], kills: int) -> Report:
    answers = [Answered(*each) for worker in told for each in worker["answered"]]
    sent = sum(worker["sent"] for worker in told)
    ledger = ledger_of(url)
    with psycopg.connect(url, autocommit=True) as connection:
        entries = connection.execute(
            "SELECT originator_id::text, originator_version, notification_id, hash, hash = sha256(state), "
            "convert_from(state, 'UTF8')::jsonb FROM journal.entry ORDER BY originator_id, originator_version"
        ).fetchall()
        keys = {
            (str(row[0]), row[1]): (str(row[2]), [str(each) for each in row[3]], row[4], row[5])
            for row in connection.execute(
                "SELECT scope, key, command, streams, versions, positions FROM journal.idempotency_key"
            )
        }
        (deadlocks,) = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone() or (None,)
    planned = {each.command: each.entries for each in answers}
    found = Counter(entry["command"]["id"] for *_, entry in entries)
    torn = sum(count != planned[command] for command, count in found.items())
    winners = defaultdict(set)
    for each in answers:
        if found[each.command]:
            winners[each.scope, each.key].add(each.command)
    false_answers = 0
    for each in answers:
        kept = keys.get((each.scope, each.key))
        answer = (each.streams, each.versions, each.positions)
        if each.outcome == "stale":
            false_answers += found[each.command] > 0
        elif kept is None or kept[1:] != answer:
            false_answers += 1
        else:
            # Remembered, it names the command that was first; that may be this one, whose first answer was lost.
            false_answers += (each.by or each.command) != kept[0]
    return Report(
        sent=sent,
        appended=sum(each.outcome == "appended" for each in answers),
        remembered=sum(each.outcome == "remembered" for each in answers),
        gave_up=sum(each.outcome == "stale" for each in answers),
        kills=kills,
        entries=len(entries),
        commands_of_several=sum(count > 1 for count in found.values()),
        unanswered=sent - len(answers),
        torn=torn,
        twice=sum(len(each) > 1 for each in winners.values()) + len(found.keys() - {kept[0] for kept in keys.values()}),
        false_answers=false_answers,
        gaps=gaps(entries),
        broken_chains=broken_chains(ledger, entries),
        deadlocks=deadlocks,
    )


def gaps(entries: Sequence[TupleRow]) -> int:
    last: dict[str, tuple[int, int]] = {}
    found = 0
    for stream, version, position, *_ in entries:
        before = last.get(stream, (0, 0))
        found += version != before[0] + 1 or position <= before[1]
        last[stream] = (version, position)
    return found


def broken_chains(ledger: UUID, entries: Sequence[TupleRow]) -> int:
    last: dict[str, bytes] = {}
    broken = 0
    for stream, _, _, digest, right, entry in entries:
        before = last.get(stream) or genesis(ledger, "order", UUID(stream))
        broken += not right or entry["previous"] != base64url(before)
        last[stream] = bytes(digest)
    return broken


def ledger_of(url: str) -> UUID:
    with psycopg.connect(url, autocommit=True) as connection:
        return inspect(connection)


def worker(url: str, seed: str, number: str, stop: str, output: str) -> None:
    """The main of a worker's process."""
    made = Worker(url, int(seed), int(number))
    print("up", flush=True)
    asyncio.run(made.run(Path(stop)))
    Path(output).write_text(json.dumps({"answered": made.answered, "sent": made.sent}))


def main() -> None:
    from order_ledger.journal.migrations import migrate
    from order_ledger.postgres import embedded_postgres

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("seed", 1), ("workers", 4), ("seconds", 10)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o711)
        with embedded_postgres(home) as url:
            migrate(url)
            print(torture(url, home, seed=given.seed, workers=given.workers, seconds=given.seconds))


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(*sys.argv[2:])
    else:
        main()
