"""Sealed values of a history opened for somebody who may read them, and the persons in it by name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Entry, Event
from order_ledger.journal.codec import sealed_fields
from order_ledger.journal.keys import Keyring
from order_ledger.journal.sealing import SealingKey
from order_ledger.values import Sealed

ERASED = "erased"


class Opened(Struct, frozen=True):
    """An entry's data and reason as plain values; what was erased, or has no key here, says so."""

    data: dict[str, Any]
    reason: Any


def opened(
    connection: Connection[TupleRow], keyring: Keyring, ledger: UUID, entries: Sequence[Entry[Event]]
) -> dict[int, Opened]:
    """Every entry, by version, with what can be opened. Raises `CannotOpen` where a box was altered."""
    sealed = [value for entry in entries for value in (entry.reason, *_values(entry.event)) if value is not None]
    keys = keyring.read(connection, {value.sealed for value in sealed})
    found = {}
    for entry in entries:
        data = msgspec.to_builtins(entry.event)
        for field, kind in sealed_fields(type(entry.event)).items():
            data[field] = _open(getattr(entry.event, field), kind, field, entry, ledger, keys)
        reason = _open(entry.reason, str, "reason", entry, ledger, keys)
        found[entry.version] = Opened(data, reason)
    return found


def names_of(connection: Connection[TupleRow], entries: Iterable[Entry[Event]]) -> dict[UUID, str]:
    """The persons who did something in this history, or for whom it was done, as far as their names are known."""
    persons = {who for entry in entries for who in (entry.by.person, entry.by.on_behalf_of) if who is not None}
    rows = connection.execute(
        "SELECT person, coalesce(name, company) FROM personal.contact WHERE person = ANY(%s)", (list(persons),)
    )
    return {person: name for person, name in rows if name is not None}


def _values(event: Event) -> list[Sealed[Any] | None]:
    return [getattr(event, field) for field in sealed_fields(type(event))]


def _open(
    value: Sealed[Any] | None,
    kind: Any,
    field: str,
    entry: Entry[Event],
    ledger: UUID,
    keys: Mapping[str, SealingKey | None],
) -> Any:
    if value is None:
        return None
    key = keys.get(value.sealed)
    if key is None:
        return ERASED
    return msgspec.to_builtins(key.open(value, ledger, entry.stream, entry.version, field, kind))
