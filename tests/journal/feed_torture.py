"""Tortures the feed with real processes: writers that do everything wrong but lie, readers that follow all the while.

    python -m tests.journal.feed_torture --seed 1 --writers 8 --readers 3 --seconds 30 --kills 2

Writers append batches of 1 to 10 entries by INSERT, COPY, statement by statement or under savepoints, wait between
insert and commit, take transaction ids early, roll back one time in ten, and prepare transactions where the server
lets them. The server is killed in the middle and started again. A writer whose commit got no answer asks whether its
entries are there. At the end, what readers were delivered is compared with what writers committed.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from order_ledger.journal import feed

READERS = ("autocommit", "transaction", "naive")
SHARED_STREAMS = 4
OWN_STREAMS = 6
PATIENCE_S = 60
_COLUMNS = "originator_id, originator_version, topic, state, kind, recorded_at, hash"
_INSERT = f"""
    INSERT INTO journal.entry ({_COLUMNS})
    SELECT stream, version, 'Tortured', state, 'order', now(), sha256(state)
    FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) AS e (stream, version),
         convert_to(%(marker)s, 'UTF8') AS state
    ORDER BY stream, version
"""
_THERE = """
    SELECT count(*) FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) AS e (stream, version)
    JOIN journal.entry j ON j.originator_id = e.stream AND j.originator_version = e.version
    WHERE j.state = convert_to(%(marker)s, 'UTF8')
"""

Batch = list[tuple[UUID, int]]


class Writer:
    """One process that appends."""

    def __init__(self, url: str, seed: int, number: int) -> None:
        self.url = url
        self.random = Random(f"{seed}/{number}")
        self.number = number
        self.count = 0
        space = UUID(int=seed)
        self.versions = {uuid5(space, f"{number}/{n}"): 0 for n in range(OWN_STREAMS)}
        self.shared = [uuid5(space, f"shared/{n}") for n in range(SHARED_STREAMS)]
        self.discarded = uuid5(space, f"{number}/discarded")
        self.committed: Batch = []
        self.told = dict.fromkeys(
            ("committed", "rolled_back", "conflicts", "prepared", "copied", "in_doubt", "done"), 0
        )
        self.connection = self.connect()
        row = self.connection.execute("SHOW max_prepared_transactions").fetchone()
        self.prepares = row is not None and int(row[0]) > 0

    def connect(self) -> Connection[TupleRow]:
        return patiently_connected(self.url, f"writer {self.number}")

    def run(self, stop: Path) -> None:
        while not stop.exists():
            self.count += 1
            batch: Batch = []
            try:
                kept = self.transaction(batch)
            except UniqueViolation:
                self.told["conflicts"] += 1
                self.roll_back()
            except psycopg.OperationalError:
                self.told["in_doubt"] += 1
                if self.is_there(batch):
                    self.told["done"] += 1
                    self.keep(batch)
            else:
                if kept:
                    self.keep(batch)
                else:
                    self.told["rolled_back"] += 1

    def roll_back(self) -> None:
        try:
            self.connection.execute("ROLLBACK")
        except psycopg.OperationalError:
            self.connection = self.connect()  # the server was killed meanwhile, and the transaction with it

    @property
    def marker(self) -> str:
        return f"writer {self.number} transaction {self.count}"

    @property
    def gid(self) -> str:
        return f"torture-{self.number}-{self.count}"

    def keep(self, batch: Batch) -> None:
        self.told["committed"] += 1
        self.committed += batch
        for stream, version in batch:
            if stream in self.versions:
                self.versions[stream] = max(self.versions[stream], version)

    def is_there(self, batch: Batch) -> bool:
        """Whether the transaction whose commit got no answer was committed; a prepared one still is to be."""
        self.connection = self.connect()
        execute = self.connection.execute
        if execute("SELECT FROM pg_prepared_xacts WHERE gid = %s", (self.gid,)).fetchone() is not None:
            execute(f"COMMIT PREPARED '{self.gid}'".encode())
        row = execute(_THERE, self.parameters(batch)).fetchone()
        assert row is not None
        assert row[0] in (0, len(batch)), f"torn: {row[0]} of {len(batch)} are there"
        return bool(batch) and row[0] == len(batch)

    def transaction(self, batch: Batch) -> bool:
        random, execute = self.random, self.connection.execute
        execute("BEGIN")
        if random.random() < 0.3:
            execute("SELECT pg_current_xact_id()")
            self.wait(0.01)
        batch += self.choose()
        random.choice((self.insert, self.insert, self.copy, self.one_by_one, self.under_savepoints))(batch)
        self.wait(0.02)
        if random.random() < 0.1:
            execute("ROLLBACK")
            return False
        if self.prepares and random.random() < 0.1:
            execute(f"PREPARE TRANSACTION '{self.gid}'".encode())
            self.told["prepared"] += 1
            self.wait(0.02)
            kept = random.random() >= 0.1
            execute(f"{'COMMIT' if kept else 'ROLLBACK'} PREPARED '{self.gid}'".encode())
            return kept
        execute("COMMIT")
        return True

    def choose(self) -> Batch:
        """Entries of streams of one's own, and perhaps the next ones of a stream that all want to append to."""
        random = self.random
        count = random.randint(1, 10)
        on_shared = random.randint(1, count) if random.random() < 0.2 else 0
        versions = dict(self.versions)
        batch: Batch = []
        for stream in random.choices(list(versions), k=count - on_shared):
            versions[stream] += 1
            batch.append((stream, versions[stream]))
        if on_shared:
            stream = random.choice(self.shared)
            row = self.connection.execute(
                "SELECT coalesce(max(originator_version), 0) FROM journal.entry WHERE originator_id = %s", (stream,)
            ).fetchone()
            assert row is not None
            batch += [(stream, row[0] + 1 + n) for n in range(on_shared)]
        return batch

    def insert(self, batch: Batch) -> None:
        self.connection.execute(_INSERT.encode(), self.parameters(batch))

    def copy(self, batch: Batch) -> None:
        self.told["copied"] += 1
        with self.connection.cursor().copy(f"COPY journal.entry ({_COLUMNS}) FROM STDIN".encode()) as copy:
            for stream, version in sorted(batch, key=lambda each: each[1]):
                state = "\\x" + self.marker.encode().hex()
                copy.write_row((stream, version, "Tortured", state, "order", "2026-11-21 20:15:03Z", "\\x" + 32 * "00"))

    def one_by_one(self, batch: Batch) -> None:
        for each in batch:
            self.insert([each])
            self.wait(0.002)

    def under_savepoints(self, batch: Batch) -> None:
        execute = self.connection.execute
        execute("SAVEPOINT discarded")
        self.insert([(self.discarded, 1), (self.discarded, 2)])
        execute("ROLLBACK TO SAVEPOINT discarded")
        half = len(batch) // 2
        if half:
            self.insert(batch[:half])
        self.wait(0.005)
        execute("SAVEPOINT kept")
        self.insert(batch[half:])
        execute("RELEASE SAVEPOINT kept")

    def parameters(self, batch: Batch) -> dict[str, Any]:
        streams, versions = [stream for stream, _ in batch], [version for _, version in batch]
        return {"marker": self.marker, "streams": streams, "versions": versions}

    def wait(self, mean_s: float) -> None:
        """Mostly short, sometimes long: what loses entries is the one who commits late."""
        if self.random.random() < 0.7:
            time.sleep(min(self.random.expovariate(1 / mean_s), 20 * mean_s))


