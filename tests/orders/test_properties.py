"""What holds for every order, whatever is asked of it, and in whatever order. Ranges are small: they find more."""

import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from order_ledger.audit.documents import examine
from order_ledger.entries import By, Entry, Event
from order_ledger.orders import commands as asked
from order_ledger.orders.commands import OrderCommand
from order_ledger.orders.decisions import credits_due, decide, invoice_due, record
from order_ledger.orders.decisions.rules import Context
from order_ledger.orders.events import (
    ORDER_EVENTS,
    Allocation,
    Consent,
    CountedLine,
    CreditNoteIssued,
    ExchangeItem,
    InvoiceIssued,
    OrderShipped,
    ProductionCompleted,
    ProductionStarted,
    ResolvedLine,
    ReturnLine,
    StockAllocated,
)
from order_ledger.orders.evolving import evolve, fold
from order_ledger.orders.order import STATES, Order
from order_ledger.refusals import Refused
from order_ledger.values import Units
from tests.examples import (
    AT_CONFIRMATION,
    CHECKS_PASSED,
    CONFIRMED,
    CONSUMER,
    KEEPER,
    LEDGER,
    LISTINGS,
    MAKER,
    NOW,
    ON_INVOICE,
    ORDER_ID,
    OWNER,
    PHOTO,
    PREPAID,
    RAW,
    SERVICE,
    STEPS_DONE,
    UNKNOWN,
    delivered,
    eur,
    line,
    paid,
    placed,
    seller,
    shipped,
    uuid,
)
from tests.orders.streams import ORDER
from tests.orders.test_issue_credit_note import credit
from tests.orders.test_issue_invoice import issue

ZERO = Decimal(0)


def context(by: By, number: int) -> Context:
    return Context(now=NOW, by=by, command=uuid(10_000 + number), order_id=ORDER_ID, listings=LISTINGS, seller=seller())


SKUS = ("VALVE", "ROTOR", "BOOK")


def pick(dice: random.Random, known: Any, default: Any) -> Any:
    return dice.choice(sorted(known, key=str)) if known else default


def units(dice: random.Random) -> tuple[Units, ...]:
    return (Units(dice.randint(1, 3), dice.randint(1, 3)),)


