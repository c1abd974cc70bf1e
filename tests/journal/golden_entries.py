"""One entry of every event and schema that was ever stored, byte for byte, in `golden/`, and the hash of each.

    python -m tests.journal.golden_entries

makes the files that are missing, from example values, and never touches one that is there: what was stored once
stays as it was stored. `sha256sum --check SHA256SUMS` in that folder checks them without us.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec.inspect as shape

from order_ledger.entries import Answer, By, Cause, CommandRef, Event, Fact, Kind, Source
from order_ledger.items.events import ITEM_EVENTS
from order_ledger.journal.codec import Codec, Head, genesis
from order_ledger.journal.keys import Keyring
from order_ledger.journal.names import EVENTS
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import ORDER_EVENTS, OrderHeld
from order_ledger.parties.events import ORGANISATION_EVENTS, PERSON_EVENTS
from order_ledger.stock.events import STOCK_EVENTS
from order_ledger.values import Sealed

FOLDER = Path(__file__).parent / "golden"
SUMS = "SHA256SUMS"
LEDGER = UUID("0198c000-0000-7000-8000-00000000001e")
KINDS: dict[Kind, Iterable[type[Event]]] = {
    "order": ORDER_EVENTS,
    "item": ITEM_EVENTS,
    "stock": STOCK_EVENTS,
    "organisation": ORGANISATION_EVENTS,
    "person": PERSON_EVENTS,
}
KEYRING = Keyring(MasterKey(bytes(32)))


def kind_of(event: type[Event]) -> Kind:
    (kind,) = (kind for kind, events in KINDS.items() if event in events)
    return kind


def file_name(event: type[Event]) -> str:
    return f"{event.__name__}.{event.schema}.json"


def sums(folder: Path = FOLDER) -> dict[str, str]:
    """The hash of each file, by its name."""
    if not (folder / SUMS).exists():
        return {}
    return {name: digest for digest, name in (line.split("  ") for line in (folder / SUMS).read_text().splitlines())}


def make_missing(folder: Path = FOLDER, events: Iterable[type[Event]] = EVENTS) -> list[str]:
    """Writes the entries that are missing; the names of their files. One that is there is never written again."""
    known = sums(folder)
    made = []
    for event in events:
        name = file_name(event)
        if name in known or (folder / name).exists():
            continue
        state = example_entry(event)
        with open(folder / name, "xb") as file:
            file.write(state)
        with open(folder / SUMS, "a") as file:
            file.write(f"{hashlib.sha256(state).hexdigest()}  {name}\n")
        made.append(name)
    return made


def example_entry(event: type[Event]) -> bytes:
    """The bytes of an entry with every field filled; every second one is of an import, or answers another."""
    filled = example(shape.type_info(event), event.__name__)
    kind = kind_of(event)
    stream = uuid5(LEDGER, event.__name__)
    version = 1 + stream.int % 9
    digest = genesis(LEDGER, kind, stream) if version == 1 else hashlib.sha256(stream.bytes).digest()
    now = datetime(2026, 11, 21, 20, 15, 3, 201344, UTC)
    person, command = uuid5(stream, "person"), CommandRef(uuid5(stream, "command"), "example")
    if version % 2:
        cause = Cause(
            By(person, "customer_service", uuid5(stream, "organisation"), uuid5(stream, "on behalf of")),
            "api",
            command,
            "wrong_address",
            Sealed("key-id", base64.urlsafe_b64encode(b"reason").decode()),
            Answer(uuid5(stream, "answered"), 6),
        )
        fact = Fact(filled, datetime(2026, 11, 21, 20, 15, 3, 123456, UTC))
    else:
        source = Source("olist", uuid5(stream, "batch"), "ab" * 32, 17, "shipped", person)
        cause = Cause(By(None, "unknown"), "import", command, source=source)
        fact = Fact(filled, None, ("at_unknown", "out_of_order"))
    (entry,) = Codec(LEDGER, [event]).encode(kind, stream, Head(version - 1, digest, None), [fact], cause, now, KEYRING)
    return entry.state


def changed_entry(**fields: Any) -> bytes:
    """The bytes of an example entry with these of its fields written otherwise."""
    return json.dumps({**json.loads(example_entry(OrderHeld)), **fields}).encode()


def example(of: shape.Type, path: str) -> Any:
    """A value of this type, filled in every field, that follows from where it stands."""
    number = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4])
    match of:
        case shape.StructType():
            return of.cls(**{field.name: example(field.type, f"{path}.{field.name}") for field in of.fields})
        case shape.UnionType():
            return next(example(each, path) for each in of.types if not isinstance(each, shape.NoneType))
        case shape.VarTupleType():
            return (example(of.item_type, f"{path}.0"), example(of.item_type, f"{path}.1"))
        case shape.LiteralType():
            return of.values[number % len(of.values)]
        case shape.BoolType():
            return bool(number % 2)
        case shape.IntType():
            return number % 1000
        case shape.StrType():
            return f'{path.rsplit(".", 1)[-1]} "{number % 1000}" ☃'
        case shape.DecimalType():
            return Decimal(number % 100_000) / 100 + Decimal("0.00")
        case shape.UUIDType():
            return uuid5(LEDGER, path)
        case shape.DateTimeType():
            return datetime.fromtimestamp(1_790_000_000 + number % 10_000_000, UTC)
        case shape.DateType():
            return date.fromordinal(739_000 + number % 1000)
        case _:
            raise AssertionError(f"{path} is of a type that no entry holds yet: {of}; say here how an example looks")


if __name__ == "__main__":
    print(*make_missing() or ["Nothing is missing."], sep="\n")
