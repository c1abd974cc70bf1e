"""How far each policy is, whether somebody runs it, and how many of its cases are open."""

import zlib

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.following import lag

# A policy holds this lock for as long as it is connected, shared: its first half says what it is, its second which.
# The feed looks at locks of one number only, and these are of two.
_RUNNING = 0x6F6C706F  # "olpo"
_STATUS = """
    SELECT b.policy, b.position, (SELECT count(*) FROM policies.open_case c WHERE c.policy = b.policy),
           array(SELECT l.objid::bigint FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 2
                 AND l.classid = %s::bigint::oid
                 AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
    FROM policies.bookmark b ORDER BY b.policy
"""


class Status(Struct, frozen=True):
    """How far a policy is. `lag_events` counts positions, of which a few may be empty; `lag_seconds` is the age of the
    first entry it did not look at."""

    name: str
    position: int
    settled: int
    lag_events: int
    lag_seconds: float
    open_cases: int
    running: bool


def announce(connection: Connection[TupleRow], name: str) -> None:
    """Lets others see, for as long as this connection lasts, that somebody runs the policy."""
    connection.execute("SELECT pg_advisory_lock_shared(%s::int, %s::int)", (_RUNNING, _key(name)))


def status(connection: Connection[TupleRow]) -> list[Status]:
    """Every policy that ever ran."""
    highest = lag.settled_end(connection)
    found = []
    for name, position, open_cases, keys in connection.execute(_STATUS, (_RUNNING,)).fetchall():
        events, seconds = lag.behind(connection, position, highest)
        found.append(Status(name, position, highest, events, seconds, open_cases, _key(name) in keys))
    return found


def _key(name: str) -> int:
    return zlib.crc32(name.encode()) & 0x7FFFFFFF
