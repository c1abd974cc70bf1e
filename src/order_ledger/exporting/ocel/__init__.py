"""The ledger as an object-centric event log: OCEL 2.0, as JSON or as an SQLite database.

Events are the entries, under their own names. Objects are orders, items, their stock, shipments, returns, documents,
organisations and persons; an order's and a return's `state`, a shipment's `carrier`, and an item's price change over
time. What is sealed is left out, and nothing is opened.

Entries are read in the order of streams, so that one order is in memory at a time, and items and organisations, of
which there are few. A log is a set: whoever reads it orders it by time. A time that a source does not say is that of
the entry before, and the event says so.

telling.py   what an entry says, in the words of OCEL
files.py     writing it: JSON, SQLite

OCEL 2.0: https://www.ocel-standard.org
"""

import os
from pathlib import Path

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Literal

from order_ledger.exporting.ocel.files import JsonFile, SqliteFile
from order_ledger.exporting.ocel.telling import Telling
from order_ledger.journal.codec import Codec
from order_ledger.journal.copying import COLUMNS, copy_out
from order_ledger.journal.feed import settled
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS

__all__ = ["FORMS", "Exported", "export_ocel"]

FORMS: dict[str, type[JsonFile | SqliteFile]] = {".json": JsonFile, ".sqlite": SqliteFile}
"""The form that a file's ending asks for."""


class Exported(Struct, frozen=True):
    """How many events and objects are in the file, up to this settled position."""

    events: int
    objects: int
    position: int


def export_ocel(connection: Connection[TupleRow], path: Path) -> Exported:
    """Writes the file, whole or not at all, in the form that its ending asks for. The connection is in autocommit.

    Raises `Unreadable` at an entry that this version of the ledger does not know.
    """
    final = settled(connection)  # a statement of its own: what is at or below it is read by a later one
    codec = Codec(inspect(connection), EVENTS, UPCASTERS)
    query = SQL(
        f"SELECT {COLUMNS} FROM journal.entry WHERE notification_id <= {{}} ORDER BY originator_id, originator_version"
    )
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    telling, events, objects = Telling(), 0, 0
    try:
        with FORMS[path.suffix](draft) as file:
            for copied in copy_out(connection, query.format(Literal(final))):
                event, finished = telling.tell(codec.decode(copied.state))
                file.write_event(event)
                events += 1
                for each in finished:
                    file.write_object(each)
                    objects += 1
            for each in telling.rest():
                file.write_object(each)
                objects += 1
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Exported(events, objects, final)
