"""What was paid, what shall go back, and what went back."""

from collections import Counter
from collections.abc import Collection, Container, Iterable
from decimal import Decimal
from typing import assert_never
from uuid import UUID

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import OrderEvent, PaymentRecorded, RefundGranted
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import with_line
from order_ledger.orders.lines import Places
from order_ledger.orders.money import PRICE_CUTS, Payment, Refund, Settlement
from order_ledger.orders.order import Order
from order_ledger.values import Amounts, money, round_money

__all__ = ["CHANGES"]

_ZERO = Decimal(0)
_LONGEST_DECISION = 2
"""So many entries before a refund the units can have been settled that it is for."""


def _paid(order: Order, event: PaymentRecorded, entry: Entry[OrderEvent]) -> Order:
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
    recent = _settled_with(order, event, entry.version)
    more = _beyond_units(before, event, recent)
    if order.ended is None:
        order = _dearer(order, -more)
    if order.history:
        return order
    if not recent:
        lines = {named.line for named in event.lines}
        recent = [
            known
            for known in order.settlements
            if known.refund is None and not known.credited and lines and lines <= {part.line for part in known.parts}
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


def _settled_with(order: Order, event: RefundGranted, version: int) -> list[Settlement]:
    """The units that the same decision settled just before: it granted this refund for them, and names them."""
    named: Counter[int] = Counter()
    for units in event.lines:
        named[units.line] += units.quantity
    found = []
    for known in reversed(order.settlements):
        parts: Counter[int] = Counter()
        for part in known.parts:
            parts[part.line] += part.count
        if known.refund is None and version - known.version <= _LONGEST_DECISION and parts <= named:
            named -= parts
            found.append(known)
    return found[::-1]


def _beyond_units(order: Order, event: RefundGranted, settled: Collection[Settlement]) -> Decimal:
    """By how much the order gets cheaper, beyond the units that were settled with it; below zero where they go back at
    less than they are worth. What goes back is less than what is named where less was paid, and more where too much
    was."""
    lines = {part.line for known in settled for part in known.parts}
    charges = sum((named.gross.amount for named in event.lines if _is_charge(order, named, lines)), _ZERO)
    if settled:
        worth = sum((_worth_of(order, part) for known in settled for part in known.parts), _ZERO)
        return charges + sum((named.gross.amount for named in event.lines if named.line in lines), _ZERO) - worth
    amount = event.amount.amount
    return min(amount, charges + max(amount - charges - order.due_back(order.costs), _ZERO))


def _worth_of(order: Order, part: Places) -> Decimal:
    return order.lines[part.line].worth_of(part.start, part.count).gross.amount


def _is_charge(order: Order, named: Amounts, settled: Container[int]) -> bool:
    line = order.lines.get(named.line)
    return line is not None and not line.is_goods and named.line not in settled


def _dearer(order: Order, amount: Decimal) -> Order:
    """The order costing so much more, or less, in proportion of net and tax."""
    if amount == 0:
        return order
    total = max(order.total.amount + amount, _ZERO)
    whole = order.total.amount
    tax = round_money(order.tax.amount * total / whole, order.currency) if whole else _ZERO
    return replace(
        order,
        net=money(total - tax, order.currency),
        tax=money(tax, order.currency),
        total=money(total, order.currency),
    )


def _charges_refunded(order: Order, lines: Iterable[Amounts]) -> tuple[tuple[Places, ...], Order]:
    parts = []
    for named in lines:
        line = order.lines.get(named.line)
        if line is None or line.is_goods:
            continue
        parts.append(Places(named.line, line.refunded, named.quantity))
        order = with_line(order, replace(line, refunded=line.refunded + named.quantity))
    return tuple(parts), order


CHANGES: Changes = {
    PaymentRecorded: _paid,
    RefundGranted: _granted,
}
