"""How an order ends, as a whole or in part, and how it is held up."""

from typing import Literal

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import (
    LinesCancelled,
    OrderCancelled,
    OrderCompleted,
    OrderEvent,
    OrderHeld,
    OrderRejected,
    OrderReleased,
)
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import since_delivered, withdrawn
from order_ledger.orders.lines import Places
from order_ledger.orders.money import Settlement
from order_ledger.orders.order import Order

__all__ = ["CHANGES"]


def _rejected(order: Order, event: OrderRejected, entry: Entry[OrderEvent]) -> Order:
    return _ended(order, "rejected", entry)


def _cancelled(order: Order, event: OrderCancelled, entry: Entry[OrderEvent]) -> Order:
    return _ended(order, "cancelled", entry)


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


def _lines_cancelled(order: Order, event: LinesCancelled, entry: Entry[OrderEvent]) -> Order:
    order = replace(order, net=event.net, tax=event.tax, total=event.total)
    return since_delivered(withdrawn(order, order.units(event.lines), entry), entry)


def _completed(order: Order, event: OrderCompleted, entry: Entry[OrderEvent]) -> Order:
    return replace(order, completed_by=event.cause)


def _held(order: Order, event: OrderHeld, entry: Entry[OrderEvent]) -> Order:
    return replace(order, held=True, held_for=entry.reason_code, held_since=entry.recorded_at)


def _released(order: Order, event: OrderReleased, entry: Entry[OrderEvent]) -> Order:
    return replace(order, held=False, held_for=None, held_since=None)


CHANGES: Changes = {
    OrderRejected: _rejected,
    OrderCancelled: _cancelled,
    LinesCancelled: _lines_cancelled,
    OrderCompleted: _completed,
    OrderHeld: _held,
    OrderReleased: _released,
}