def a_command(dice: random.Random, order: Order, step: int) -> tuple[By, OrderCommand]:
    """Some command, more or less to the point, of somebody who may give it."""
    shipment = pick(dice, order.shipments, uuid(999))
    rma = pick(dice, order.returns, "R0")
    number, quantity = dice.randint(1, 3), dice.randint(1, 3)
    amount = eur(dice.randint(1, 400))
    parcel: dict[str, Any] = {"carrier": "dhl", "tracking_number": str(step), "tracking_url": f"https://dhl.com/{step}"}
    which = dice.randint(0, 31)
    if order.open_returns and dice.random() < 0.3:
        which = {"requested": 29, "approved": 30, "on_its_way": 30, "received": 31}[order.open_returns[0].state]
        rma = order.open_returns[0].rma
    match which:
        case 0 | 1:
            return OWNER, asked.Confirm()
        case 2:
            allocation = Allocation(number, quantity, uuid(2_000 + step))
            return LEDGER, asked.AllocateStock(lines=(allocation,))
        case 3:
            return LEDGER, asked.FindShortage(lines=units(dice))
        case 4:
            known = [held for one in order.lines.values() for held in one.reservations]
            lost = (Allocation(1, quantity, pick(dice, known, uuid(998))),)
            return LEDGER, asked.FindShortage(lines=(Units(1, quantity),), withdrawn=lost)
        case 5:
            how: Any = dice.choice(("backorder", "substitute", "remove"))
            choice = asked.ShortageChoice(number, quantity, how, NOW.replace(year=2027), dice.choice(SKUS))
            shortage = pick(dice, order.shortages, 1)
            consent = Consent("phone", NOW)
            return SERVICE, asked.ResolveShortage(shortage=shortage, outcomes=(choice,), consent=consent)
        case 6 | 7:
            return MAKER, asked.StartProduction(line=2)
        case 8 | 9:
            return MAKER, asked.CompleteStep(line=2, step=dice.choice(("milling", "polishing")))
        case 10 | 11:
            item = dice.choice(("bore", "surface"))
            command = asked.CompleteInspectionItem(
                line=2, item=item, passed=True, reading=Decimal("12.00"), evidence=(PHOTO,)
            )
            return MAKER, command
        case 12 | 13:
            return MAKER, asked.CompleteProduction(line=2)
        case 14 | 15 | 16:
            lost_shipment = dice.random() < 0.5
            replaces = shipment if lost_shipment and order.shipments else None
            return KEEPER, asked.Ship(lines=units(dice), shipment=uuid(3_000 + step), replaces=replaces, **parcel)
        case 17:
            return CONSUMER, asked.Deliver(shipment=shipment)
        case 18:
            status: Any = dice.choice(("in_transit", "delivered", "lost", "unknown"))
            progress = asked.RecordProgress(
                shipment=shipment,
                carrier_event=str(dice.randint(1, 5)),
                status=status,
                carrier_code="X",
                carrier_text="X",
                raw=RAW,
            )
            return LEDGER, progress
        case 19:
            return KEEPER, asked.CorrectTracking(shipment=shipment, reason_code="typo", **parcel)
        case 20:
            return dice.choice((CONSUMER, LEDGER)), asked.Complete()
        case 21:
            named = units(dice) if (dice.random() < 0.5) else ()
            return SERVICE, asked.Cancel(lines=named, reason_code="changed_mind")
        case 22:
            promise = asked.RevisePromise(
                promised_by=NOW.replace(year=2027), reason_code="material", compensation=eur(quantity)
            )
            return SERVICE, promise
        case 23:
            return CONSUMER, dice.choice((asked.AcceptDelay(), asked.DeclineDelay()))
        case 24:
            named = units(dice) if (dice.random() < 0.5) else ()
            return CONSUMER, asked.ReportProblem(kind="damaged", shipment=shipment, lines=named)
        case 25:
            outcome: Any = dice.choice(("reship", "refund", "none"))
            return SERVICE, asked.ResolveProblem(problem=pick(dice, order.problems, 1), how=outcome)
        case 26:
            return LEDGER, a_payment(dice, order, step, amount)
        case 27:
            basis: Any = dice.choice(("goodwill", "return", "problem", "cancellation", "compensation"))
            grant = asked.GrantRefund(
                basis=basis, amount=amount, refers_to=rma if basis == "return" else "1", reason_code="late"
            )
            return SERVICE, grant
        case 28:
            swap = (ExchangeItem("BOOK", 1),)
            lines = (ReturnLine(number, quantity, "changed_mind"),)
            return CONSUMER, asked.RequestReturn(lines=lines, wanted="exchange", exchange_for=swap)
        case 29:
            return OWNER, asked.ApproveReturn(rma=rma)
        case 30:
            back = pick(dice, order.returns[rma].approved, number) if rma in order.returns else number
            return KEEPER, asked.ReceiveReturn(rma=rma, lines=(CountedLine(back, 1, "resellable"),))
        case _:
            came = order.returns[rma].received if rma in order.returns else {1: 1}
            becomes: Any = dice.choice(("refund", "exchange"))
            settled = tuple(ResolvedLine(of_line, count, becomes) for of_line, count in came.items())
            return SERVICE, asked.ResolveReturn(
                rma=rma, lines=settled or (ResolvedLine(1, 1, becomes),), refund_charges=(dice.random() < 0.5)
            )