class Reader:
    """One process that follows, in one of three ways; the naive one believes that the highest position is the last."""

    def __init__(self, url: str, seed: int, number: int, how: str) -> None:
        self.url = url
        self.random = Random(f"{seed}/reader/{number}")
        self.how = how
        self.delivered: list[tuple[int, UUID, int]] = []
        self.bookmark = 0

    def run(self, stop: Path) -> None:
        connection = self.connect()
        while True:
            ending = stop.exists()  # asked before reading: what was committed before it is there to be read
            try:
                found = self.read(connection)
            except psycopg.OperationalError:
                connection = self.connect()
                continue
            if found:
                self.delivered += found
                self.bookmark = found[-1][0]
            elif ending:
                return
            else:
                time.sleep(self.random.uniform(0, 0.01))

    def connect(self) -> Connection[TupleRow]:
        connection = patiently_connected(self.url, f"reader {self.how}")
        if self.how == "transaction":
            connection.autocommit = False
            connection.isolation_level = IsolationLevel.READ_COMMITTED
        return connection

    def read(self, connection: Connection[TupleRow]) -> list[tuple[int, UUID, int]]:
        limit = self.random.choice((1, 10, 100, 1000))
        if self.how == "naive":
            return connection.execute(
                "SELECT notification_id, originator_id, originator_version FROM journal.entry "
                "WHERE notification_id > %s ORDER BY notification_id LIMIT %s",
                (self.bookmark, limit),
            ).fetchall()
        rows = feed.read(connection, self.bookmark, limit)
        connection.commit()
        return [(row.position, row.stream, row.version) for row in rows]


def patiently_connected(url: str, name: str) -> Connection[TupleRow]:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return psycopg.connect(url, autocommit=True, application_name=name, connect_timeout=5)
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


class Delivery(NamedTuple):
    """What a reader was delivered, against what was committed."""

    how: str
    delivered: int
    lost: int
    twice: int
    never_committed: int
    turned: int


