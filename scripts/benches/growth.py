"""What an event costs in a journal of 2,000,000 events, against one of 100,000: to append, to follow and to rebuild;
and the most memory that a rebuild took of each.

Both journals are invented alike. What is appended and followed are the entries that come next, of orders that are
open, few of which begin there, in both journals by turns; medians count. The rebuild is the command itself, one
process, from its start to its answer.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from random import Random
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psutil
import psycopg

from benches._harness import arguments, console, report, row, server, server_version
from benches._journal import encoded
from order_ledger.following.installing import drop
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.identifiers import uuid7
from order_ledger.journal.appending import Appending, Proposal
from order_ledger.journal.codec import Codec, Encoded
from order_ledger.journal.copying import copy_in
from order_ledger.journal.journal import append
from order_ledger.journal.migrations import inspect, migrate
from order_ledger.journal.names import EVENTS, UPCASTERS

NAME = "order_status"
MORE = 20_000
AT_MOST = 1.3
_COMMANDS_A_BATCH = 50
_ENTRIES_A_TRANSACTION = 10_000
_ENTRIES_A_STEP = 1_000
_REBUILDS = 3


class Side:
    """A journal of so many events, the entries that come next, and what an event of it costs, in microseconds."""

    def __init__(self, url: str, events: int) -> None:
        self.url, self.events = url, events
        migrate(url)
        self.connection = psycopg.connect(url, autocommit=True)
        codec = Codec(inspect(self.connection), EVENTS, UPCASTERS)
        each = encoded(codec, events + MORE)
        for _ in range(0, events, _ENTRIES_A_TRANSACTION):
            copy_in(self.connection, islice(each, min(events, _ENTRIES_A_TRANSACTION)))
        # What the server would do by itself within the next minute, and then in one of both journals alone.
        self.connection.execute("VACUUM ANALYZE")
        self.connection.execute("CHECKPOINT")
        self.rebuild: list[float] = []
        self.peak_mb: list[float] = []
        self.append: list[float] = []
        self.follow: list[float] = []
        self.batches = [_proposals(list(islice(each, _COMMANDS_A_BATCH))) for _ in range(MORE // _COMMANDS_A_BATCH)]
        console.print(f"{events:,} events are there")

    def rebuild_anew(self) -> None:
        """The whole read model, where there is none."""
        with self.connection.transaction():
            drop(self.connection, NAME)
        seconds, peak_mb = rebuilt(self.url)
        self.rebuild.append(seconds / self.events * 1e6)
        self.peak_mb.append(peak_mb)
        console.print(f"{self.events:,} events were rebuilt in {seconds:,.1f} s")

    def begin_to_follow(self) -> None:
        """From where the last rebuild ended."""
        self.follower = Follower(self.url, find(NAME))
        self.following = self.follower.connect()
        self.follower.prepare(self.following)

    def append_next(self) -> None:
        """One batch of commands more."""
        batch, began = self.batches.pop(), time.perf_counter()
        append(self.connection, batch)
        self.append.append((time.perf_counter() - began) / _COMMANDS_A_BATCH * 1e6)

    def follow_next(self, until: int) -> None:
        """Some entries more: up to so many after those that were rebuilt."""
        began = time.perf_counter()
        while self.follower.advance(self.following, self.events + until).position < self.events + until:
            pass
        self.follow.append((time.perf_counter() - began) / _ENTRIES_A_STEP * 1e6)

    def close(self) -> None:
        self.connection.close()
        self.following.close()


def measured(sides: Sequence[Side]) -> None:
    """Both in turn, rebuild by rebuild and batch by batch: a slow moment of the machine hits neither alone."""
    os.sync()  # what was filled is not written out while something is measured
    random = Random(1)
    for _ in range(_REBUILDS):
        for side in random.sample(sides, len(sides)):
            side.rebuild_anew()
    for side in sides:
        side.begin_to_follow()
        side.batches.reverse()
    for _ in range(MORE // _COMMANDS_A_BATCH):
        for side in random.sample(sides, len(sides)):
            side.append_next()
    for until in range(_ENTRIES_A_STEP, MORE + 1, _ENTRIES_A_STEP):
        for side in random.sample(sides, len(sides)):
            side.follow_next(until)


def rebuilt(url: str) -> tuple[float, float]:
    """The seconds that a rebuild says it took, and the most memory that its process was seen to hold, in MB."""
    command = [sys.executable, "-m", "order_ledger", "projections", "rebuild", NAME, "--jobs", "1", "--json"]
    process = subprocess.Popen(command, env={**os.environ, "LEDGER_DATABASE_URL": url}, stdout=subprocess.PIPE)
    watched, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            most = max(most, watched.memory_info().rss)
        time.sleep(0.02)
    assert process.returncode == 0 and process.stdout is not None, "the rebuild is done"
    return float(json.loads(process.stdout.read())["seconds"]), most / (1 << 20)


def _proposals(entries: list[Encoded]) -> list[Proposal]:
    by_stream: dict[UUID, list[Encoded]] = {}
    for entry in entries:
        by_stream.setdefault(entry.stream, []).append(entry)
    return [
        Proposal(uuid7(), (Appending(stream, of_stream[0].version - 1, of_stream),))
        for stream, of_stream in by_stream.items()
    ]


def main() -> None:
    given = arguments(__doc__ or "", small=100_000, large=2_000_000)
    with server() as url:
        sides = []
        for events in (given.small, given.large):
            name = f"growth_{events}"
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            sides.append(Side(urlunsplit(urlsplit(url)._replace(path=f"/{name}")), events))
        measured(sides)
        version = server_version(url)
        for side in sides:
            side.close()
    small, large = sides
    against = f"in a journal of {given.small:,}"
    rows = [
        row("append", large.append, against, small.append, AT_MOST, "µs an event"),
        row("follow", large.follow, against, small.follow, AT_MOST, "µs an event"),
        row("rebuild", large.rebuild, against, small.rebuild, AT_MOST, "µs an event"),
        row("peak memory of the rebuild", large.peak_mb, against, small.peak_mb, AT_MOST, "MB"),
    ]
    report("growth", rows, given.json, postgresql=version, events=given.large)


if __name__ == "__main__":
    main()
