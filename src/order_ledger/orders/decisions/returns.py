"""Goods that shall come back: asked for, approved or not, and sent."""

from collections.abc import Callable
from datetime import datetime, timedelta

from order_ledger.orders.commands import (
    ApproveReturn,
    RejectReturn,
    RequestReturn,
    ResolveReturn,
    ShipReturn,
    WithdrawReturn,
)
from order_ledger.orders.decisions.exchanges import unlisted_in_exchange
from order_ledger.orders.decisions.rules import (
    Blockers,
    Context,
    Rules,
    blocker,
    rejected_or_cancelled,
    too_many,
    unknown_line,
    untraceable,
)
from order_ledger.orders.events import (
    OrderEvent,
    Postage,
    ReturnApproved,
    ReturnRejected,
    ReturnRequested,
    ReturnShipped,
    ReturnWithdrawn,
)
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Return, ReturnState
from order_ledger.values import Organisation, Units

__all__ = [
    "APPROVE_RETURN",
    "REJECT_RETURN",
    "REQUEST_RETURN",
    "SHIP_RETURN",
    "WITHDRAW_RETURN",
    "none_in_state",
    "not_in_state",
    "return_is",
]

_DAYS_TO_SEND = 14
_DEFECTS = frozenset(("damaged", "defective", "wrong_item", "not_as_described"))
"""Reasons that the warranty covers: the goods were not as they should be."""

_OfReturn = ApproveReturn | RejectReturn | WithdrawReturn | ResolveReturn


def not_in_state(order: Order, rma: str, *states: str) -> Blockers:
    """This return is in none of these states."""
    known = order.returns.get(rma)
    if known is None:
        yield blocker("unknown_return", f"The order has no return {rma}.", item=rma)
    elif known.state not in states:
        what = f"Return {rma} is {known.state.replace('_', ' ')}."
        yield blocker(f"return_{known.state}", what, item=rma)


def none_in_state(order: Order, *states: str) -> Blockers:
    """No return is in any of these states."""
    if not any(known.state in states for known in order.returns.values()):
        wanted = " or ".join(state.replace("_", " ") for state in states)
        yield blocker("no_such_return", f"No return is {wanted}.")


def return_is(state: ReturnState) -> Callable[[Order, _OfReturn], bool]:
    """Whether the return that a command names is in this state already."""

    def is_in_state(order: Order, command: _OfReturn) -> bool:
        known = order.returns.get(command.rma)
        return known is not None and known.state == state

    return is_in_state


# Requesting


def _returnable(order: Order, context: Context) -> Blockers:
    yield from rejected_or_cancelled(order)


def _something_arrived(order: Order, context: Context) -> Blockers:
    if not any(line.arrived - order.in_returns(line.line) > 0 for line in order.goods):
        yield blocker("not_delivered", "Nothing has arrived that could be returned.")


def _request_asked(order: Order, command: RequestReturn, context: Context) -> Blockers:
    asked: dict[int, int] = {}
    for wanted in command.lines:
        asked[wanted.line] = asked.get(wanted.line, 0) + wanted.quantity
    for number, quantity in asked.items():
        line = order.lines.get(number)
        if line is None:
            yield unknown_line(number)
        elif not line.arrived:
            yield blocker("not_delivered", f"Nothing of line {number} has arrived.", line=number)
        elif quantity > (left := line.arrived - order.in_returns(number)):
            what = f"Of line {number}, {max(left, 0)} can be returned, not {quantity}."
            yield blocker("more_than_delivered", what, line=number)
        else:
            defective = all(wanted.reason in _DEFECTS for wanted in command.lines if wanted.line == number)
            yield from _too_late(order, line, quantity, defective, context.now)
    if command.wanted == "exchange":
        if not command.exchange_for:
            yield blocker("exchange_items_missing", "Say what is wanted in exchange.")
        yield from unlisted_in_exchange(order, command.exchange_for, context)


def _too_late(order: Order, line: Line, quantity: int, defective: bool, now: datetime) -> Blockers:
    """Units count by the shipment that they came in: each has its own time."""
    days = line.ordered.return_days
    if defective:
        days = max(days, line.ordered.warranty_days)
    in_time = sum(
        shipment.units.get(line.line, 0)
        for shipment in order.shipments.values()
        if shipment.delivered_at is not None and now <= shipment.delivered_at + timedelta(days=days)
    )
    if quantity > in_time - order.in_returns(line.line):
        what = f"The {days} days in which line {line.line} can be returned have passed."
        yield blocker("return_window_over", what, "customer_service", line=line.line)


def _request(order: Order, command: RequestReturn, context: Context) -> tuple[OrderEvent, ...]:
    return (
        ReturnRequested(
            rma=f"{order.number}-R{len(order.returns) + 1}",
            lines=command.lines,
            wanted=command.wanted,
            exchange_for=command.exchange_for,
            evidence=command.evidence,
        ),
    )


REQUEST_RETURN = Rules[RequestReturn](
    events=_request, standing=_returnable, asked=_request_asked, overview=_something_arrived
)


