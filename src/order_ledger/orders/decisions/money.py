"""Payments as they are reported, and refunds granted by hand, each within its cap."""

from decimal import Decimal

from order_ledger.orders.commands import GrantRefund, RecordPayment
from order_ledger.orders.decisions.rules import (
    ZERO,
    Blockers,
    Context,
    Rules,
    blocker,
    charges_left,
    gross_of,
    next_refund,
    scaled,
    summed,
    unknown_line,
    worth_given_back,
    worth_withdrawn,
)
from order_ledger.orders.events import OrderEvent, PaymentRecorded, RefundGranted
from order_ledger.orders.order import Order
from order_ledger.values import Amounts, Units

__all__ = ["GRANT_REFUND", "RECORD_PAYMENT", "cap_of_return", "granted_for"]


# Payments


def _payment_asked(order: Order, command: RecordPayment, context: Context) -> Blockers:
    if command.amount.currency != order.currency:
        yield blocker("wrong_currency", f"The order is in {order.currency}.")
        return
    amount = command.amount.amount
    before = next((known for known in order.payments if known.payment == command.of), None)
    if command.of is not None and before is None:
        yield blocker("unknown_payment", f"The order has no payment {command.of}.")
    refund = order.refunds.get(command.refund) if command.refund is not None else None
    if command.refund is not None and refund is None:
        yield blocker("unknown_refund", f"The order has no refund {command.refund}.")
    match command.kind:
        case "refunded":
            owed = order.refund_owed if refund is None else min(refund.amount - refund.refunded, order.refund_owed)
            if amount > owed:
                what = f"{max(owed, ZERO)} is owed back, not {amount}."
                yield blocker("more_than_granted", what, "customer_service")
        case "voided":
            if amount > order.authorised:
                yield blocker("more_than_authorised", f"{order.authorised} is authorised, not {amount}.")
        case "refund_failed":
            failed = [known.amount for known in order.payments if (known.kind, known.of) == (command.kind, command.of)]
            if (
                before is not None
                and before.kind == "refunded"
                and amount > (most := before.amount - sum(failed, ZERO))
            ):
                yield blocker("more_than_refunded", f"{most} of that refund can still fail, not {amount}.")
        case "authorised" | "captured" | "failed" | "disputed":
            pass


def _pay(order: Order, command: RecordPayment, context: Context) -> tuple[OrderEvent, ...]:
    return (
        PaymentRecorded(
            payment=command.payment or context.id_for("payment"),
            kind=command.kind,
            amount=command.amount,
            method=command.method,
            provider=command.provider,
            reference=command.reference,
            of=command.of,
            refund=command.refund,
            instalments=command.instalments,
            account_hint=command.account_hint,
        ),
    )


RECORD_PAYMENT = Rules[RecordPayment](
    events=_pay,
    asked=_payment_asked,
    repeated=lambda order, command: any(
        (known.kind, known.provider, known.reference) == (command.kind, command.provider, command.reference)
        for known in order.payments
    ),
)


# Refunds


def _something_captured(order: Order, context: Context) -> Blockers:
    if order.refundable <= 0:
        yield blocker("nothing_to_refund", "All that was captured is granted back already.", "consumer")


def _refund_asked(order: Order, command: GrantRefund, context: Context) -> Blockers:
    if command.amount.currency != order.currency:
        yield blocker("wrong_currency", f"The order is in {order.currency}.")
        return
    amount = command.amount.amount
    if amount <= 0:
        yield blocker("nothing_to_refund", "A refund is of something.")
    if amount > order.refundable:
        yield blocker(
            "more_than_captured", f"{order.refundable} of what was captured is left, not {amount}.", "consumer"
        )
    if command.basis == "goodwill" and command.reason_code is None:
        yield blocker("reason_required", "Goodwill needs its reason.")
    for units in command.lines:
        if units.line not in order.lines:
            yield unknown_line(units.line)
    yield from _beyond_basis(order, command, amount)
    if not any(units.line not in order.lines for units in command.lines):
        if _too_many_units(order, command):
            yield blocker("more_than_ordered", "There are not so many units that were not refunded yet.")
        elif command.lines and amount > (worth := gross_of(_worth(order, command))):
            yield blocker("more_than_worth", f"Those units are worth {worth}, not {amount}.")


