"""Goods that came back: counted, and settled."""

from collections.abc import Mapping
from uuid import UUID

from order_ledger.orders.commands import ReceiveReturn, ResolveReturn
from order_ledger.orders.decisions.exchanges import exchange_lines, unlisted_in_exchange
from order_ledger.orders.decisions.money import cap_of_return
from order_ledger.orders.decisions.returns import none_in_state, not_in_state, return_is
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
    scaled,
    summed,
    too_many,
    unknown_shipment,
    without_charges,
    worth_given_back,
)
from order_ledger.orders.events import OrderEvent, PaymentRecorded, RefundGranted, ReturnReceived, ReturnResolved
from order_ledger.orders.order import Order
from order_ledger.values import Units

__all__ = ["RECEIVE_RETURN", "RESOLVE_RETURN"]


# Receiving


def _receive_asked(order: Order, command: ReceiveReturn, context: Context) -> Blockers:
    if (command.rma is None) == (command.shipment is None):
        yield blocker("return_or_shipment", "Name the return, or the shipment that came back undelivered.")
        return
    counted = tuple(Units(line.line, line.quantity) for line in command.lines)
    if command.rma is not None:
        yield from not_in_state(order, command.rma, "approved", "on_its_way", "received")
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
        yield from none_in_state(order, "approved", "on_its_way", "received")


RECEIVE_RETURN = Rules[ReceiveReturn](events=_receive, asked=_receive_asked, overview=_something_on_its_way)


# Settling


def _resolve_asked(order: Order, command: ResolveReturn, context: Context) -> Blockers:
    yield from not_in_state(order, command.rma, "received")
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
        yield from unlisted_in_exchange(order, known.exchange_for, context)
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
    if not refunds:
        return (resolved, *without_charges(order, back, _charges(order, command) if back else {}))
    if exchange_order is None or command.rma not in order.returns:
        return (resolved, *refunds)
    return (resolved, *refunds, *_exchange(order, command, refunds[0], exchange_order, context))


def _charges(order: Order, command: ResolveReturn) -> dict[int, int]:
    """The charges that go back with it."""
    return charges_left(order) if command.refund_charges else {}


def _refund(order: Order, command: ResolveReturn, back: dict[int, int]) -> tuple[RefundGranted, ...]:
    """What goes back: the worth of the units (and of the charges), or less where so decided, as far as it was paid."""
    if not back:
        return ()
    worth = worth_given_back(order, {**back, **_charges(order, command)})
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
    return none_in_state(order, "received")


RESOLVE_RETURN = Rules[ResolveReturn](
    events=_resolve,
    asked=_resolve_asked,
    overview=_some_received,
    repeated=return_is("resolved"),
)
