"""A projection's schema, and which of its versions is read.

The schema named `<name>` is the version that queries read; any other version is in a schema of its own, `<name>__<n>`.
The first version ever installed is the one that is read. Later ones are made beside it, and swapping is renaming two
schemas in one transaction. So a follower does not know its schema by name: it asks which one holds its version, and
asks again once it holds the lock on its bookmark, which a swap takes too.
"""

from pathlib import Path

from psycopg import Connection, errors, sql
from psycopg.rows import TupleRow

from order_ledger.following.contract import Projection
from order_ledger.journal.database_roles import grant_read_model

_MUTEX = 0x6F6C2D696E73  # "ol-ins", in a range that no position's lock has
_ENGINE = Path(__file__).parent / "engine.sql"

MOST_PARTS = 64


class CannotFollow(Exception):
    """This process must not go on from what the database holds of the projection; the message says what to do."""


def install(connection: Connection[TupleRow], projection: Projection, parts: int | None = None) -> str:
    """Makes what is missing of this version; answers the name of its schema. Several at once wait for each other.

    Without a number of parts it stays divided as it is. The connection is in autocommit. Raises `CannotFollow`.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MUTEX,))
        schemas = versions(connection, projection.name)
        schema = schemas.get(projection.version)
        if schema is None:
            schema = _create(connection, projection, schemas)
        _check_form(connection, projection, schema)
        _divide(connection, schema, parts)
        grant_read_model(connection, schema)
    return schema


def versions(connection: Connection[TupleRow], name: str) -> dict[int, str]:
    """The schemas that hold a version of this projection, by version."""
    found = {}
    for (schema,) in connection.execute(
        "SELECT n.nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'projection' "
        "WHERE n.nspname = %s OR starts_with(n.nspname, %s) ORDER BY n.nspname",
        (name, f"{name}__"),
    ).fetchall():
        row = connection.execute(
            sql.SQL("SELECT name, version FROM {}.projection").format(sql.Identifier(schema))
        ).fetchone()
        if row is not None and row[0] == name:
            found[int(row[1])] = str(schema)
    return found


def every_schema(connection: Connection[TupleRow]) -> list[str]:
    """The schemas of all versions of all projections that are installed."""
    rows = connection.execute(
        "SELECT n.nspname FROM pg_namespace n "
        "WHERE 3 = (SELECT count(*) FROM pg_class c "
        "           WHERE c.relnamespace = n.oid AND c.relname IN ('projection', 'bookmark', 'parked')) "
        "ORDER BY n.nspname"
    )
    return [str(schema) for (schema,) in rows.fetchall()]


def enter(connection: Connection[TupleRow], schema: str) -> None:
    """Lets plain names of tables mean those of this schema, from here on."""
    connection.execute(sql.SQL("SET search_path TO {}, pg_catalog").format(sql.Identifier(schema)))


def _create(connection: Connection[TupleRow], projection: Projection, schemas: dict[int, str]) -> str:
    current = next((version for version, schema in schemas.items() if schema == projection.name), None)
    if current is not None and current > projection.version:
        raise CannotFollow(
            f"Version {current} of {projection.name} is the one that is read, and this program has version "
            f"{projection.version}, which is no longer there: run the program that came with version {current}."
        )
    schema = projection.name if current is None else f"{projection.name}__{projection.version}"
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(sql.SQL("SET LOCAL search_path TO {}, pg_catalog").format(sql.Identifier(schema)))
    connection.execute(_ENGINE.read_bytes())
    connection.execute(projection.schema.read_bytes())
    connection.execute(
        "INSERT INTO projection (name, version, fingerprint) VALUES (%s, %s, %s)",
        (projection.name, projection.version, projection.fingerprint),
    )
    return schema


def _check_form(connection: Connection[TupleRow], projection: Projection, schema: str) -> None:
    (fingerprint,) = _row(connection, sql.SQL("SELECT fingerprint FROM {}.projection").format(sql.Identifier(schema)))
    if fingerprint != projection.fingerprint:
        raise CannotFollow(
            f"The rows of {projection.name} version {projection.version} were written in another form than this "
            f"program's. Drop the schema {schema} to have it built anew, or give the changed projection a new version."
        )


def _divide(connection: Connection[TupleRow], schema: str, parts: int | None) -> None:
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
