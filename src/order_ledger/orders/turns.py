"""Whose turn it is: who must act on an order now, and on what."""

from collections.abc import Iterator
from typing import Literal
from uuid import UUID

from order_ledger.entries import Role
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order, OrderState
from order_ledger.orders.shipments import Return

__all__ = ["ANYBODY", "Turn", "What", "keepers", "makers", "turns"]

ANYBODY = UUID(int=0)
"""Whoever holds the role."""

What = Literal[
    "allocate",
    "answer_delay",
    "answer_question",
    "assign",
    "complete",
    "concede",
    "confirm",
    "judge_return",
    "pay",
    "produce",
    "receive_return",
    "refund",
    "release",
    "resolve_problem",
    "resolve_return",
    "resolve_shortage",
    "send_return",
    "ship",
    "start_production",
]

Turn = tuple[Role, UUID, What]
"""The role, the party whose turn it is, and what for."""


def turns(order: Order, state: OrderState) -> Iterator[Turn]:
    """Whose turn it is, and for what; `state` is the order's."""
    if order.held:
        yield "customer_service", ANYBODY, "release"
    if state not in ("completed", "cancelled", "rejected"):
        yield from _going_on(order, state)
    if order.open_revision is not None:
        yield "consumer", order.consumer, "answer_delay"
    if order.open_problems:
        yield "customer_service", ANYBODY, "resolve_problem"
    if order.open_shortages:
        yield "customer_service", ANYBODY, "resolve_shortage"
    if order.refund_owed > 0:
        yield "customer_service", ANYBODY, "refund"
    for returned in order.open_returns:
        yield _returning(order, returned)
    for question in order.open_questions:
        assert question.for_role is not None
        for party in _who(order, question.for_role):
            yield question.for_role, party, "answer_question"


def _going_on(order: Order, state: OrderState) -> Iterator[Turn]:
    unpaid = order.terms.pay == "prepaid" and not order.paid_for
    if unpaid and order.unshipped:
        yield "consumer", order.consumer, "pay"
    if state == "placed" and not order.held and order.stock not in ("unchecked", "short"):
        yield "ip_owner", order.seller.id, "confirm"
    if state == "delivered" and not order.open_problems and not order.open_returns:
        yield "consumer", order.consumer, "complete"
    for line in order.open_lines:
        yield from _making(order, line, unpaid)
        if order.confirmed and not order.held and not unpaid and line.shippable > 0:
            yield from _shipping(line)


def _making(order: Order, line: Line, unpaid: bool) -> Iterator[Turn]:
    missing = line.rest - line.shelf
    if missing <= 0:
        return
    match line.ordered.kind:
        case "from_stock":
            if line.short + line.backordered < missing:
                yield "ledger", ANYBODY, "allocate"
        case "made_to_order":
            if line.manufacturer is None:
                yield "ip_owner", order.seller.id, "assign"
            elif line.in_production:
                yield "manufacturer", line.manufacturer.id, "produce"
            elif order.confirmed and not order.held and not unpaid:
                yield "manufacturer", line.manufacturer.id, "start_production"
            if line.in_production and any(check.state == "failed" for check in line.runs[-1].checks.values()):
                yield "ip_owner", order.seller.id, "concede"
        case _:
            return


def _shipping(line: Line) -> Iterator[Turn]:
    """What is kept in stock leaves from there, what is made from where it is made; else whoever of them there is."""
    maker, keeper = line.manufacturer, line.ordered.warehouse
    if keeper is not None and (line.ordered.kind == "from_stock" or maker is None):
        yield "warehouse", keeper.id, "ship"
    elif maker is not None:
        yield "manufacturer", maker.id, "ship"


def _returning(order: Order, returned: Return) -> Turn:
    match returned.state:
        case "requested":
            return "ip_owner", order.seller.id, "judge_return"
        case "approved":
            return "consumer", order.consumer, "send_return"
        case "on_its_way" if returned.send_to is not None:
            there = returned.send_to.id
            made_there = there in makers(order) and there not in keepers(order)
            return "manufacturer" if made_there else "warehouse", there, "receive_return"
        case _:
            return "customer_service", ANYBODY, "resolve_return"


def _who(order: Order, role: Role) -> set[UUID]:
    match role:
        case "consumer":
            return {order.consumer}
        case "ip_owner":
            return {order.seller.id}
        case "manufacturer":
            return makers(order) or {ANYBODY}
        case "warehouse":
            return keepers(order) or {ANYBODY}
        case _:
            return {ANYBODY}


def makers(order: Order) -> set[UUID]:
    """The organisations that make its lines."""
    return {line.manufacturer.id for line in order.lines.values() if line.manufacturer is not None}


def keepers(order: Order) -> set[UUID]:
    """The organisations that keep its lines in stock."""
    return {line.ordered.warehouse.id for line in order.lines.values() if line.ordered.warehouse is not None}
