"""How an order changes: what each event makes of it, one module for each topic.

`evolve` refuses nothing, since what is recorded has happened; it takes any prefix of a stream, and imported history
in any order.
"""

from collections.abc import Iterable

from msgspec.structs import force_setattr, replace

from order_ledger.entries import Entry
from order_ledger.orders.events import ORDER_EVENTS, OrderEvent, OrderPlaced
from order_ledger.orders.evolving import (
    documents,
    ending,
    money,
    notes,
    placing,
    problems,
    producing,
    promises,
    returns,
    shipping,
    stock,
)
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.placing import UNKNOWN, placed
from order_ledger.orders.order import Order

__all__ = ["after", "evolve", "fold"]

# A table, where decisions are a `match`: every case that is looked at in vain costs as much as a change of the order.
_CHANGES: Changes = {
    **placing.CHANGES,
    **stock.CHANGES,
    **producing.CHANGES,
    **shipping.CHANGES,
    **ending.CHANGES,
    **promises.CHANGES,
    **problems.CHANGES,
    **money.CHANGES,
    **returns.CHANGES,
    **notes.CHANGES,
    **documents.CHANGES,
}
assert _CHANGES.keys() == {*ORDER_EVENTS} - {OrderPlaced}, "every event makes something of an order"


def fold(entries: Iterable[Entry[OrderEvent]]) -> Order:
    """The order that these entries, in the order of their versions, leave. There is at least one."""
    order: Order | None = None
    for entry in entries:
        order = evolve(order, entry)
    assert order is not None, "an order has at least one entry"
    return order


def evolve(order: Order | None, entry: Entry[OrderEvent]) -> Order:
    """The order after this entry. Refuses nothing: what is recorded has happened.

    A view as of a moment may lack the OrderPlaced that a later entry builds on (imports know entries that happened
    before they were ordered); such an order then has no number, no lines named, and an unknown consumer.
    """
    return after(order, entry.event, entry)


def after(order: Order | None, event: OrderEvent, entry: Entry[OrderEvent]) -> Order:
    """The same, the entry's event being given: it may say less than the entry has."""
    if type(event) is OrderPlaced:
        return placed(event, entry)
    if order is None:
        order = placed(UNKNOWN, entry)
    changed = _CHANGES[type(event)](order, event, entry)
    if changed is order:
        return replace(order, version=entry.version, recorded_at=entry.recorded_at)
    # It was made just now, and nobody has seen it yet.
    force_setattr(changed, "version", entry.version)
    force_setattr(changed, "recorded_at", entry.recorded_at)
    return changed
