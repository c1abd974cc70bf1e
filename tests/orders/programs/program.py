"""One order after the other: how a command on it goes, and what the model says beforehand of it."""

from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

from hypothesis.stateful import RuleBasedStateMachine

from order_ledger.entries import By
from order_ledger.items.item import Item
from order_ledger.journal.journal import Journal
from order_ledger.orders import commands as ask
from order_ledger.refusals import NotAllowed, NotFound, Refused
from order_ledger.stock.commands import AdjustStock, Reserve
from tests.examples import (
    CARRIER,
    CONSUMER,
    DEPOT,
    FOR_CONSUMER,
    KEEPER,
    LEDGER,
    MAKER,
    NOW,
    ON_INVOICE,
    OWNER,
    PREPAID,
    PROVIDER,
    SERVICE,
    item,
    seller,
    uuid,
)
from tests.orders.machine import Ledger, Written
from tests.orders.model.changes import apply
from tests.orders.model.guards import happens
from tests.orders.model.parts import Run
from tests.orders.model.rights import CELLS, may_ask
from tests.orders.model.standing import Model

URL = "https://www.dhl.com/track?id="
PRICES = {"VALVE": 10, "GASKET": 4, "ROTOR": 119, "BOOK": 7, "FREIGHT": 5}

RIGHT = (CONSUMER, FOR_CONSUMER, OWNER, MAKER, KEEPER, SERVICE, LEDGER, CARRIER, PROVIDER)


def listings() -> dict[str, Item]:
    """What is sold: what is neither made nor kept in stock leaves from the depot, too."""
    return {sku: item(sku, unit_price=Decimal(price)) for sku, price in PRICES.items()} | {
        "BOOK": item("BOOK", unit_price=Decimal(PRICES["BOOK"]), warehouse=DEPOT)
    }


