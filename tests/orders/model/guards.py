"""What may happen: whether a command makes anything happen, where the tables say so."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from order_ledger.entries import By
from tests.orders.model.parts import PLAN, STEPS, ZERO, Run, by_line
from tests.orders.model.standing import Model

RETURN_DAYS, WARRANTY_DAYS, COMPLETE_AFTER_DAYS = 30, 730, 14

Guard = Callable[[Model, Any, str, datetime], bool | None]
GUARDS: dict[str, Guard] = {}


def happens(order: Model, command: Any, by: By, now: datetime) -> bool | None:
    """Whether this makes anything happen; None where the tables leave it to the order's own money or texts."""
    guard = GUARDS.get(command.name)
    role = "consumer" if by.on_behalf_of is not None else by.role
    return guard(order, command, role, now) if guard is not None else None


def guards(command: str) -> Callable[[Guard], Guard]:
    """Marks what a command is guarded by."""

    def mark(guard: Guard) -> Guard:
        GUARDS[command] = guard
        return guard

    return mark


@guards("confirm")
def _confirm(order: Model, command: Any, role: str, now: datetime) -> bool:
    covered = all(
        line.kept + line.backordered >= line.rest for line in order.open.values() if line.kind == "from_stock"
    )
    by_hand = role == "ledger" and any(line.kind != "from_stock" for line in order.open.values())
    return not order.over and not order.confirmed and not order.held and covered and not by_hand


@guards("reject")
def _reject(order: Model, command: Any, role: str, now: datetime) -> bool:
    return not order.over and not order.confirmed


@guards("assign")
def _assign(order: Model, command: Any, role: str, now: datetime) -> bool:
    lines = [order.lines.get(number) for number in command.lines]
    if all(line is not None and line.maker is not None and line.maker.id == command.manufacturer for line in lines):
        return False
    return not order.over and all(
        number in order.lines
        and order.lines[number].kind == "made_to_order"
        and not order.lines[number].runs
        and order.line_state(number) in ("placed", "confirmed")
        for number in command.lines
    )


@guards("change-address")
def _change_address(order: Model, command: Any, role: str, now: datetime) -> bool:
    states = ("placed",) if role == "consumer" else ("placed", "confirmed", "in_production", "ready_to_ship")
    return order.state in states and command.ship_to.country == "DE"


@guards("allocate-stock")
def _allocate_stock(order: Model, command: Any, role: str, now: datetime) -> bool:
    return not order.over and all(
        one.line in order.lines
        and order.lines[one.line].kind == "from_stock"
        and one.quantity <= order.lines[one.line].rest - order.lines[one.line].kept
        and one.quantity <= order.shelf_of(one.line).on_hand - order.shelf_of(one.line).reserved
        for one in command.lines
    )


@guards("find-shortage")
def _find_shortage(order: Model, command: Any, role: str, now: datetime) -> bool:
    lines = [(order.lines.get(one.line), one.quantity) for one in command.lines]
    new = any(line is None or line.short < quantity for line, quantity in lines)
    return (
        not order.over
        and new
        and all(line is not None and quantity <= line.rest - line.shelf for line, quantity in lines)
    )


@guards("resolve-shortage")
def _resolve_shortage(order: Model, command: Any, role: str, now: datetime) -> bool:
    asked = by_line(command.outcomes)
    return (
        order.before_shipping
        and command.shortage in order.shortages
        and any(line.short or line.backordered for line in order.open.values())
        and all(
            number in order.lines and quantity <= order.lines[number].short + order.lines[number].backordered
            for number, quantity in asked.items()
        )
    )


@guards("start-production")
def _start_production(order: Model, command: Any, role: str, now: datetime) -> bool:
    line = order.lines.get(command.line)
    return (
        not order.over
        and line is not None
        and line.kind == "made_to_order"
        and order.line_state(command.line) == "confirmed"
        and not order.held
        and line.maker is not None
        and (not order.prepaid or order.paid_for)
    )


def _being_made(order: Model, number: int) -> Run | None:
    """What is being made of a line: the line itself must be in production."""
    if order.over or number not in order.lines or order.line_state(number) != "in_production":
        return None
    return order.lines[number].open_run