def a_payment(dice: random.Random, order: Order, step: int, amount: Any) -> OrderCommand:
    kind: Any = dice.choice(("captured", "captured", "refunded", "authorised", "refund_failed"))
    of: UUID | None = pick(dice, [known.payment for known in order.payments], None)
    return asked.RecordPayment(
        kind=kind,
        amount=amount,
        method="card",
        provider="acme-pay",
        reference=f"r{step}",
        of=of,
        payment=uuid(4_000 + step),
    )


def documents(order: Order, step: int) -> list[OrderCommand]:
    """What the ledger issues by itself as soon as it may."""
    if order.terms.invoice_at == "confirmation":
        shipments: list[UUID | None] = [None] if order.confirmed else []
    else:
        shipments = list(order.shipments)
    invoices: list[OrderCommand] = [
        issue(step * 10 + place, shipment=shipment)
        for place, shipment in enumerate(shipments)
        if order.confirmed and invoice_due(order, shipment)
    ]
    return invoices[:1] or [
        credit(step * 10).model_copy(update={"invoice": invoice, "refund": refund})
        for invoice, refund in credits_due(order)[:1]
    ]


def check(order: Order, events: list[Event]) -> None:
    """What holds for every order that was decided here."""
    assert order.state in STATES
    for one in order.lines.values():
        assert 0 <= one.wanted <= one.ordered.quantity
        assert 0 <= one.sent <= one.wanted or not one.is_goods
        assert 0 <= one.arrived <= one.sent
        assert 0 <= one.shelf <= one.rest
        assert 0 <= one.short + one.backordered <= one.rest - one.shelf or one.ordered.kind == "made_to_order"
        assert 0 <= one.refunded + one.withdrawn <= one.ordered.quantity
        assert 0 <= one.invoiced <= one.ordered.quantity
        assert one.returned <= one.ordered.quantity
    assert order.net.amount + order.tax.amount == order.total.amount
    assert min(order.net.amount, order.tax.amount, order.total.amount) >= 0
    assert ZERO <= order.refunded <= order.granted
    assert order.granted <= order.captured
    assert sum((refund.amount for refund in order.refunds.values()), ZERO) == order.granted
    for invoice in order.invoices.values():
        assert ZERO <= sum(invoice.credited.values(), ZERO) <= invoice.gross
        assert invoice.prepaid <= invoice.gross
        for covered in invoice.lines:
            assert invoice.credited.get(covered.line, ZERO) <= covered.worth.gross.amount
    invoiced = sum((event.gross_total.amount for event in events if isinstance(event, InvoiceIssued)), ZERO)
    credited = sum((event.gross_total.amount for event in events if isinstance(event, CreditNoteIssued)), ZERO)
    assert credited <= invoiced
    shipped_again = {event.replaces for event in events if isinstance(event, OrderShipped)} - {None}
    assert shipped_again <= set(order.shipments)


LINES = (line(1, "VALVE", 3), line(2, "ROTOR", 2), line(3, "BOOK", 2), line(4, "FREIGHT"))
ALLOCATED = StockAllocated((Allocation(1, 3, uuid(1_000)),))
MADE = (
    ProductionStarted(2, 1, 2),
    *(replace(done, line=2) for done in STEPS_DONE),
    *(replace(passed, line=2) for passed in CHECKS_PASSED),
    ProductionCompleted(2, 1, 2),
)
SENT = (
    shipped((1, 2), (2, 1), shipment=uuid(1_001)),
    shipped((1, 1), (2, 1), (3, 2), shipment=uuid(1_002), number="2"),
)
BEGINNINGS: tuple[tuple[Event, ...], ...] = (
    (),
    (ALLOCATED, CONFIRMED),
    (ALLOCATED, CONFIRMED, paid("287.95")),
    (ALLOCATED, CONFIRMED, paid("287.95"), *MADE),
    (ALLOCATED, CONFIRMED, *MADE, *SENT),
    (ALLOCATED, CONFIRMED, paid("287.95"), *MADE, *SENT, delivered(uuid(1_001)), delivered(uuid(1_002))),
)
"""From where things get going, so that not every order is spent on its first steps."""


