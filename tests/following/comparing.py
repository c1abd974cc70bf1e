"""Rows as they stand, and rows as one fold from the first entry to the last would have them: byte for byte."""

from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from order_ledger.following import Projection, Rows, Table
from order_ledger.journal.codec import Codec

_EVERYTHING = (
    "SELECT originator_id, kind, state, notification_id FROM journal.entry "
    "WHERE topic <> ALL(%s) ORDER BY originator_id, originator_version"
)


def differing_bytes(connection: Connection[TupleRow], projection: Projection, codec: Codec) -> int:
    """How many bytes of the tables, written out in the order of their keys, are not those of a fresh fold."""
    fresh = _fresh(connection, projection, codec)
    differing = 0
    for table in projection.tables:
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        copied = sql.Identifier(f"fresh_{table.name}")
        stands = sql.Identifier(projection.name, table.name)
        connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {})").format(copied, stands))
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(copied, columns)
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for of_stream in fresh.values():
                for row in of_stream.get(table.name, ()):
                    copy.write_row(row)
        ours, theirs = _written_out(connection, stands, table), _written_out(connection, copied, table)
        connection.execute(sql.SQL("DROP TABLE pg_temp.{}").format(copied))
        differing += abs(len(ours) - len(theirs)) + sum(a != b for a, b in zip(ours, theirs, strict=False))
    return differing


def _fresh(connection: Connection[TupleRow], projection: Projection, codec: Codec) -> dict[UUID, Rows]:
    foldings = {folding.kind: folding for folding in projection.foldings}
    states: dict[UUID, object] = {}
    kinds = {}
    for stream, kind, entry, position in connection.execute(_EVERYTHING, (list(projection.ignored),)).fetchall():
        if kind in foldings:
            states[stream] = foldings[kind].fold(states.get(stream), codec.decode(entry, position))
            kinds[stream] = kind
    return {stream: foldings[kinds[stream]].rows(folded) for stream, folded in states.items()}


def _written_out(connection: Connection[TupleRow], name: sql.Identifier, table: Table) -> bytes:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    key = sql.SQL(", ").join(map(sql.Identifier, table.columns[: table.key]))
    query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(columns, name, key)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(block) for block in copy)
