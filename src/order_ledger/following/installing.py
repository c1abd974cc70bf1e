"""A projection's schemas, and which of them is read.

The schema named `<name>` is the copy that queries read; what is followed beside it, to be read instead, is in a schema
of its own, `<name>__<version>`. That may be another version or, made anew, the same version again. The first version
ever installed is the one that is read. Swapping is renaming two schemas in one transaction. So a follower does not know
its schema by name: it asks which one holds its version, and once it holds the lock on its bookmark, which a swap takes
too, it makes sure that it is in that one still.

Other schemas belong to nobody's follower: `<name>__<version>_new` is being built, and `<name>__as_of_…`,
`<name>__as_recorded_…` and `<name>__position_…` hold a moment of the past.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from psycopg import Connection, errors, sql
from psycopg.rows import TupleRow

from order_ledger.faults import Fault
from order_ledger.following.contract import Projection
from order_ledger.journal.database_roles import grant_read_model

_MUTEX = 0x6F6C2D696E73  # "ol-ins", in a range that no position's lock has
_ENGINE = Path(__file__).parent / "engine.sql"

MOST_PARTS = 64


class CannotFollow(Fault):
    """This process must not go on from what the database holds of the projection; the message says what to do."""


class NoSide(CannotFollow):
    """No copy of this version is followed beside the one that is read."""


class Copy(NamedTuple):
    """A copy of a projection that is followed."""

    schema: str
    version: int
    read: bool
    was_read: bool
    """Whether it is one that was read before another took its place: its schema's comment says until when."""


def install(connection: Connection[TupleRow], projection: Projection, parts: int | None = None) -> str:
    """Makes what is missing of this version; answers the name of its schema. Several at once wait for each other.

    Without a number of parts it stays divided as it is. The connection is in autocommit. Raises `CannotFollow`.
    """
    with connection.transaction():
        one_at_a_time(connection)
        schemas = versions(connection, projection.name)
        schema = schemas.get(projection.version)
        if schema is None:
            schema = _create_first(connection, projection, schemas)
        _check_form(connection, projection, schema)
        divide(connection, schema, parts)
        grant_read_model(connection, schema)
    return schema


def find_side(connection: Connection[TupleRow], projection: Projection, parts: int | None = None) -> str:
    """The schema of the same version beside the one that is read, divided as it shall be. Raises `NoSide` where there
    is none, and `CannotFollow`. The connection is in autocommit."""
    with connection.transaction():
        one_at_a_time(connection)
        if not has_side(connection, projection):
            raise NoSide(f"Beside the copy of {projection.name} that is read there is none of the same version.")
        schema = side_name(projection)
        _check_form(connection, projection, schema)
        divide(connection, schema, parts)
    return schema


def has_side(connection: Connection[TupleRow], projection: Projection) -> bool:
    """Whether this version is followed twice: as the copy that is read, and beside it."""
    return [copy.version for copy in copies(connection, projection.name)].count(projection.version) > 1


def side_name(projection: Projection) -> str:
    """Where a copy of this version is that is not the one which is read."""
    return f"{projection.name}__{projection.version}"


def copies(connection: Connection[TupleRow], name: str) -> list[Copy]:
    """The copies of this projection that are followed: the one that is read, and those beside it by version."""
    found = []
    for schema in every_schema(connection, name):
        row = connection.execute(
            sql.SQL(
                "SELECT name, version, obj_description(to_regnamespace({}), 'pg_namespace') IS NOT NULL "
                "FROM {}.projection"
            ).format(sql.Literal(schema), sql.Identifier(schema))
        ).fetchone()
        if row is not None and row[0] == name:
            found.append(Copy(schema, int(row[1]), schema == name, bool(row[2])))
    return sorted(found, key=lambda copy: (not copy.read, copy.version))


def versions(connection: Connection[TupleRow], name: str) -> dict[int, str]:
    """Where each version of this projection is: the copy that is read if it is of that version, else the one beside."""
    found: dict[int, str] = {}
    for copy in copies(connection, name):
        found.setdefault(copy.version, copy.schema)
    return found


def every_schema(connection: Connection[TupleRow], name: str | None = None) -> list[str]:
    """The schemas of all copies that are followed, of all projections or of this one."""
    rows = connection.execute(
        "SELECT n.nspname FROM pg_namespace n "
        "WHERE 3 = (SELECT count(*) FROM pg_class c "
        "           WHERE c.relnamespace = n.oid AND c.relname IN ('projection', 'bookmark', 'parked')) "
        "AND (n.nspname !~ '__' OR n.nspname ~ '__[0-9]+$') AND split_part(n.nspname, '__', 1) = coalesce(%s, "
        "split_part(n.nspname, '__', 1)) ORDER BY n.nspname",
        (name,),
    )
    return [str(schema) for (schema,) in rows.fetchall()]