class Report(NamedTuple):
    """What came of it."""

    committed: int
    in_table: int
    kills: int
    writers: dict[str, int]
    deliveries: list[Delivery]

    def of(self, how: str) -> list[Delivery]:
        return [each for each in self.deliveries if each.how == how]


def torture(home: Path, *, seed: int, writers: int, readers: Sequence[str], seconds: float, kills: int) -> Report:
    """Runs it all on a server of its own in this home, which the server's user may enter."""
    # Here, because the many processes of it start faster without.
    from order_ledger.journal.migrations import migrate
    from order_ledger.postgres import embedded_postgres

    with embedded_postgres(home) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_prepared_transactions = 64")
    stop_writing, stop_reading = home / "stop-writing", home / "stop-reading"
    with ExitStack() as server:
        url = server.enter_context(embedded_postgres(home))
        migrate(url)
        following = [Part(home, "reader", n, url, seed, stop_reading, how) for n, how in enumerate(readers)]
        writing = [Part(home, "writer", n, url, seed, stop_writing) for n in range(writers)]
        with ended(following + writing):
            for part in following + writing:
                part.wait_until_up()
            for _ in range(kills):
                time.sleep(seconds / (kills + 1))
                kill_server(home)
                server.enter_context(embedded_postgres(home))
            time.sleep(seconds / (kills + 1))
            stop_writing.touch()
            wrote = [part.result() for part in writing]
            stop_reading.touch()
            read = [part.result() for part in following]
        with psycopg.connect(url) as connection:
            in_table = {
                (str(s), v)
                for s, v in connection.execute("SELECT originator_id, originator_version FROM journal.entry")
            }
    committed = {(stream, version) for each in wrote for stream, version in each["committed"]}
    assert committed == in_table, "writers know what they committed"
    told = {name: sum(each["told"][name] for each in wrote) for name in wrote[0]["told"]}
    deliveries = [compared(how, each["delivered"], committed) for how, each in zip(readers, read, strict=True)]
    return Report(len(committed), len(in_table), kills, told, deliveries)


def compared(how: str, delivered: list[list[Any]], committed: set[tuple[str, int]]) -> Delivery:
    told = [(stream, version) for _, stream, version in delivered]
    last: dict[str, int] = {}
    turned = 0
    for stream, version in told:
        turned += version <= last.get(stream, 0)
        last[stream] = version
    once = set(told)
    return Delivery(how, len(told), len(committed - once), len(told) - len(once), len(once - committed), turned)


class Part:
    """A writer or a reader in a process of its own, and the file that it leaves its result in."""

    def __init__(self, home: Path, role: str, number: int, url: str, seed: int, stop: Path, how: str = "") -> None:
        self.output = home / f"{role}-{number}.json"
        command = [sys.executable, "-m", "tests.journal.feed_torture", role]
        command += [url, str(seed), str(number), str(stop), str(self.output), how]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_until_up(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n", self.process.communicate()[1]

    def result(self) -> dict[str, Any]:
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, errors
        result: dict[str, Any] = json.loads(self.output.read_text())
        return result


@contextmanager
def ended(parts: Sequence[Part]) -> Iterator[None]:
    try:
        yield
    finally:
        for part in parts:
            part.process.kill()
            part.process.communicate()


def kill_server(home: Path) -> None:
    """Ends the postmaster without a word; its children notice and follow."""
    os.kill(int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def part(role: str, url: str, seed: str, number: str, stop: str, output: str, how: str) -> None:
    """The main of a writer's or a reader's process."""
    print("up", flush=True)
    if role == "writer":
        writer = Writer(url, int(seed), int(number))
        writer.run(Path(stop))
        result: dict[str, Any] = {"committed": [(str(s), v) for s, v in writer.committed], "told": writer.told}
    else:
        reader = Reader(url, int(seed), int(number), how)
        reader.run(Path(stop))
        result = {"delivered": [(p, str(s), v) for p, s, v in reader.delivered]}
    Path(output).write_text(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("seed", 1), ("writers", 8), ("readers", 3), ("seconds", 10), ("kills", 1)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="order-ledger-torture-"))
    home.chmod(0o711)
    readers = [*(READERS[n % 2] for n in range(given.readers)), "naive"]
    try:
        found = torture(
            home, seed=given.seed, writers=given.writers, readers=readers, seconds=given.seconds, kills=given.kills
        )
    finally:
        shutil.rmtree(home)
    print(f"{found.committed:,} entries committed; {found.writers}; {found.kills} kills of the server")
    for each in found.deliveries:
        print(each)


if __name__ == "__main__":
    if sys.argv[1:2] in (["writer"], ["reader"]):
        part(*sys.argv[1:])
    else:
        main()
