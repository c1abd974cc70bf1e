"""Exported entries, taken in as they are, byte for byte, into a ledger that holds nothing yet.

They bring their own history along, hashes included: so the ledger takes on the id that they were written under. All
of them are checked before the first is written, and they are written in one transaction.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.journal.codec import LARGEST_ENTRY_BYTES, Codec, Unreadable, base64url, genesis
from order_ledger.journal.copying import CopiedEntry, copy_in
from order_ledger.journal.names import EVENTS, UPCASTERS


class NotEmpty(Exception):
    """Entries as they are go into an empty ledger only: this one has a history of its own."""


class BadEntry(Exception):
    """An entry cannot be taken in as it is; the message names the line and says why."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


class TakenIn(Struct, frozen=True):
    """What was taken in, and under which ledger's id."""

    ledger: UUID
    orders: int
    entries: int


class _Ledger(Struct, frozen=True):
    ledger: UUID


def import_entries(connection: Connection[TupleRow], path: Path) -> TakenIn:
    """Takes the file in, whole or not at all. Raises `NotEmpty` and `BadEntry`."""
    ledger = _ledger_of(path)
    codec = Codec(ledger, EVENTS, UPCASTERS)
    entries = orders = 0
    for entry in _checked(path, codec):
        entries += 1
        orders += entry.kind == "order" and entry.version == 1
    with connection.transaction():
        connection.execute("LOCK TABLE journal.entry IN SHARE ROW EXCLUSIVE MODE")
        row = connection.execute("SELECT EXISTS (SELECT FROM journal.entry)").fetchone()
        if row is None or row[0]:
            raise NotEmpty(NotEmpty.__doc__)
        # A ledger keeps its id, since every entry's bytes hold it; only while there is none can it take on another.
        connection.execute("ALTER TABLE journal.ledger DISABLE TRIGGER permanent")
        connection.execute("UPDATE journal.ledger SET id = %s, epoch = gen_random_uuid()", (ledger,))
        connection.execute("ALTER TABLE journal.ledger ENABLE TRIGGER permanent")
        copy_in(connection, _checked(path, codec))
    return TakenIn(ledger, orders, entries)


def _ledger_of(path: Path) -> UUID:
    with path.open("rb") as file:
        first = file.readline()
    try:
        return msgspec.json.decode(first, type=_Ledger).ledger
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadEntry(1, f"it is no entry of a ledger: {error}") from error


def _checked(path: Path, codec: Codec) -> Iterator[CopiedEntry]:
    """Every line as a row of the table, each after the one before it in its stream."""
    heads: dict[UUID, tuple[int, bytes, datetime]] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            state = line.removesuffix(b"\n")
            if len(state) > LARGEST_ENTRY_BYTES:
                raise BadEntry(number, f"an entry is at most {LARGEST_ENTRY_BYTES:,} bytes, not {len(state):,}")
            try:
                stored = codec.stored(state)
                codec.decode(state)
            except Unreadable as error:
                raise BadEntry(number, str(error)) from error
            if stored.ledger != codec.ledger:
                raise BadEntry(number, f"it is of ledger {stored.ledger}, and the first is of {codec.ledger}")
            known = heads.get(stored.stream)
            version, before, recorded_at = known or (0, genesis(codec.ledger, stored.kind, stored.stream), None)
            if stored.version != version + 1:
                what = f"it is version {stored.version} of stream {stored.stream}, of which {version + 1} comes next"
                raise BadEntry(number, what)
            if stored.previous != base64url(before):
                what = f"it does not follow version {version} of stream {stored.stream}: something was altered"
                raise BadEntry(number, what)
            if recorded_at is not None and stored.recorded_at < recorded_at:
                raise BadEntry(number, "it was recorded before the entry before it")
            digest = hashlib.sha256(state).digest()
            heads[stored.stream] = (stored.version, digest, stored.recorded_at)
            yield CopiedEntry(
                stored.stream, stored.version, stored.name, stored.kind, stored.recorded_at, digest, state
            )
