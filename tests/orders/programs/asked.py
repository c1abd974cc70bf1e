"""What can be asked of an order and its stock, by whom, and when it has a chance."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from order_ledger.entries import By
from order_ledger.orders import commands as ask
from order_ledger.orders.events import (
    Allocation,
    Consent,
    CountedLine,
    ExchangeItem,
    ResolvedLine,
    ReturnLine,
    SentBack,
)
from order_ledger.stock.commands import AdjustStock, ReceiveStock, Reserve
from order_ledger.stock.commands import Release as ReleaseStock
from order_ledger.values import Units
from tests.examples import (
    BOB,
    CONSUMER,
    FOR_CONSUMER,
    HAMBURG,
    LEDGER,
    OTHER_SELLER,
    RAW,
    VIENNA,
    WORKS,
    eur,
    uuid,
)
from tests.orders.machine import OTHER_WORKS
from tests.orders.model.parts import ZERO
from tests.orders.programs.ordinary import Ordinary
from tests.orders.programs.program import RIGHT, URL

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


def always(self: "Asked") -> bool:
    return True


Choices = dict[str, Sequence[Any]]
ASKED: dict[str, tuple[str, Callable[["Asked"], Any], Choices]] = {}
"""What can be asked: what it is about, when it has a chance, and the arguments to choose from."""


def asks(
    about: str, when: Callable[["Asked"], Any], **drawn: Sequence[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Something that can be asked."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        ASKED[function.__name__] = (about, when, drawn)
        return function

    return register


class Asked(Ordinary):
    """Orders of which anything is asked."""

    @asks("time", always, days=(1, 3, 15, 31))
    def let_time_go_by(self, days: int) -> None:
        self.wait(days)

    @asks("time", always, pick=range(40))
    def resend_something(self, pick: int) -> None:
        """Long after, and to another process."""
        self.resend(self.any_of(self.sent, pick, None))

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