# Approving, rejecting, withdrawing


def _approve_asked(order: Order, command: ApproveReturn, context: Context) -> Blockers:
    yield from not_in_state(order, command.rma, "requested")
    known = order.returns.get(command.rma)
    if known is None:
        return
    requested = known.lines
    yield from too_many(
        order,
        command.lines,
        lambda line: requested.get(line.line, 0),
        "more_than_requested",
        "Of line {line}, the return of {most} was asked, not {asked}.",
    )
    if _send_to(order, known, command, context) is None:
        yield blocker("unknown_organisation", "Goods come back to an organisation of the order.")
    if command.send_by is not None and command.send_by < context.today(order.zone):
        yield blocker("in_the_past", "The day to send the goods must lie ahead.")


def _send_to(order: Order, known: Return, command: ApproveReturn, context: Context) -> Organisation | None:
    """Where the goods go: the organisation named, or the one that they came from."""
    lines = [order.lines[number] for number in known.lines if number in order.lines]
    places = [place for line in lines for place in (line.ordered.warehouse, line.manufacturer) if place is not None]
    places.append(order.seller)
    if command.send_to is None:
        return places[0]
    registered = context.organisations.get(command.send_to)
    if registered is not None:
        return registered.named
    return next((place for place in places if place.id == command.send_to), None)


def _approve(order: Order, command: ApproveReturn, context: Context) -> tuple[OrderEvent, ...]:
    known = order.returns.get(command.rma)
    if known is None:
        units, send_to = command.lines, order.seller
    else:
        units = command.lines or tuple(Units(line, quantity) for line, quantity in known.lines.items())
        send_to = _send_to(order, known, command, context) or order.seller
    return (
        ReturnApproved(
            rma=command.rma,
            lines=units,
            send_to=send_to,
            send_by=command.send_by or context.today(order.zone) + timedelta(days=_DAYS_TO_SEND),
            postage=command.postage or _postage(known),
        ),
    )


def _postage(known: Return | None) -> Postage:
    if known is not None and any(reason in _DEFECTS for reason in known.reasons.values()):
        return "seller"
    return "consumer"


def _some_requested(order: Order, context: Context) -> Blockers:
    return none_in_state(order, "requested")


APPROVE_RETURN = Rules[ApproveReturn](
    events=_approve, asked=_approve_asked, overview=_some_requested, repeated=return_is("approved")
)


def _reject_asked(order: Order, command: RejectReturn, context: Context) -> Blockers:
    return not_in_state(order, command.rma, "requested")


def _reject(order: Order, command: RejectReturn, context: Context) -> tuple[OrderEvent, ...]:
    return (ReturnRejected(command.rma),)


REJECT_RETURN = Rules[RejectReturn](
    events=_reject, asked=_reject_asked, overview=_some_requested, repeated=return_is("rejected")
)


def _withdraw_asked(order: Order, command: WithdrawReturn, context: Context) -> Blockers:
    known = order.returns.get(command.rma)
    if context.role != "ledger":
        yield from not_in_state(order, command.rma, "requested", "approved")
        return
    yield from not_in_state(order, command.rma, "approved")
    if known is not None and known.send_by is not None and context.today(order.zone) <= known.send_by:
        yield blocker("too_early", f"The goods may be sent until {known.send_by}.", item=command.rma)


def _withdraw(order: Order, command: WithdrawReturn, context: Context) -> tuple[OrderEvent, ...]:
    return (ReturnWithdrawn(command.rma),)


def _some_not_sent(order: Order, context: Context) -> Blockers:
    return none_in_state(order, "requested", "approved")


WITHDRAW_RETURN = Rules[WithdrawReturn](
    events=_withdraw, asked=_withdraw_asked, overview=_some_not_sent, repeated=return_is("withdrawn")
)


# Sending


def _ship_asked(order: Order, command: ShipReturn, context: Context) -> Blockers:
    yield from not_in_state(order, command.rma, "approved", "on_its_way", "received")
    yield from untraceable(command.carrier, command.tracking_number, command.tracking_url, None)


def _ship(order: Order, command: ShipReturn, context: Context) -> tuple[OrderEvent, ...]:
    return (
        ReturnShipped(
            rma=command.rma,
            shipment=command.shipment or context.id_for("return"),
            carrier=command.carrier,
            tracking_number=command.tracking_number,
            tracking_url=command.tracking_url,
        ),
    )


def _already_sent(order: Order, command: ShipReturn) -> bool:
    if command.shipment is not None and command.shipment in order.shipments:
        return True
    return any(
        (known.rma, known.carrier, known.tracking_number) == (command.rma, command.carrier, command.tracking_number)
        for known in order.shipments.values()
    )


def _some_approved(order: Order, context: Context) -> Blockers:
    return none_in_state(order, "approved", "on_its_way", "received")


SHIP_RETURN = Rules[ShipReturn](events=_ship, asked=_ship_asked, overview=_some_approved, repeated=_already_sent)
