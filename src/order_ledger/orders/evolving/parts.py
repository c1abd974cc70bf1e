"""What several events have in common: a line, a parcel, a return, units that are no longer to be paid."""

from decimal import Decimal

from msgspec.structs import replace

from order_ledger.amounts import Worth
from order_ledger.entries import Entry
from order_ledger.orders.events import OrderEvent
from order_ledger.orders.lines import Line, Places
from order_ledger.orders.money import Settlement
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Return, Shipment
from order_ledger.values import Units, money

__all__ = ["given_back", "since_delivered", "with_line", "with_return", "with_shipment", "withdrawn"]

_ZERO = Decimal(0)


def with_line(order: Order, line: Line) -> Order:
    """The order with this line, of which no more is kept or short than is still to be shipped."""
    if line.kept or line.short or line.backordered:
        rest = line.rest
        kept = max(min(line.kept, rest), 0)
        missing = rest - kept
        backordered = max(min(line.backordered, missing), 0)
        short = max(min(line.short, missing - backordered), 0)
        if (kept, short, backordered) != (line.kept, line.short, line.backordered):
            line = replace(line, kept=kept, short=short, backordered=backordered)
    return replace(order, lines={**order.lines, line.ordered.line: line})


def with_shipment(order: Order, shipment: Shipment) -> Order:
    """The order with this parcel."""
    return replace(order, shipments={**order.shipments, shipment.shipment: shipment})


def with_return(order: Order, returned: Return) -> Order:
    """The order with this return."""
    return replace(order, returns={**order.returns, returned.rma: returned})


def since_delivered(order: Order, entry: Entry[OrderEvent]) -> Order:
    """The order with the time since when all of it is delivered, from which it completes by itself. A completed order
    keeps it: its completion may be taken back."""
    state = order.state
    if state == "completed" or (state == "delivered") == (order.delivered_since is not None):
        return order
    return replace(order, delivered_since=entry.recorded_at if state == "delivered" else None)


def withdrawn(order: Order, lines: tuple[Units, ...], entry: Entry[OrderEvent]) -> Order:
    """The order without units that were never shipped and are no longer wanted."""
    parts = []
    for units in lines:
        line = order.lines.get(units.line)
        if line is None:
            continue
        gone = line.withdrawn + units.quantity
        parts.append(Places(units.line, line.ordered.quantity - gone, units.quantity))
        order = with_line(order, replace(line, withdrawn=gone, wanted=line.wanted - units.quantity))
    if order.history:
        return order
    return replace(order, settlements=(*order.settlements, Settlement(entry.version, tuple(parts))))


def given_back(order: Order, lines: tuple[Units, ...], entry: Entry[OrderEvent]) -> Order:
    """The order without the worth of units that were shipped and are not to be paid any more."""
    parts = []
    for units in lines:
        line = order.lines.get(units.line)
        if line is None:
            continue
        parts.append(Places(units.line, line.refunded, units.quantity))
        worth = line.worth_of(line.refunded, units.quantity)
        order = _cheaper(with_line(order, replace(line, refunded=line.refunded + units.quantity)), worth)
    if order.history:
        return order
    return replace(order, settlements=(*order.settlements, Settlement(entry.version, tuple(parts))))


def _cheaper(order: Order, worth: Worth) -> Order:
    return replace(
        order,
        net=money(max(order.net.amount - worth.net.amount, _ZERO), order.net.currency),
        tax=money(max(order.tax.amount - worth.tax.amount, _ZERO), order.tax.currency),
        total=money(max(order.total.amount - worth.gross.amount, _ZERO), order.total.currency),
    )
