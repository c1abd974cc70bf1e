"""How an order changes: what each event makes of it.

`evolve` refuses nothing, since what is recorded has happened; it takes any prefix of a stream, and imported history
in any order.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, assert_never
from uuid import UUID

from msgspec.structs import replace

from order_ledger.amounts import Worth
from order_ledger.entries import Entry
from order_ledger.orders.correspondence import Note, NotificationState, Problem, Revision
from order_ledger.orders.events import (
    AddressChanged,
    Allocation,
    ConcessionApproved,
    CreditNoteIssued,
    DelayAccepted,
    DelayDeclined,
    DelayExpected,
    DeliveryRetracted,
    InspectionItemCompleted,
    InvoiceIssued,
    LinesCancelled,
    ManufacturerAssigned,
    NoteAdded,
    NotificationFailed,
    NotificationSent,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderHeld,
    OrderLine,
    OrderPlaced,
    OrderRejected,
    OrderReleased,
    OrderShipped,
    PaymentRecorded,
    ProblemReported,
    ProblemResolved,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
    PromiseRevised,
    ReceiptIssued,
    RefundGranted,
    ReturnApproved,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    ReturnResolved,
    ReturnShipped,
    ReturnWithdrawn,
    ShipmentProgressed,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
    TrackingChecked,
    TrackingCorrected,
)
from order_ledger.orders.lines import THE_ONE_UNIT, Check, Line, Places, Run
from order_ledger.orders.money import PRICE_CUTS, Invoice, InvoicedLine, Payment, Refund, Settlement
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Return, ReturnState, Shipment
from order_ledger.values import Amounts, Money, Organisation, Sealed, Terms, Units, round_money

__all__ = ["evolve", "fold"]

_ZERO = Decimal(0)


def fold(entries: Iterable[Entry[OrderEvent]]) -> Order:
    """The order that these entries, in the order of their versions, leave. There is at least one."""
    order: Order | None = None
    for entry in entries:
        order = evolve(order, entry)
    assert order is not None, "an order has at least one entry"
    return order


def evolve(order: Order | None, entry: Entry[OrderEvent]) -> Order:
    """The order after this entry. Refuses nothing: what is recorded has happened.

    A view as of a moment may lack the OrderPlaced that a later entry builds on (imports know entries that happened
    before they were ordered); such an order then has no number, no lines named, and an unknown consumer.
    """
    event = entry.event
    if type(event) is OrderPlaced:
        return _placed(event, entry)
    if order is None:
        order = _placed(_UNKNOWN, entry)
    return _after(replace(order, version=entry.version, recorded_at=entry.recorded_at), event, entry)


def _after(order: Order, event: OrderEvent, entry: Entry[OrderEvent]) -> Order:
    at = entry.at
    # What happens most stands first: every case that is looked at in vain costs as much as a change of the order.
    match event:
        case ShipmentProgressed():
            return _progressed(order, event, entry)
        case OrderShipped():
            return _shipped(order, event, entry)
        case OrderDelivered():
            return _since(_delivered(order, event, entry), entry)
        case OrderCompleted(cause=cause):
            return replace(order, completed_by=cause)
        case OrderConfirmed(promised_by=promised_by):
            if promised_by is None:
                return replace(order, confirmed=True, confirmed_at=at)
            return replace(order, confirmed=True, confirmed_at=at, promised_by=promised_by, delay_expected=False)
        case PaymentRecorded():
            return _paid(order, event)
        case StockAllocated(lines=allocations):
            for allocation in allocations:
                order = _allocated(order, allocation)
            return order
        case ProductionStepCompleted():
            return _step_completed(order, event)
        case InspectionItemCompleted(line=number, run=run, item=item, attempt=attempt, passed=passed):
            return _checked(order, number, run, item, Check(attempt, "passed" if passed else "failed", at))
        case ProductionStarted(line=number, run=run, quantity=quantity):
            line = order.lines.get(number)
            return _with(order, replace(line, runs=(*line.runs, Run(run, quantity)))) if line else order
        case ProductionCompleted(line=number, run=run, quantity=quantity):
            line = order.lines.get(number)
            if line is None:
                return order
            runs = tuple(replace(made, completed=True) if made.run == run else made for made in line.runs)
            return _with(order, replace(line, runs=runs, produced=line.produced + quantity))
        case ManufacturerAssigned(lines=numbers, manufacturer=manufacturer):
            for number in numbers:
                if line := order.lines.get(number):
                    order = _with(order, replace(line, manufacturer=manufacturer))
            return order
        case NotificationSent(message_id=message):
            return replace(order, notifications={**order.notifications, message: "sent"})
        case InvoiceIssued():
            return _invoiced(order, event)
        case ReceiptIssued(payment=payment):
            return replace(order, receipts=order.receipts | {payment})
        case OrderPlaced():
            return order
        case NotificationFailed(message_id=message, final=final):
            if order.notifications.get(message) == "sent":
                return order
            state: NotificationState = "given_up" if final else "failed"
            return replace(order, notifications={**order.notifications, message: state})
        case StockShortageFound():
            return _short(order, event)
        case ShortageResolved():
            return _since(_shortage_resolved(order, event, entry), entry)
        case AddressChanged():
            return replace(
                order,
                ship_to=event.ship_to,
                ship_to_country=event.ship_to_country,
                ship_to_region=event.ship_to_region,
                zone=event.zone,
            )
        case ConcessionApproved(line=number, run=run, item=item, attempt=attempt):
            return _checked(order, number, run, item, Check(attempt, "conceded", at))
        case TrackingChecked(shipment=number, reachable=reachable):
            shipment = order.shipments.get(number)
            return _with_shipment(order, replace(shipment, link_reachable=reachable)) if shipment else order
        case TrackingCorrected():
            return _tracking_corrected(order, event)
        case DeliveryRetracted(shipment=number):
            return _since(_retracted(order, number), entry)
        case OrderRejected():
            return _ended(order, "rejected", entry)
        case OrderCancelled():
            return _ended(order, "cancelled", entry)
        case LinesCancelled(lines=lines, net=net, tax=tax, total=total):
            order = replace(order, net=net, tax=tax, total=total)
            return _since(_withdrawn(order, order.units(lines), entry), entry)
        case OrderHeld():
            return replace(order, held=True, held_for=entry.reason_code, held_since=entry.recorded_at)
        case OrderReleased():
            return replace(order, held=False, held_for=None, held_since=None)
        case DelayExpected():
            return replace(order, delay_expected=True)
        case PromiseRevised():
            revision = Revision(
                event.revision, event.promised_by, order.promised_by, event.compensation, event.answer_by
            )
            return replace(
                order,
                revisions=(*order.revisions, revision),
                promised_by=event.promised_by,
                delay_expected=False,
            )
        case DelayAccepted(revision=number):
            return _answered(order, number, "accepted")
        case DelayDeclined(revision=number):
            return _answered(order, number, "declined")
        case ProblemReported():
            problem = Problem(event.problem, event.kind, event.shipment, event.lines)
            return replace(order, problems={**order.problems, event.problem: problem})
        case ProblemResolved():
            return _since(_problem_resolved(order, event, entry), entry)
        case RefundGranted():
            return _granted(order, event, entry)
        case ReturnRequested() | ReturnApproved() | ReturnRejected() | ReturnWithdrawn() | ReturnShipped():
            return _returning(order, event, entry)
        case ReturnReceived():
            return _received(order, event)
        case ReturnResolved():
            return _return_resolved(order, event, entry)
        case NoteAdded():
            return _noted(order, event, entry)
        case CreditNoteIssued():
            return _credited(order, event)
        case _ as never:
            assert_never(never)


# Placing


def _placed(event: OrderPlaced, entry: Entry[OrderEvent]) -> Order:
    lines = {
        line.line: Line(ordered=line, wanted=line.quantity, manufacturer=line.manufacturer) for line in event.lines
    }
    implied = not any(line.kind != "charge" for line in event.lines)
    if implied:
        number = max(lines, default=0) + 1
        lines[number] = Line(ordered=_implied_line(event, number), wanted=1)
    return Order(
        id=entry.stream,
        version=entry.version,
        placed=event,
        placed_at=entry.at,
        recorded_at=entry.recorded_at,
        lines=lines,
        implied=implied,
        net=event.net,
        tax=event.tax,
        total=event.total,
        ship_to=event.ship_to,
        ship_to_country=event.ship_to_country,
        ship_to_region=event.ship_to_region,
        zone=event.zone,
        promised_by=event.promised_by,
    )


def _implied_line(event: OrderPlaced, number: int) -> OrderLine:
    return OrderLine(
        line=number,
        kind="untracked",
        item=None,
        sku="",
        revision=None,
        description="",
        quantity=1,
        unit="C62",
        unit_price=event.total.amount,
        tax_included=True,
        discount=Money(_ZERO, event.total.currency),
        net=event.net,
        tax=event.tax,
        gross=event.total,
        tax_category=None,
        tax_rate=None,
        exemption=None,
        seller=None,
        manufacturer=None,
        warehouse=None,
        steps=(),
        plan=(),
        return_days=0,
        warranty_days=0,
        ship_by=None,
        charge_for=None,
    )


_NOBODY = UUID(int=0)
_NO_MONEY = Money(Decimal("0.00"), "XXX")
_UNKNOWN = OrderPlaced(
    number="",
    consumer=_NOBODY,
    contact=Sealed("", ""),
    bill_to=Sealed("", ""),
    ship_to=Sealed("", ""),
    bill_to_country=None,
    ship_to_country=None,
    ship_to_region=None,
    zone="UTC",
    language="und",
    seller=Organisation(_NOBODY, ""),
    lines=(),
    net=_NO_MONEY,
    tax=_NO_MONEY,
    total=_NO_MONEY,
    terms=Terms("on_invoice", 0, "other", "dispatch", 0),
    promised_by=None,
    buyer_reference=None,
    purchase_order=None,
    basket=None,
    exchange_of=None,
    reference=None,
    history=True,
)


# Lines and shipments


def _with(order: Order, line: Line) -> Order:
    """The order with this line, of which no more is kept or short than is still to be shipped."""
    if line.kept or line.short or line.backordered:
        rest = line.rest
        kept = max(min(line.kept, rest), 0)
        missing = rest - kept
        backordered = max(min(line.backordered, missing), 0)
        short = max(min(line.short, missing - backordered), 0)
        if (kept, short, backordered) != (line.kept, line.short, line.backordered):
            line = replace(line, kept=kept, short=short, backordered=backordered)
    return replace(order, lines={**order.lines, line.ordered.line: line})


def _with_shipment(order: Order, shipment: Shipment) -> Order:
    return replace(order, shipments={**order.shipments, shipment.shipment: shipment})


def _since(order: Order, entry: Entry[OrderEvent]) -> Order:
    """The order with the time since when all of it is delivered, from which it completes by itself."""
    delivered = order.state == "delivered"
    if delivered == (order.delivered_since is not None):
        return order
    return replace(order, delivered_since=entry.recorded_at if delivered else None)


def _shipped(order: Order, event: OrderShipped, entry: Entry[OrderEvent]) -> Order:
    units: dict[int, int] = {}
    for named in order.units(event.lines):
        units[named.line] = units.get(named.line, 0) + named.quantity
        if line := order.lines.get(named.line):
            shipped = line.shipped + named.quantity
            order = _with(order, replace(line, shipped=shipped, kept=max(line.kept - named.quantity, 0)))
    shipment = Shipment(
        event.shipment,
        units,
        event.sender,
        event.carrier,
        event.tracking_number,
        event.tracking_url,
        event.replaces,
        entry.at,
        units,
    )
    if event.replaces is not None and (before := order.shipments.get(event.replaces)):
        left = {line: quantity - units.get(line, 0) for line, quantity in before.to_send_again.items()}
        still = {line: quantity for line, quantity in left.items() if quantity > 0}
        order = _with_shipment(order, replace(before, to_send_again=still))
    return _with_shipment(order, shipment)


def _delivered(order: Order, event: OrderDelivered, entry: Entry[OrderEvent]) -> Order:
    shipment = order.shipments.get(event.shipment)
    if shipment is None or shipment.rma is not None:
        return order
    if not shipment.delivered:
        order = _arrived(order, shipment.units, +1)
    return _with_shipment(
        order,
        replace(
            shipment,
            delivered_version=entry.version,
            delivered_at=entry.at or entry.recorded_at,
            delivered_by=event.proof,
            number_at_delivery=shipment.tracking_number,
        ),
    )


def _retracted(order: Order, number: UUID) -> Order:
    shipment = order.shipments.get(number)
    if shipment is None or not shipment.delivered:
        return order
    order = _arrived(order, shipment.units, -1)
    if order.completed_by == "timer":
        order = replace(order, completed_by=None)
    return _with_shipment(order, replace(shipment, delivered_version=None, delivered_at=None, delivered_by=None))


def _arrived(order: Order, units: dict[int, int], sign: Literal[1, -1]) -> Order:
    for number, quantity in units.items():
        if line := order.lines.get(number):
            order = _with(order, replace(line, arrived=line.arrived + sign * quantity))
    return order


def _progressed(order: Order, event: ShipmentProgressed, entry: Entry[OrderEvent]) -> Order:
    shipment = order.shipments.get(event.shipment)
    if shipment is None:
        return order
    seen = shipment.carrier_events | {event.carrier_event}
    if not event.applied:
        return _with_shipment(order, replace(shipment, carrier_events=seen))
    shipment = replace(
        shipment,
        carrier_events=seen,
        progress=event.status,
        progressed_at=entry.at,
        expected_at=event.expected_at or shipment.expected_at,
    )
    order = _with_shipment(order, shipment)
    returned = order.returns.get(shipment.rma) if shipment.rma is not None else None
    if returned is not None and returned.state == "approved":
        order = replace(order, returns={**order.returns, returned.rma: replace(returned, state="on_its_way")})
    return order


def _tracking_corrected(order: Order, event: TrackingCorrected) -> Order:
    shipment = order.shipments.get(event.shipment)
    if shipment is None:
        return order
    return _with_shipment(
        order,
        replace(
            shipment,
            carrier=event.carrier,
            tracking_number=event.tracking_number,
            tracking_url=event.tracking_url,
            progress=None,
            progressed_at=None,
            expected_at=None,
            link_reachable=None,
        ),
    )


# Stock


def _allocated(order: Order, allocation: Allocation) -> Order:
    line = order.lines.get(allocation.line)
    if line is None:
        return order
    return _with(
        order,
        replace(
            line,
            kept=line.kept + allocation.quantity,
            reservations=(*line.reservations, allocation.reservation),
        ),
    )


def _short(order: Order, event: StockShortageFound) -> Order:
    for taken in event.withdrawn:
        if line := order.lines.get(taken.line):
            order = _with(order, replace(line, kept=max(line.kept - taken.quantity, 0)))
    short: dict[int, int] = {}
    for named in order.units(event.lines):
        short[named.line] = short.get(named.line, 0) + named.quantity
        if line := order.lines.get(named.line):
            order = _with(order, replace(line, short=line.short + named.quantity))
    return replace(order, shortages={**order.shortages, event.shortage: short})


def _shortage_resolved(order: Order, event: ShortageResolved, entry: Entry[OrderEvent]) -> Order:
    left = dict(order.shortages.get(event.shortage, {}))
    gone: list[Units] = []
    for outcome in event.outcomes:
        quantity = outcome.quantity
        left[outcome.line] = max(left.get(outcome.line, 0) - quantity, 0)
        line = order.lines.get(outcome.line)
        if line is None:
            continue
        short, backordered = max(line.short - quantity, 0), line.backordered
        if outcome.how == "backorder":
            backordered += min(quantity, line.short)
        else:
            # What was short goes first, then what was on backorder.
            backordered = max(backordered - max(quantity - line.short, 0), 0)
            gone.append(Units(outcome.line, quantity))
        order = _with(order, replace(line, short=short, backordered=backordered))
        if outcome.replacement is not None:
            new = outcome.replacement
            order = _with(order, Line(ordered=new, wanted=new.quantity, manufacturer=new.manufacturer))
    order = replace(
        order,
        shortages={**order.shortages, event.shortage: left},
        net=event.net,
        tax=event.tax,
        total=event.total,
    )
    return _withdrawn(order, tuple(gone), entry) if gone else order


# Producing


def _step_completed(order: Order, event: ProductionStepCompleted) -> Order:
    line = order.lines.get(event.line)
    if line is None:
        return order
    steps = [step.step for step in line.ordered.steps]
    place = steps.index(event.step) if event.step in steps else len(steps)
    again = {item.item for item in line.ordered.plan if item.after_step in steps[place:]}

    def done(run: Run) -> Run:
        checks = {
            item: replace(check, state="pending") if item in again else check for item, check in run.checks.items()
        }
        return replace(run, steps={**run.steps, event.step: event.attempt}, checks=checks)

    return _with(order, replace(line, runs=tuple(done(run) if run.run == event.run else run for run in line.runs)))


def _checked(order: Order, number: int, run: int, item: str, check: Check) -> Order:
    line = order.lines.get(number)
    if line is None:
        return order
    runs = tuple(replace(made, checks={**made.checks, item: check}) if made.run == run else made for made in line.runs)
    return _with(order, replace(line, runs=runs))


# Units that are no longer to be paid


def _ended(order: Order, how: Literal["rejected", "cancelled"], entry: Entry[OrderEvent]) -> Order:
    order = replace(order, ended=how)
    if order.history:
        return order
    parts = tuple(
        Places(line.line, line.refunded, line.ordered.quantity - line.withdrawn - line.refunded)
        for line in order.lines.values()
        if line.ordered.quantity > line.withdrawn + line.refunded
    )
    return replace(order, settlements=(*order.settlements, Settlement(entry.version, parts)))


def _withdrawn(order: Order, lines: tuple[Units, ...], entry: Entry[OrderEvent]) -> Order:
    parts = []
    for units in lines:
        line = order.lines.get(units.line)
        if line is None:
            continue
        withdrawn = line.withdrawn + units.quantity
        parts.append(Places(units.line, line.ordered.quantity - withdrawn, units.quantity))
        order = _with(order, replace(line, withdrawn=withdrawn, wanted=line.wanted - units.quantity))
    if order.history:
        return order
    return replace(order, settlements=(*order.settlements, Settlement(entry.version, tuple(parts))))


def _problem_resolved(order: Order, event: ProblemResolved, entry: Entry[OrderEvent]) -> Order:
    problem = order.problems.get(event.problem)
    if problem is None:
        return order
    problem = replace(problem, how=event.how, resolved=event.lines)
    order = replace(order, problems={**order.problems, event.problem: problem})
    shipment = order.shipments.get(problem.shipment) if problem.shipment is not None else None
    if shipment is None or event.how == "none":
        return order
    units, again = dict(shipment.units), dict(shipment.to_send_again)
    lines = order.units(event.lines)
    for named in lines:
        units[named.line] = units.get(named.line, 0) - named.quantity
        if event.how == "reship":
            again[named.line] = again.get(named.line, 0) + named.quantity
        if line := order.lines.get(named.line):
            arrived = line.arrived - named.quantity if shipment.delivered else line.arrived
            wanted = line.wanted - named.quantity if event.how == "refund" else line.wanted
            line = replace(line, taken_out=line.taken_out + named.quantity, arrived=arrived, wanted=wanted)
            order = _with(order, line)
    order = _with_shipment(order, replace(shipment, units=units, to_send_again=again))
    return _given_back(order, lines, entry) if event.how == "refund" else order


def _return_resolved(order: Order, event: ReturnResolved, entry: Entry[OrderEvent]) -> Order:
    returned = order.returns.get(event.rma)
    if returned is None:
        return order
    returned = replace(returned, state="resolved", refund=event.refund, exchange_order=event.exchange_order)
    order = replace(order, returns={**order.returns, event.rma: returned})
    back = tuple(Units(line.line, line.quantity) for line in event.lines if line.how != "send_back")
    return _given_back(order, back, entry) if back else order


def _given_back(order: Order, lines: tuple[Units, ...], entry: Entry[OrderEvent]) -> Order:
    """The order without the worth of units that were shipped and are not to be paid any more."""
    parts = []
    for units in lines:
        line = order.lines.get(units.line)
        if line is None:
            continue
        parts.append(Places(units.line, line.refunded, units.quantity))
        worth = line.worth_of(line.refunded, units.quantity)
        order = _cheaper(_with(order, replace(line, refunded=line.refunded + units.quantity)), worth)
    if order.history:
        return order
    return replace(order, settlements=(*order.settlements, Settlement(entry.version, tuple(parts))))


def _cheaper(order: Order, worth: Worth) -> Order:
    return replace(
        order,
        net=Money(max(order.net.amount - worth.net.amount, _ZERO), order.net.currency),
        tax=Money(max(order.tax.amount - worth.tax.amount, _ZERO), order.tax.currency),
        total=Money(max(order.total.amount - worth.gross.amount, _ZERO), order.total.currency),
    )


# Promises


def _answered(order: Order, number: int, answer: Literal["accepted", "declined"]) -> Order:
    revisions = tuple(
        replace(revision, answer=answer) if revision.revision == number else revision for revision in order.revisions
    )
    order = replace(order, revisions=revisions)
    if answer == "declined" and revisions and revisions[-1].revision == number:
        order = replace(order, promised_by=revisions[-1].promised_before)
    return order


# Money


def _paid(order: Order, event: PaymentRecorded) -> Order:
    payment = Payment(
        event.payment,
        event.kind,
        event.amount.amount,
        event.method,
        event.provider,
        event.reference,
        event.of,
        event.refund,
        event.account_hint,
    )
    before = _payment(order, event.of)
    order = replace(order, payments=(*order.payments, payment))
    amount = payment.amount
    match event.kind:
        case "authorised":
            return replace(order, authorised=order.authorised + amount)
        case "captured":
            if before is not None and before.kind == "authorised":
                order = replace(order, authorised=max(order.authorised - amount, _ZERO))
            return replace(order, captured=order.captured + amount)
        case "voided":
            return replace(order, authorised=max(order.authorised - amount, _ZERO))
        case "failed":
            if before is not None and before.kind == "captured":
                return replace(order, captured=max(order.captured - amount, _ZERO))
            if before is not None and before.kind == "authorised":
                return replace(order, authorised=max(order.authorised - amount, _ZERO))
            return order
        case "refunded":
            return _refunded(order, event.refund, amount)
        case "refund_failed":
            # Only a refund that was recorded as gone can come back.
            if before is None or before.kind != "refunded":
                return order
            refund = event.refund if event.refund is not None else before.refund
            return _refunded(order, refund, -amount)
        case "disputed":
            return order
        case _ as never:
            assert_never(never)


def _payment(order: Order, number: UUID | None) -> Payment | None:
    return next((payment for payment in reversed(order.payments) if payment.payment == number), None)


def _refunded(order: Order, number: int | None, amount: Decimal) -> Order:
    order = replace(order, refunded=max(order.refunded + amount, _ZERO))
    refund = order.refunds.get(number) if number is not None else None
    if refund is None:
        return order
    return replace(order, refunds={**order.refunds, refund.refund: replace(refund, refunded=refund.refunded + amount)})


def _granted(order: Order, event: RefundGranted, entry: Entry[OrderEvent]) -> Order:
    amount = event.amount.amount
    refund = Refund(event.refund, event.basis, event.refers_to, event.lines, amount)
    before = order
    order = replace(order, refunds={**order.refunds, event.refund: refund}, granted=order.granted + amount)
    if event.basis in PRICE_CUTS:
        return order
    # Units that were settled just before by the same decision; it granted this refund for them.
    recent = [known for known in order.settlements if known.refund is None and entry.version - known.version <= 2]
    more = amount - before.due_back(before.costs)
    if order.ended is None and (more > 0 or recent):
        order = _dearer(order, -more)
    if order.history:
        return order
    if not recent:
        lines = {named.line for named in event.lines}
        recent = [
            known
            for known in order.settlements
            if known.refund is None and lines and lines <= {part.line for part in known.parts}
        ][:1]
    settled = {part.line for known in recent for part in known.parts}
    # What is named beside units that were settled goes now, as charges do.
    others = [named for named in event.lines if named.line not in settled]
    parts, order = _charges_refunded(order, others)
    attached = [replace(known, refund=event.refund, lines=event.lines) for known in recent]
    if parts:
        attached.append(Settlement(entry.version, parts, event.refund, event.lines))
    elif not recent and more > 0:
        order = replace(order, refunds={**order.refunds, event.refund: replace(refund, extra=more)})
    versions = {known.version for known in recent}
    kept = [known for known in order.settlements if known.version not in versions]
    return replace(order, settlements=(*kept, *attached))


def _dearer(order: Order, amount: Decimal) -> Order:
    """The order costing so much more, or less, in proportion of net and tax."""
    total = max(order.total.amount + amount, _ZERO)
    whole = order.total.amount
    tax = round_money(order.tax.amount * total / whole, order.currency) if whole else _ZERO
    return replace(
        order,
        net=Money(total - tax, order.currency),
        tax=Money(tax, order.currency),
        total=Money(total, order.currency),
    )


def _charges_refunded(order: Order, lines: Iterable[Amounts]) -> tuple[tuple[Places, ...], Order]:
    parts = []
    for named in lines:
        line = order.lines.get(named.line)
        if line is None or line.is_goods:
            continue
        parts.append(Places(named.line, line.refunded, named.quantity))
        order = _with(order, replace(line, refunded=line.refunded + named.quantity))
    return tuple(parts), order


# Returns


def _returning(
    order: Order,
    event: ReturnRequested | ReturnApproved | ReturnRejected | ReturnWithdrawn | ReturnShipped,
    entry: Entry[OrderEvent],
) -> Order:
    if isinstance(event, ReturnRequested):
        lines: dict[int, int] = {}
        for asked in event.lines:
            lines[asked.line] = lines.get(asked.line, 0) + asked.quantity
        if not event.lines and order.implied:
            lines = {units.line: units.quantity for units in THE_ONE_UNIT}
        returned = Return(
            event.rma,
            lines,
            {asked.line: asked.reason for asked in event.lines},
            event.wanted,
            event.exchange_for,
            "requested",
            entry.at,
        )
        return replace(order, returns={**order.returns, event.rma: returned})
    known = order.returns.get(event.rma)
    if known is None:
        return order
    match event:
        case ReturnApproved():
            approved = {units.line: units.quantity for units in order.units(event.lines)}
            known = replace(known, state="approved", approved=approved, send_to=event.send_to, send_by=event.send_by)
        case ReturnRejected():
            known = replace(known, state="rejected")
        case ReturnWithdrawn():
            known = replace(known, state="withdrawn")
        case ReturnShipped():
            if known.state == "approved":
                known = replace(known, state="on_its_way")
            parcel = Shipment(
                event.shipment,
                {},
                None,
                event.carrier,
                event.tracking_number,
                event.tracking_url,
                None,
                entry.at,
                {},
                rma=event.rma,
            )
            order = _with_shipment(order, parcel)
        case _ as never:
            assert_never(never)
    return replace(order, returns={**order.returns, known.rma: known})


def _received(order: Order, event: ReturnReceived) -> Order:
    returned = order.returns.get(event.rma) if event.rma is not None else None
    shipment = order.shipments.get(event.shipment) if event.shipment is not None else None
    undelivered = event.rma is None and shipment is not None
    received = dict(returned.received) if returned is not None else {}
    came_back = dict(shipment.came_back) if shipment is not None else {}
    for counted in event.lines:
        line = order.lines.get(counted.line)
        if line is None:
            continue
        if undelivered:
            came_back[counted.line] = came_back.get(counted.line, 0) + counted.quantity
            if counted.condition == "resellable":
                order = _with(order, replace(line, came_back=line.came_back + counted.quantity))
        else:
            received[counted.line] = received.get(counted.line, 0) + counted.quantity
            order = _with(order, replace(line, returned=line.returned + counted.quantity))
    if returned is not None:
        state: ReturnState = "received" if returned.is_open else returned.state
        returned = replace(returned, received=received, state=state)
        order = replace(order, returns={**order.returns, returned.rma: returned})
    if undelivered and shipment is not None:
        order = _with_shipment(order, replace(shipment, came_back=came_back))
    return order


# Notes and documents


def _noted(order: Order, event: NoteAdded, entry: Entry[OrderEvent]) -> Order:
    notes = {
        **order.notes,
        event.note: Note(event.note, event.about, event.audience, event.for_role, entry.by.role),
    }
    if event.answers_note is not None and (question := notes.get(event.answers_note)):
        notes[question.note] = replace(question, answered=True)
    return replace(order, notes=notes)


def _invoiced(order: Order, event: InvoiceIssued) -> Order:
    lines = []
    for invoiced in event.lines:
        line = order.lines.get(invoiced.order_line)
        if line is None:
            continue
        worth = Worth(invoiced.net, invoiced.tax, invoiced.gross)
        lines.append(InvoicedLine(invoiced.order_line, line.invoiced, invoiced.quantity, worth))
        order = _with(order, replace(line, invoiced=line.invoiced + invoiced.quantity))
    invoice = Invoice(
        event.number,
        event.issued_on,
        event.shipment,
        tuple(lines),
        event.gross_total.amount,
        event.prepaid.amount,
    )
    return replace(order, invoices={**order.invoices, event.number: invoice})


def _credited(order: Order, event: CreditNoteIssued) -> Order:
    invoice = order.invoices.get(event.invoice.number)
    if invoice is None:
        return order
    credited = dict(invoice.credited)
    for line in event.lines:
        credited[line.order_line] = credited.get(line.order_line, _ZERO) + line.gross.amount
    refunds = dict(invoice.refunds)
    if event.refund is not None:
        refunds[event.refund] = event.gross_total.amount
    invoice = replace(invoice, credited=credited, refunds=refunds)
    settlements = tuple(
        replace(settlement, credited=settlement.credited | {invoice.number})
        if settlement.refund == event.refund
        else settlement
        for settlement in order.settlements
    )
    return replace(order, invoices={**order.invoices, invoice.number: invoice}, settlements=settlements)
