"""Replay of one order of 50 entries, in process: from the stored bytes to the state after each entry."""

import json
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from benches._harness import arguments, report, server
from order_ledger.audit.replay import replay
from order_ledger.cli.demo import ROTOR, SELLER
from order_ledger.entries import By, Cause, CommandRef, Entry, Fact
from order_ledger.identifiers import uuid7
from order_ledger.items.events import ItemListed
from order_ledger.items.item import Item, item_id
from order_ledger.journal.codec import Encoded, Head
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.commands import COMMANDS
from order_ledger.orders.decisions import Context, decide
from order_ledger.orders.evolving import evolve
from order_ledger.orders.order import Order
from order_ledger.parties.commands import RegisterOrganisation
from order_ledger.parties.organisation import RegisteredOrganisation

REACH_MS = 1.0
ENTRIES = 50


def life() -> Iterator[tuple[str, dict[str, Any]]]:
    """An order that is made with a good deal of rework, shipped, delivered and completed."""
    yield "confirm", {}
    yield "start-production", {"line": 1}
    yield "complete-step", {"line": 1, "step": "fabrication"}
    yield "complete-inspection-item", {"line": 1, "item": "surface", "passed": True}
    yield "complete-step", {"line": 1, "step": "post-processing"}
    for _ in range(20):
        yield "complete-inspection-item", {"line": 1, "item": "diameter", "passed": False, "reading": "201.2"}
        yield "complete-step", {"line": 1, "step": "post-processing", "rework_for": "diameter"}
    yield "complete-inspection-item", {"line": 1, "item": "diameter", "passed": True, "reading": "200.1"}
    yield "complete-production", {"line": 1}
    parcel = {"carrier": "ups", "tracking_number": "1Z999", "tracking_url": "https://track.example.com/p/1Z999"}
    yield "ship", {"lines": [{"line": 1, "quantity": 2}], **parcel}
    yield "complete", {}


def history(journal: Journal) -> list[Encoded]:
    """The stored entries of such an order."""
    registered = RegisterOrganisation.model_validate_json(json.dumps(SELLER))
    seller = RegisteredOrganisation(id=uuid7(), **{name: getattr(registered, name) for name in _fields()})
    listed = {**ROTOR, "unit": "C62", "currency": "EUR", "tax_included": True, "tax_class": "standard", "revision": 1}
    organisation = {"id": str(seller.id), "name": seller.name}
    event = msgspec.convert(
        {**listed, "seller": organisation, "manufacturer": organisation, "warehouse": None}, ItemListed, strict=False
    )
    item = Item(
        id=item_id(seller.id, event.sku),
        listed=True,
        **{name: getattr(event, name) for name in event.__struct_fields__},
    )
    consumer, order_id = uuid7(), uuid7()
    address = {"name": "Ada Lovelace", "line1": "Unter den Linden 1", "city": "Berlin", "country": "DE"}
    basket = {
        "seller": str(seller.id), "lines": [{"sku": "ROTOR-200", "quantity": 2}], "ship_to": address,
        "contact": {"name": "Ada Lovelace"}, "expected_total": {"amount": "200.00", "currency": "EUR"},
    }  # fmt: skip
    now = datetime.now(UTC)
    state: Order | None = None
    _, head = journal.load(order_id, "order")
    stored: list[Encoded] = []
    for name, body in [("place", basket), *life()]:
        now += timedelta(minutes=7)
        by = By(consumer, "consumer" if name in ("place", "complete") else "manufacturer")
        command: Any = COMMANDS[name].model_validate_json(json.dumps(body))
        identity = uuid7()
        context = Context(now=now, by=by, command=identity, order_id=order_id, listings={item.sku: item}, seller=seller)
        events = decide(state, command, context)
        facts = [Fact(event, now) for event in events]
        cause = Cause(by, "api", CommandRef(identity, name))
        for entry in journal.encode("order", order_id, head, facts, cause, now).entries:
            made: Entry[Any] | None = entry.entry
            assert made is not None
            state = evolve(state, made)
            head = Head(entry.version, entry.hash, entry.recorded_at)
            stored.append(entry)
    return stored


def _fields() -> list[str]:
    return [name for name in RegisteredOrganisation.__struct_fields__ if name != "id"]


def main() -> None:
    given = arguments(__doc__ or "", rounds=200)
    with server() as url:
        migrate(url)
        with Journal(url, MasterKey(bytes(range(32)))) as journal:
            stored, codec = history(journal)[:ENTRIES], journal.codec
    assert len(stored) == ENTRIES, len(stored)
    took = []
    for _ in range(given.rounds):
        started = time.perf_counter()
        entries: Any = [codec.decode(entry.state) for entry in stored]
        last: Order = replay(entries)[-1].order
        took.append((time.perf_counter() - started) * 1000)
    assert last.version == ENTRIES
    median = statistics.median(took)
    row = {
        "what": f"replay of {ENTRIES} entries", "ours": round(median, 3), "against": "–", "theirs": None, "ratio": None,
        "reach": REACH_MS, "unit": "ms", "runs": given.rounds,
    }  # fmt: skip
    report("replay", [row], given.json)


if __name__ == "__main__":
    main()
