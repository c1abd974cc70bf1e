"""An order's whole history: every entry, and the order as it stood after it. Pure."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from order_ledger.entries import Entry
from order_ledger.orders.events import OrderEvent
from order_ledger.orders.evolving import evolve
from order_ledger.orders.order import Order


class Step(NamedTuple):
    """An entry, and the order after it."""

    entry: Entry[OrderEvent]
    order: Order


def replay(entries: Iterable[Entry[OrderEvent]]) -> list[Step]:
    """What every entry made of the order, in order; of the entries that `moments` picks, if not of all."""
    order: Order | None = None
    steps = []
    for entry in entries:
        order = evolve(order, entry)
        steps.append(Step(entry, order))
    return steps


def summary(order: Order) -> dict[str, Any]:
    """Where the order stands: its state, its axes, its lines."""
    return {
        "state": order.state,
        "held": order.held,
        "payment": order.payment,
        "stock": order.stock,
        "fulfilment": order.fulfilment,
        "return": order.return_,
        "document": order.document,
        "promised_by": order.promised_by,
        "total": order.total,
        "lines": [
            {
                "line": line.line,
                "sku": line.ordered.sku,
                "state": order.line_state(line.line),
                "wanted": line.wanted,
                "sent": line.sent,
                "arrived": line.arrived,
            }
            for line in order.goods
        ],
    }
