"""Every entry's exact bytes, one a line, in order of positions, up to the settled one.

Sealed values stay sealed: where they are to be read, the keys must come along by themselves.
"""

import os
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Literal

from order_ledger.faults import Fault
from order_ledger.journal.copying import COLUMNS, copy_out
from order_ledger.journal.feed import settled


class NotALine(Fault):
    """An entry's bytes hold a line break, so they are none of ours: `audit verify` says which."""


def export_entries(connection: Connection[TupleRow], path: Path) -> int:
    """Writes the file, whole or not at all; answers how many entries are in it. Raises `NotALine`."""
    final = settled(connection)  # a statement of its own: what is at or below it is read by a later one
    query = SQL(f"SELECT {COLUMNS} FROM journal.entry WHERE notification_id <= {{}} ORDER BY notification_id")
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    entries = 0
    try:
        with draft.open("xb") as file:
            for entry in copy_out(connection, query.format(Literal(final))):
                if b"\n" in entry.state:
                    raise NotALine(f"version {entry.version} of stream {entry.stream} is not one line of JSON")
                file.write(entry.state + b"\n")
                entries += 1
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return entries
