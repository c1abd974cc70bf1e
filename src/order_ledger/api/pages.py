"""Lists of streams in the order in which they began, in pages."""

from typing import Literal
from uuid import UUID

from starlette.requests import Request

from order_ledger.api.door import Door
from order_ledger.queries.pages import BadCursor, as_cursor, from_cursor
from order_ledger.refusals import Invalid, Violation

_POSITION_BYTES = 8

BegunBy = Literal["ItemListed", "OrganisationRegistered"]


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


async def listed(door: Door, begun_by: BegunBy, after: int, limit: int) -> list[tuple[UUID, int]]:
    """Streams that begin so, in the order in which they began, each with the position of its first entry."""
    async with door.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT stream, number FROM journal.register WHERE heading = %s AND number > %s AND version = 1 "
            "ORDER BY number LIMIT %s",
            (begun_by, after, limit),
        )
        return await cursor.fetchall()
