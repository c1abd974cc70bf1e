"""UUIDv7 (RFC 9562, section 5.7): ids that grow with time, so that an index of them grows at its end."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A new id: 48 bits of milliseconds, 12 bits that keep ids of one process in order, 62 random bits."""
    global _last
    with _lock:
        # Sub-millisecond time in the 12 bits (RFC 9562, section 6.2, method 3), never going back.
        now = time.time_ns()
        moment = max(now // 1_000_000 << 12 | (now % 1_000_000) * 4096 // 1_000_000, _last + 1)
        _last = moment
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return UUID(int=(moment >> 12) << 80 | 0x7 << 76 | (moment & 0xFFF) << 64 | 0b10 << 62 | random)
