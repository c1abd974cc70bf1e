"""Rebuilding a projection: from the journal's first entry, beside the copy that is read, and swapped for it.

1. S is the highest position that is final, taken before any row is read.
2. The entries up to S are read in the order of streams, by ranges of streams and several processes, folded straight
   through, and written into fresh tables; their indexes are made when the rows are there.
3. The new copy's bookmarks are set to S, and it is followed from there.
4. The copies are compared.
5. In one transaction both are brought to one position, what is left is compared, and the schemas change names.

The copy that is read serves all the while. What is cancelled leaves nothing behind; what dies goes on when it is begun
again by the same program, with the ranges that are left.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
from msgspec import Struct
from msgspec.structs import replace
from psycopg import Connection, sql
from psycopg.rows import TupleRow

import order_ledger
from order_ledger.following import installing, lag
from order_ledger.following.building import Cut
from order_ledger.following.comparing import Comparison
from order_ledger.following.contract import Projection, Table
from order_ledger.following.installing import Copy
from order_ledger.following.jobs import Interrupted, build_ranges
from order_ledger.following.ranges import cut
from order_ledger.following.swapping import Pair, Refused, alone, choose_side, read_copy
from order_ledger.journal.database_roles import grant_read_model

ENTRIES_A_RANGE = 10_000
_BUILDING = Path(__file__).parent / "building.sql"

Phase = Literal["fold", "index", "follow", "compare"]
Told = Callable[[Phase, int, int], None]
"""Hears what is being done and, of folding, how many ranges are done of how many."""


class Rebuilt(Struct, frozen=True):
    """What a rebuild did: up to which position it was folded, and at which it was compared and swapped.

    `side` is the copy beside the one that is read, `comparison` what comparing the two found; there are none where
    nothing had been followed before.
    """

    name: str
    version: int
    folded_to: int
    position: int
    resumed: bool = False
    swapped: bool = False
    side: str | None = None
    same_version: bool = True
    comparison: Comparison | None = None


def rebuild(
    url: str, projection: Projection, *, jobs: int = 1, swap: bool = True, told: Told = lambda phase, done, of: None
) -> Rebuilt:
    """Rebuilds this version, and lets the new copy be read unless told not to.

    Raises `Refused`, `Interrupted`, `Differing` where it comes to other rows than the copy of the same version that is
    read (which stays the one that is read, the new one beside it), and `CannotFollow`.
    """
    with alone(url, projection.name) as connection:
        _check_read(connection, projection)
        with _building(connection, projection, jobs) as (cut_at, resumed):
            build_ranges(url, projection, _new(projection), cut_at, jobs, lambda done, of: told("fold", done, of))
            told("index", 0, 0)
            make_indexes(url, projection, _new(projection), jobs)
            side = _finish(connection, projection, cut_at.until)
        done = Rebuilt(projection.name, projection.version, cut_at.until, cut_at.until, resumed=resumed)
        if side is None:
            return replace(done, swapped=True)
        with _dropped_when_cancelled(connection, side):
            pair = Pair(url, connection, projection, side)
            done = replace(done, same_version=pair.one_version)
            told("follow", 0, 0)
            pair.catch_up()
            told("compare", 0, 0)
            if not swap:
                found, position = pair.compare()
                return replace(done, position=position, side=side.schema, comparison=found)
            now = pair.swap()
        return replace(done, position=now.position, side=now.side, comparison=now.comparison, swapped=True)


def _check_read(connection: Connection[TupleRow], projection: Projection) -> None:
    """Makes sure that there is a copy that is read, and that it is not of a later program's."""
    if not any(copy.read for copy in installing.copies(connection, projection.name)):
        installing.install(connection, projection)
    if (read := read_copy(connection, projection.name)).version > projection.version:
        raise Refused(
            f"Version {read.version} of {projection.name} is the one that is read, and this program has version "
            f"{projection.version}: run the program that came with version {read.version}."
        )


def compare_copies(
    url: str, projection: Projection, *, jobs: int = 1, told: Told = lambda phase, done, of: None
) -> Rebuilt:
    """Compares the copy that is read with the one beside it or, where there is none, with one that is rebuilt for that
    and dropped again. Raises `Refused`, `Interrupted` and `CannotFollow`."""
    with alone(url, projection.name) as connection:
        read_copy(connection, projection.name)
        if len(installing.copies(connection, projection.name)) > 1:
            pair = Pair(url, connection, projection, side := choose_side(connection, projection.name))
            found, position = pair.compare()
            return Rebuilt(
                projection.name, side.version, position, position, side=side.schema, comparison=found,
                same_version=pair.one_version,
            )  # fmt: skip
    done = rebuild(url, projection, jobs=jobs, swap=False, told=told)
    with alone(url, projection.name) as connection:
        if done.side is not None:
            _drop(connection, done.side)
    return done


