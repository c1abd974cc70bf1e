"""Two copies of one read model, followed beside each other and swapped, and folds that do not come to the same."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Entry
from order_ledger.following import Projection
from order_ledger.following.keeping import keep
from order_ledger.following.swapping import Pair, Swapped, alone, choose_side
from order_ledger.orders.events import NoteAdded
from tests.following import toys
from tests.following.histories import an_id
from tests.following.toys import Tally

ORDERS = [an_id(f"order {number}") for number in range(40)]


def faulty(tally: Tally | None, entry: Entry[Any]) -> Tally:
    """It cannot take the note numbered 13."""
    if isinstance(entry.event, NoteAdded) and entry.event.note == 13:
        raise ValueError("thirteen")
    return toys.fold(tally, entry)


def forgetful(tally: Tally | None, entry: Entry[Any]) -> Tally:
    """It takes the note numbered 7 for an 8."""
    folded = toys.fold(tally, entry)
    return Tally(folded.stream, folded.versions, 8) if folded.note == 7 else folded


@contextmanager
def kept(url: str, projection: Projection, part: int = 1, parts: int = 1) -> Iterator[None]:
    """Both copies are followed, as `order-ledger follow` does it."""
    stop = threading.Event()
    thread = threading.Thread(
        target=keep, args=(url, projection), kwargs={"part": part, "parts": parts, "stopped": stop.is_set}
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def schemas(connection: Connection[TupleRow], name: str) -> list[str]:
    rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ^@ %s ORDER BY 1", (name,))
    return [schema for (schema,) in rows.fetchall()]


def swap(url: str, projection: Projection, **given: Any) -> Swapped:
    with alone(url, projection.name) as connection:
        back = given.pop("back", False)
        return Pair(url, connection, projection, choose_side(connection, projection.name, back=back)).swap(**given)


def parked_rows(connection: Connection[TupleRow], schema: str) -> list[Any]:
    return connection.execute(f"SELECT * FROM {schema}.parked ORDER BY stream".encode()).fetchall()
