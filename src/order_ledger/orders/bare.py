"""An order without what is personal: what a read model remembers of it.

Sealed values are left out before they are folded. So is what matters to who decides and to nobody else: the carriers'
own numbers of their messages, and the lines as they were placed, which the order's lines repeat.
"""

from uuid import UUID

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
    event = entry.event
    if type(event) not in _SAYING_MORE:
        return evolve(order, entry)
    order = evolve(order, _without_personal_data(entry))
    if isinstance(event, ShipmentProgressed):
        return _without_carriers_own_numbers(order, event.shipment)
    if isinstance(event, OrderPlaced):
        return replace(order, placed=replace(order.placed, lines=()))
    return order


def _without_personal_data(entry: Entry[OrderEvent]) -> Entry[OrderEvent]:
    event = entry.event
    if isinstance(event, OrderPlaced):
        bare = replace(event, contact=_NOTHING_SEALED, bill_to=_NOTHING_SEALED, ship_to=_NOTHING_SEALED)
        return replace(entry, event=bare)
    if isinstance(event, AddressChanged):
        return replace(entry, event=replace(event, ship_to=_NOTHING_SEALED))
    return entry


def _without_carriers_own_numbers(order: Order, number: UUID) -> Order:
    shipment = order.shipments.get(number)
    if shipment is None:
        return order
    return replace(order, shipments={**order.shipments, number: replace(shipment, carrier_events=frozenset())})
