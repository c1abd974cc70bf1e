"""Goods on their way: shipped, followed, delivered, and where their links lead."""

from typing import Literal
from uuid import UUID

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import (
    DeliveryRetracted,
    OrderDelivered,
    OrderEvent,
    OrderShipped,
    ShipmentProgressed,
    TrackingChecked,
    TrackingCorrected,
)
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import since_delivered, with_line, with_return, with_shipment
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Shipment

__all__ = ["CHANGES"]


def _shipped(order: Order, event: OrderShipped, entry: Entry[OrderEvent]) -> Order:
    units: dict[int, int] = {}
    for named in order.units(event.lines):
        units[named.line] = units.get(named.line, 0) + named.quantity
        if line := order.lines.get(named.line):
            shipped = line.shipped + named.quantity
            order = with_line(order, replace(line, shipped=shipped, kept=max(line.kept - named.quantity, 0)))
    shipment = Shipment(
        event.shipment,
        units,
        event.sender,
        event.carrier,
        event.tracking_number,
        event.tracking_url,
        event.replaces,
        entry.at,
        units,
    )
    if event.replaces is not None and (before := order.shipments.get(event.replaces)):
        left = {line: quantity - units.get(line, 0) for line, quantity in before.to_send_again.items()}
        still = {line: quantity for line, quantity in left.items() if quantity > 0}
        order = with_shipment(order, replace(before, to_send_again=still))
    return with_shipment(order, shipment)


def _delivered(order: Order, event: OrderDelivered, entry: Entry[OrderEvent]) -> Order:
    return since_delivered(_with_delivery(order, event, entry), entry)


def _with_delivery(order: Order, event: OrderDelivered, entry: Entry[OrderEvent]) -> Order:
    shipment = order.shipments.get(event.shipment)
    if shipment is None or shipment.rma is not None:
        return order
    if not shipment.delivered:
        order = _arrived(order, shipment.units, +1)
    return with_shipment(
        order,
        replace(
            shipment,
            delivered_version=entry.version,
            delivered_at=entry.at or entry.recorded_at,
            delivered_by=event.proof,
            number_at_delivery=shipment.tracking_number,
        ),
    )


def _retracted(order: Order, event: DeliveryRetracted, entry: Entry[OrderEvent]) -> Order:
    return since_delivered(_without_delivery(order, event.shipment), entry)


def _without_delivery(order: Order, number: UUID) -> Order:
    shipment = order.shipments.get(number)
    if shipment is None or not shipment.delivered:
        return order
    order = _arrived(order, shipment.units, -1)
    if order.completed_by == "timer":
        order = replace(order, completed_by=None)
    return with_shipment(order, replace(shipment, delivered_version=None, delivered_at=None, delivered_by=None))


def _arrived(order: Order, units: dict[int, int], sign: Literal[1, -1]) -> Order:
    for number, quantity in units.items():
        if line := order.lines.get(number):
            order = with_line(order, replace(line, arrived=line.arrived + sign * quantity))
    return order


def _progressed(order: Order, event: ShipmentProgressed, entry: Entry[OrderEvent]) -> Order:
    shipment = order.shipments.get(event.shipment)
    if shipment is None:
        return order
    seen = shipment.carrier_events | {event.carrier_event}
    if not event.applied:
        return with_shipment(order, replace(shipment, carrier_events=seen))
    shipment = replace(
        shipment,
        carrier_events=seen,
        progress=event.status,
        progressed_at=entry.at,
        expected_at=event.expected_at or shipment.expected_at,
    )
    order = with_shipment(order, shipment)
    returned = order.returns.get(shipment.rma) if shipment.rma is not None else None
    if returned is not None and returned.state == "approved":
        order = with_return(order, replace(returned, state="on_its_way"))
    return order


def _tracking_checked(order: Order, event: TrackingChecked, entry: Entry[OrderEvent]) -> Order:
    shipment = order.shipments.get(event.shipment)
    return with_shipment(order, replace(shipment, link_reachable=event.reachable)) if shipment else order


def _tracking_corrected(order: Order, event: TrackingCorrected, entry: Entry[OrderEvent]) -> Order:
    shipment = order.shipments.get(event.shipment)
    if shipment is None:
        return order
    return with_shipment(
        order,
        replace(
            shipment,
            carrier=event.carrier,
            tracking_number=event.tracking_number,
            tracking_url=event.tracking_url,
            progress=None,
            progressed_at=None,
            expected_at=None,
            link_reachable=None,
        ),
    )


CHANGES: Changes = {
    OrderShipped: _shipped,
    OrderDelivered: _delivered,
    DeliveryRetracted: _retracted,
    ShipmentProgressed: _progressed,
    TrackingChecked: _tracking_checked,
    TrackingCorrected: _tracking_corrected,
}
