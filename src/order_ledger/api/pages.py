"""Lists in pages: a limit, and an opaque cursor to go on from."""

import base64
import binascii
from uuid import UUID

from starlette.requests import Request

from order_ledger.api.door import Door
from order_ledger.entries import Kind
from order_ledger.refusals import Invalid, Violation

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500


def limit_of(request: Request) -> int:
    """How many rows a page has; raises `Invalid`."""
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LARGEST_LIMIT:
        raise Invalid(Violation("?limit", "limit", f"A page has 1 to {LARGEST_LIMIT} rows."))
    return int(text)


def cursor_of(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def after_cursor(request: Request) -> int:
    """The position to go on after; raises `Invalid`."""
    text = request.query_params.get("cursor")
    if text is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")) & (2**62 - 1)
    except (ValueError, binascii.Error):
        raise Invalid(Violation("?cursor", "cursor", "Use the cursor of the page before, as it is.")) from None


async def listed(door: Door, kind: Kind, after: int, limit: int) -> list[tuple[UUID, int]]:
    """Streams of a kind in the order in which they began, each with the position of its first entry."""
    async with door.writer.connection() as connection:
        cursor = await connection.execute(
            "SELECT originator_id, notification_id FROM journal.entry WHERE originator_version = 1 AND kind <> 'order' "
            "AND kind = %s AND notification_id > %s ORDER BY notification_id LIMIT %s",
            (kind, after, limit),
        )
        return await cursor.fetchall()
