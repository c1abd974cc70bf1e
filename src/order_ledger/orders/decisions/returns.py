"""Goods that come back: asked for, approved, on their way, counted, and settled."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from order_ledger.orders.commands import (
    ApproveReturn,
    ReceiveReturn,
    RejectReturn,
    RequestReturn,
    ResolveReturn,
    ShipReturn,
    WithdrawReturn,
)
from order_ledger.orders.decisions.exchanges import exchange_lines
from order_ledger.orders.decisions.money import cap_of_return
from order_ledger.orders.decisions.placing import unlisted
from order_ledger.orders.decisions.rules import (
    ZERO,
    Blockers,
    Context,
    Rules,
    blocker,
    charges_left,
    grant,
    gross_of,
    money_of,
    rejected_or_cancelled,
    scaled,
    summed,
    too_many,
    unknown_line,
    unknown_shipment,
    untraceable,
    worth_given_back,
)
from order_ledger.orders.events import (
    OrderEvent,
    PaymentRecorded,
    Postage,
    RefundGranted,
    ReturnApproved,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    ReturnResolved,
    ReturnShipped,
    ReturnWithdrawn,
)
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Return
from order_ledger.values import Organisation, Units

__all__ = [
    "APPROVE_RETURN",
    "RECEIVE_RETURN",
    "REJECT_RETURN",
    "REQUEST_RETURN",
    "RESOLVE_RETURN",
    "SHIP_RETURN",
    "WITHDRAW_RETURN",
]

_DAYS_TO_SEND = 14
_DEFECTS = frozenset(("damaged", "defective", "wrong_item", "not_as_described"))
"""Reasons that the warranty covers: the goods were not as they should be."""


def _unknown_return(rma: str) -> Blockers:
    yield blocker("unknown_return", f"The order has no return {rma}.", item=rma)


def _in_state(order: Order, rma: str, *states: str) -> Blockers:
    known = order.returns.get(rma)
    if known is None:
        yield from _unknown_return(rma)
    elif known.state not in states:
        what = f"Return {rma} is {known.state.replace('_', ' ')}."
        yield blocker(f"return_{known.state}", what, item=rma)


def _any_in_state(order: Order, *states: str) -> Blockers:
    if not any(known.state in states for known in order.returns.values()):
        wanted = " or ".join(state.replace("_", " ") for state in states)
        yield blocker("no_such_return", f"No return is {wanted}.")


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
        for item in command.exchange_for:
            known = next((line.ordered for line in order.goods if line.ordered.sku == item.sku), None)
            if known is None or item.quantity > known.quantity:
                yield from unlisted(item.sku, order.seller.id, order.ship_to_country, context)


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
    yield from _in_state(order, command.rma, "requested")
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


def _return_is(*states: str) -> "_Is":
    return _Is(states)


class _Is:
    """Whether the return that a command names is in one of these states already."""

    def __init__(self, states: tuple[str, ...]) -> None:
        self.states = states

    def __call__(self, order: Order, command: ApproveReturn | RejectReturn | WithdrawReturn | ResolveReturn) -> bool:
        known = order.returns.get(command.rma)
        return known is not None and known.state in self.states


def _some_requested(order: Order, context: Context) -> Blockers:
    return _any_in_state(order, "requested")


APPROVE_RETURN = Rules[ApproveReturn](
    events=_approve, asked=_approve_asked, overview=_some_requested, repeated=_return_is("approved")
)


def _reject_asked(order: Order, command: RejectReturn, context: Context) -> Blockers:
    return _in_state(order, command.rma, "requested")


def _reject(order: Order, command: RejectReturn, context: Context) -> tuple[OrderEvent, ...]:
    return (ReturnRejected(command.rma),)


REJECT_RETURN = Rules[RejectReturn](
    events=_reject, asked=_reject_asked, overview=_some_requested, repeated=_return_is("rejected")
)


def _withdraw_asked(order: Order, command: WithdrawReturn, context: Context) -> Blockers:
    known = order.returns.get(command.rma)
    if context.role != "ledger":
        yield from _in_state(order, command.rma, "requested", "approved")
        return
    yield from _in_state(order, command.rma, "approved")
    if known is not None and known.send_by is not None and context.today(order.zone) <= known.send_by:
        yield blocker("too_early", f"The goods may be sent until {known.send_by}.", item=command.rma)


def _withdraw(order: Order, command: WithdrawReturn, context: Context) -> tuple[OrderEvent, ...]:
    return (ReturnWithdrawn(command.rma),)


def _some_not_sent(order: Order, context: Context) -> Blockers:
    return _any_in_state(order, "requested", "approved")


WITHDRAW_RETURN = Rules[WithdrawReturn](
    events=_withdraw, asked=_withdraw_asked, overview=_some_not_sent, repeated=_return_is("withdrawn")
)


# Sending


def _ship_asked(order: Order, command: ShipReturn, context: Context) -> Blockers:
    yield from _in_state(order, command.rma, "approved", "on_its_way", "received")
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
    return _any_in_state(order, "approved", "on_its_way", "received")


SHIP_RETURN = Rules[ShipReturn](events=_ship, asked=_ship_asked, overview=_some_approved, repeated=_already_sent)


# Receiving


def _receive_asked(order: Order, command: ReceiveReturn, context: Context) -> Blockers:
    if (command.rma is None) == (command.shipment is None):
        yield blocker("return_or_shipment", "Name the return, or the shipment that came back undelivered.")
        return
    counted = tuple(Units(line.line, line.quantity) for line in command.lines)
    if command.rma is not None:
        yield from _in_state(order, command.rma, "approved", "on_its_way", "received")
        known = order.returns.get(command.rma)
        if known is not None:
            yield from _more_than(order, counted, known.approved, known.received, "more_than_approved", "approved")
        return
    shipment = order.shipments.get(command.shipment) if command.shipment is not None else None
    if shipment is None or shipment.rma is not None:
        yield unknown_shipment(command.shipment)
        return
    if shipment.delivered:
        yield blocker("already_delivered", "That shipment was delivered: it comes back under a return.", "consumer")
    yield from _more_than(order, counted, shipment.shipped, shipment.came_back, "more_than_shipped", "shipped")


def _more_than(
    order: Order,
    counted: tuple[Units, ...],
    expected: Mapping[int, int],
    before: Mapping[int, int],
    code: str,
    what: str,
) -> Blockers:
    return too_many(
        order,
        counted,
        lambda line: expected.get(line.line, 0) - before.get(line.line, 0),
        code,
        f"Of line {{line}}, {{most}} that were {what} can still come back, not {{asked}}.",
    )


def _receive(order: Order, command: ReceiveReturn, context: Context) -> tuple[OrderEvent, ...]:
    return (ReturnReceived(rma=command.rma, shipment=command.shipment, lines=command.lines, evidence=command.evidence),)


def _something_on_its_way(order: Order, context: Context) -> Blockers:
    undelivered = any(known.rma is None and not known.delivered for known in order.shipments.values())
    if not undelivered:
        yield from _any_in_state(order, "approved", "on_its_way", "received")


RECEIVE_RETURN = Rules[ReceiveReturn](events=_receive, asked=_receive_asked, overview=_something_on_its_way)


# Settling


def _resolve_asked(order: Order, command: ResolveReturn, context: Context) -> Blockers:
    yield from _in_state(order, command.rma, "received")
    known = order.returns.get(command.rma)
    if known is None:
        return
    settled = summed(Units(line.line, line.quantity) for line in command.lines)
    for number in sorted({*settled, *known.received}):
        counted = known.received.get(number, 0)
        if settled.get(number, 0) > counted:
            what = f"Of line {number}, {counted} came back, not {settled[number]}."
            yield blocker("more_than_received", what, "warehouse", line=number)
        elif settled.get(number, 0) < counted:
            what = f"Say what becomes of all {counted} of line {number} that came back."
            yield blocker("not_all_settled", what, line=number)
    hows = {line.how for line in command.lines}
    if "send_back" in hows and command.sent_back is None:
        yield blocker("tracking_missing", "What is sent back to the consumer needs its parcel.")
    if "exchange" in hows:
        if not known.exchange_for:
            yield blocker("exchange_items_missing", "The consumer did not say what is wanted in exchange.", "consumer")
        for item in known.exchange_for:
            same = next((line.ordered for line in order.goods if line.ordered.sku == item.sku), None)
            if same is None or item.quantity > same.quantity:
                yield from unlisted(item.sku, order.seller.id, order.ship_to_country, context)
    if command.amount is not None:
        if command.amount.currency != order.currency:
            yield blocker("wrong_currency", f"The order is in {order.currency}.")
        elif command.amount.amount > (cap := min(cap_of_return(order, command.rma), order.refundable)):
            yield blocker("more_than_owed", f"{cap} is owed for this return, not {command.amount.amount}.")


def _resolve(order: Order, command: ResolveReturn, context: Context) -> tuple[OrderEvent, ...]:
    exchanged = summed(Units(line.line, line.quantity) for line in command.lines if line.how == "exchange")
    back = summed(Units(line.line, line.quantity) for line in command.lines if line.how != "send_back")
    back = {line: quantity for line, quantity in back.items() if line in order.lines}
    refunds = _refund(order, command, back)
    exchange_order = (command.exchange_order or context.id_for("exchange")) if exchanged else None
    resolved = ReturnResolved(
        rma=command.rma,
        lines=command.lines,
        refund=refunds[0].refund if refunds else None,
        exchange_order=exchange_order,
        sent_back=command.sent_back,
    )
    if exchange_order is None or not refunds or command.rma not in order.returns:
        return (resolved, *refunds)
    return (resolved, *refunds, *_exchange(order, command, refunds[0], exchange_order, context))


def _refund(order: Order, command: ResolveReturn, back: dict[int, int]) -> tuple[RefundGranted, ...]:
    """What goes back: the worth of the units (and of the charges), or less where so decided, as far as it was paid."""
    if not back:
        return ()
    worth = worth_given_back(order, {**back, **charges_left(order)} if command.refund_charges else back)
    if command.amount is not None and command.amount.amount < gross_of(worth):
        worth = scaled(worth, command.amount)
    asked = gross_of(worth) if command.amount is None else command.amount.amount
    costs = max(order.total.amount - asked, ZERO)
    return grant(order, "return", command.rma, worth, min(asked, order.due_back(costs)))


def _exchange(
    order: Order, command: ResolveReturn, refund: RefundGranted, exchange_order: UUID, context: Context
) -> tuple[PaymentRecorded, ...]:
    """The refund, paid by what is sent in exchange: as much of it as the exchange order costs."""
    known = order.returns[command.rma]
    costs = sum((line.gross.amount for line in exchange_lines(order, known.exchange_for, context)), ZERO)
    amount = min(refund.amount.amount, costs)
    if amount <= 0:
        return ()
    return (
        PaymentRecorded(
            payment=context.id_for("exchange-refunded"),
            kind="refunded",
            amount=money_of(order, amount),
            method="exchange",
            provider="ledger",
            reference=str(exchange_order),
            of=None,
            refund=refund.refund,
            instalments=None,
            account_hint=None,
        ),
    )


def _some_received(order: Order, context: Context) -> Blockers:
    return _any_in_state(order, "received")


RESOLVE_RETURN = Rules[ResolveReturn](
    events=_resolve,
    asked=_resolve_asked,
    overview=_some_received,
    repeated=_return_is("resolved"),
)
