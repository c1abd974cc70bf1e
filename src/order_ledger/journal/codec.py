"""The bytes of an entry, as they stay for ever: JSON, every field always written, in one order.

An event is stored under its plain name and a schema version. Its module may move and its class may grow:
bytes of an older schema are read through an upcaster, and are never rewritten.
"""

import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, cached_property, reduce
from operator import or_
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Raw, Struct, UnsetType
from msgspec import field as field_of
from msgspec.structs import replace

from order_ledger.entries import Answer, By, Cause, CommandRef, Entry, Event, Fact, Kind, Source, Through
from order_ledger.journal.keys import KeyName, Keyring
from order_ledger.refusals import Invalid, Violation
from order_ledger.values import Sealed, Unsealed

FORMAT = 1
LARGEST_ENTRY_BYTES = 65_535

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Data of one schema version in, data of the next out."""


class Unreadable(Exception):
    """The entry is of a format, name or schema that this version of the ledger does not know, or not in its form."""


class Stored(Struct, frozen=True, forbid_unknown_fields=True):
    """The bytes of an entry, field by field, in the order in which they are written."""

    format: int
    ledger: UUID
    kind: Kind
    stream: UUID
    version: int
    name: str
    schema: int
    at: datetime | None
    recorded_at: datetime
    by: By
    reason_code: str | None
    reason: Sealed[str] | None
    through: Through
    command: CommandRef
    answers: Answer | None
    breaches: tuple[str, ...]
    source: Source | None
    previous: str
    data: Raw


class _Writing(Struct, frozen=True):
    """The same with the event itself in the place of its bytes."""

    format: int
    ledger: UUID
    kind: Kind
    stream: UUID
    version: int
    name: str
    schema: int
    at: datetime | None
    recorded_at: datetime
    by: By
    reason_code: str | None
    reason: Sealed[str] | None
    through: Through
    command: CommandRef
    answers: Answer | None
    breaches: tuple[str, ...]
    source: Source | None
    previous: str
    data: Event


class Head(Struct, frozen=True):
    """Where a stream stands: what the next entry of it must follow. Version 0 is a stream that has not begun."""

    version: int
    hash: bytes
    recorded_at: datetime | None


class Encoded(Struct, frozen=True):
    """One entry as the journal's table takes it."""

    stream: UUID
    version: int
    name: str
    kind: Kind
    recorded_at: datetime
    hash: bytes
    state: bytes
    entry: Entry[Event] | None = None
    """The same as it would be read back, sealed; its position is not known yet."""


