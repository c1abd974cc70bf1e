"""Rebuilding order_status from the first entry: against COPY out of the same entries in the order of streams, and
against a fold of a part of it in SQL.

Ours begins with a journal and ends with a copy whose rows, indexes and statistics are there: it cuts ranges, starts
its processes, reads, decodes, folds, writes. Then, outside of what is timed, every row is compared with what a follower
made of the same entries, and the copies are swapped. COPY out is read by the same driver, and nothing is made of it.

The SQL does much less: it reads the entries' JSON and keeps an order's number, parties, promise, state (without line
states, so without partly made or shipped orders), amounts paid and refunded, tracking numbers and times. It leaves out
lines, stock, returns, problems, questions, whose turn it is, the terms to search by, and what a fold goes on from.
"""

import time
from typing import Any

import psycopg

from benches._harness import arguments, console, report, row, server, server_version, shuffled_rounds
from benches._journal import fill
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.following.rebuilding import rebuild
from order_ledger.journal.migrations import migrate

NAME = "order_status"
OF_COPY, OF_SQL = 0.25, 3.0

IN_STREAM_ORDER = (
    "COPY (SELECT originator_id, originator_version, notification_id, state FROM journal.entry "
    "WHERE topic <> ALL(ARRAY[{ignored}]) ORDER BY originator_id, originator_version) TO STDOUT (FORMAT binary)"
)
IN_SQL = """
    CREATE TABLE in_sql AS
    WITH entry AS (
        SELECT originator_id AS stream, originator_version AS version, topic, recorded_at,
               convert_from(state, 'UTF8')::jsonb AS body
        FROM journal.entry WHERE kind = 'order' AND topic <> ALL(ARRAY[{ignored}])
    )
    SELECT stream,
        max(body #>> '{{data,number}}') FILTER (WHERE topic = 'OrderPlaced') AS number,
        max(body #>> '{{data,consumer}}') FILTER (WHERE topic = 'OrderPlaced') AS consumer,
        max(body #>> '{{data,seller,id}}') FILTER (WHERE topic = 'OrderPlaced') AS seller,
        max(body #>> '{{data,seller,name}}') FILTER (WHERE topic = 'OrderPlaced') AS seller_name,
        max(body ->> 'at') FILTER (WHERE topic = 'OrderPlaced') AS placed_at,
        (array_agg(body #>> '{{data,promised_by}}' ORDER BY version DESC)
            FILTER (WHERE body #>> '{{data,promised_by}}' IS NOT NULL))[1] AS promised_by,
        max((body #>> '{{data,total,amount}}')::numeric) FILTER (WHERE topic = 'OrderPlaced') AS total,
        CASE WHEN bool_or(topic = 'OrderRejected') THEN 'rejected'
             WHEN bool_or(topic = 'OrderCancelled') THEN 'cancelled'
             WHEN bool_or(topic = 'OrderCompleted') THEN 'completed'
             WHEN bool_or(topic = 'OrderDelivered') THEN 'delivered'
             WHEN bool_or(topic = 'OrderShipped') THEN 'shipping'
             WHEN bool_or(topic = 'ProductionCompleted') THEN 'ready_to_ship'
             WHEN bool_or(topic = 'ProductionStarted') THEN 'in_production'
             WHEN bool_or(topic = 'OrderConfirmed') THEN 'confirmed' ELSE 'placed' END AS state,
        sum((body #>> '{{data,amount,amount}}')::numeric)
            FILTER (WHERE topic = 'PaymentRecorded' AND body #>> '{{data,kind}}' = 'captured') AS captured,
        sum((body #>> '{{data,amount,amount}}')::numeric) FILTER (WHERE topic = 'RefundGranted') AS granted,
        array_agg(body #>> '{{data,tracking_number}}' ORDER BY version)
            FILTER (WHERE topic = 'OrderShipped') AS tracking_numbers,
        max(recorded_at) AS changed_at
    FROM entry GROUP BY stream
"""


def ours(url: str, jobs: int) -> float:
    """Seconds from the start to a copy that is built; then it is compared with the one that is read, and swapped."""
    began, built = time.perf_counter(), 0.0

    def told(phase: str, done: int, of: int) -> None:
        nonlocal built
        if phase == "follow":
            built = time.perf_counter()

    done = rebuild(url, find(NAME), jobs=jobs, told=told)
    assert done.comparison is not None and done.comparison.equal and done.swapped, "it is what was followed live"
    return built - began


def copy_out(url: str) -> float:
    """Seconds to read all entries that are folded, in the order of streams."""
    began, read = time.perf_counter(), 0
    statement = IN_STREAM_ORDER.format(ignored=_ignored()).encode()
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for _ in copy:
            read += 1
    assert read > 0
    return time.perf_counter() - began


def in_sql(url: str) -> float:
    """Seconds of the fold in SQL, as the server plans it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS in_sql")
        began = time.perf_counter()
        connection.execute(IN_SQL.format(ignored=_ignored()).encode())
        return time.perf_counter() - began


def _ignored() -> str:
    return ", ".join(f"'{name}'" for name in find(NAME).ignored)


def main() -> None:
    given = arguments(__doc__ or "", events=1_000_000, rounds=3)
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
            row("rebuild, two jobs", two, "a part of it in SQL", found["SQL"], OF_SQL, "events/s"),
            row("rebuild, one job", one, "a part of it in SQL", found["SQL"], None, "events/s"),
            row("rebuild, two jobs", two, "one job", one, 1.0, "events/s"),
        ]
        report("rebuild", rows, given.json, postgresql=server_version(url), events=given.events)


if __name__ == "__main__":
    main()
