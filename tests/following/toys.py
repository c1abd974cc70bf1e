"""A projection small enough to see through: how many entries each order has, and what its last note's number was.

It can be told to fail, as a fold with a fault in it does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import Entry
from order_ledger.following import Folding, Projection, Rows, Table
from order_ledger.orders.events import NoteAdded, TrackingChecked

SCHEMA = """
CREATE TABLE tally (stream uuid PRIMARY KEY, entries bigint NOT NULL CHECK (entries < 1000), note bigint);
CREATE TABLE seen (stream uuid, version bigint, PRIMARY KEY (stream, version));
"""


class Tally(Struct, frozen=True):
    stream: UUID
    versions: tuple[int, ...] = ()
    note: int | None = None


def fold(tally: Tally | None, entry: Entry[Any]) -> Tally:
    before = tally or Tally(entry.stream)
    note = entry.event.note if isinstance(entry.event, NoteAdded) else before.note
    return Tally(entry.stream, (*before.versions, entry.version), note)


def rows(tally: Tally) -> Rows:
    return {
        "tally": [(tally.stream, len(tally.versions) + (tally.note or 0) // 1000 * 1000, tally.note)],
        "seen": [(tally.stream, version) for version in tally.versions],
    }


def state(found: Rows) -> Tally:
    ((stream, _, note),) = found["tally"]
    return Tally(stream, tuple(version for _, version in found["seen"]), note)


def tally_projection(
    folder: Path,
    version: int = 1,
    fold: Callable[[Tally | None, Entry[Any]], Tally] = fold,
    schema: str = SCHEMA,
) -> Projection:
    """Notes numbered 1,000 and more make a row that its table refuses."""
    path = folder / f"tally_{version}.sql"
    path.write_text(schema)
    return Projection(
        name="tally",
        version=version,
        schema=path,
        tables=(Table("tally", ("stream", "entries", "note")), Table("seen", ("stream", "version"), key=2)),
        foldings=(
            Folding(kind="order", fold=fold, rows=rows, state=state, form=Tally, ignores=frozenset((TrackingChecked,))),
        ),
    )
