"""Which order somebody means: by its id, its number, or the reference of the source that it is from."""

from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

_BY_ID = (
    "SELECT originator_id FROM journal.entry WHERE originator_id = %s AND originator_version = 1 AND kind = 'order'"
)
_IS_LISTED = "SELECT to_regclass('order_status.orders') IS NOT NULL"
_LISTED = "SELECT order_id FROM order_status.orders WHERE number = %(called)s OR reference = %(called)s"
_UNLISTED = """
    SELECT originator_id FROM journal.entry
    WHERE kind = 'order' AND originator_version = 1 AND topic = 'OrderPlaced'
      AND position(convert_to(to_json(%(called)s::text)::text, 'UTF8') IN state) > 0
      AND %(called)s IN (convert_from(state, 'UTF8')::json #>> '{data,number}',
                         convert_from(state, 'UTF8')::json #>> '{data,reference}')
"""
"""Reads every order's first entry: for when the read model is not there, or is not there yet."""


def orders_called(connection: Connection[TupleRow], called: str) -> list[UUID]:
    """The orders that are called so; more than one where a reference is used twice."""
    try:
        stream = UUID(called)
    except ValueError:
        pass
    else:
        if rows := connection.execute(_BY_ID, (stream,)).fetchall():
            return [row[0] for row in rows]
    listed = connection.execute(_IS_LISTED).fetchone()
    queries = (_LISTED, _UNLISTED) if listed is not None and listed[0] else (_UNLISTED,)
    for query in queries:
        if rows := connection.execute(query, {"called": called}).fetchall():
            return sorted(row[0] for row in rows)
    return []
