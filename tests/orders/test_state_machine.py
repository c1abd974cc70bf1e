"""Random programs of commands by random roles, on orders and their stock, in a real journal on real PostgreSQL.

After every step the ledger is compared with a plain model of the domain's tables (`model`), and with what the
database gives when it is read anew. Ranges are small: they find more.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from order_ledger.entries import By
from order_ledger.items.item import Item
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders import commands as ask
from order_ledger.orders.events import (
    ORDER_EVENTS,
    Allocation,
    Consent,
    CountedLine,
    ExchangeItem,
    ResolvedLine,
    ReturnLine,
    SentBack,
)
from order_ledger.refusals import NotAllowed, NotFound, Refused
from order_ledger.stock.commands import AdjustStock, ReceiveStock, Reserve
from order_ledger.stock.commands import Release as ReleaseStock
from order_ledger.values import Units
from tests.examples import (
    BERLIN,
    BOB,
    CARRIER,
    CONSUMER,
    CONTACT,
    DEPOT,
    FOR_CONSUMER,
    HAMBURG,
    KEEPER,
    LEDGER,
    MAKER,
    NOW,
    ON_INVOICE,
    OTHER_SELLER,
    OWNER,
    PHOTO,
    PREPAID,
    PROVIDER,
    RAW,
    SELLER,
    SERVICE,
    VIENNA,
    WORKS,
    eur,
    item,
    seller,
    uuid,
)
from tests.orders.machine import OTHER_WORKS, Ledger, Written
from tests.orders.model.changes import CHANGES, apply
from tests.orders.model.guards import GUARDS, happens
from tests.orders.model.parts import ZERO, Run
from tests.orders.model.rights import CELLS, may_ask
from tests.orders.model.standing import Model

MASTER = MasterKey(bytes(range(32)))
URL = "https://www.dhl.com/track?id="
PRICES = {"VALVE": 10, "GASKET": 4, "ROTOR": 119, "BOOK": 7, "FREIGHT": 5}

RIGHT = (CONSUMER, FOR_CONSUMER, OWNER, MAKER, KEEPER, SERVICE, LEDGER, CARRIER, PROVIDER)
WRONG = (
    By(BOB, "consumer"),
    By(uuid(12), "customer_service", on_behalf_of=BOB),
    By(uuid(16), "auditor", on_behalf_of=CONSUMER.person),
    By(uuid(13), "ip_owner", OTHER_SELLER.id),
    By(uuid(14), "manufacturer", OTHER_WORKS.id),
    By(uuid(15), "warehouse", uuid(25)),
    By(uuid(17), "auditor"),
    By(uuid(18), "analyst"),
    By(uuid(19), "administrator"),
)
# None is whoever may: most commands are given by the right one, or nothing would ever happen.
WHO = (*[None] * 120, *RIGHT * 4, *WRONG)
TWIST = (*[""] * 24, *["resent", "raced by a note"] * 3, "raced by a hold")
LINE = (1, 2, 3, 4)
FEW = (1, 2, 3)
PICK = (0, 1, 2, 3)
EITHER = (True, False)
SEED = st.integers(0, 2**24 - 1)
"""Of a wider range Hypothesis mostly draws small numbers."""


def listings() -> dict[str, Item]:
    """What is sold: what is neither made nor kept in stock leaves from the depot, too."""
    return {sku: item(sku, unit_price=Decimal(price)) for sku, price in PRICES.items()} | {
        "BOOK": item("BOOK", unit_price=Decimal(PRICES["BOOK"]), warehouse=DEPOT)
    }


def always(self: "Orders") -> bool:
    return True


Choices = dict[str, Sequence[Any]]
ASKED: dict[str, tuple[str, Callable[["Orders"], Any], Choices]] = {}
"""What can be asked: what it is about, when it has a chance, and the arguments to choose from."""


def asks(
    about: str, when: Callable[["Orders"], Any], **drawn: Sequence[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Something that can be asked."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        ASKED[function.__name__] = (about, when, drawn)
        return function

    return register


class Orders(RuleBasedStateMachine):
    """One order after the other."""

    journal: Journal
    rival: Journal

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

    # Beginning

    @initialize(seed=SEED)
    def place(self, seed: int) -> None:
        """An order, and how far it got in the ordinary way."""
        self.program = seed
        self.dice = Random(seed)
        self.another(self.dice)

    def another(self, dice: Random) -> None:
        skus = dice.sample(("VALVE", "GASKET", "ROTOR", "BOOK"), dice.randint(1, 3))
        prepaid, paid, freight = dice.random() < 0.4, dice.random() < 0.7, dice.choice((None, 0, 1))
        wanted = [ask.WantedLine(sku, dice.randint(1, 3)) for sku in skus]
        if freight is not None:
            wanted.append(ask.WantedLine("FREIGHT", 1, charge_for=freight or None))
        total = sum(PRICES[line.sku] * line.quantity for line in wanted)
        self.begin(prepaid)
        command = ask.Place(
            seller=SELLER.id, lines=tuple(wanted), contact=CONTACT, ship_to=BERLIN, expected_total=eur(total)
        )
        self.append(self.ledger.place(self.next(), command, CONSUMER))
        if paid:
            self.pay("captured", total, 0, None, "")
        self.go_on(dice.choice((0, 2, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30)))

    def go_on(self, steps: int) -> None:
        """What would ordinarily come next; the model says what that is."""
        for _ in range(steps):
            for command in self.ordinary():
                by_itself = {"deliver": CARRIER, "complete": LEDGER}.get(command.name)
                if self.take(command, by_itself if self.dice.random() < 0.5 else None):
                    break

    def ordinary(self) -> Iterator[Any]:
        model = self.model
        yield from self.going_back()
        if model.over:
            return
        if model.held:
            yield ask.Release(reason="It is settled.")
        if model.prepaid and not model.paid_for and self.dice.random() < 0.6:
            missing = model.costs - model.captured + model.refunded
            yield ask.RecordPayment(
                kind="captured", amount=eur(missing), method="card", provider="p", reference=str(self.next())
            )
        for number, line in model.open.items():
            if line.kind == "from_stock" and line.kept < line.rest:
                yield self.allocation(number, line.rest - line.kept)
        if not model.confirmed:
            yield ask.Confirm()
        for number, line in model.open.items():
            run = line.open_run
            if line.kind == "made_to_order" and model.line_state(number) == "confirmed":
                yield ask.StartProduction(line=number)
            if run is not None:
                missing_ = run.missing
                if not missing_:
                    yield ask.CompleteProduction(line=number)
                elif missing_[0] in ("milling", "polishing"):
                    yield ask.CompleteStep(line=number, step=missing_[0])
                else:
                    yield self.check(number, missing_[0], True)
        for number, line in model.open.items():
            if line.shippable:
                yield ask.Ship(lines=(Units(number, line.shippable),), **self.to())
        for shipment, parcel in model.outward.items():
            if not parcel.delivered:
                yield ask.Deliver(shipment=shipment)
        if model.state == "delivered" and self.dice.random() < 0.3:
            self.wait(15)
            yield ask.Complete()

    def going_back(self) -> Iterator[Any]:
        for rma, known in self.model.returns.items():
            if known.state == "requested":
                yield ask.ApproveReturn(rma=rma)
            for line, quantity in (known.approved - known.received).items():
                if known.state in ("approved", "on_its_way"):
                    yield ask.ReceiveReturn(rma=rma, lines=(CountedLine(line, quantity, "resellable"),))
            if known.state == "received":
                how: Any = known.wish
                lines = tuple(ResolvedLine(line, quantity, how) for line, quantity in known.received.items())
                yield ask.ResolveReturn(rma=rma, lines=lines)

    def allocation(self, number: int, quantity: int) -> Any:
        shelf = self.model.shelf_of(number)
        if shelf.on_hand - shelf.reserved < quantity:
            self.take_stock(self.model.lines[number].sku, ReceiveStock(quantity=quantity, reference="DN"), KEEPER)
        reservation = uuid5(self.id, f"reservation {self.next()}")
        return ask.AllocateStock(lines=(Allocation(number, quantity, reservation),))

    def check(self, number: int, what: str, passed: bool, reading: str = "12.00", evidence: bool = True) -> Any:
        return ask.CompleteInspectionItem(
            line=number,
            item=what,
            passed=passed,
            reading=Decimal(reading) if what == "bore" else None,
            evidence=(PHOTO,) if what == "surface" and evidence else (),
        )

    @asks("time", always, days=(1, 3, 15, 31))
    def wait(self, days: int) -> None:
        self.ledger.now += timedelta(days=days)

    @asks("time", always, pick=range(40))
    def resend_something(self, pick: int) -> None:
        """Long after, and to another process."""
        self.resend(self.any_of(self.sent, pick, None))

    # What is asked next

    @rule(seed=SEED)
    def something(self, seed: int) -> None:
        """Thrown by dice of our own: what Hypothesis chooses repeats itself too much to get a program deep."""
        dice = self.dice = Random(f"{self.program} {seed} {self.number}")
        if (self.model.over and dice.random() < 0.2) or (self.model.state == "delivered" and dice.random() < 0.05):
            note("Another order.")
            self.another(dice)
            return
        if dice.random() < 0.2:
            self.go_on(dice.randint(1, 3))
            return
        likely = self.has_a_chance(anything=dice.random() < 0.1)
        # What is being made is soon made: meanwhile most is asked about that.
        about = "making" if self.open_runs and dice.random() < 0.6 else dice.choice(sorted(likely))
        name, drawn = dice.choice(likely[about])
        arguments = {key: dice.choice(choices) for key, choices in drawn.items()}
        note(f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})")
        getattr(self, name)(**arguments)

    def has_a_chance(self, anything: bool) -> dict[str, list[tuple[str, Choices]]]:
        """What is likely to be accepted, by what it is about; or anything."""
        found: dict[str, list[tuple[str, Choices]]] = {}
        for name, (about, when, drawn) in ASKED.items():
            if anything or when(self):
                found.setdefault(about, []).append((name, drawn))
        return found

    # Stock

    @asks("stock", always, sku=("VALVE", "GASKET"), quantity=FEW, who=WHO)
    def receive_stock(self, sku: str, quantity: int, who: By | None) -> None:
        self.take_stock(sku, ReceiveStock(quantity=quantity, reference="DN"), who)

    @asks("stock", always, sku=("VALVE", "GASKET"), counted=range(5), who=WHO)
    def count_stock(self, sku: str, counted: int, who: By | None) -> None:
        self.take_stock(sku, AdjustStock(counted=counted, reason_code="count"), who)

    @asks("stock", always, sku=("VALVE", "GASKET"), change=(-3, -2, -1, 1, 2, 3), who=WHO)
    def adjust_stock(self, sku: str, change: int, who: By | None) -> None:
        self.take_stock(sku, AdjustStock(change=change, reason_code="loss"), who)

    @asks("stock", always, sku=("VALVE", "GASKET"), quantity=FEW, who=WHO)
    def reserve_for_another(self, sku: str, quantity: int, who: By | None) -> None:
        reservation = uuid5(self.id, f"another {self.next()}")
        self.take_stock(sku, Reserve(reservation=reservation, order=uuid(2), line=1, quantity=quantity), who)

    @asks("stock", always, sku=("VALVE", "GASKET"), quantity=FEW, pick=PICK, who=WHO)
    def release_of_another(self, sku: str, quantity: int, pick: int, who: By | None) -> None:
        theirs = [key for key, (order, _, _) in self.model.shelves[sku].kept.items() if order != self.id]
        if theirs:
            reservation = self.any_of(theirs, pick, None)
            self.take_stock(sku, ReleaseStock(reservation=reservation, quantity=quantity, cause="cancelled"), who)

    @asks(
        "stock",
        lambda self: self.lacking,
        number=LINE,
        quantity=FEW,
        who=WHO,
        twist=TWIST,
    )
    def allocate(self, number: int, quantity: int, who: By | None, twist: str) -> None:
        reservation = uuid5(self.id, f"reservation {self.next()}")
        self.take(ask.AllocateStock(lines=(Allocation(number, quantity, reservation),)), who, twist)

    @asks("stock", lambda self: self.unshipped, number=LINE, quantity=FEW, who=WHO, twist=TWIST)
    def find_shortage(self, number: int, quantity: int, who: By | None, twist: str) -> None:
        if number in self.model.goods:
            self.take(ask.FindShortage(lines=(Units(number, quantity),)), who, twist)

    @asks(
        "stock",
        lambda self: any(line.short or line.backordered for line in self.model.open.values()),
        number=LINE,
        quantity=FEW,
        how=("backorder", "substitute", "remove"),
        sku=("GASKET", "BOOK", "ROTOR"),
        who=WHO,
        twist=TWIST,
    )
    def resolve_shortage(self, number: int, quantity: int, how: Any, sku: str, who: By | None, twist: str) -> None:
        short = [key for key, line in self.model.open.items() if line.short or line.backordered]
        number = self.any_of(short, number, number)
        choice = ask.ShortageChoice(number, quantity, how, self.ledger.now + timedelta(days=9), sku)
        command = ask.ResolveShortage(
            shortage=max(self.model.shortages, default=1),
            outcomes=(choice,),
            consent=Consent("phone", self.ledger.now),
        )
        self.take(command, who, twist)

    # Confirming and ending

    @asks("settling", lambda self: self.unshipped and not self.model.confirmed, who=WHO, twist=TWIST)
    def confirm(self, who: By | None, twist: str) -> None:
        self.take(ask.Confirm(), who, twist)

    @asks("settling", lambda self: not self.model.confirmed, who=WHO)
    def reject(self, who: By | None) -> None:
        self.take(ask.Reject(reason_code="price"), who)

    @asks(
        "settling",
        lambda self: self.has_made and self.model.state in ("placed", "confirmed"),
        number=LINE,
        to=(WORKS.id, OTHER_WORKS.id),
        who=WHO,
    )
    def assign(self, number: int, to: UUID, who: By | None) -> None:
        self.take(ask.Assign(lines=(number,), manufacturer=to), who)

    @asks("settling", lambda self: self.model.before_shipping, to=(HAMBURG, VIENNA), who=WHO)
    def change_address(self, to: Any, who: By | None) -> None:
        self.take(ask.ChangeAddress(ship_to=to), who)

    @asks(
        "settling",
        lambda self: self.unshipped,
        number=LINE,
        quantity=FEW,
        who=WHO,
        twist=TWIST,
        everything=(False, False, True),
    )
    def cancel(self, number: int, quantity: int, who: By | None, twist: str, everything: bool) -> None:
        lines = () if everything or number not in self.model.goods else (Units(number, quantity),)
        self.take(ask.Cancel(lines=lines, reason_code="changed_mind"), who, twist)

    @asks("settling", lambda self: not self.model.over, who=WHO, twist=TWIST)
    def hold(self, who: By | None, twist: str) -> None:
        self.take(ask.Hold(reason_code="payment"), who, twist)

    @asks("settling", lambda self: self.model.held, who=WHO, reason=("It is settled.", None))
    def release(self, who: By | None, reason: str | None) -> None:
        self.take(ask.Release(reason=reason), who)

    # Producing

    @asks(
        "making",
        lambda self: self.startable,
        number=LINE,
        who=WHO,
        twist=TWIST,
    )
    def start_production(self, number: int, who: By | None, twist: str) -> None:
        self.take(ask.StartProduction(line=number), who, twist)

    @asks(
        "making",
        lambda self: self.open_runs,
        number=LINE,
        step=("milling", "polishing"),
        who=WHO,
        twist=TWIST,
    )
    def complete_step(self, number: int, step: str, who: By | None, twist: str) -> None:
        self.take(ask.CompleteStep(line=self.made(number), step=step), who, twist)

    @asks(
        "making",
        lambda self: self.open_runs,
        number=LINE,
        what=("bore", "surface", "weight"),
        passed=EITHER,
        reading=("12.00", "12.02", "12.03"),
        evidence=EITHER,
        who=WHO,
    )
    def inspect(self, number: int, what: str, passed: bool, reading: str, evidence: bool, who: By | None) -> None:
        self.take(self.check(self.made(number), what, passed, reading, evidence), who)

    @asks(
        "making",
        lambda self: any("failed" in run.results.values() for run in self.open_runs),
        number=LINE,
        what=("bore", "surface"),
        who=WHO,
        twist=TWIST,
    )
    def concede(self, number: int, what: str, who: By | None, twist: str) -> None:
        failed = [key for run in self.open_runs for key, result in run.results.items() if result == "failed"]
        what = self.any_of(failed, number, what)
        command = ask.ApproveConcession(line=self.made(number), item=what, reason_code="cosmetic")
        self.take(command, who, twist)

    @asks("making", lambda self: self.open_runs, number=LINE, who=WHO, twist=TWIST)
    def complete_production(self, number: int, who: By | None, twist: str) -> None:
        self.take(ask.CompleteProduction(line=self.made(number)), who, twist)

    def made(self, number: int) -> int:
        """A line that is made, if there is one."""
        made = [key for key, line in self.model.lines.items() if line.kind == "made_to_order"]
        known: int = self.any_of(made, number, number)
        return known

    # Shipping

    @asks(
        "sending",
        lambda self: self.unshipped and self.model.confirmed,
        number=LINE,
        quantity=FEW,
        second=EITHER,
        valid=(True, True, False),
        who=WHO,
        twist=TWIST,
    )
    def ship(self, number: int, quantity: int, second: bool, valid: bool, who: By | None, twist: str) -> None:
        lines = [Units(number, quantity)] + ([Units(number % 3 + 1, 1)] if second else [])
        self.take(ask.Ship(lines=tuple(lines), **self.to(valid)), who, twist)

    @asks("sending", lambda self: self.model.parcels, pick=PICK, quantity=FEW, who=WHO)
    def ship_again(self, pick: int, quantity: int, who: By | None) -> None:
        owing = {key: parcel for key, parcel in self.model.outward.items() if +parcel.again}
        shipment = self.any_of(owing, pick, self.parcel(pick))
        number = self.any_of(+owing[shipment].again if shipment in owing else {}, pick, 1)
        self.take(ask.Ship(lines=(Units(number, quantity),), replaces=shipment, **self.to()), who)

    @asks("sending", lambda self: self.model.parcels, pick=PICK, who=WHO, twist=TWIST)
    def correct_tracking(self, pick: int, who: By | None, twist: str) -> None:
        command = ask.CorrectTracking(shipment=self.parcel(pick), reason_code="typo", **self.to())
        self.take(command, who, twist)

    @asks(
        "sending",
        lambda self: self.model.parcels,
        pick=PICK,
        status=("in_transit", "delivered", "unknown", "lost"),
        who=WHO,
        twist=TWIST,
    )
    def progress(self, pick: int, status: Any, who: By | None, twist: str) -> None:
        command = ask.RecordProgress(
            shipment=self.parcel(pick, outward=False),
            carrier_event=str(self.next()),
            status=status,
            carrier_code="X",
            carrier_text="X",
            raw=RAW,
        )
        self.take(command, who, twist)

    @asks("sending", lambda self: self.on_their_way, pick=PICK, who=WHO, twist=TWIST)
    def deliver(self, pick: int, who: By | None, twist: str) -> None:
        self.take(ask.Deliver(shipment=self.parcel(pick)), who, twist)

    @asks(
        "sending",
        lambda self: self.model.state in ("shipping", "delivered"),
        days=(0, 0, 15),
        who=(CONSUMER, *[LEDGER] * 4, FOR_CONSUMER, *WRONG[:4]),
        twist=TWIST,
    )
    def complete(self, days: int, who: By, twist: str) -> None:
        self.wait(days)
        self.take(ask.Complete(), who, twist)

    # Delays, problems, notes

    @asks(
        "talking",
        lambda self: self.model.before_shipping,
        offered=range(4),
        who=WHO,
    )
    def revise_promise(self, offered: int, who: By | None) -> None:
        command = ask.RevisePromise(
            promised_by=self.ledger.now + timedelta(days=9, minutes=self.number),
            reason_code="material",
            compensation=eur(offered) if offered else None,
        )
        self.take(command, who)

    @asks("talking", lambda self: self.model.open_revision is not None, accept=EITHER, who=WHO, twist=TWIST)
    def answer(self, accept: bool, who: By | None, twist: str) -> None:
        self.take(ask.AcceptDelay() if accept else ask.DeclineDelay(), who, twist)

    @asks(
        "talking",
        lambda self: self.model.parcels,
        pick=PICK,
        number=LINE,
        quantity=FEW,
        everything=EITHER,
        who=WHO,
    )
    def report_problem(self, pick: int, number: int, quantity: int, everything: bool, who: By | None) -> None:
        lines = () if everything else (Units(number, quantity),)
        shipment = self.parcel(pick)
        command = ask.ReportProblem(kind="missing", shipment=shipment, lines=lines)
        self.take(command, who)

    @asks(
        "talking",
        lambda self: any(not one["how"] for one in self.model.problems.values()),
        pick=PICK,
        how=("reship", "refund", "none"),
        who=WHO,
        twist=TWIST,
    )
    def resolve_problem(self, pick: int, how: Any, who: By | None, twist: str) -> None:
        self.take(ask.ResolveProblem(problem=self.any_of(self.model.problems, pick, 1), how=how), who, twist)

    @asks("talking", always, who=WHO, twist=TWIST)
    def add_note(self, who: By | None, twist: str) -> None:
        self.take(ask.AddNote(text="Is it well?"), who, twist)

    # Money

    @asks(
        "paying",
        always,
        kind=("captured", "captured", "authorised", "refunded", "refunded", "voided", "refund_failed"),
        amount=(1, 2, 5, 7, 10, 119, 400),
        pick=PICK,
        who=WHO,
        twist=TWIST,
    )
    def pay(self, kind: Any, amount: int, pick: int, who: By | None, twist: str) -> None:
        of = None
        if kind == "refund_failed":
            gone = [key for key, known in self.model.payments.items() if known["kind"] == "refunded"]
            if not gone:
                return
            of = self.any_of(gone, pick, None)
        refund = None
        if kind == "refunded" and pick < 3:
            refund = self.any_of(self.model.refunds, pick, None)
        command = ask.RecordPayment(
            kind=kind,
            amount=eur(amount),
            method="card",
            provider="acme-pay",
            reference=str(self.next()),
            of=of,
            refund=refund,
        )
        self.take(command, who, twist)

    @asks(
        "paying",
        lambda self: self.model.captured > self.model.granted,
        basis=("goodwill", "compensation", "return", "problem", "cancellation"),
        amount=(1, 2, 7, 10, 119),
        pick=PICK,
        who=WHO,
        twist=TWIST,
    )
    def grant_refund(self, basis: Any, amount: int, pick: int, who: By | None, twist: str) -> None:
        known: Any = {"return": self.model.returns, "problem": self.model.problems}.get(basis, {1: 1})
        refers_to = str(self.any_of(known, pick, 1))
        command = ask.GrantRefund(basis=basis, amount=eur(amount), refers_to=refers_to, reason_code="late")
        self.take(command, who, twist)

    # Returns

    @asks(
        "returning",
        lambda self: self.arrived,
        number=LINE,
        quantity=FEW,
        why=("changed_mind", "defective"),
        wish=("refund", "exchange"),
        who=WHO,
        twist=TWIST,
    )
    def request_return(self, number: int, quantity: int, why: Any, wish: Any, who: By | None, twist: str) -> None:
        number = self.any_of(self.arrived, number, number)
        swap = (ExchangeItem("BOOK", 1),) if wish == "exchange" else ()
        command = ask.RequestReturn(lines=(ReturnLine(number, quantity, why),), wanted=wish, exchange_for=swap)
        self.take(command, who, twist)

    @asks(
        "returning",
        lambda self: self.returning("requested"),
        pick=PICK,
        quantity=FEW,
        everything=EITHER,
        who=WHO,
    )
    def approve_return(self, pick: int, quantity: int, everything: bool, who: By | None) -> None:
        rma, number = self.rma(pick, "requested")
        lines = () if everything else (Units(number, quantity),)
        self.take(ask.ApproveReturn(rma=rma, lines=lines), who)

    @asks("returning", lambda self: self.returning("requested"), pick=PICK, who=WHO)
    def reject_return(self, pick: int, who: By | None) -> None:
        self.take(ask.RejectReturn(rma=self.rma(pick, "requested")[0], reason_code="used"), who)

    @asks(
        "returning",
        lambda self: self.returning("requested", "approved"),
        pick=PICK,
        who=(None, LEDGER, *WRONG),
    )
    def withdraw_return(self, pick: int, who: By | None) -> None:
        self.take(ask.WithdrawReturn(rma=self.rma(pick)[0]), who)

    @asks("returning", lambda self: self.returning("approved", "on_its_way", "received"), pick=PICK, who=WHO)
    def ship_return(self, pick: int, who: By | None) -> None:
        self.take(ask.ShipReturn(rma=self.rma(pick, "approved")[0], **self.to()), who)

    @asks(
        "returning",
        lambda self: self.returning("approved", "on_its_way", "received"),
        pick=PICK,
        quantity=FEW,
        good=EITHER,
        who=WHO,
        twist=TWIST,
    )
    def receive_return(self, pick: int, quantity: int, good: bool, who: By | None, twist: str) -> None:
        rma, number = self.rma(pick, "approved", "on_its_way", "received")
        counted = CountedLine(number, quantity, "resellable" if good else "scrap")
        self.take(ask.ReceiveReturn(rma=rma, lines=(counted,)), who, twist)

    @asks("returning", lambda self: self.on_their_way, pick=PICK, number=LINE, quantity=FEW, good=EITHER, who=WHO)
    def receive_undelivered(self, pick: int, number: int, quantity: int, good: bool, who: By | None) -> None:
        shipment = self.parcel(pick)
        if shipment in self.model.outward:
            number = self.any_of(self.model.outward[shipment].units, number, number)
        counted = CountedLine(number, quantity, "resellable" if good else "scrap")
        self.take(ask.ReceiveReturn(shipment=shipment, lines=(counted,)), who)

    @asks(
        "returning",
        lambda self: self.returning("received"),
        pick=PICK,
        how=("refund", "exchange", "send_back"),
        charges=EITHER,
        less=EITHER,
        who=WHO,
        twist=TWIST,
    )
    def resolve_return(self, pick: int, how: Any, charges: bool, less: bool, who: By | None, twist: str) -> None:
        rma, number = self.rma(pick, "received")
        back = +self.model.returns[rma].received if rma in self.model.returns else {}
        lines = tuple(ResolvedLine(line, quantity, how) for line, quantity in back.items())
        parcel = SentBack("dhl", "9", f"{URL}9") if how == "send_back" else None
        if less:
            cap = min(Decimal(3), self.model.captured - self.model.granted)
            if cap <= ZERO or not lines:
                return
        command = ask.ResolveReturn(
            rma=rma,
            lines=lines or (ResolvedLine(number, 1, how),),
            refund_charges=charges,
            sent_back=parcel,
            amount=eur(cap) if less else None,
        )
        self.take(command, who, twist)

    def rma(self, pick: int, *states: str) -> tuple[str, int]:
        """A return, and a line of it; one in such a state, if there is one."""
        there = [key for key, known in self.model.returns.items() if not states or known.state in states]
        rma = str(self.any_of(there or self.model.returns, pick, "R0"))
        lines = self.model.returns[rma].lines if rma in self.model.returns else {1: 1}
        number: int = self.any_of(lines, pick, 1)
        return rma, number

    # What holds after every step

    @invariant()
    def the_database_gives_the_same_state(self) -> None:
        order, _ = self.ledger.load_order()
        assert order == self.ledger.order
        for sku in self.ledger.stock_ids:
            stock, _ = self.ledger.load_stock(sku)
            assert stock == self.ledger.stocks[sku]

    @invariant()
    def the_model_holds(self) -> None:
        self.model.check()

    @invariant()
    def the_order_is_as_the_model_says(self) -> None:
        order, model = self.ledger.order, self.model
        assert order is not None
        assert order.state == model.state
        assert set(order.lines) == set(model.lines)
        for number, line in model.goods.items():
            told = order.lines[number]
            assert order.line_state(number) == model.line_state(number)
            assert (told.wanted, told.sent, told.rest, told.shelf) == (line.wanted, line.sent, line.rest, line.shelf)
            assert (told.arrived, told.returned) == (model.arrived(number), line.came_back)
            assert (told.short, told.backordered) == (line.short, line.backordered)
        assert (order.captured, order.granted, order.refunded) == (model.captured, model.granted, model.refunded)
        assert order.held == model.held
        assert order.delivered_since == model.since or model.state == "completed"

    @invariant()
    def the_stock_is_as_the_model_says(self) -> None:
        for sku, shelf in self.model.shelves.items():
            stock = self.ledger.stocks[sku]
            if stock is not None:
                kept = {key: one.quantity for key, one in stock.reservations.items()}
                assert (stock.on_hand, stock.reserved) == (shelf.on_hand, shelf.reserved)
                assert kept == {key: quantity for key, (_, _, quantity) in shelf.kept.items() if quantity}


@pytest.fixture
def orders(ledger_url: str) -> Iterator[type[Orders]]:
    """The machine on a journal of its own, and on a second one as another process has it."""
    with Journal(ledger_url, MASTER) as journal, Journal(ledger_url, MASTER) as rival:
        yield type("OrdersHere", (Orders,), {"journal": journal, "rival": rival})


# Where it fails, the program is made short, which takes minutes.
@pytest.mark.timeout(900)
def test_the_model_speaks_of_what_there_is() -> None:
    """A name that is written otherwise would be one that nothing is checked of."""
    assert {event.__name__ for event in ORDER_EVENTS} >= CHANGES.keys()
    assert ask.COMMANDS.keys() >= GUARDS.keys()
    assert GUARDS.keys() < CELLS.keys()


def test_whatever_anybody_asks(orders: type[Orders]) -> None:
    """Fifty programs, the same ones every time; other ones for long."""
    run_state_machine_as_test(
        orders,
        settings=settings(max_examples=50, stateful_step_count=50, deadline=None, print_blob=True, derandomize=True),
    )


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(10))
def test_whatever_anybody_asks_for_long(orders: type[Orders], number: int) -> None:
    """Five hundred a seed."""
    run_state_machine_as_test(
        seed(number)(orders),
        settings=settings(max_examples=500, stateful_step_count=50, deadline=None, print_blob=True),
    )
