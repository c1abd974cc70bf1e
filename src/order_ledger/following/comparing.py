"""Comparing two copies of a projection, row by row at equal versions of their streams, to the byte.

What the copies hold is asked of the database, so that another version may be compared as well, as far as both have the
same tables, keys and columns.

A parked stream stands at the entry its fold failed on. Where both copies parked it there, its rows are compared as any.
Where only the copy that is read has it parked, the other put it back, and where both stand at different entries there
is nothing to compare. Where only the other has it parked, that is a difference.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import TupleRow

_MOST_SHOWN = 20
_ENGINE = ["projection", "bookmark", "parked", "building", "range"]
_TABLES = (
    "SELECT c.relname, "
    "array(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(n, o) JOIN pg_attribute a "
    "      ON a.attrelid = c.oid AND a.attnum = k.n ORDER BY k.o), "
    "array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "      ORDER BY a.attnum) "
    "FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary "
    "WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r' AND c.relname <> ALL(%s) ORDER BY c.relname"
)
_TOUCHED = (
    "SELECT DISTINCT originator_id FROM journal.entry WHERE notification_id > %s AND notification_id <= %s "
    "UNION SELECT stream FROM unnest(%s::uuid[]) AS parked (stream)"
)


class Difference(Struct, frozen=True):
    """A row that is not the same in both copies, or is in one only: its key, and the columns that differ."""

    table: str
    key: dict[str, str]
    columns: tuple[str, ...]
    only_in: str | None = None


class ParkedIn(Struct, frozen=True):
    """A stream that is parked in a copy, at this version."""

    stream: UUID
    version: int
    schema: str


class Comparison(Struct):
    """What comparing found. `first` are the first rows that differ; `rows` is how many were compared. `parked` are the
    streams that both copies could not read, `put_back` those that only the copy which is read could not."""

    rows: int = 0
    differing: int = 0
    first: list[Difference] = []
    parked: list[ParkedIn] = []
    put_back: list[UUID] = []
    not_compared: list[str] = []

    @property
    def equal(self) -> bool:
        return self.differing == 0

    def add(self, other: "Comparison") -> None:
        """Counts in what was found of other streams."""
        self.rows += other.rows
        self.differing += other.differing
        self.first = (self.first + other.first)[:_MOST_SHOWN]
        self.parked += other.parked
        self.put_back += other.put_back
        self.not_compared = other.not_compared


def compare(
    connection: Connection[TupleRow], read: str, side: str, *, only: Iterable[UUID] | None = None,
    but: Iterable[UUID] = (),
) -> Comparison:  # fmt: skip
    """Compares the rows of two schemas: of all streams, or `only` of these, `but` these. One snapshot, or both
    bookmarks locked, is the caller's to have."""
    chosen = set(only) if only is not None else None
    left_out, found = set(but), Comparison()
    here, there = parked_in(connection, read), parked_in(connection, side)
    for stream in sorted(here.keys() | there.keys()):
        if stream in left_out or (chosen is not None and stream not in chosen):
            continue
        if stream in here and stream in there:
            found.parked += [ParkedIn(stream, here[stream], read), ParkedIn(stream, there[stream], side)]
            if here[stream] != there[stream]:
                left_out.add(stream)
        elif stream in here:
            left_out.add(stream)
            found.put_back.append(stream)
        else:
            left_out.add(stream)
            found.differing += 1
            found.first.append(Difference("parked", {"stream": str(stream)}, ("version",), side))
    ours, theirs = _tables(connection, read), _tables(connection, side)
    for table in sorted(ours.keys() | theirs.keys()):
        if table not in ours or table not in theirs or ours[table][0] != theirs[table][0]:
            found.not_compared.append(table)
            continue
        key, columns = ours[table]
        both = [column for column in columns if column in theirs[table][1]]
        found.not_compared += [f"{table}.{each}" for each in sorted(set(columns) ^ set(theirs[table][1]))]
        _compare_table(connection, found, _Sides(read, side, table, key, both), chosen, left_out)
    return found