def _too_many_units(order: Order, command: GrantRefund) -> bool:
    return any(
        quantity > order.lines[number].ordered.quantity - order.lines[number].refunded
        for number, quantity in summed(command.lines).items()
    )


def _beyond_basis(order: Order, command: GrantRefund, amount: Decimal) -> Blockers:
    """Each basis has its cap; goodwill has none but what was captured."""
    number = command.refers_to
    match command.basis:
        case "return":
            if number not in order.returns:
                yield blocker("unknown_return", f"The order has no return {number}.")
                return
            if order.returns[number].is_open:
                # Settling it grants what is owed: granted here as well, the same units would be refunded twice.
                what = f"Return {number} is open: settle it, which grants the refund."
                yield blocker("return_open", what, "customer_service", item=number)
                return
            cap = cap_of_return(order, number)
        case "problem":
            problem = order.problems.get(int(number)) if number.isdecimal() else None
            if problem is None or problem.how != "refund":
                yield blocker("unknown_problem", "Refer to a problem that was resolved by refund.")
                return
            shipped = worth_of_units(order, problem.resolved)
            cap = shipped - granted_for(order, "problem", number)
        case "compensation":
            revision = next((known for known in order.revisions if str(known.revision) == number), None)
            if revision is None or revision.compensation is None or revision.answer == "declined":
                yield blocker("unknown_revision", "Refer to a revised promise that offered a compensation.")
                return
            cap = revision.compensation.amount - granted_for(order, "compensation", number)
        case "cancellation" | "rejection":
            cap = order.due_back(order.costs)
        case "goodwill":
            return
    if amount > cap:
        yield blocker("more_than_owed", f"{max(cap, ZERO)} is owed on that ground, not {amount}.")


def worth_of_units(order: Order, units: tuple[Units, ...]) -> Decimal:
    """What so many units of lines are worth, gross, counted from the start."""
    return sum((order.lines[line].worth_of(0, quantity).gross.amount for line, quantity in summed(units).items()), ZERO)


def cap_of_return(order: Order, rma: str) -> Decimal:
    """What a return may be refunded: the gross of what came back, and charges, less what was granted for it."""
    back = tuple(Units(line, quantity) for line, quantity in order.returns[rma].received.items())
    charges = gross_of(worth_given_back(order, charges_left(order)))
    return worth_of_units(order, back) + charges - granted_for(order, "return", rma)


def granted_for(order: Order, basis: str, refers_to: str) -> Decimal:
    """What was granted on this ground so far."""
    return sum(
        (known.amount for known in order.refunds.values() if (known.basis, known.refers_to) == (basis, refers_to)),
        ZERO,
    )


def _worth(order: Order, command: GrantRefund) -> tuple[Amounts, ...]:
    units = summed(command.lines)
    if command.basis in ("cancellation", "rejection"):
        return worth_withdrawn(order, units)
    return worth_given_back(order, units)


def _grant(order: Order, command: GrantRefund, context: Context) -> tuple[OrderEvent, ...]:
    known = all(units.line in order.lines for units in command.lines)
    worth = _worth(order, command) if known else ()
    if worth and command.amount.amount < gross_of(worth):
        worth = scaled(worth, command.amount)
    return (
        RefundGranted(
            refund=next_refund(order),
            basis=command.basis,
            refers_to=command.refers_to,
            lines=worth,
            amount=command.amount,
        ),
    )


GRANT_REFUND = Rules[GrantRefund](events=_grant, asked=_refund_asked, overview=_something_captured)
