"""Goods that go back: asked for, approved, on their way, received, resolved."""

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import (
    OrderEvent,
    ReturnApproved,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    ReturnResolved,
    ReturnShipped,
    ReturnWithdrawn,
)
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import given_back, with_line, with_return, with_shipment
from order_ledger.orders.lines import THE_ONE_UNIT
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Return, ReturnState, Shipment
from order_ledger.values import Units

__all__ = ["CHANGES"]


def _requested(order: Order, event: ReturnRequested, entry: Entry[OrderEvent]) -> Order:
    lines: dict[int, int] = {}
    for asked in event.lines:
        lines[asked.line] = lines.get(asked.line, 0) + asked.quantity
    if not event.lines and order.implied:
        lines = {units.line: units.quantity for units in THE_ONE_UNIT}
    reasons = {asked.line: asked.reason for asked in event.lines}
    returned = Return(event.rma, lines, reasons, event.wanted, event.exchange_for, "requested", entry.at)
    return with_return(order, returned)


def _approved(order: Order, event: ReturnApproved, entry: Entry[OrderEvent]) -> Order:
    returned = order.returns.get(event.rma)
    if returned is None:
        return order
    approved = {units.line: units.quantity for units in order.units(event.lines)}
    returned = replace(returned, state="approved", approved=approved, send_to=event.send_to, send_by=event.send_by)
    return with_return(order, returned)


def _rejected(order: Order, event: ReturnRejected, entry: Entry[OrderEvent]) -> Order:
    returned = order.returns.get(event.rma)
    return with_return(order, replace(returned, state="rejected")) if returned else order


def _withdrawn(order: Order, event: ReturnWithdrawn, entry: Entry[OrderEvent]) -> Order:
    returned = order.returns.get(event.rma)
    return with_return(order, replace(returned, state="withdrawn")) if returned else order


def _sent(order: Order, event: ReturnShipped, entry: Entry[OrderEvent]) -> Order:
    returned = order.returns.get(event.rma)
    if returned is None:
        return order
    parcel = Shipment(
        shipment=event.shipment,
        units={},
        sender=None,
        carrier=event.carrier,
        tracking_number=event.tracking_number,
        tracking_url=event.tracking_url,
        replaces=None,
        at=entry.at,
        shipped={},
        rma=event.rma,
    )
    order = with_shipment(order, parcel)
    if returned.state != "approved":
        return order
    return with_return(order, replace(returned, state="on_its_way"))


def _received(order: Order, event: ReturnReceived, entry: Entry[OrderEvent]) -> Order:
    returned = order.returns.get(event.rma) if event.rma is not None else None
    shipment = order.shipments.get(event.shipment) if event.shipment is not None else None
    undelivered = event.rma is None and shipment is not None
    received = dict(returned.received) if returned is not None else {}
    came_back = dict(shipment.came_back) if shipment is not None else {}
    for counted in event.lines:
        line = order.lines.get(counted.line)
        if line is None:
            continue
        if undelivered:
            came_back[counted.line] = came_back.get(counted.line, 0) + counted.quantity
            if counted.condition == "resellable":
                order = with_line(order, replace(line, came_back=line.came_back + counted.quantity))
        else:
            received[counted.line] = received.get(counted.line, 0) + counted.quantity
            order = with_line(order, replace(line, returned=line.returned + counted.quantity))
    if returned is not None:
        state: ReturnState = "received" if returned.is_open else returned.state
        returned = replace(returned, received=received, state=state)
        order = with_return(order, returned)
    if undelivered and shipment is not None:
        order = with_shipment(order, replace(shipment, came_back=came_back))
    return order


def _resolved(order: Order, event: ReturnResolved, entry: Entry[OrderEvent]) -> Order:
    returned = order.returns.get(event.rma)
    if returned is None:
        return order
    returned = replace(returned, state="resolved", refund=event.refund, exchange_order=event.exchange_order)
    order = with_return(order, returned)
    back = tuple(Units(line.line, line.quantity) for line in event.lines if line.how != "send_back")
    return given_back(order, back, entry) if back else order


CHANGES: Changes = {
    ReturnRequested: _requested,
    ReturnApproved: _approved,
    ReturnRejected: _rejected,
    ReturnWithdrawn: _withdrawn,
    ReturnShipped: _sent,
    ReturnReceived: _received,
    ReturnResolved: _resolved,
}
