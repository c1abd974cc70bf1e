"""The feed: every entry of the journal, once, in an order in which no stream turns around, and none lost.

A position is final once it is at or below `settled`. What is above may still be filled in by a transaction
that drew its positions earlier and commits later.
"""

from typing import NamedTuple
from uuid import UUID

from psycopg import Connection, pq
from psycopg.rows import TupleRow
from psycopg.sql import SQL

from order_ledger.faults import Fault

CHANNEL = "journal_settled"
_READ = SQL(
    "SELECT notification_id, originator_id, originator_version, topic, kind, state FROM journal.entry "
    "WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT %s"
)
_SCAN = SQL(
    "SELECT notification_id, originator_id, originator_version, topic, kind, CASE WHEN kind = ANY(%s) "
    "AND topic <> ALL(%s) AND (get_byte(uuid_send(originator_id), 14) * 256 + get_byte(uuid_send(originator_id), 15)) "
    "%% %s = %s THEN state END FROM journal.entry "
    "WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT %s"
)
HOLDERS = """
    SELECT a.pid, a.application_name, coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8
    FROM journal.feed_lock l JOIN pg_stat_activity a ON a.pid = l.pid ORDER BY 3 DESC
"""
"""Who holds the feed back: process id, application name, and for how many seconds."""


class FeedRow(NamedTuple):
    """One entry as the feed delivers it."""

    position: int
    stream: UUID
    version: int
    name: str
    kind: str
    state: bytes


class Wanted(NamedTuple):
    """Which entries a reader wants to see: of these kinds, not of these names, and of one part of the streams.

    Parts count from 1; a stream's part follows from the last two bytes of its id, which are random or a hash.
    """

    kinds: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    part: int = 1
    parts: int = 1


class Scan(NamedTuple):
    """What was wanted of the next entries; the highest position looked at, wanted or not; and how many those were."""

    position: int
    scanned: int
    rows: list[FeedRow]


class OnReplica(Fault):
    """The feed cannot be followed on a replica: it holds none of the locks that say what is still open."""


def settled(connection: Connection[TupleRow]) -> int:
    """The highest position that is final. A hint that was stored says less, never more."""
    row = connection.execute("SELECT journal.settled_position()").fetchone()
    assert row is not None
    return int(row[0])


def read(connection: Connection[TupleRow], after: int, limit: int, until: int | None = None) -> list[FeedRow]:
    """The next entries after this position that are final, in order; empty when there are none.

    In one statement with `settled`, or under a snapshot older than it, entries would be lost.
    """
    final = _final(connection, until)
    if final <= after:
        return []
    rows = connection.execute(_READ, (after, final, limit), prepare=True, binary=True).fetchall()
    return [FeedRow(*row) for row in rows]


def scan(connection: Connection[TupleRow], after: int, limit: int, wanted: Wanted, until: int | None = None) -> Scan:
    """The same for a reader of some entries, who passes over the others: their bytes stay where they are.

    It may be asked inside a transaction that is READ COMMITTED, for then every statement sees what is there.
    """
    final = _final(connection, until)
    if final <= after:
        return Scan(after, 0, [])
    sought = (list(wanted.kinds), list(wanted.ignored), wanted.parts, wanted.part - 1, after, final, limit)
    rows = connection.execute(_SCAN, sought, prepare=True, binary=True).fetchall()
    position = rows[-1][0] if rows else after
    return Scan(position, len(rows), [FeedRow(*row) for row in rows if row[5] is not None])


def part_of(stream: UUID, parts: int) -> int:
    """The part that a stream belongs to, from 1."""
    return (stream.int & 0xFFFF) % parts + 1


def _final(connection: Connection[TupleRow], until: int | None) -> int:
    row = connection.execute("SELECT journal.settled_position(), current_setting('transaction_isolation')").fetchone()
    assert row is not None
    final, isolation = row
    # Outside a transaction every statement sees what is there, at every level.
    alone = connection.info.transaction_status == pq.TransactionStatus.IDLE
    assert alone or isolation == "read committed", f"the feed is read under READ COMMITTED, not {isolation}"
    return int(final) if until is None else min(int(final), until)


def check_primary(connection: Connection[TupleRow]) -> None:
    """Raises `OnReplica` on a server in recovery."""
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    if row is not None and row[0]:
        raise OnReplica("This server is a replica: follow the feed on the primary.")
