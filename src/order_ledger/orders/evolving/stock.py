"""What stock covers of an order, and what is missing there."""

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import OrderEvent, ShortageResolved, StockAllocated, StockShortageFound
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import since_delivered, with_line, withdrawn
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order
from order_ledger.values import Units

__all__ = ["CHANGES"]


def _allocated(order: Order, event: StockAllocated, entry: Entry[OrderEvent]) -> Order:
    for allocation in event.lines:
        if line := order.lines.get(allocation.line):
            reservations = (*line.reservations, allocation.reservation)
            order = with_line(order, replace(line, kept=line.kept + allocation.quantity, reservations=reservations))
    return order


def _short(order: Order, event: StockShortageFound, entry: Entry[OrderEvent]) -> Order:
    for taken in event.withdrawn:
        if line := order.lines.get(taken.line):
            order = with_line(order, replace(line, kept=max(line.kept - taken.quantity, 0)))
    short: dict[int, int] = {}
    for named in order.units(event.lines):
        short[named.line] = short.get(named.line, 0) + named.quantity
        if line := order.lines.get(named.line):
            order = with_line(order, replace(line, short=line.short + named.quantity))
    return replace(order, shortages={**order.shortages, event.shortage: short})


def _resolved(order: Order, event: ShortageResolved, entry: Entry[OrderEvent]) -> Order:
    return since_delivered(_with_outcomes(order, event, entry), entry)


def _with_outcomes(order: Order, event: ShortageResolved, entry: Entry[OrderEvent]) -> Order:
    left = dict(order.shortages.get(event.shortage, {}))
    gone: list[Units] = []
    for outcome in event.outcomes:
        quantity = outcome.quantity
        left[outcome.line] = max(left.get(outcome.line, 0) - quantity, 0)
        line = order.lines.get(outcome.line)
        if line is None:
            continue
        short, backordered = max(line.short - quantity, 0), line.backordered
        if outcome.how == "backorder":
            backordered += min(quantity, line.short)
        else:
            # What was short goes first, then what was on backorder.
            backordered = max(backordered - max(quantity - line.short, 0), 0)
            gone.append(Units(outcome.line, quantity))
        order = with_line(order, replace(line, short=short, backordered=backordered))
        if outcome.replacement is not None:
            new = outcome.replacement
            order = with_line(order, Line(ordered=new, wanted=new.quantity, manufacturer=new.manufacturer))
    order = replace(
        order,
        shortages={**order.shortages, event.shortage: left},
        net=event.net,
        tax=event.tax,
        total=event.total,
    )
    return withdrawn(order, tuple(gone), entry) if gone else order


CHANGES: Changes = {
    StockAllocated: _allocated,
    StockShortageFound: _short,
    ShortageResolved: _resolved,
}