def genesis(ledger: UUID, kind: Kind, stream: UUID) -> bytes:
    """What the first entry of a stream has in the place of its predecessor's hash."""
    return hashlib.sha256(b"order-ledger/1\0%b\0%b\0%b" % (ledger.bytes, kind.encode(), stream.bytes)).digest()


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def base64url(digest: bytes) -> str:
    """Without padding (RFC 4648, section 5)."""
    return binascii.b2a_base64(digest, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


class Codec:
    """Knows every event that a ledger can hold, by name and schema."""

    def __init__(
        self, ledger: UUID, events: Iterable[type[Event]], upcasters: Mapping[tuple[str, int], Upcaster] | None = None
    ) -> None:
        self.ledger = ledger
        self._types = {event.__name__: event for event in events}
        self._upcasters = dict(upcasters or {})
        self._encode = msgspec.json.Encoder().encode
        stored = msgspec.json.Decoder(Stored)
        self._decode_stored, self._decode_stored_lines = stored.decode, stored.decode_lines
        self._decoders = {
            (name, event.schema): msgspec.json.Decoder(event).decode for name, event in self._types.items()
        }
        self._sealed = {event: tuple(sealed_fields(event)) for event in self._types.values()}

    @cached_property
    def _decode_entries(self) -> Callable[[bytes | bytearray | memoryview], list[Entry[Event]]]:
        """Made when it is first asked for: who follows decodes each entry by itself, and need not wait for it."""
        line: Any = reduce(or_, (_line(event, self.ledger) for event in self._types.values()))
        return msgspec.json.Decoder(line).decode_lines

    def keys_needed(self, facts: Iterable[Fact], cause: Cause) -> set[KeyName]:
        """The keys that must exist before these facts are encoded."""
        needed: set[KeyName] = set()
        for fact in facts:
            for field in self._sealed[type(fact.event)]:
                value = getattr(fact.event, field)
                if type(value) is Unsealed:
                    needed.add((value.person, value.purpose))
        if type(cause.reason) is Unsealed:
            needed.add((cause.reason.person, cause.reason.purpose))
        return needed

    def encode(
        self,
        kind: Kind,
        stream: UUID,
        head: Head,
        facts: Iterable[Fact],
        cause: Cause,
        recorded_at: datetime,
        keyring: Keyring,
    ) -> list[Encoded]:
        """The entries that follow `head`, chained by hash; raises `Invalid` for one that is too large."""
        ledger, version, digest, recorded_at = self.ledger, head.version, head.hash, _utc(recorded_at)
        if head.recorded_at is not None and recorded_at < head.recorded_at:
            recorded_at = head.recorded_at  # a clock that was set back turns no history around
        encoded = []
        for fact in facts:
            version += 1
            event, reason, at = fact.event, cause.reason, fact.at and _utc(fact.at)
            name = type(event).__name__
            if fields := self._sealed[type(event)]:
                event = self._with_sealed(event, fields, stream, version, keyring)
            if type(reason) is Unsealed:
                reason = self._seal(reason, stream, version, "reason", keyring)
            state = self._encode(
                _Writing(
                    FORMAT, ledger, kind, stream, version, name, event.schema, at, recorded_at, cause.by,
                    cause.reason_code, reason, cause.through, cause.command, cause.answers, fact.breaches, cause.source,
                    base64url(digest), event,
                )
            )  # fmt: skip
            if len(state) > LARGEST_ENTRY_BYTES:
                what = f"It makes an entry of {len(state):,} bytes, and one holds {LARGEST_ENTRY_BYTES:,} at most"
                raise Invalid(
                    Violation("", "too_large", f"{what}: ask for less at once, with fewer lines or shorter texts.")
                )
            digest = hashlib.sha256(state).digest()
            entry = Entry(
                kind, stream, version, event, at, recorded_at, cause.by, cause.through, cause.command,
                cause.reason_code, reason, cause.answers, fact.breaches, cause.source,
            )  # fmt: skip
            encoded.append(Encoded(stream, version, name, kind, recorded_at, digest, state, entry))
        return encoded

    def stored(self, state: bytes | bytearray | memoryview) -> Stored:
        """What the bytes say, the event left as bytes; raises `Unreadable`."""
        try:
            stored = self._decode_stored(state)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unreadable(str(error)) from error
        if stored.format != FORMAT:
            raise Unreadable(f"format {stored.format} is not known")
        return stored

    def decode(self, state: bytes | bytearray | memoryview, position: int = 0) -> Entry[Event]:
        """The entry that these bytes are; raises `Unreadable`."""
        return self._entry(self.stored(state), position)

    def decode_lines(self, lines: bytes | bytearray | memoryview, entries: int) -> list[Entry[Event]]:
        """The so many entries that these bytes are, one a line, their positions left out: several for little more than
        the price of one. Raises `Unreadable`, also where one of them is of several lines; `decode` says which."""
        try:
            found: list[Entry[Event]] = self._decode_entries(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            found = self._decode_older_lines(lines)
        if len(found) != entries:
            raise Unreadable("not every line is an entry")
        return found

    def _decode_older_lines(self, lines: bytes | bytearray | memoryview) -> list[Entry[Event]]:
        """The same where an event is of an older schema."""
        try:
            found = self._decode_stored_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unreadable(str(error)) from error
        if any(stored.format != FORMAT for stored in found):
            raise Unreadable("not every line is an entry of a format that is known")
        return [self._entry(stored) for stored in found]

    def _entry(self, stored: Stored, position: int = 0) -> Entry[Event]:
        return Entry(
            stored.kind, stored.stream, stored.version, self._event(stored), stored.at, stored.recorded_at, stored.by,
            stored.through, stored.command, stored.reason_code, stored.reason, stored.answers, stored.breaches,
            stored.source, position,
        )  # fmt: skip

    def _event(self, stored: Stored) -> Event:
        decoder = self._decoders.get((stored.name, stored.schema))
        try:
            if decoder is not None:
                return decoder(stored.data)
            return self._upcast(stored)
        except msgspec.MsgspecError as error:
            raise Unreadable(f"{stored.name} {stored.schema}: {error}") from error

    def _upcast(self, stored: Stored) -> Event:
        event = self._types.get(stored.name)
        if event is None or stored.schema > event.schema:
            raise Unreadable(f"event {stored.name} of schema {stored.schema} is not known")
        data = msgspec.json.decode(stored.data)
        for schema in range(stored.schema, event.schema):
            upcaster = self._upcasters.get((stored.name, schema))
            if upcaster is None:
                raise Unreadable(f"there is no way to read {stored.name} of schema {schema}")
            try:
                data = upcaster(data)
            except Exception as error:
                raise Unreadable(f"{stored.name} {schema} cannot be read as {schema + 1}: {error!r}") from error
        return msgspec.convert(data, event)

    def _with_sealed(self, event: Event, fields: Iterable[str], stream: UUID, version: int, keyring: Keyring) -> Event:
        sealed = {
            field: self._seal(value, stream, version, field, keyring)
            for field in fields
            if type(value := getattr(event, field)) is Unsealed
        }
        return replace(event, **sealed)

    def _seal(self, value: Unsealed[Any], stream: UUID, version: int, field: str, keyring: Keyring) -> Sealed[Any]:
        key = keyring.get((value.person, value.purpose))
        assert key is not None, "keys are made before entries are encoded"
        return key.seal(value.value, self.ledger, stream, version, field)


@cache
def _line(event: type[Event], ledger: UUID) -> type[Struct]:
    """What an entry of this ledger with this event, of its present schema, is decoded as in one go: all that an `Entry`
    has, and beside it what only says how it is to be read. Nothing may be missing, or more. Its fields are in the order
    in which they are written, and so are found where they are looked for first."""
    read_as = {
        "format": Literal[FORMAT],
        "ledger": Literal[str(ledger)],
        "schema": Literal[event.schema],
        "data": event,
    }
    fields = [
        (
            "event" if field.name == "data" else field.name,
            read_as.get(field.name, field.type),
            field_of(name=field.name),
        )
        for field in msgspec.structs.fields(Stored)
        if field.name != "name"
    ]
    fields.append(("position", UnsetType, field_of(default=0)))  # no entry says it of itself
    return msgspec.defstruct(
        event.__name__, fields, frozen=True, forbid_unknown_fields=True, tag_field="name", tag=event.__name__
    )


def _utc(moment: datetime) -> datetime:
    """The same moment in UTC, as which every time is written."""
    if moment.tzinfo is UTC:
        return moment
    assert moment.tzinfo is not None, "a time without its zone is no moment"
    return moment.astimezone(UTC)


def sealed_fields(event: type[Event]) -> dict[str, Any]:
    """The fields of an event that are sealed, and the type of what is inside."""
    found = {}
    for name, hint in get_type_hints(event).items():
        for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
            if get_origin(part) is Sealed:
                found[name] = get_args(part)[0]
            elif part is Sealed:
                found[name] = cast(Any, object)
    return found
