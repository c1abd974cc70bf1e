"""Lists of streams in the order in which they began, in pages."""

from uuid import UUID

from starlette.requests import Request

from order_ledger.api.door import Door
from order_ledger.entries import Kind
from order_ledger.queries.pages import BadCursor, as_cursor, from_cursor
from order_ledger.refusals import Invalid, Violation

_POSITION_BYTES = 8


def cursor_of(position: int) -> str:
    """The cursor to go on from the stream that began at this position."""
    return as_cursor(position.to_bytes(_POSITION_BYTES, "big"))


def after_cursor(request: Request) -> int:
    """The position to go on after; raises `Invalid`."""
    text = request.query_params.get("cursor")
    if text is None:
        return 0
    try:
        return int.from_bytes(from_cursor(text, _POSITION_BYTES), "big") & (2**62 - 1)
    except BadCursor as error:
        raise Invalid(Violation("?cursor", "cursor", str(error))) from None


async def listed(door: Door, kind: Kind, after: int, limit: int) -> list[tuple[UUID, int]]:
    """Streams of a kind in the order in which they began, each with the position of its first entry."""
    async with door.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT originator_id, notification_id FROM journal.entry WHERE originator_version = 1 AND kind <> 'order' "
            "AND kind = %s AND notification_id > %s ORDER BY notification_id LIMIT %s",
            (kind, after, limit),
        )
        return await cursor.fetchall()
