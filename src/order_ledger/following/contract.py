"""What a projection says of itself: its tables, and for each kind of stream it reads, a fold.

The fold is pure and knows nothing of how it is run: live, rebuilt, or as of a moment, on one core or many.

- It takes any prefix and any order of events that a stream can have.
- It is not told an entry's position: that is where the journal put it, and nothing that happened.
- `state(rows(x)) == x`: what it must remember stands in the rows, and nothing that entries do not say does.
- No two streams write one row: the first column of every table is the stream's id, and the first of its key.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from order_ledger.entries import Entry, Event, Kind

S = TypeVar("S")

Row = tuple[Any, ...]
"""The values of one row, in the order of its table's columns."""

Rows = Mapping[str, Sequence[Row]]
"""The rows of one stream, by table. A table without rows may be left out."""


class Table(Struct, frozen=True):
    """A table of a projection: its columns, of which the first `key` are its key. The first is the stream's id."""

    name: str
    columns: tuple[str, ...]
    key: int = 1


class Folding(Struct, Generic[S], frozen=True, kw_only=True):
    """What a projection makes of one kind of stream.

    Entries of the events in `ignores` are passed over without being read. `form` is the type of the state: where it
    has changed, rows that were written before may not be read as if it had not, and a new version is due.
    """

    kind: Kind
    fold: Callable[[S | None, Entry[Any]], S]
    rows: Callable[[S], Rows]
    state: Callable[[Rows], S]
    form: type[S]
    ignores: frozenset[type[Event]] = frozenset()


class Projection(Struct, frozen=True, kw_only=True):
    """A read model that may be thrown away and rebuilt. `schema` is the file that makes its tables."""

    name: str
    version: int
    schema: Path
    tables: tuple[Table, ...]
    foldings: tuple[Folding[Any], ...]

    @property
    def fingerprint(self) -> str:
        """A hash of its tables and of the form of its states: what rows of one version have in common."""
        forms = [msgspec.json.encode(msgspec.json.schema(folding.form), order="sorted") for folding in self.foldings]
        return hashlib.sha256(b"\0".join([self.schema.read_bytes(), *forms])).hexdigest()

    @property
    def ignored(self) -> tuple[str, ...]:
        """The names of the events that no fold of this projection reads. Names that nobody knows are not among them."""
        return tuple(sorted({event.__name__ for folding in self.foldings for event in folding.ignores}))
