"""Rows as they stand, and rows as one fold from the first entry to the last would have them: byte for byte."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from order_ledger.entries import Entry
from order_ledger.following import Projection, Rows, Table
from order_ledger.journal.codec import Codec

_EVERYTHING = (
    "SELECT originator_id, state, notification_id FROM journal.entry "
    "WHERE kind = ANY(%s) ORDER BY originator_id, originator_version"
)


Entries = list[Entry[Any]]


def differing_bytes(
    connection: Connection[TupleRow],
    projection: Projection,
    codec: Codec,
    schema: str | None = None,
    picked: Callable[[Entries], Entries] = lambda entries: entries,
) -> int:
    """How many bytes of the tables, written out in the order of their keys, are not those of a fresh fold: of all
    entries of each stream, or of those that are picked."""
    fresh = _fresh(connection, projection, codec, picked)
    differing = 0
    for table in projection.tables:
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        copied = sql.Identifier(f"fresh_{table.name}")
        stands = sql.Identifier(schema or projection.name, table.name)
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


def _fresh(
    connection: Connection[TupleRow], projection: Projection, codec: Codec, picked: Callable[[Entries], Entries]
) -> dict[UUID, Rows]:
    foldings = {folding.kind: folding for folding in projection.foldings}
    streams: dict[UUID, Entries] = {}
    for stream, state, position in connection.execute(_EVERYTHING, (list(foldings),)).fetchall():
        streams.setdefault(stream, []).append(codec.decode(state, position))
    rows = {}
    for stream, entries in streams.items():
        folding, folded = foldings[entries[0].kind], None
        for entry in picked(entries):
            if type(entry.event) not in folding.ignores:
                folded = folding.fold(folded, entry)
        if folded is not None:
            rows[stream] = folding.rows(folded)
    return rows


def _written_out(connection: Connection[TupleRow], name: sql.Identifier, table: Table) -> bytes:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    key = sql.SQL(", ").join(map(sql.Identifier, table.columns[: table.key]))
    query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(columns, name, key)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(block) for block in copy)
