"""An order without what is personal: what a read model remembers of it.

Sealed values are left out before they are folded. So is what matters to who decides and to nobody else: the carriers'
own numbers of their messages, and the lines as they were placed, which the order's lines repeat.
"""

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import AddressChanged, OrderEvent, OrderPlaced, ShipmentProgressed
from order_ledger.orders.evolving import after
from order_ledger.orders.order import Order
from order_ledger.values import Sealed

__all__ = ["evolve_bare"]

_NOTHING_SEALED: Sealed[None] = Sealed("", "")


def evolve_bare(order: Order | None, entry: Entry[OrderEvent]) -> Order:
    """The order after this entry, as `evolve` has it, without anything personal."""
    event = entry.event
    if type(event) is ShipmentProgressed:
        return after(order, replace(event, carrier_event=""), entry)
    if type(event) is AddressChanged:
        return after(order, replace(event, ship_to=_NOTHING_SEALED), entry)
    if type(event) is not OrderPlaced:
        return after(order, event, entry)
    event = replace(event, contact=_NOTHING_SEALED, bill_to=_NOTHING_SEALED, ship_to=_NOTHING_SEALED)
    order = after(order, event, entry)
    return replace(order, placed=replace(event, lines=()))