class Program(RuleBasedStateMachine):
    """The order at hand, its ledger and its model."""

    journal: Journal
    rival: Journal
    dice: Random

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def begin(self, prepaid: bool) -> None:
        self.id = uuid4()
        self.ledger = Ledger(self.journal, self.id, listings(), NOW)
        self.ledger.seller = seller(terms=PREPAID if prepaid else ON_INVOICE)
        self.model = Model(self.id, prepaid, self.ledger.stock_ids)
        self.sent: list[Written] = []

    # How a command goes

    def take(self, command: Any, who: By | None = None, twist: str = "") -> bool:
        """Tries a command on the order; whether it made anything happen. Checks what the model foretells."""
        lines = self.named(command)
        shipment = getattr(command, "shipment", None)
        by = who or self.whoever(command, lines, shipment)
        if by.on_behalf_of is not None:
            command = command.model_copy(update={"reason": "Asked by phone."})
        number = self.next()
        if twist.startswith("raced"):
            self.race(number, command, by, twist)
        allowed = may_ask(self.model, command.name, by, lines, shipment)
        foretold = happens(self.model, command, by, self.ledger.now) if allowed else False
        try:
            written = self.ledger.ask(number, command, by)
        except (NotAllowed, NotFound):
            assert not allowed, f"{by.role} may {command.name}"
            return False
        except Refused as refused:
            assert allowed, f"{by.role} may not {command.name}"
            assert refused.blocked_by
            assert not foretold, f"{command!r} by {by.role}: {refused}"
            return False
        assert allowed, f"{by.role} may not {command.name}"
        assert foretold in (None, not written.empty), f"{command!r} by {by.role}: {written.of(self.id)}"
        self.append(written)
        if twist == "resent":
            self.resend(written)
        return not written.empty

    def append(self, written: Written) -> None:
        assert self.ledger.send(written).outcome == "appended"
        self.sent.append(written)
        for sku, stream in self.ledger.stock_ids.items():
            self.model.shelves[sku].apply(written.of(stream))
        apply(self.model, written.of(self.id), self.ledger.now)

    def race(self, number: int, command: Any, by: By, twist: str) -> None:
        """Another writer comes between the decision and the append: the append is refused, and decided anew."""
        try:
            late = self.ledger.ask(number, command, by)
        except (NotAllowed, NotFound, Refused):
            return
        other: Any = ask.AddNote(text="Meanwhile.")
        if twist == "raced by a hold":
            other = ask.Release(reason="Meanwhile.") if self.model.held else ask.Hold(reason_code="other", reason="…")
        if self.take(other, SERVICE):
            assert self.ledger.send(late, self.rival).outcome == "stale"

    def resend(self, written: Written) -> None:
        """The same key again: the first answer, and nothing twice."""
        before = {stream.stream: stream.base + len(stream.entries) for stream in written.appendings}
        outcome = self.ledger.send(written, self.rival)
        assert (outcome.outcome, outcome.command) == ("remembered", written.command)
        assert dict(zip(outcome.streams, outcome.versions, strict=True)) == before

    def take_stock(self, sku: str, command: Any, who: By | None) -> None:
        """The same on the stock of an item."""
        name = {"release": "release-stock"}.get(command.name, command.name)
        by = who or (LEDGER if "warehouse" not in CELLS[name] else KEEPER)
        allowed = (by.role in CELLS[name]) and (by.role == "ledger" or by.organisation == DEPOT.id)
        allowed = allowed and by.on_behalf_of is None
        try:
            written = self.ledger.ask_stock(self.next(), sku, command, by)
        except (NotAllowed, NotFound):
            assert not allowed
            return
        except Refused:
            shelf = self.model.shelves[sku]
            if isinstance(command, Reserve):
                assert command.quantity > shelf.on_hand - shelf.reserved
            else:
                assert isinstance(command, AdjustStock) and command.counted is None, "a count is never refused"
                assert shelf.on_hand + (command.change or 0) < 0
            return
        assert allowed, f"{by.role} may not {name}"
        self.append(written)

    def next(self) -> int:
        self.number += 1
        return self.number

    def named(self, command: Any) -> list[int]:
        one = [command.line] if getattr(command, "line", None) is not None else []
        return one + [getattr(each, "line", each) for each in getattr(command, "lines", ())]

    def whoever(self, command: Any, lines: list[int], shipment: UUID | None) -> By:
        """Somebody who may give this command, and of those mostly somebody for whom it makes something happen."""
        may = [by for by in RIGHT if may_ask(self.model, command.name, by, lines, shipment)] or [SERVICE]
        if self.dice.random() < 0.2:
            return self.dice.choice(may)
        return next((by for by in may if happens(self.model, command, by, self.ledger.now) is not False), may[0])

    def any_of(self, known: Any, pick: int, default: Any) -> Any:
        keys = list(known)
        return keys[pick % len(keys)] if keys else default

    def parcel(self, pick: int, outward: bool = True) -> UUID:
        known: UUID = self.any_of(self.model.outward if outward else self.model.parcels, pick, uuid(999))
        return known

    def to(self, valid: bool = True) -> dict[str, Any]:
        url = URL if valid else "https://www.example.com/?id="
        number = str(self.next())
        return {"carrier": "dhl", "tracking_number": number, "tracking_url": f"{url}{number}"}

    @property
    def unshipped(self) -> bool:
        return not self.model.over and any(line.rest for line in self.model.open.values())

    def returning(self, *states: str) -> bool:
        return any(known.state in states for known in self.model.returns.values())

    @property
    def has_made(self) -> bool:
        return any(line.kind == "made_to_order" for line in self.model.lines.values())

    @property
    def open_runs(self) -> list[Run]:
        runs = [line.open_run for line in self.model.lines.values()]
        return [] if self.model.over else [run for run in runs if run is not None]

    @property
    def startable(self) -> bool:
        made = [number for number, line in self.model.open.items() if line.kind == "made_to_order"]
        return any(self.model.line_state(number) == "confirmed" for number in made)

    @property
    def lacking(self) -> bool:
        return any(line.kind == "from_stock" and line.kept < line.rest for line in self.model.open.values())

    @property
    def on_their_way(self) -> list[UUID]:
        return [shipment for shipment, parcel in self.model.outward.items() if not parcel.delivered]

    @property
    def arrived(self) -> list[int]:
        model = self.model
        return [number for number in model.goods if model.arrived(number) > model.in_returns(number)]
