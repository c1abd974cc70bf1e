"""Lists in pages: how large one is, and the opaque cursor that goes on from its last row."""

import base64
import binascii

DEFAULT_PAGE = 50
LARGEST_PAGE = 200


class BadCursor(ValueError):
    """The cursor is not one that a list gave."""

    def __init__(self) -> None:
        super().__init__("Use the cursor of the page before, as it is.")


def page_size(limit: int) -> int:
    """How many rows a page has where this many were asked for."""
    return min(max(limit, 1), LARGEST_PAGE)


def as_cursor(last: bytes) -> str:
    """The cursor that says where the last row stands, in characters that need no escaping in an address."""
    return base64.urlsafe_b64encode(last).decode().rstrip("=")


def from_cursor(cursor: str, size: int | None = None) -> bytes:
    """What the cursor says, of this many bytes where that is known; raises `BadCursor`."""
    try:
        last = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise BadCursor from None
    if as_cursor(last) != cursor or len(last) != (size or len(last)):
        raise BadCursor
    return last
