"""Append, one event a transaction, 32 clients: ours against the bare INSERT and against the stock recorder.

Each side is the SQL that it sends, run by pgbench in the server's own time; rounds are shuffled, the median counts.
The Python clients of both, one event a call, are reported beside them.

How far apart ours and the stock recorder are is a matter of how long the disk takes to flush the log, which the stock
recorder does for one event after the other. So both are measured as the disk is, and as if each flush took a quarter of
a millisecond longer: by PostgreSQL's own `commit_delay`, for which whoever flushes the log sleeps before it.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from benches._harness import arguments, console, pgbench, report, row, server, server_version, shuffled_rounds
from order_ledger.identifiers import uuid7
from order_ledger.journal.appending import STATEMENT
from order_ledger.journal.migrations import migrate
from order_ledger.journal.recorder import INSERT_ONE, JournalRecorder

CLIENTS = 32
LONGER_FLUSH = {"commit_delay": 250, "commit_siblings": 0}  # microseconds; however few others are at work
STATE = b"x" * 900
NOW = datetime(2026, 11, 21, 20, 15, 3, 201344, tzinfo=UTC)

BARE_TABLE = """
    CREATE SCHEMA bare;
    CREATE TABLE bare.entry (LIKE journal.entry INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING STORAGE);
    ALTER TABLE bare.entry ALTER originator_version TYPE bigint, ALTER state TYPE bytea, ALTER hash TYPE bytea;
    ALTER TABLE bare.entry ADD PRIMARY KEY (originator_id, originator_version);
    CREATE UNIQUE INDEX ON bare.entry (notification_id);
