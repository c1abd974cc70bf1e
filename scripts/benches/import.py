"""Import, every decision made, on two processes: against one COPY in of the very rows that it leaves.

Both sides write the same table with its trigger and indexes, on the same server, each time into a new database. Ours
begins with files and ends with the last commit: it starts its processes, reads, decides, makes keys, seals, chains
and appends. Theirs begins with the rows as bytes, hashes included, in the form that is quickest to take in (binary).
"""

import csv
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benches._harness import arguments, report, row, server, server_version, shuffled_rounds
from order_ledger.importing.olist import CUSTOMERS, ITEMS, ORDERS, PAYMENTS, open_files
from order_ledger.importing.running import Target, import_files
from order_ledger.importing.tables import Form
from order_ledger.journal.copying import COLUMNS
from order_ledger.journal.migrations import migrate

_numbers = count(1)


def write_files(folder: Path, orders: int, random: Random) -> None:
    """Invented orders in the form of the public files: as many items, payments and statuses as real ones have."""
    statuses = ["delivered"] * 97 + ["shipped", "canceled", "processing"]
    rows: dict[Form, list[Sequence[object]]] = {form: [form.columns] for form in (ORDERS, ITEMS, PAYMENTS, CUSTOMERS)}

    def own() -> str:
        return f"{random.getrandbits(128):032x}"

    for _ in range(orders):
        order, customer, status = own(), own(), random.choice(statuses)
        placed = datetime(2017, 1, 1) + timedelta(seconds=random.randrange(50_000_000))  # noqa: DTZ001
        times = [placed + timedelta(hours=hours) for hours in (0, random.randrange(40), 60, 300)]
        known = {"delivered": 4, "shipped": 3}.get(status, 2)
        texts = [str(moment) for moment in times[:known]] + [""] * (4 - known)
        rows[ORDERS].append([order, customer, status, *texts, f"{placed + timedelta(days=25):%Y-%m-%d} 00:00:00"])
        rows[CUSTOMERS].append([customer, own(), f"{random.randrange(100_000):05}", "cidade inventada", "SP"])
        total = 0
        for item in range(1, random.choice((1,) * 9 + (2,)) + 1):
            price, freight = random.randrange(500, 50_000), random.randrange(700, 4_000)
            total += price + freight
            costs = [f"{cents / 100:.2f}" for cents in (price, freight)]
            rows[ITEMS].append([order, item, own(), own(), str(times[1]), *costs])
        rows[PAYMENTS].append([order, 1, "credit_card", random.randrange(1, 9), f"{total / 100:.2f}"])
    for form, table in rows.items():
        with (folder / form.name).open("w", newline="") as file:
            csv.writer(file).writerows(table)


@contextmanager
def fresh_ledger(url: str) -> Iterator[str]:
    """A new database with an empty ledger in it, gone afterwards."""
    name = f"import_bench_{next(_numbers)}"
    parts = urlsplit(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            fresh = urlunsplit(parts._replace(path=f"/{name}"))
            migrate(fresh)
            connection.execute("CHECKPOINT")
            yield fresh
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def copied_out(url: str) -> list[bytes]:
    """Every row of the journal, as COPY writes it."""
    query = f"COPY (SELECT {COLUMNS} FROM journal.entry ORDER BY notification_id) TO STDOUT (FORMAT binary)"
    with psycopg.connect(url) as connection, connection.cursor().copy(query.encode()) as copy:
        return [bytes(piece) for piece in copy]


def main() -> None:
    given = arguments(__doc__ or "", rounds=5, orders=20_000, jobs=2, seed=1)
    with server() as url, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_files(folder, given.orders, Random(given.seed))
        rows: list[bytes] = []
        events: list[int] = []

        def ours() -> float:
            with fresh_ledger(url) as fresh:
                started = time.perf_counter()
                done = import_files(open_files(folder), Target(fresh, folder / "home"), jobs=given.jobs)
                seconds = time.perf_counter() - started
                assert done.orders == given.orders and not done.failed, "every order is imported"
                events.append(done.events)
                if not rows:
                    rows.extend(copied_out(fresh))
            return done.events / seconds

        def theirs() -> float:
            with fresh_ledger(url) as fresh, psycopg.connect(fresh, autocommit=True) as connection:
                started = time.perf_counter()
                with connection.cursor().copy(
                    f"COPY journal.entry ({COLUMNS}) FROM STDIN (FORMAT binary)".encode()
                ) as copy:
                    for piece in rows:
                        copy.write(piece)
                seconds = time.perf_counter() - started
            return events[0] / seconds

        ours()  # the rows that the other side takes in, and a first run that counts for nobody
        sides: dict[str, Callable[[], float]] = {"import": ours, "COPY": theirs}
        found = shuffled_rounds(sides, given.rounds)
        rows_of_table = [
            row(
                f"import, every decision made, {given.jobs} processes",
                found["import"],
                "one COPY in of the same rows",
                found["COPY"],
                0.25,
                "events/s",
            )
        ]
        report(
            "import",
            rows_of_table,
            given.json,
            postgresql=server_version(url),
            orders=given.orders,
            events=events[0],
            bytes=sum(map(len, rows)),
        )


if __name__ == "__main__":
    main()
