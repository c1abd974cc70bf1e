"""An order without what is personal: what a read model remembers of it.

Sealed values are left out before they are folded. So is what matters to who decides and to nobody else: the carriers'
own numbers of their messages, and the lines as they were placed, which the order's lines repeat.
"""

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import AddressChanged, OrderEvent, OrderPlaced, ShipmentProgressed
from order_ledger.orders.evolving import evolve
from order_ledger.orders.order import Order
from order_ledger.values import Sealed

__all__ = ["evolve_bare"]

_SAYING_MORE = frozenset((OrderPlaced, AddressChanged, ShipmentProgressed))
_NOTHING_SEALED: Sealed[None] = Sealed("", "")


def evolve_bare(order: Order | None, entry: Entry[OrderEvent]) -> Order:
    """The order after this entry, as `evolve` has it, without anything personal."""
    if type(entry.event) not in _SAYING_MORE:
        return evolve(order, entry)
    order = evolve(order, replace(entry, event=_saying_less(entry.event)))
    if type(entry.event) is OrderPlaced:
        return replace(order, placed=replace(order.placed, lines=()))
    return order


def _saying_less(event: OrderEvent) -> OrderEvent:
    match event:
        case ShipmentProgressed():
            return replace(event, carrier_event="")
        case OrderPlaced():
            return replace(event, contact=_NOTHING_SEALED, bill_to=_NOTHING_SEALED, ship_to=_NOTHING_SEALED)
        case AddressChanged():
            return replace(event, ship_to=_NOTHING_SEALED)
        case _:
            return event
