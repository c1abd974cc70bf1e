"""Cancelling, rejecting, holding and releasing, and the money that goes back when units are no longer wanted."""

from order_ledger.orders.commands import Cancel, Hold, Reject, Release
from order_ledger.orders.decisions.rules import (
    BEFORE_SHIPPING,
    ZERO,
    Blockers,
    Context,
    Rules,
    blocker,
    charges_of,
    ended,
    grant,
    held,
    lines_cancelled,
    nothing_left,
    summed,
    too_many,
    worth_withdrawn,
)
from order_ledger.orders.events import (
    OrderCancelled,
    OrderEvent,
    OrderHeld,
    OrderRejected,
    OrderReleased,
    RefundBasis,
)
from order_ledger.orders.order import Order

__all__ = ["CANCEL", "HOLD", "REJECT", "RELEASE", "cancelled", "ends_with", "held"]


# Rejecting


def _rejectable(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    if order.confirmed:
        yield blocker("already_confirmed", "The order is confirmed; it can be cancelled.", "ip_owner")


def _reject(order: Order, command: Reject, context: Context) -> tuple[OrderEvent, ...]:
    return (OrderRejected(), *ends_with(order, "rejection"))


REJECT = Rules[Reject](events=_reject, standing=_rejectable, repeated=lambda order, command: order.ended == "rejected")


# Cancelling


def _cancellable(order: Order, context: Context) -> Blockers:
    state = order.state
    if context.role == "consumer" and state in BEFORE_SHIPPING and state != "placed":
        yield blocker(
            "already_confirmed", "The order is confirmed; customer service can cancel it.", "customer_service"
        )
    if order.ended is not None:
        yield blocker("ended", f"The order is {state}.")
    elif not order.unshipped:
        yield blocker("already_shipped", "Nothing is left that is not shipped; it can be returned.", "consumer")


def _cancel_asked(order: Order, command: Cancel, context: Context) -> Blockers:
    return too_many(
        order,
        command.lines,
        lambda line: line.rest,
        "more_than_unshipped",
        "Of line {line}, {most} are not shipped yet, not {asked}.",
    )


def _cancel(order: Order, command: Cancel, context: Context) -> tuple[OrderEvent, ...]:
    # A history may cancel what was shipped: then all of it ends.
    named = {line: quantity for line, quantity in summed(command.lines).items() if line in order.lines}
    gone = named or {line.line: line.rest for line in order.open_lines if line.rest}
    return cancelled(order, gone)


CANCEL = Rules[Cancel](
    events=_cancel,
    standing=_cancellable,
    asked=_cancel_asked,
    repeated=lambda order, command: order.ended == "cancelled",
)


def cancelled(order: Order, gone: dict[int, int]) -> tuple[OrderEvent, ...]:
    """The units cancelled, or the whole order where nothing else is left; and the refund."""
    if not gone or nothing_left(order, gone):
        return (OrderCancelled(), *ends_with(order, "cancellation"))
    gone = {**gone, **charges_of(order, gone)}
    worth = worth_withdrawn(order, gone)
    fewer = lines_cancelled(order, gone, worth)
    return (fewer, *grant(order, "cancellation", "", worth, order.due_back(fewer.total.amount)))


def ends_with(order: Order, basis: RefundBasis) -> tuple[OrderEvent, ...]:
    """All that is owed back when the whole order ends."""
    due = order.due_back(ZERO)
    if due <= 0:
        return ()
    gone = {
        line.line: line.ordered.quantity - line.withdrawn
        for line in order.lines.values()
        if line.ordered.quantity > line.withdrawn
    }
    return grant(order, basis, "", worth_withdrawn(order, gone), due)


# Holding


def _hold(order: Order, command: Hold, context: Context) -> tuple[OrderEvent, ...]:
    return (OrderHeld(),)


def _not_held(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    if order.held:
        yield blocker("held", "The order is on hold already.", "ip_owner", "customer_service")


HOLD = Rules[Hold](events=_hold, standing=_not_held, repeated=lambda order, command: order.held)


def _releasable(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    if not order.held:
        yield blocker("not_held", "The order is not on hold.", "ip_owner", "customer_service")


def _reason_given(order: Order, command: Release, context: Context) -> Blockers:
    if command.reason is None:
        yield blocker("reason_required", "A release needs its reason.")


def _release(order: Order, command: Release, context: Context) -> tuple[OrderEvent, ...]:
    return (OrderReleased(),)


RELEASE = Rules[Release](
    events=_release,
    standing=_releasable,
    asked=_reason_given,
    repeated=lambda order, command: not order.held,
)
