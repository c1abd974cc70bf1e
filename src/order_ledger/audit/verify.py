"""Whether the journal is what was written: every entry's bytes, and the chain of every stream.

Each entry names the hash of the one before it, and the first names the ledger and the stream: so bytes that were
altered, entries that were removed from the middle or put in, and columns that say another thing than the bytes show
here. An end that was cut off, or rewritten whole with its hashes, does not: it takes a signed note, kept elsewhere, of
how far a stream had come.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import SQL

from order_ledger.journal.codec import Codec, Stored, Unreadable, base64url, genesis
from order_ledger.journal.copying import COLUMNS, CopiedEntry, copy_out

_IN_ORDER = SQL(f"SELECT {COLUMNS} FROM journal.entry ORDER BY originator_id, originator_version")
_ENTRIES_BETWEEN_WORDS = 10_000


class Broken(Struct, frozen=True):
    """The first bad entry of a stream, and what is bad about it. What follows it in the stream was not looked at."""

    order_id: UUID
    version: int
    reason: str


class Verified(Struct):
    """How much was looked at, and what is broken. `orders` are the streams that are orders."""

    entries: int = 0
    orders: int = 0
    broken: list[Broken] = []


class _Place(Struct):
    """Where a stream stands while it is walked; `hash` is of the last good entry."""

    stream: UUID
    version: int
    hash: bytes | None
    recorded_at: datetime | None
    is_broken: bool = False


def verify(
    connection: Connection[TupleRow], codec: Codec, told: Callable[[int], None] = lambda entries: None
) -> Verified:
    """Walks every stream of the journal from its first entry on; `told` hears now and then how many are done."""
    found = Verified()
    for broken in _walk(copy_out(connection, _IN_ORDER), codec, found, told):
        found.broken.append(broken)
    told(found.entries)
    return found


def _walk(
    entries: Iterator[CopiedEntry], codec: Codec, found: Verified, told: Callable[[int], None]
) -> Iterator[Broken]:
    place = _Place(UUID(int=0), 0, None, None)
    for entry in entries:
        found.entries += 1
        if found.entries % _ENTRIES_BETWEEN_WORDS == 0:
            told(found.entries)
        if entry.stream != place.stream:
            place = _Place(entry.stream, 0, None, None)
            found.orders += entry.kind == "order"
        if place.is_broken:
            continue
        if entry.version != place.version + 1:
            place.is_broken = True
            yield Broken(entry.stream, place.version + 1, f"it is missing: version {entry.version} comes next")
        elif reason := _wrong(entry, place, codec):
            place.is_broken = True
            yield Broken(entry.stream, entry.version, reason)
        else:
            place = _Place(entry.stream, entry.version, entry.hash, entry.recorded_at)


def _wrong(entry: CopiedEntry, place: _Place, codec: Codec) -> str | None:
    """What is wrong with an entry that has its place's next version."""
    if hashlib.sha256(entry.state).digest() != entry.hash:
        return "its bytes do not have its hash"
    try:
        stored = codec.stored(entry.state)
        codec.decode(entry.state)
    except Unreadable as error:
        return f"its bytes cannot be read: {error}"
    if differing := _columns_that_differ(entry, stored):
        return f"its columns say another thing than its bytes: {', '.join(differing)}"
    if stored.ledger != codec.ledger:
        return f"it is of another ledger, {stored.ledger}"
    before = place.hash if place.hash is not None else genesis(codec.ledger, stored.kind, entry.stream)
    if stored.previous != base64url(before):
        return "it does not follow the entry before it" if place.version else "it does not begin the stream it is in"
    if place.recorded_at is not None and entry.recorded_at < place.recorded_at:
        return "it was recorded before the entry before it"
    return None


def _columns_that_differ(entry: CopiedEntry, stored: Stored) -> list[str]:
    pairs = (
        ("originator_id", entry.stream, stored.stream),
        ("originator_version", entry.version, stored.version),
        ("topic", entry.name, stored.name),
        ("kind", entry.kind, stored.kind),
        ("recorded_at", entry.recorded_at, stored.recorded_at),
    )
    return [name for name, column, said in pairs if column != said]