def fresh_schema(connection: Connection[TupleRow], projection: Projection, schema: str, cut_at: Cut, jobs: int) -> None:
    """Makes a schema to build ranges into. The connection is the owner's, in autocommit."""
    entries = cut_at.until
    ranges = cut(connection, entries, max(1, -(-entries // ENTRIES_A_RANGE), jobs if entries > 100 * jobs else 1))
    with connection.transaction():
        installing.one_at_a_time(connection)
        installing.drop(connection, schema)
        installing.create(connection, projection, schema)
        connection.execute(_BUILDING.read_bytes())
        connection.execute(
            "INSERT INTO building (program, until, indexes) VALUES (%s, %s, %s)",
            (_program(projection), entries, _without_indexes(connection, schema)),
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO range (number, first, last) VALUES (%s, %s, %s)",
                [(number, first, last) for number, (first, last) in enumerate(ranges, 1)],
            )
        grant_read_model(connection, schema)


def make_indexes(url: str, projection: Projection, schema: str, jobs: int) -> None:
    """Makes the indexes of a schema whose ranges are all built, as many at once as there are jobs, and lets the planner
    know what it holds. Each is made in a transaction that strikes it off the list of those to be made."""
    building = sql.Identifier(schema, "building")

    def make(definition: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("SET LOCAL maintenance_work_mem = '128MB'")
            connection.execute(definition.encode())
            connection.execute(
                sql.SQL("UPDATE {} SET indexes = array_remove(indexes, %s)").format(building), (definition,)
            )

    def analyze(table: Table) -> None:
        with psycopg.connect(url) as connection:
            name = sql.Identifier(schema, table.name)
            columns = sql.SQL(", ").join(map(sql.Identifier, _found_by(connection, schema, table)))
            connection.execute(sql.SQL("ANALYZE {} ({})").format(name, columns))

    with psycopg.connect(url) as connection:
        row = connection.execute(sql.SQL("SELECT indexes FROM {}").format(building)).fetchone()
        assert row is not None, "it is being built"
    with ThreadPoolExecutor(jobs, "index") as threads:
        begun = [threads.submit(make, definition) for definition in row[0]]
        begun += [threads.submit(analyze, table) for table in projection.tables]
        for each in begun:
            each.result()


def _found_by(connection: Connection[TupleRow], schema: str, table: Table) -> list[str]:
    """The columns that rows are found by. To look at all of them costs three times as much, and autovacuum does so
    soon: a look at some does not count as one."""
    indexed = connection.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
        "WHERE i.indrelid = %s::regclass",
        (f"{schema}.{table.name}",),
    )
    found = {*table.columns[: table.key], *(column for (column,) in indexed)}
    return [column for column in table.columns if column in found]


def finish(connection: Connection[TupleRow], schema: str, parts: int, until: int) -> None:
    """Sets the bookmarks of a schema that is built, in a transaction of the caller's."""
    connection.execute(
        sql.SQL("INSERT INTO {} (part, parts, position) SELECT n, %s, %s FROM generate_series(1, %s) n").format(
            sql.Identifier(schema, "bookmark")
        ),
        (parts, until, parts),
    )
    for table in ("range", "building"):
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, table)))


def _new(projection: Projection) -> str:
    return f"{installing.side_name(projection)}_new"


@contextmanager
def _building(connection: Connection[TupleRow], projection: Projection, jobs: int) -> Iterator[tuple[Cut, bool]]:
    """The schema that is being built: that of a rebuild which died, or a fresh one. It is dropped when this is
    cancelled or fails, unless what failed is the connection or a process: then it is there to go on with."""
    schema = _new(projection)
    until = _begun(connection, projection, schema)
    cut_at = Cut(until=lag.settled_end(connection) if until is None else until)
    try:
        if until is None:
            fresh_schema(connection, projection, schema, cut_at, jobs)
        yield cut_at, until is not None
    except (psycopg.OperationalError, Interrupted):
        raise
    except BaseException:
        _drop(connection, schema)
        raise


@contextmanager
def _dropped_when_cancelled(connection: Connection[TupleRow], side: Copy) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        _drop(connection, side.schema)
        raise


def _drop(connection: Connection[TupleRow], schema: str) -> None:
    with connection.transaction():
        installing.one_at_a_time(connection)
        installing.drop(connection, schema)


def _begun(connection: Connection[TupleRow], projection: Projection, schema: str) -> int | None:
    """Up to where a rebuild that died was to go, where this same program can go on with it."""
    if connection.execute("SELECT to_regclass(%s)", (f"{schema}.building",)).fetchone() == (None,):
        return None
    row = connection.execute(
        sql.SQL("SELECT b.until, b.program, p.fingerprint FROM {} b, {} p").format(
            sql.Identifier(schema, "building"), sql.Identifier(schema, "projection")
        )
    ).fetchone()
    if row is None or row[1:] != (_program(projection), projection.fingerprint):
        return None
    return int(row[0])


def _without_indexes(connection: Connection[TupleRow], schema: str) -> list[str]:
    """Drops the indexes that refuse no row, and answers how to make them again. Keys stay: a stream whose rows collide
    is found by them."""
    found = connection.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = %s::regnamespace AND NOT i.indisunique "
        "AND NOT i.indisexclusion ORDER BY 1",
        (schema,),
    ).fetchall()
    for index, _ in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(index)))
    return [definition for _, definition in found]


def _program(projection: Projection) -> str:
    """A hash of the code that folds: ranges of one schema are all folded by one program."""
    folder = Path(order_ledger.__file__).parent
    modules = {each.__module__ for folding in projection.foldings for each in (folding.fold, folding.rows)}
    files = {*folder.rglob("*.py"), *(Path(str(sys.modules[module].__file__)) for module in modules)}
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in sorted(files))).hexdigest()


def _finish(connection: Connection[TupleRow], projection: Projection, until: int) -> Copy | None:
    """Puts the built copy beside the one that is read, divided as that is. One that nobody ever followed holds nothing:
    its place is taken, and there is no side."""
    schema, side = _new(projection), installing.side_name(projection)
    with connection.transaction():
        installing.one_at_a_time(connection)
        read = read_copy(connection, projection.name)
        marks = connection.execute(
            sql.SQL("SELECT position FROM {} FOR UPDATE").format(sql.Identifier(read.schema, "bookmark"))
        ).fetchall()
        finish(connection, schema, len(marks), until)
        installing.drop(connection, side)
        if all(position == 0 for (position,) in marks):
            installing.drop(connection, read.schema)
            installing.rename(connection, schema, read.schema)
            return None
        installing.rename(connection, schema, side)
    return choose_side(connection, projection.name, projection.version)
