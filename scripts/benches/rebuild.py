"""Rebuilding order_status from the first entry: against COPY out of the same entries in the order of streams, and
against the same fold in SQL.

Ours begins with a journal and ends with a copy whose rows, indexes and statistics are there: it cuts ranges, starts
its processes, reads, decodes, folds, writes. Then, outside of what is timed, every row is compared with what a follower
made of the same entries, and the copies are swapped. COPY out is read by the same driver, and nothing is made of it.

The SQL (`order_status.sql`) makes the same tables, what a follower goes on from included, and outside of what is timed
its rows and states are compared with ours. It knows only the events of this journal, and runs on both cores where the
server sees fit.
"""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from benches._harness import arguments, console, report, row, server, server_version, shuffled_rounds
from benches._journal import fill
from order_ledger.following.compact import Compact
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.following.rebuilding import rebuild
from order_ledger.journal.migrations import migrate
from projections.order_status import OrderStatus

NAME = "order_status"
OF_COPY, OF_SQL = 0.25, 3.0

IN_STREAM_ORDER = (
    "COPY (SELECT originator_id, originator_version, notification_id, state FROM journal.entry "
    "WHERE topic <> ALL(ARRAY[{ignored}]) ORDER BY originator_id, originator_version) TO STDOUT (FORMAT binary)"
)
IN_SQL = Path(__file__).with_name("order_status.sql")


def ours(url: str, jobs: int) -> float:
    """Seconds from the start to a copy that is built; then it is compared with the one that is read, and swapped."""
    rest(url)
    began, built = time.perf_counter(), 0.0

    def told(phase: str, done: int, of: int) -> None:
        nonlocal built
        if phase == "follow":
            built = time.perf_counter()

    done = rebuild(url, find(NAME), jobs=jobs, told=told)
    assert done.comparison is not None and done.comparison.equal and done.swapped, "it is what was followed live"
    return built - began


def rest(url: str) -> None:
    """What one side left to be written is written before the next is measured."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    os.sync()


def copy_out(url: str) -> float:
    """Seconds to read all entries that are folded, in the order of streams."""
    rest(url)
    began, read = time.perf_counter(), 0
    statement = IN_STREAM_ORDER.format(ignored=_ignored()).encode()
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for _ in copy:
            read += 1
    assert read > 0
    return time.perf_counter() - began


def in_sql(url: str) -> float:
    """Seconds of the fold in SQL; then its rows and states are compared with those of the copy that is read."""
    statements = IN_SQL.read_text().replace("{ignored}", f"ARRAY[{_ignored()}]")
    with psycopg.connect(url) as connection:
        connection.execute("DROP SCHEMA IF EXISTS in_sql CASCADE")
        connection.commit()
        rest(url)
        began = time.perf_counter()
        connection.execute(statements.encode())
        connection.commit()
        took = time.perf_counter() - began
        for table in find(NAME).tables:
            columns = ", ".join(column for column in table.columns if column != "folded")
            rows = f"SELECT {columns} FROM {{}}.{table.name}"
            for one, other in ((NAME, "in_sql"), ("in_sql", NAME)):
                missing = f"{rows.format(one)} EXCEPT ALL {rows.format(other)} LIMIT 1"
                assert not connection.execute(missing.encode()).fetchall(), f"the same rows in {table.name}"
        _compare_states(connection)
    return took


def _compare_states(connection: psycopg.Connection[TupleRow]) -> None:
    ours, theirs = Compact(OrderStatus), msgspec.json.Decoder(OrderStatus, strict=False)
    with connection.cursor("states") as cursor:
        cursor.execute(
            "SELECT mine.folded, other.folded::text "
            "FROM order_status.orders mine JOIN in_sql.orders other USING (order_id)"
        )
        for state, in_json in cursor:
            assert ours.decode(state) == theirs.decode(in_json), in_json


def _ignored() -> str:
    return ", ".join(f"'{name}'" for name in find(NAME).ignored)


def main() -> None:
    given = arguments(__doc__ or "", events=1_000_000, rounds=5)
    with server() as url:
        migrate(url)
        fill(url, given.events)
        began = time.perf_counter()
        Follower(url, find(NAME)).catch_up(given.events)
        console.print(f"followed live in {time.perf_counter() - began:,.1f} s")
        sides: dict[str, Any] = {
            "one job": lambda: given.events / ours(url, 1),
            "two jobs": lambda: given.events / ours(url, 2),
            "COPY out": lambda: given.events / copy_out(url),
            "SQL": lambda: given.events / in_sql(url),
        }
        found = shuffled_rounds(sides, given.rounds)
        one, two = found["one job"], found["two jobs"]
        rows = [
            row("rebuild, two jobs", two, "COPY out in stream order", found["COPY out"], OF_COPY, "events/s"),
            row("rebuild, one job", one, "COPY out in stream order", found["COPY out"], None, "events/s"),
            row("rebuild, two jobs", two, "the same fold in SQL", found["SQL"], OF_SQL, "events/s"),
            row("rebuild, one job", one, "the same fold in SQL", found["SQL"], None, "events/s"),
            row("rebuild, two jobs", two, "one job", one, 1.0, "events/s"),
        ]
        report("rebuild", rows, given.json, postgresql=server_version(url), events=given.events)


if __name__ == "__main__":
    main()
