"""Following live: order_status kept by our follower, against the library's ProjectionRunner keeping the same view.

Both read the same journal through the same decoder, fold with the same fold and write the same tables with the same
statements, one process each, on a server with fsync on. The runner takes its events one by one, each in a transaction
with its tracking; that is its way. Then: how far behind the read model is while 500 events a second are appended.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from benches._harness import arguments, report, row, server, server_version, shuffled_rounds
from benches._journal import encoded, fill
from order_ledger.entries import Entry
from order_ledger.following import folding, lag
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.following.writing import Writer
from order_ledger.identifiers import uuid7
from order_ledger.journal.appending import Appending, Proposal
from order_ledger.journal.codec import Codec, Encoded
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import inspect, migrate
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.sealing import MasterKey

NAME = "order_status"
OURS_A_ROUND, STOCK_A_ROUND = 60_000, 1_000
RATE, BATCHES_A_SECOND = 500, 100
LIMIT_MS = 100
_URL: list[str] = []


class SourceJournal(Journal):
    """The journal, made as the runner makes an application: from nothing but an environment."""

    name = "order-ledger"

    def __init__(self, env: Any = None) -> None:
        super().__init__(_URL[0], MasterKey(bytes(32)))


class StockView(PostgresTrackingRecorder):
    """The tables of order_status, in a schema beside ours, written in one transaction with the tracking."""

    def __init__(self, datastore: PostgresDatastore, **given: Any) -> None:
        super().__init__(datastore, **given)
        self._projection = find(NAME)
        self._folding = self._projection.foldings[0]
        self._writers: dict[int, Writer] = {}

    def keep(self, entry: Entry[Any], tracking: Tracking) -> None:
        with self.datastore.get_connection() as connection, connection.transaction():
            with connection.cursor() as cursor:
                self._insert_tracking(cursor, tracking=tracking)
            if type(entry.event) in self._folding.ignores:
                return
            connection.row_factory = tuple_row  # type: ignore[assignment]
            try:
                self._fold(connection, entry)
            finally:
                connection.row_factory = psycopg.rows.dict_row
        return

    def _fold(self, connection: Any, entry: Entry[Any]) -> None:
        writer = self._writers.get(id(connection))
        if writer is None:
            connection.execute("SET search_path TO stock, pg_catalog")
            writer = self._writers[id(connection)] = Writer(connection, self._projection.tables)
        before = writer.load([entry.stream]).get(entry.stream, {}) if entry.version > 1 else {}
        state = self._folding.fold(self._folding.state(before) if before else None, entry)
        changed = folding.FoldedStream(entry.stream, self._folding, (), before)
        changed.after = self._folding.rows(state)
        writer._write([changed])


class StockProjection(Projection[StockView]):
    name = "stock"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.keep(domain_event, tracking)


def copy_view(url: str, position: int) -> dict[str, str]:
    """A view for the runner that is as ours is at this position; answers the environment that a runner is made from."""
    _URL.append(url)
    given = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    names = {"DBNAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    login = {f"POSTGRES_{name}": given.get(key, "") for name, key in names.items()}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA stock")
        connection.execute("SET search_path TO stock, pg_catalog")
        connection.execute(find(NAME).schema.read_bytes())
        for table in find(NAME).tables:
            connection.execute(f"INSERT INTO stock.{table.name} SELECT * FROM {NAME}.{table.name}".encode())
            connection.execute(f"ANALYZE stock.{table.name}".encode())
    environment = {
        **login, "PERSISTENCE_MODULE": "eventsourcing.postgres", "POSTGRES_SCHEMA": "stock", "POSTGRES_POOL_SIZE": "2",
    }  # fmt: skip
    with PostgresDatastore(*login.values(), schema="stock") as datastore:
        view = StockView(datastore, tracking_table_name="stock_tracking")
        view.create_table()
        view.insert_tracking(Tracking(SourceJournal.name, position))
    return environment


def stock(environment: dict[str, str]) -> float:
    """Events a second of a runner that goes on where the last one stopped, from its first event on."""
    with ProjectionRunner(
        application_class=SourceJournal, projection_class=StockProjection, view_class=StockView, env=environment
    ) as runner:
        stood = runner.view.max_tracking_id(runner.app_name) or 0
        runner.wait(stood + 1, timeout=60)
        started, before = time.perf_counter(), runner.view.max_tracking_id(runner.app_name) or 0
        runner.wait(before + STOCK_A_ROUND, timeout=600)
        after = runner.view.max_tracking_id(runner.app_name) or 0
        return (after - before) / (time.perf_counter() - started)


def throughput(given: Any, url: str) -> list[dict[str, Any]]:
    fill(url, OURS_A_ROUND * (given.rounds + 1), open_orders=given.open_orders)
    follower = Follower(url, find(NAME))
    with follower.connect() as connection:
        follower.prepare(connection)
        at = advance(follower, connection, 0)
        environment = copy_view(url, at)

        def ours() -> float:
            nonlocal at
            started, before = time.perf_counter(), at
            at = advance(follower, connection, at)
            return (at - before) / (time.perf_counter() - started)

        found = shuffled_rounds({"ours": ours, "stock": lambda: stock(environment)}, given.rounds)
    return [row("follow live", found["ours"], "the library's ProjectionRunner", found["stock"], 60, "events/s")]


def advance(follower: Follower, connection: Any, position: int) -> int:
    """Folds as many entries as a round has, and answers where the bookmark is then."""
    until = position + OURS_A_ROUND
    while position < until:
        position = follower.advance(connection, until).position
    return position


def lags(url: str, seconds: int) -> list[float]:
    """Milliseconds from the commit of each of some batches to where the read model shows it, as real processes run."""
    with psycopg.connect(url) as connection:
        codec = Codec(inspect(connection), EVENTS, UPCASTERS)
    batch = RATE // BATCHES_A_SECOND
    each = encoded(codec, RATE * seconds, open_orders=500, seed=2)
    committed: list[tuple[int, float]] = []
    shown: list[tuple[int, float]] = []
    done = threading.Event()

    def look() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            last = 0
            while not done.is_set():
                (position,) = connection.execute(f"SELECT position FROM {NAME}.bookmark", prepare=True).fetchone() or (
                    0,
                )
                if position > last:
                    last = position
                    shown.append((position, time.perf_counter()))
                time.sleep(0.001)

    looking = threading.Thread(target=look)
    with processes(url), SourceJournal() as journal, psycopg.connect(url, autocommit=True) as connection:
        looking.start()
        begun = time.perf_counter()
        for number in range(seconds * BATCHES_A_SECOND):
            entries = [next(each) for _ in range(batch)]
            by_stream: dict[UUID, list[Encoded]] = {}
            for entry in entries:
                by_stream.setdefault(entry.stream, []).append(entry)
            proposals = [
                Proposal(uuid7(), (Appending(stream, entries[0].version - 1, entries),))
                for stream, entries in by_stream.items()
            ]
            time.sleep(max(begun + number / BATCHES_A_SECOND - time.perf_counter(), 0))
            outcomes = journal.append(proposals)
            committed.append((max(outcome.position for outcome in outcomes), time.perf_counter()))
        until = time.perf_counter() + 10
        while (not shown or shown[-1][0] < committed[-1][0]) and time.perf_counter() < until:
            time.sleep(0.01)
        done.set()
        looking.join()
    return [
        (next(when for at, when in shown if at >= position) - at_commit) * 1000 for position, at_commit in committed
    ]


@contextmanager
def processes(url: str) -> Iterator[None]:
    """A settler and a follower, as `up` starts them; ready when the follower says so."""
    environment = {**os.environ, "LEDGER_DATABASE_URL": url}
    command = (sys.executable, "-m", "order_ledger")
    started = [subprocess.Popen((*command, *asked), env=environment) for asked in (("settle",), ("follow", NAME))]
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            while not all(each.followed and each.lag_events == 0 for each in lag.status(connection)):
                time.sleep(0.1)
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def keeping_up(url: str, seconds: int) -> dict[str, Any]:
    """How far behind the read model is at a steady rate: the worst hundredth."""
    found = sorted(lags(url, seconds))
    worst = found[len(found) * 99 // 100]
    return {
        "what": f"lag at {RATE} events/s, p99 (median {found[len(found) // 2]:.1f} ms)", "ours": round(worst, 1),
        "against": "the limit", "theirs": LIMIT_MS, "ratio": round(LIMIT_MS / worst, 2), "reach": 1, "unit": "ms",
        "runs": len(found),
    }  # fmt: skip


def main() -> None:
    given = arguments(__doc__ or "", rounds=5, seconds=20, open_orders=2_000)
    with server() as url:
        migrate(url)
        rows = [*throughput(given, url), keeping_up(url, given.seconds)]
        report("follow", rows, given.json, postgresql=server_version(url), open_orders=given.open_orders)


if __name__ == "__main__":
    main()
