"""What happened: each event checked against what was allowed, and what it makes of the order."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.orders.model.parts import PLAN, STEPS, ZERO, Line, Parcel, Return, Run, by_line
from tests.orders.model.standing import Model

ENDING = {"OrderRejected", "OrderCancelled", "LinesCancelled"}

Change = Callable[[Model, Any, datetime, list[Any]], None]
"""The order, the event, when it was recorded, and the events before it that the same decision made."""

CHANGES: dict[str, Change] = {}


def apply(order: Model, events: Iterable[Any], now: datetime) -> None:
    """Each event in turn; raises `AssertionError` where one must not have happened."""
    happened = list(events)
    for place, event in enumerate(happened):
        if change := CHANGES.get(type(event).__name__):
            change(order, event, now, happened[:place])
        for line in order.goods.values():
            line.kept = max(0, min(line.kept, line.rest))
            line.backordered = max(0, min(line.backordered, line.rest - line.kept))
            line.short = max(0, min(line.short, line.rest - line.kept - line.backordered))
        if order.state == "delivered":
            order.since = order.since or now
        elif order.state != "completed":
            order.since = None
    if ENDING & {type(event).__name__ for event in happened} and order.plain_money:
        assert order.due == 0, "what was paid for units that are gone is granted in the same decision"


def follows(event: str) -> Callable[[Change], Change]:
    """Marks what follows from an event."""

    def mark(change: Change) -> Change:
        CHANGES[event] = change
        return change

    return mark


@follows("OrderPlaced")
def _order_placed(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    for one in event.lines:
        _add(order, one)


def _add(order: Model, one: Any) -> None:
    order.lines[one.line] = Line(
        one.kind, one.sku, one.unit_price, one.quantity, one.manufacturer, one.warehouse, one.charge_for
    )
    assert one.gross.amount == one.unit_price * one.quantity


@follows("OrderConfirmed")
def _order_confirmed(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.confirmed = True


@follows("OrderRejected")
def _order_rejected(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.ended = "rejected"


@follows("OrderCancelled")
def _order_cancelled(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    assert not any(line.shipped for line in order.lines.values()), "an order of which something left has no end"
    order.ended = "cancelled"


@follows("OrderHeld")
def _order_held(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.held = True


@follows("OrderReleased")
def _order_released(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.held = False


@follows("ManufacturerAssigned")
def _manufacturer_assigned(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    for number in event.lines:
        order.lines[number].maker = event.manufacturer


@follows("StockAllocated")
def _stock_allocated(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    for one in event.lines:
        order.lines[one.line].kept += one.quantity


@follows("StockShortageFound")
def _stock_shortage_found(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.shortages.add(event.shortage)
    for one in event.withdrawn:
        order.lines[one.line].kept -= one.quantity
        assert order.lines[one.line].kept >= 0
    for one in event.lines:
        order.lines[one.line].short += one.quantity


@follows("ShortageResolved")
def _shortage_resolved(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    for one in event.outcomes:
        line = order.lines[one.line]
        was_short = line.short
        line.short = max(0, was_short - one.quantity)
        if one.how == "backorder":
            line.backordered += min(was_short, one.quantity)
            continue
        line.backordered -= max(0, one.quantity - was_short)
        line.cancelled += one.quantity
        if one.replacement is not None:
            _add(order, one.replacement)
    assert event.total.amount == event.net.amount + event.tax.amount


@follows("ProductionStarted")
def _production_started(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    line = order.lines[event.line]
    assert event.run == len(line.runs) + 1
    assert event.quantity == line.rest - line.shelf > 0
    line.runs.append(Run(event.quantity))


@follows("ProductionStepCompleted")
def _production_step_completed(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    run = order.lines[event.line].runs[event.run - 1]
    assert not run.completed
    run.steps.append(event.step)
    assert event.attempt == run.steps.count(event.step)
    for item, after in PLAN.items():
        if STEPS.index(after) >= STEPS.index(event.step):
            run.results[item] = "pending"


@follows("InspectionItemCompleted")
def _inspection_item_completed(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    run = order.lines[event.line].runs[event.run - 1]
    run.results[event.item] = "passed" if event.passed else "failed"


@follows("ConcessionApproved")
def _concession_approved(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    run = order.lines[event.line].runs[event.run - 1]
    assert run.results[event.item] == "failed"
    run.results[event.item] = "conceded"


@follows("ProductionCompleted")
def _production_completed(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    line = order.lines[event.line]
    run = line.runs[event.run - 1]
    assert not run.missing, "a gate was passed"
    assert not run.completed
    assert event.quantity == run.quantity
    run.completed = True
    line.made += event.quantity


@follows("OrderShipped")
def _order_shipped(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    units = by_line(event.lines)
    for number, quantity in units.items():
        line = order.lines[number]
        line.shipped += quantity
        line.kept -= quantity if line.kind == "from_stock" else 0
    if event.replaces is not None:
        order.parcels[event.replaces].again -= units
    sender = event.sender.id if event.sender is not None else None
    order.parcels[event.shipment] = Parcel(units, sender, event.tracking_number)


@follows("OrderDelivered")
def _order_delivered(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    parcel = order.outward[event.shipment]
    assert not parcel.delivered
    parcel.delivered, parcel.delivered_at = event.proof, now


@follows("DeliveryRetracted")
def _delivery_retracted(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    parcel = order.outward[event.shipment]
    assert parcel.delivered == "carrier", "what people said stands"
    parcel.delivered = parcel.delivered_at = None
    if order.completed == "timer":
        order.completed = None


@follows("TrackingCorrected")
def _tracking_corrected(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.parcels[event.shipment].number = event.tracking_number


@follows("ShipmentProgressed")
def _shipment_progressed(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    parcel = order.parcels[event.shipment]
    if event.applied and parcel.rma is not None and order.returns[parcel.rma].state == "approved":
        order.returns[parcel.rma].state = "on_its_way"


@follows("OrderCompleted")
def _order_completed(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.completed = event.cause
    assert order.state == "completed", "nothing was still on its way"


@follows("LinesCancelled")
def _lines_cancelled(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    for one in event.lines:
        line = order.lines[one.line]
        line.cancelled += one.quantity
        assert line.kind == "charge" or line.rest >= 0
    assert event.total.amount == event.net.amount + event.tax.amount


@follows("PromiseRevised")
def _promise_revised(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    assert event.revision == len(order.revisions) + 1
    assert not order.over
    offered = event.compensation.amount if event.compensation is not None else ZERO
    order.revisions.append({"asked": event.answer_by is not None, "answer": None, "offered": offered})


@follows("DelayAccepted")
def _delay_accepted(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    assert order.open_revision is not None
    order.open_revision["answer"] = "accepted"


@follows("DelayDeclined")
def _delay_declined(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    assert order.open_revision is not None
    order.open_revision["answer"] = "declined"


@follows("ProblemReported")
def _problem_reported(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    lines = by_line(event.lines)
    order.problems[event.problem] = {"shipment": event.shipment, "lines": lines, "how": None}


@follows("ProblemResolved")
def _problem_resolved(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    problem = order.problems[event.problem]
    problem["how"] = event.how
    problem["worth"] = ZERO
    if event.how == "none":
        return
    parcel = order.outward[problem["shipment"]]
    for one in event.lines:
        line = order.lines[one.line]
        parcel.taken[one.line] += one.quantity
        assert parcel.left(one.line) >= 0
        problem["worth"] += line.price * one.quantity
        if event.how == "refund":
            line.refunded += one.quantity
        else:
            line.resent += one.quantity
            parcel.again[one.line] += one.quantity


@follows("PaymentRecorded")
def _payment_recorded(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    amount = event.amount.amount
    order.payments[event.payment] = {"kind": event.kind, "amount": amount, "failed": ZERO, "refund": event.refund}
    of = order.payments.get(event.of) if event.of is not None else None
    match event.kind:
        case "captured":
            order.captured += amount
            if of is not None and of["kind"] == "authorised":
                order.authorised = max(ZERO, order.authorised - amount)
        case "authorised":
            order.authorised += amount
        case "voided":
            order.authorised -= amount
        case "refunded":
            _pay_back(order, event.refund, amount)
        case "refund_failed" if of is not None:
            of["failed"] += amount
            _pay_back(order, of["refund"], -amount)
        case _:
            pass


def _pay_back(order: Model, refund: int | None, amount: Decimal) -> None:
    order.refunded += amount
    if refund is not None:
        order.refunds[refund]["paid"] += amount


@follows("RefundGranted")
def _refund_granted(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    """Within the cap of its basis, and all together within what was captured."""
    amount, basis = event.amount.amount, event.basis
    by_hand = not before
    due = order.due
    charges = sum(
        (line.price * (line.wanted - line.settled) for line in order.lines.values() if line.kind == "charge"), ZERO
    )
    already = sum(
        (
            known["amount"]
            for known in order.refunds.values()
            if (known["basis"], known["refers_to"]) == (basis, event.refers_to)
        ),
        ZERO,
    )
    match basis:
        case "cancellation" | "rejection":
            assert amount <= due, f"{amount} granted, {due} due"
            if order.plain_money and not by_hand:
                assert amount == due, f"{amount} granted, {due} due"
        case "return":
            returned = order.returns[event.refers_to]
            worth = sum((order.lines[n].price * quantity for n, quantity in returned.received.items()), ZERO)
            assert already + amount <= worth + charges, "more than came back"
        case "problem":
            assert already + amount <= order.problems[int(event.refers_to)]["worth"] + charges
        case "compensation":
            revision = order.revisions[int(event.refers_to) - 1]
            assert revision["answer"] != "declined"
            assert already + amount <= revision["offered"]
        case _:
            pass
    assert amount > 0
    order.granted += amount
    assert order.granted <= order.captured, "more granted than was captured"
    order.refunds[event.refund] = {
        "basis": basis,
        "amount": amount,
        "paid": ZERO,
        "refers_to": event.refers_to,
        "by_hand": by_hand,
    }
    for one in event.lines:
        if order.lines[one.line].kind == "charge" and basis in ("return", "problem"):
            order.lines[one.line].settled += one.quantity


@follows("ReturnRequested")
def _return_requested(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    lines = by_line(event.lines)
    order.returns[event.rma] = Return("requested", lines, event.wanted)


@follows("ReturnApproved")
def _return_approved(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    known = order.returns[event.rma]
    known.state, known.send_by = "approved", event.send_by
    for one in event.lines:
        known.approved[one.line] += one.quantity


@follows("ReturnRejected")
def _return_rejected(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.returns[event.rma].state = "rejected"


@follows("ReturnWithdrawn")
def _return_withdrawn(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.returns[event.rma].state = "withdrawn"


@follows("ReturnShipped")
def _return_shipped(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    known = order.returns[event.rma]
    if known.state == "approved":
        known.state = "on_its_way"
    order.parcels[event.shipment] = Parcel(Counter(), None, event.tracking_number, rma=event.rma)


@follows("ReturnReceived")
def _return_received(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    for one in event.lines:
        line = order.lines[one.line]
        if event.rma is not None:
            order.returns[event.rma].state = "received"
            order.returns[event.rma].received[one.line] += one.quantity
            line.came_back += one.quantity
        else:
            order.parcels[event.shipment].came_back[one.line] += one.quantity
            line.back += one.quantity if one.condition == "resellable" else 0


@follows("ReturnResolved")
def _return_resolved(order: Model, event: Any, now: datetime, before: list[Any]) -> None:
    order.returns[event.rma].state = "resolved"
    for one in event.lines:
        if one.how != "send_back":
            order.lines[one.line].settled += one.quantity