def live(dice: random.Random, steps: int) -> list[Entry[Any]]:
    """An order that anything is asked of; the ledger issues its documents. Its entries, checked after each."""
    one = placed(*LINES, terms=dice.choice((ON_INVOICE, PREPAID, AT_CONFIRMATION)))
    entries: list[Entry[Any]] = [
        ORDER.entry(event, version) for version, event in enumerate((one, *dice.choice(BEGINNINGS)), 1)
    ]
    order = fold(entries)
    for step in range(steps):
        asking = [(LEDGER, document) for document in documents(order, len(entries))]
        asking += [a_command(dice, order, step)]
        while asking:
            by, command = asking.pop(0)
            try:
                events = decide(order, command, context(by, step))
            except Refused as refused:
                assert refused.blocked_by
                continue
            for event in events:
                entries.append(ORDER.entry(event, len(entries) + 1))
                order = evolve(order, entries[-1])
            if events:
                decided_again(order, command, by, step)
                asking += [(LEDGER, document) for document in documents(order, len(entries))]
        check(order, [entry.event for entry in entries])
    assert fold(entries) == order
    assert {finding.code for finding in examine([entries]).findings} <= NOT_DRAWN_HERE
    return entries


NOT_DRAWN_HERE = {"receipt_missing", "number_missing", "number_wrong", "day_goes_back"}
"""What `documents` leaves to others: receipts, numbers without a gap, and days."""


def decided_again(order: Order, command: OrderCommand, by: By, step: int) -> None:
    """What names itself happens once; the rest is refused, or may happen twice."""
    try:
        events = decide(order, command, context(by, step))
    except Refused:
        assert not isinstance(command, ONCE), command
        return
    assert not (events and isinstance(command, ONCE)), command


ONCE = (
    asked.AllocateStock,
    asked.Ship,
    asked.Deliver,
    asked.RecordProgress,
    asked.RecordPayment,
    asked.ResolveReturn,
    asked.IssueInvoice,
    asked.IssueCreditNote,
)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_asked(seed: int) -> None:
    """In every history of a hundred the order stays sound, and all that can happen to one happens to some."""
    dice = random.Random(seed)
    happened: set[str] = set()
    for _ in range(100):
        happened |= {type(entry.event).__name__ for entry in live(dice, 40)}
    assert {event.__name__ for event in ORDER_EVENTS} - happened <= NOT_ASKED


NOT_ASKED = {
    "AddressChanged",
    "ConcessionApproved",
    "DelayExpected",
    "ManufacturerAssigned",
    "NoteAdded",
    "NotificationFailed",
    "NotificationSent",
    "OrderHeld",
    "OrderRejected",
    "OrderReleased",
    "ReceiptIssued",
    "ReturnRejected",
    "ReturnShipped",
    "ReturnWithdrawn",
    "TrackingChecked",
}
"""What `a_command` leaves out: it moves no units and no money."""


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_whatever_is_asked_at_its_shortest(dice: random.Random, steps: int) -> None:
    """The same, where a counterexample is made as short as can be."""
    entries = live(dice, steps)
    seen = [entry for entry in entries if dice.random() < 0.7]
    assert not seen or fold(seen).state in STATES


def test_whatever_a_history_says() -> None:
    """Believed all the same: nothing raises, and every event folds."""
    dice = random.Random(7)
    for _ in range(200):
        lines = () if dice.random() < 0.5 else LINES
        order = fold([ORDER.entry(placed(*lines, total=eur(9), net=eur(9), history=True), 1)])
        for step in range(20):
            _, command = a_command(dice, order, step)
            events, breaches = record(order, command, context(UNKNOWN, step))
            assert all(isinstance(breach, str) for breach in breaches)
            for event in events:
                order = evolve(order, ORDER.entry(event, order.version + 1))
            assert order.state in STATES
            assert order.reads
            assert min(one.shelf for one in order.lines.values()) >= 0
