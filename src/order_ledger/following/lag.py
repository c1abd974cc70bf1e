"""How far each follower is, and waiting until one is far enough."""

import asyncio
import time
import zlib
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct
from psycopg import AsyncConnection, Connection, errors, sql
from psycopg.rows import TupleRow

from order_ledger.following import installing
from order_ledger.journal import feed

Waited = Literal["reached", "late", "nobody_follows"]
"""What came of waiting. `late`: somebody follows, and was not there in time."""

# A follower holds this lock for as long as it is connected, shared: its first half says what it is, its second whose.
# The feed looks at locks of one number only, and these are of two.
_FOLLOWING = 0x6F6C666F  # "olfo"
_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05

_BOOKMARKS = sql.SQL(
    "SELECT p.name, p.version, b.part, b.parts, b.position, (SELECT count(*) FROM {parked}), "
    "array(SELECT l.objid::bigint FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 2 "
    "      AND l.classid = %s::bigint::oid "
    "      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())) "
    "FROM {bookmark} b, {projection} p ORDER BY b.part"
)
_BEHIND = (
    "SELECT notification_id, extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM journal.entry "
    "WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT 1"
)
_HIGHEST = "SELECT coalesce(max(notification_id), 0) FROM journal.entry WHERE notification_id <= %s"


class Status(Struct, frozen=True):
    """One part of one version of a projection. `current` is the version that is read.

    `lag_events` counts positions, of which a few may be empty; `lag_seconds` is the age of the first entry not folded.
    """

    name: str
    version: int
    schema: str
    current: bool
    part: int
    parts: int
    position: int
    settled: int
    lag_events: int
    lag_seconds: float
    parked: int
    followed: bool


def announce(connection: Connection[TupleRow], name: str, version: int, part: int) -> None:
    """Lets others see, for as long as this connection lasts, that somebody follows."""
    connection.execute("SELECT pg_advisory_lock_shared(%s::int, %s::int)", (_FOLLOWING, _key(name, version, part)))


def status(connection: Connection[TupleRow]) -> list[Status]:
    """How far every part of every version of every projection is."""
    highest = settled_end(connection)
    found = []
    for schema in installing.every_schema(connection):
        try:
            rows = connection.execute(_in(schema, _BOOKMARKS), (_FOLLOWING,)).fetchall()
        except errors.UndefinedTable:
            continue  # it was dropped since it was found
        for name, version, part, parts, position, parked, keys in rows:
            lag_events, lag_seconds = behind(connection, position, highest)
            found.append(
                Status(
                    name,
                    version,
                    schema,
                    schema == name,
                    part,
                    parts,
                    position,
                    highest,
                    lag_events,
                    lag_seconds,
                    parked,
                    _key(name, version, part) in keys,
                )
            )
    return found


def behind(connection: Connection[TupleRow], position: int, highest: int) -> tuple[int, float]:
    """How many positions lie between these, and how old the first entry among them is, in seconds."""
    row = connection.execute(_BEHIND, (position, highest)).fetchone()
    return (highest - row[0] + 1, max(row[1], 0.0)) if row is not None else (0, 0.0)


def settled_end(connection: Connection[TupleRow]) -> int:
    """The highest position that is final and exists: where a follower that has nothing to do stands."""
    row = connection.execute(_HIGHEST, (feed.settled(connection),)).fetchone()
    assert row is not None
    return int(row[0])


def wait_for(connection: Connection[TupleRow], name: str, position: int, timeout_s: float = 5.0) -> Waited:
    """Waits until every part of the version that is read has folded this position, or nobody follows, or it is late.

    The connection is in autocommit.
    """
    for pause in _pauses(timeout_s):
        try:
            waited = _look(connection.execute(_in(name, _BOOKMARKS), (_FOLLOWING,)).fetchall(), position)
        except errors.UndefinedTable:
            return "nobody_follows"  # and nobody ever has
        if waited is not None:
            return waited
        time.sleep(pause)
    return "late"


async def wait_for_async(
    connection: AsyncConnection[TupleRow], name: str, position: int, timeout_s: float = 5.0
) -> Waited:
    """The same for processes that must not stand still."""
    for pause in _pauses(timeout_s):
        try:
            found = await connection.execute(_in(name, _BOOKMARKS), (_FOLLOWING,))
        except errors.UndefinedTable:
            return "nobody_follows"
        waited = _look(await found.fetchall(), position)
        if waited is not None:
            return waited
        await asyncio.sleep(pause)
    return "late"


def _look(rows: list[tuple[Any, ...]], position: int) -> Waited | None:
    if min((row[4] for row in rows), default=0) >= position:
        return "reached"
    behind = [(name, version, part, keys) for name, version, part, _, at, _, keys in rows if at < position]
    if any(_key(name, version, part) not in keys for name, version, part, keys in behind):
        return "nobody_follows"
    return None


def _pauses(timeout_s: float) -> Iterator[float]:
    deadline, pause = time.monotonic() + timeout_s, _FIRST_PAUSE_SECONDS
    while True:
        left = deadline - time.monotonic()
        yield max(min(pause, left), 0.0)
        if left <= 0:
            return
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _key(name: str, version: int, part: int) -> int:
    return zlib.crc32(f"{name}/{version}/{part}".encode()) & 0x7FFFFFFF


def _in(schema: str, query: sql.SQL) -> sql.Composed:
    return query.format(**{table: sql.Identifier(schema, table) for table in ("parked", "bookmark", "projection")})