def touched(connection: Connection[TupleRow], after: int, until: int, also: Iterable[UUID]) -> list[UUID]:
    """The streams that have entries after the one position and up to the other, and these."""
    return [stream for (stream,) in connection.execute(_TOUCHED, (after, until, list(also))).fetchall()]


def parked_in(connection: Connection[TupleRow], schema: str) -> dict[UUID, int]:
    """The streams that are parked in this schema, and at which version."""
    query = sql.SQL("SELECT stream, version FROM {}").format(sql.Identifier(schema, "parked"))
    return dict(connection.execute(query).fetchall())


class _Sides(Struct, frozen=True):
    """A table of both copies, its key, and the columns that both have."""

    read: str
    side: str
    table: str
    key: Sequence[str]
    columns: Sequence[str]


def _tables(connection: Connection[TupleRow], schema: str) -> dict[str, tuple[list[str], list[str]]]:
    rows = connection.execute(_TABLES, (schema, _ENGINE)).fetchall()
    return {table: (key, columns) for table, key, columns in rows}


def _compare_table(
    connection: Connection[TupleRow], found: Comparison, sides: _Sides, only: set[UUID] | None, but: set[UUID]
) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, sides.columns))
    stream = sql.Identifier(sides.key[0])
    where = sql.SQL("{} <> ALL(%(but)s::uuid[])").format(stream)
    if only is not None:
        where = sql.SQL("{} = ANY(%(only)s::uuid[]) AND {}").format(stream, where)
    ours, theirs = (
        sql.SQL("(SELECT {} FROM {} WHERE {})").format(columns, sql.Identifier(schema, sides.table), where)
        for schema in (sides.read, sides.side)
    )
    same_key = sql.SQL(" AND ").join(sql.SQL("a.{0} = b.{0}").format(sql.Identifier(column)) for column in sides.key)
    # As bytes: 1.0 and 1.00 are equal numbers, and not the same.
    differs = sql.SQL("a.{0} IS NULL OR b.{0} IS NULL OR ROW({1})::record *<> ROW({2})::record").format(
        stream, *(_list(alias, sides.columns) for alias in "ab")
    )
    joined = sql.SQL("FROM {} a FULL JOIN {} b ON {}").format(ours, theirs, same_key)
    parameters = {"only": sorted(only or ()), "but": sorted(but)}
    counts: Any = connection.execute(
        sql.SQL("SELECT count(*), count(*) FILTER (WHERE {}) {}").format(differs, joined), parameters
    ).fetchone()
    found.rows += counts[0]
    if not counts[1]:
        return
    found.differing += counts[1]
    keys = [sql.SQL("coalesce(a.{0}, b.{0})").format(sql.Identifier(column)) for column in sides.key]
    which = sql.SQL(", ").join(
        sql.SQL("CASE WHEN ROW(a.{0})::record *<> ROW(b.{0})::record THEN {1} END").format(
            sql.Identifier(column), sql.Literal(column)
        )
        for column in sides.columns
    )
    rows = connection.execute(
        sql.SQL("SELECT {}::text, a.{stream} IS NULL, b.{stream} IS NULL, array_remove(ARRAY[{}], NULL) {} WHERE {} "
                "ORDER BY {} LIMIT {}").format(
            sql.SQL("::text, ").join(keys), which, joined, differs, sql.SQL(", ").join(keys), _MOST_SHOWN,
            stream=stream,
        ),
        parameters,
    )  # fmt: skip
    for *key, not_ours, not_theirs, names in rows.fetchall():
        only_in = sides.side if not_ours else sides.read if not_theirs else None
        named = dict(zip(sides.key, key, strict=True))
        found.first.append(Difference(sides.table, named, () if only_in else tuple(names), only_in))
    found.first = found.first[:_MOST_SHOWN]


def _list(alias: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, column) for column in columns)