@guards("complete-step")
def _complete_step(order: Model, command: Any, role: str, now: datetime) -> bool:
    run = _being_made(order, command.line)
    if run is None or command.step not in STEPS:
        return False
    before = STEPS[: STEPS.index(command.step)]
    return not before or before[-1] in run.steps


@guards("complete-inspection-item")
def _complete_inspection_item(order: Model, command: Any, role: str, now: datetime) -> bool:
    run = _being_made(order, command.line)
    if run is None or command.item not in PLAN or PLAN[command.item] not in run.steps:
        return False
    if not command.passed:
        return True
    if command.item == "bore":
        return command.reading is not None and Decimal("11.98") <= command.reading <= Decimal("12.02")
    return command.item != "surface" or bool(command.evidence)


@guards("approve-concession")
def _approve_concession(order: Model, command: Any, role: str, now: datetime) -> bool:
    run = _being_made(order, command.line)
    return run is not None and run.results.get(command.item) == "failed"


@guards("complete-production")
def _complete_production(order: Model, command: Any, role: str, now: datetime) -> bool:
    run = _being_made(order, command.line)
    return run is not None and not run.missing and not order.held


@guards("ship")
def _ship(order: Model, command: Any, role: str, now: datetime) -> bool:
    units = by_line(command.lines)
    replaced = order.parcels.get(command.replaces) if command.replaces is not None else None
    return (
        not order.over
        and order.confirmed
        and not order.held
        and (not order.prepaid or order.paid_for)
        and "dhl.com" in str(command.tracking_url)
        and (command.replaces is None or replaced is not None)
        and all(number in order.goods for number in units)
        and all(quantity <= order.lines[number].shippable for number, quantity in units.items())
        and (replaced is None or all(quantity <= replaced.again[number] for number, quantity in units.items()))
    )


@guards("correct-tracking")
def _correct_tracking(order: Model, command: Any, role: str, now: datetime) -> bool:
    return command.shipment in order.parcels and order.ended is None and order.completed != "consumer"


@guards("record-progress")
def _record_progress(order: Model, command: Any, role: str, now: datetime) -> bool:
    return command.shipment in order.parcels


@guards("deliver")
def _deliver(order: Model, command: Any, role: str, now: datetime) -> bool:
    parcel = order.outward.get(command.shipment)
    return parcel is not None and not parcel.delivered and order.state not in ("rejected", "cancelled")


@guards("complete")
def _complete(order: Model, command: Any, role: str, now: datetime) -> bool:
    settled = all(one["how"] for one in order.problems.values()) and all(
        returned.state in ("resolved", "rejected", "withdrawn") for returned in order.returns.values()
    )
    if role == "consumer":
        return settled and order.state in ("shipping", "delivered")
    late = order.since is not None and now >= order.since + timedelta(days=COMPLETE_AFTER_DAYS)
    return settled and order.state == "delivered" and not order.held and late


@guards("cancel")
def _cancel(order: Model, command: Any, role: str, now: datetime) -> bool:
    asked = by_line(command.lines)
    return (
        (role != "consumer" or order.state == "placed")
        and order.ended is None
        and any(line.rest for line in order.open.values())
        and all(number in order.lines and quantity <= order.lines[number].rest for number, quantity in asked.items())
    )


@guards("hold")
def _hold(order: Model, command: Any, role: str, now: datetime) -> bool:
    return not order.held and not order.over


@guards("release")
def _release(order: Model, command: Any, role: str, now: datetime) -> bool:
    return order.held and not order.over and command.reason is not None


@guards("accept-delay")
def _accept_delay(order: Model, command: Any, role: str, now: datetime) -> bool:
    return order.open_revision is not None and not order.over


@guards("decline-delay")
def _decline_delay(order: Model, command: Any, role: str, now: datetime) -> bool:
    unshipped = any(line.rest for line in order.open.values())
    return order.open_revision is not None and not order.over and unshipped