"""

# A UUIDv7, as the ledger's own: it begins with a time, which goes on with every transaction of a client. What makes it
# costs the server as little as may be, for it is no part of what is measured.
STREAM = r"""
\set now :now + 1
\set high :now * 65536 + 28672
\set low random(0, 4611686018427387902) - 9223372036854775807
"""
STREAM_ID = "encode(int8send(:high) || int8send(:low), 'hex')"

VALUES = ["{stream}::uuid", "1", ":name", ":state::bytea", ":kind", ":recorded::timestamptz", ":hash::bytea"]
OURS = STREAM + INSERT_ONE % tuple(value.format(stream=STREAM_ID) for value in VALUES) + ";\n"
BARE = OURS.replace("journal.entry", "bare.entry")

# As the library sends it: all but the commit in one round trip, then the positions are read, then the commit.
STOCK = f"""{STREAM}
\\startpipeline
BEGIN;
SET LOCAL lock_timeout = '0s';
LOCK TABLE stock.stored_events IN EXCLUSIVE MODE;
NOTIFY stored_events;
INSERT INTO stock.stored_events AS t (originator_id, originator_version, topic, state)
SELECT originator_id, originator_version, topic, state
FROM unnest(ARRAY[ROW({STREAM_ID}::uuid, 1, :name, :state::bytea)::stock.stored_event_uuid]) RETURNING notification_id;
\\endpipeline
COMMIT;
"""
SCRIPTS = {"ours": OURS, "bare": BARE, "stock": STOCK}


def command() -> str:
    """Our statement with one command of one entry and its idempotency key, as the ledger sends it."""
    stream = f"('{{' || {STREAM_ID} || '}}')"
    given = {
        "numbers": "'{0}'", "scopes": stream, "keys": stream, "commands": stream, "bounds": "(:hashes)",
        "bodies": "(:hashes)", "base_numbers": "'{0}'", "base_streams": stream, "base_versions": "'{0}'",
        "numbers_of_entries": "'{0}'", "streams": stream, "versions": "'{1}'", "names": "('{' || :name || '}')",
        "kinds": "('{' || :kind || '}')", "recorded_ats": "(:recordeds)", "hashes": "(:hashes)", "states": "(:states)",
    }  # fmt: skip
    return STREAM + re.sub(r"%\((\w+)\)s", lambda match: given[match[1]], STATEMENT.replace("\n", " ")) + ";\n"


def datastore(url: str, schema: str) -> PostgresDatastore:
    given = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    names = ("dbname", "host", "port", "user", "password")
    return PostgresDatastore(*(given.get(name, "") for name in names), pool_size=CLIENTS, schema=schema)


def may_set_commit_delay(url: str) -> bool:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT current_setting('is_superuser') = 'on'").fetchone()
    return bool(found and found[0])


def by_threads(seconds: float, one: Callable[[], object]) -> float:
    """Calls a second of 8 threads in this process."""
    until, counts = time.perf_counter() + seconds, [0] * 8

    def work(number: int) -> None:
        while time.perf_counter() < until:
            one()
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def main() -> None:
    given = arguments(__doc__ or "", rounds=21, seconds=2)
    with server() as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS bare CASCADE; DROP SCHEMA IF EXISTS stock CASCADE")
            connection.execute("CREATE SCHEMA stock")
            connection.execute(BARE_TABLE.encode())
        recorder = PostgresApplicationRecorder(datastore(url, "stock"))
        recorder.create_table()
        digest = hashlib.sha256(STATE).digest()
        variables = {
            "name": "OrderShipped", "kind": "order", "recorded": NOW.isoformat(), "state": STATE.decode(),
            "hash": f"\\x{digest.hex()}", "recordeds": f'{{"{NOW.isoformat()}"}}',
            "hashes": f'{{"\\\\x{digest.hex()}"}}', "states": f"{{{STATE.decode()}}}",
        }  # fmt: skip
        mine = JournalRecorder(datastore(url, "journal"))

        def side(script: str, settings: dict[str, int] | None = None) -> Callable[[], float]:
            return lambda: pgbench(
                url,
                script,
                clients=CLIENTS,
                seconds=given.seconds,
                variables=variables | {"now": str(time.time_ns() // 1_000_000)},
                settings=settings,
            )

        sides: dict[str, Callable[[], float]] = {
            "ours": side(OURS),
            "bare": side(BARE),
            "command": side(command()),
            "stock": side(STOCK),
            "ours, Python": lambda: by_threads(
                1, lambda: mine.insert_events([StoredEvent(uuid7(), 1, "OrderShipped", STATE)])
            ),
            "stock, Python": lambda: by_threads(
                1, lambda: recorder.insert_events([StoredEvent(uuid7(), 1, "OrderShipped", STATE)])
            ),
        }
        flushes_longer = may_set_commit_delay(url)
        if flushes_longer:
            sides |= {f"{name}, longer flush": side(script, LONGER_FLUSH) for name, script in SCRIPTS.items()}
        else:
            console.print("Only a superuser may set commit_delay: what a longer flush makes of it is not measured.")
        found = shuffled_rounds(sides, given.rounds)
        rows = [
            row("append in the database", found["ours"], "the bare INSERT", found["bare"], 0.75, "events/s"),
            row("append in the database", found["ours"], "the stock recorder's SQL", found["stock"], 4, "events/s"),
            row(
                "a whole command: key, base, entry",
                found["command"],
                "the bare INSERT",
                found["bare"],
                None,
                "commands/s",
            ),
            row(
                "append from Python, 8 threads",
                found["ours, Python"],
                "the stock recorder",
                found["stock, Python"],
                1,
                "events/s",
            ),
        ]
        if flushes_longer:
            slow = {name: found[f"{name}, longer flush"] for name in SCRIPTS}
            what = "append where a flush takes 0.25 ms longer"
            rows += [
                row(what, slow["ours"], "the bare INSERT", slow["bare"], 0.75, "events/s"),
                row(what, slow["ours"], "the stock recorder's SQL", slow["stock"], 4, "events/s"),
            ]
        for each in (mine, recorder):
            each.datastore.close()
        report("append", rows, given.json, postgresql=server_version(url), clients=CLIENTS)


if __name__ == "__main__":
    main()