def aside(connection: Connection[TupleRow]) -> list[str]:
    """The schemas of projections that nobody follows: one being built, or made as of a moment."""
    followed = every_schema(connection)
    rows = connection.execute(
        "SELECT n.nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'projection' "
        "WHERE n.nspname <> ALL(%s) ORDER BY n.nspname",
        (followed,),
    )
    return [str(schema) for (schema,) in rows.fetchall()]


def one_at_a_time(connection: Connection[TupleRow]) -> None:
    """Until the transaction ends, nobody else makes, renames or drops a schema of a projection."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MUTEX,))


def enter(connection: Connection[TupleRow], schema: str) -> None:
    """Lets plain names of tables mean those of this schema, from here on."""
    connection.execute(sql.SQL("SET search_path TO {}, pg_catalog").format(sql.Identifier(schema)))


def create(connection: Connection[TupleRow], projection: Projection, schema: str) -> None:
    """Makes a schema of this name with the projection's empty tables, and is in it until the transaction ends."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(sql.SQL("SET LOCAL search_path TO {}, pg_catalog").format(sql.Identifier(schema)))
    connection.execute(_ENGINE.read_bytes())
    connection.execute(projection.schema.read_bytes())
    connection.execute(
        "INSERT INTO projection (name, version, fingerprint) VALUES (%s, %s, %s)",
        (projection.name, projection.version, projection.fingerprint),
    )


def drop(connection: Connection[TupleRow], schema: str) -> None:
    """Drops a schema and all that is in it, if it is there, once nobody is folding into it. In a transaction."""
    if connection.execute("SELECT to_regclass(%s)", (f"{schema}.bookmark",)).fetchone() != (None,):
        connection.execute(sql.SQL("SELECT FROM {} FOR UPDATE").format(sql.Identifier(schema, "bookmark")))
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def rename(connection: Connection[TupleRow], schema: str, name: str) -> None:
    """Gives a schema another name. Nobody who reads its tables is waited for."""
    connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(schema), sql.Identifier(name)))


def note_that_it_was_read(connection: Connection[TupleRow], schema: str) -> None:
    """Writes on this schema that it was read until now."""
    until = sql.Literal(f"was read until {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(schema), until))


def _create_first(connection: Connection[TupleRow], projection: Projection, schemas: dict[int, str]) -> str:
    current = next((version for version, schema in schemas.items() if schema == projection.name), None)
    if current is not None and current > projection.version:
        raise CannotFollow(
            f"Version {current} of {projection.name} is the one that is read, and this program has version "
            f"{projection.version}, which is no longer there: run the program that came with version {current}."
        )
    schema = projection.name if current is None else side_name(projection)
    create(connection, projection, schema)
    return schema


def _check_form(connection: Connection[TupleRow], projection: Projection, schema: str) -> None:
    (fingerprint,) = _row(connection, sql.SQL("SELECT fingerprint FROM {}.projection").format(sql.Identifier(schema)))
    if fingerprint != projection.fingerprint:
        raise CannotFollow(
            f"The rows of {projection.name} version {projection.version} were written in another form than this "
            f"program's. Drop the schema {schema} to have it built anew, or give the changed projection a new version."
        )


def divide(connection: Connection[TupleRow], schema: str, parts: int | None) -> None:
    """One bookmark for each part. Another number of parts goes on only from where all of the old ones stand."""
    if parts is not None and not 1 <= parts <= MOST_PARTS:
        raise CannotFollow(f"A projection has 1 to {MOST_PARTS} parts, not {parts}.")
    bookmarks = sql.Identifier(schema, "bookmark")
    stand = connection.execute(
        sql.SQL("SELECT part, parts, position FROM {} ORDER BY part FOR UPDATE").format(bookmarks)
    ).fetchall()
    if stand and parts in (None, stand[0][1]):
        return
    parts = parts or 1
    positions = {position for _, _, position in stand} or {0}
    if len(positions) > 1:
        raise CannotFollow(
            f"{schema} is followed in {stand[0][1]} parts, which stand at different positions: let all of them reach "
            f"the end before it is followed in {parts}."
        )
    connection.execute(sql.SQL("DELETE FROM {}").format(bookmarks))
    connection.execute(
        sql.SQL("INSERT INTO {} (part, parts, position) SELECT n, %s, %s FROM generate_series(1, %s) n").format(
            bookmarks
        ),
        (parts, positions.pop(), parts),
    )


def _row(connection: Connection[TupleRow], query: sql.Composed) -> TupleRow:
    row = connection.execute(query).fetchone()
    if row is None:
        raise errors.NoDataFound("the schema says nothing of the projection it holds")
    return row