@guards("resolve-problem")
def _resolve_problem(order: Model, command: Any, role: str, now: datetime) -> bool | None:
    known = order.problems.get(command.problem)
    if known is None or known["how"]:
        return False
    if command.how == "none":
        return True
    parcel = order.outward.get(known["shipment"])
    if parcel is None or order.state in ("rejected", "cancelled"):
        return False
    if command.how == "reship" and order.state == "completed":
        return False
    lines = known["lines"] or Counter({line: parcel.left(line) for line in parcel.units if parcel.left(line)})
    if any(order.in_returns(line) for line in lines):
        return None
    return bool(lines) and all(quantity <= parcel.left(line) for line, quantity in lines.items())


@guards("record-payment")
def _record_payment(order: Model, command: Any, role: str, now: datetime) -> bool | None:
    amount = command.amount.amount
    before = order.payments.get(command.of) if command.of is not None else None
    match command.kind:
        case "captured" | "authorised":
            return True
        case "refunded":
            known = order.refunds.get(command.refund)
            owed = order.granted - order.refunded
            if command.refund is not None:
                owed = ZERO if known is None else min(owed, known["amount"] - known["paid"])
            return bool(amount <= owed)
        case "voided":
            return bool(amount <= order.authorised)
        case "refund_failed" if before is not None and before["kind"] == "refunded":
            return bool(before["failed"] + amount <= before["amount"])
    return None


@guards("grant-refund")
def _grant_refund(order: Model, command: Any, role: str, now: datetime) -> bool | None:
    if command.basis == "goodwill":
        return bool(ZERO < command.amount.amount <= order.captured - order.granted)
    return None


@guards("request-return")
def _request_return(order: Model, command: Any, role: str, now: datetime) -> bool:
    for one in command.lines:
        if one.line not in order.lines:
            return False
        days = RETURN_DAYS if one.reason == "changed_mind" else WARRANTY_DAYS
        in_time = sum(
            parcel.left(one.line)
            for parcel in order.outward.values()
            if parcel.delivered_at is not None and now <= parcel.delivered_at + timedelta(days=days)
        )
        if one.quantity > min(in_time, order.arrived(one.line)) - order.in_returns(one.line):
            return False
    return order.state not in ("rejected", "cancelled")


def _return_in(order: Model, rma: str | None, *states: str) -> bool:
    return rma in order.returns and order.returns[rma].state in states


@guards("approve-return")
def _approve_return(order: Model, command: Any, role: str, now: datetime) -> bool:
    return _return_in(order, command.rma, "requested") and all(
        one.quantity <= order.returns[command.rma].lines[one.line] for one in command.lines
    )


@guards("reject-return")
def _reject_return(order: Model, command: Any, role: str, now: datetime) -> bool:
    return _return_in(order, command.rma, "requested")


@guards("withdraw-return")
def _withdraw_return(order: Model, command: Any, role: str, now: datetime) -> bool:
    if role == "ledger":
        return _return_in(order, command.rma, "approved") and now.date() > order.returns[command.rma].send_by
    return _return_in(order, command.rma, "requested", "approved")


@guards("ship-return")
def _ship_return(order: Model, command: Any, role: str, now: datetime) -> bool:
    return _return_in(order, command.rma, "approved", "on_its_way", "received")


@guards("receive-return")
def _receive_return(order: Model, command: Any, role: str, now: datetime) -> bool:
    if command.rma is not None:
        known = order.returns.get(command.rma)
        return (
            known is not None
            and _return_in(order, command.rma, "approved", "on_its_way", "received")
            and all(one.quantity <= known.approved[one.line] - known.received[one.line] for one in command.lines)
        )
    parcel = order.outward.get(command.shipment)
    return (
        parcel is not None
        and not parcel.delivered
        and all(one.quantity <= parcel.units[one.line] - parcel.came_back[one.line] for one in command.lines)
    )


@guards("resolve-return")
def _resolve_return(order: Model, command: Any, role: str, now: datetime) -> bool:
    known = order.returns.get(command.rma)
    settled = by_line(command.lines)
    exchange = any(one.how == "exchange" for one in command.lines)
    return (
        known is not None
        and known.state == "received"
        and settled == +known.received
        and (not exchange or known.wish == "exchange")
    )


@guards("add-note")
def _add_note(order: Model, command: Any, role: str, now: datetime) -> bool:
    return True
