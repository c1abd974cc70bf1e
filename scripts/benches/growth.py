"""What an event costs in a journal of 2,000,000 events, against one of 100,000: to append, to follow and to rebuild;
and the most memory that a rebuild took of each.

Both journals are invented alike. What is appended and followed are the entries that come next, of orders that are
open, few of which begin there; of the batches that are appended the median counts. The rebuild is the command itself,
one process, from its start to its answer.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from itertools import islice
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psutil
import psycopg
from msgspec import Struct

from benches._harness import arguments, console, report, row, server, server_version
from benches._journal import encoded
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


class Costs(Struct):
    """Microseconds an event, and the most memory of the rebuild in MB."""

    append: float
    follow: float
    rebuild: float
    peak_mb: float


def measure(url: str, events: int) -> Costs:
    """Fills a journal with so many events, and measures there."""
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        codec = Codec(inspect(connection), EVENTS, UPCASTERS)
        each = encoded(codec, events + MORE)
        for _ in range(0, events, _ENTRIES_A_TRANSACTION):
            copy_in(connection, islice(each, min(events, _ENTRIES_A_TRANSACTION)))
        connection.execute("VACUUM ANALYZE journal.entry")
        connection.execute("CHECKPOINT")
        seconds, peak_mb = rebuilt(url)
        batches = [_proposals(list(islice(each, _COMMANDS_A_BATCH))) for _ in range(MORE // _COMMANDS_A_BATCH)]
        took = []
        for batch in batches:
            began = time.perf_counter()
            append(connection, batch)
            took.append(time.perf_counter() - began)
        appended = statistics.median(took) * len(took)
    follower = Follower(url, find(NAME))
    with follower.connect() as connection:
        follower.prepare(connection)
        began, position = time.perf_counter(), 0
        while position < events + MORE:
            position = follower.advance(connection).position
        followed = time.perf_counter() - began
    costs = Costs(appended / MORE * 1e6, followed / MORE * 1e6, seconds / events * 1e6, peak_mb)
    console.print(f"{events:,} events: {costs}")
    return costs


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
    found: dict[int, Costs] = {}
    with server() as url:
        for events in (given.small, given.large):
            name = f"growth_{events}"
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            found[events] = measure(urlunsplit(urlsplit(url)._replace(path=f"/{name}")), events)
        version = server_version(url)
    small, large = found[given.small], found[given.large]
    against = f"in a journal of {given.small:,}"
    rows = [
        row(what, [getattr(large, name)], against, [getattr(small, name)], AT_MOST, unit)
        for what, name, unit in (
            ("append", "append", "µs an event"),
            ("follow", "follow", "µs an event"),
            ("rebuild", "rebuild", "µs an event"),
            ("peak memory of the rebuild", "peak_mb", "MB"),
        )
    ]
    report("growth", rows, given.json, postgresql=version, events=given.large)


if __name__ == "__main__":
    main()
