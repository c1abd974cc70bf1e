"""Parcels: sending them, following them, their arrival, and the end of an order that arrived."""

from datetime import timedelta
from uuid import UUID

from order_ledger.orders.commands import CheckTracking, Complete, CorrectTracking, Deliver, RecordProgress, Ship
from order_ledger.orders.decisions.rules import (
    Blockers,
    Context,
    Rules,
    blocker,
    ended,
    held,
    rejected_or_cancelled,
    summed,
    too_many,
    unconfirmed,
    unknown_shipment,
    unpaid,
    untraceable,
)
from order_ledger.orders.events import (
    DeliveryProof,
    DeliveryRetracted,
    OrderCompleted,
    OrderDelivered,
    OrderEvent,
    OrderShipped,
    ShipmentProgressed,
    ShipmentStatus,
    TrackingChecked,
    TrackingCorrected,
)
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Shipment
from order_ledger.values import Organisation, unsealed

__all__ = ["CHECK_TRACKING", "COMPLETE", "CORRECT_TRACKING", "DELIVER", "RECORD_PROGRESS", "SHIP"]

_ADVANCE: dict[ShipmentStatus, int] = {
    "unknown": 0,
    "announced": 0,
    "in_transit": 1,
    "delayed": 1,
    "attempt_failed": 1,
    "exception": 1,
    "available_for_pickup": 1,
    "out_for_delivery": 1,
    "delivered": 2,
    "returned_to_sender": 2,
    "lost": 2,
}
"""A parcel goes to and fro between those of one rank, and never back to a lower one."""


# Shipping


def _shippable(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    yield from unconfirmed(order)
    yield from held(order)
    yield from unpaid(order)


def _what_to_ship(order: Order, context: Context) -> Blockers:
    if not any(line.shippable for line in order.open_lines):
        yield blocker("nothing_ready", "Nothing is ready to be shipped.", "manufacturer", "ledger")


def _ship_asked(order: Order, command: Ship, context: Context) -> Blockers:
    units = order.units(command.lines)
    if not units:
        yield blocker("no_lines", "A parcel holds units of lines; it must say which.")
    for number in summed(units):
        line = order.lines.get(number)
        if line is not None and not line.is_goods:
            yield blocker("not_goods", f"Line {number} is a charge; it is not shipped.", line=number)
            return
    yield from too_many(
        order,
        units,
        lambda line: line.shippable,
        "more_than_ready",
        "Of line {line}, {most} are ready to be shipped, not {asked}.",
        "manufacturer",
        "ledger",
    )
    yield from untraceable(command.carrier, command.tracking_number, command.tracking_url, context)
    if command.replaces is not None:
        replaced = order.shipments.get(command.replaces)
        if replaced is None:
            yield unknown_shipment(command.replaces)
        else:
            for number, quantity in summed(units).items():
                if quantity > (owed := replaced.to_send_again.get(number, 0)):
                    what = f"Of line {number} of that shipment, {owed} are to be sent again, not {quantity}."
                    yield blocker("more_than_replaced", what, "customer_service", line=number)


def _ship(order: Order, command: Ship, context: Context) -> tuple[OrderEvent, ...]:
    return (
        OrderShipped(
            shipment=command.shipment or context.id_for("shipment"),
            lines=command.lines,
            sender=_sender(order, context.by.organisation),
            carrier=command.carrier,
            tracking_number=command.tracking_number,
            tracking_url=command.tracking_url,
            replaces=command.replaces,
        ),
    )


def _sender(order: Order, organisation: UUID | None) -> Organisation | None:
    """The organisation that ships, named as the order names it."""
    if organisation is None:
        return None
    for line in order.lines.values():
        for known in (line.manufacturer, line.ordered.warehouse, line.ordered.seller):
            if known is not None and known.id == organisation:
                return known
    return order.seller if order.seller.id == organisation else None


def _already_shipped(order: Order, command: Ship) -> bool:
    if command.shipment is not None and command.shipment in order.shipments:
        return True
    if command.tracking_number is None:
        return False
    units = summed(order.units(command.lines))
    return any(
        (known.carrier, known.tracking_number) == (command.carrier, command.tracking_number) and known.shipped == units
        for known in order.shipments.values()
    )


SHIP = Rules[Ship](
    events=_ship, standing=_shippable, asked=_ship_asked, overview=_what_to_ship, repeated=_already_shipped
)


# Following


def _correctable(order: Order, context: Context) -> Blockers:
    if order.ended is not None:
        yield blocker("ended", f"The order is {order.ended}.")
    elif order.completed_by == "consumer":
        yield blocker("completed", "The consumer completed the order.")


def _any_shipment(order: Order, context: Context) -> Blockers:
    if not order.shipments:
        yield blocker("nothing_shipped", "Nothing is shipped yet.", "manufacturer", "warehouse")


def _correct_asked(order: Order, command: CorrectTracking, context: Context) -> Blockers:
    if command.shipment not in order.shipments:
        yield unknown_shipment(command.shipment)
    yield from untraceable(command.carrier, command.tracking_number, command.tracking_url, context)


def _correct(order: Order, command: CorrectTracking, context: Context) -> tuple[OrderEvent, ...]:
    corrected = TrackingCorrected(
        shipment=command.shipment,
        carrier=command.carrier,
        tracking_number=command.tracking_number,
        tracking_url=command.tracking_url,
    )
    known = order.shipments.get(command.shipment)
    # What the carrier said of another number proves nothing of this parcel; what people said does, and so does a
    # return of what was in it.
    if (
        known is not None
        and known.delivered_version is not None
        and known.delivered_by == "carrier"
        and (known.carrier, known.number_at_delivery) != (command.carrier, command.tracking_number)
        and not _coming_back(order, known)
    ):
        return corrected, DeliveryRetracted(command.shipment, known.delivered_version)
    return (corrected,)


def _coming_back(order: Order, shipment: Shipment) -> bool:
    """Whether returns hold units that can only have come in this shipment."""
    return any(
        order.in_returns(number) > order.lines[number].arrived - quantity
        for number, quantity in shipment.units.items()
        if quantity > 0 and number in order.lines
    )


def _already_corrected(order: Order, command: CorrectTracking) -> bool:
    known = order.shipments.get(command.shipment)
    return known is not None and (known.carrier, known.tracking_number, known.tracking_url) == (
        command.carrier,
        command.tracking_number,
        command.tracking_url,
    )


CORRECT_TRACKING = Rules[CorrectTracking](
    events=_correct,
    standing=_correctable,
    asked=_correct_asked,
    overview=_any_shipment,
    repeated=_already_corrected,
)


def _known(order: Order, command: CheckTracking | RecordProgress, context: Context) -> Blockers:
    if command.shipment not in order.shipments:
        yield unknown_shipment(command.shipment)


def _check(order: Order, command: CheckTracking, context: Context) -> tuple[OrderEvent, ...]:
    return (
        TrackingChecked(
            shipment=command.shipment,
            tracking_url=command.tracking_url,
            reachable=command.reachable,
            host_allowed=command.host_allowed,
            http_status=command.http_status,
        ),
    )


CHECK_TRACKING = Rules[CheckTracking](events=_check, asked=_known, overview=_any_shipment)


def _progress(order: Order, command: RecordProgress, context: Context) -> tuple[OrderEvent, ...]:
    known = order.shipments.get(command.shipment)
    applied = known is not None and _applies(known, command, context)
    progressed = ShipmentProgressed(
        shipment=command.shipment,
        carrier_event=command.carrier_event,
        status=command.status,
        carrier_code=command.carrier_code,
        carrier_text=command.carrier_text,
        place=command.place,
        expected_at=command.expected_at,
        applied=applied,
        raw=command.raw,
    )
    if known is None or known.rma is not None or known.delivered or not applied or command.status != "delivered":
        return (progressed,)
    delivered = OrderDelivered(
        shipment=command.shipment, proof="carrier", carrier_event=command.carrier_event, received_by=None
    )
    return progressed, delivered


def _applies(known: Shipment, command: RecordProgress, context: Context) -> bool:
    """Whether it moves the parcel: not of another number, not of an unknown code, not older, and not lower."""
    if command.tracking_number is not None and command.tracking_number != known.tracking_number:
        return False
    if command.status == "unknown":
        return False
    if known.progress is None:
        return True
    if known.progressed_at is not None and (command.at or context.now) < known.progressed_at:
        return False
    return _ADVANCE[command.status] >= _ADVANCE[known.progress]


def _already_said(order: Order, command: RecordProgress) -> bool:
    known = order.shipments.get(command.shipment)
    return known is not None and command.carrier_event in known.carrier_events


RECORD_PROGRESS = Rules[RecordProgress](events=_progress, asked=_known, overview=_any_shipment, repeated=_already_said)


# Arriving


def _deliverable(order: Order, context: Context) -> Blockers:
    yield from rejected_or_cancelled(order)


def _on_the_way(order: Order) -> list[Shipment]:
    return [
        shipment
        for shipment in order.shipments.values()
        if shipment.rma is None and not shipment.delivered and any(shipment.units.values())
    ]


def _something_on_the_way(order: Order, context: Context) -> Blockers:
    if not _on_the_way(order):
        yield blocker("nothing_on_the_way", "Nothing is on its way.", "manufacturer", "warehouse")


def _deliver_asked(order: Order, command: Deliver, context: Context) -> Blockers:
    known = order.shipments.get(command.shipment)
    if known is None:
        yield unknown_shipment(command.shipment)
    elif known.rma is not None:
        yield blocker("is_a_return", "That parcel carries a return: it is received, not delivered.", "warehouse")
    if context.role == "consumer" and command.proof not in (None, "consumer"):
        yield blocker("proof_of_others", "A consumer's word is the consumer's proof.")


def _deliver(order: Order, command: Deliver, context: Context) -> tuple[OrderEvent, ...]:
    received_by = command.received_by
    return (
        OrderDelivered(
            shipment=command.shipment,
            proof=command.proof or _proof(context),
            carrier_event=command.carrier_event,
            received_by=unsealed(received_by, order.consumer) if received_by is not None else None,
        ),
    )


def _proof(context: Context) -> DeliveryProof:
    match context.role:
        case "consumer":
            return "consumer"
        case "ledger" | "carrier":
            return "carrier"
        case "unknown":
            return "unknown"
        case _:
            return "staff"


def _already_delivered(order: Order, command: Deliver) -> bool:
    known = order.shipments.get(command.shipment)
    return known is not None and known.delivered


DELIVER = Rules[Deliver](
    events=_deliver,
    standing=_deliverable,
    asked=_deliver_asked,
    overview=_something_on_the_way,
    repeated=_already_delivered,
)


# Completing


def _completable(order: Order, context: Context) -> Blockers:
    state = order.state
    if state in ("rejected", "cancelled"):
        yield blocker("ended", f"The order is {state}.")
    elif state == "completed":
        yield blocker("completed", "The order is complete.")
    elif state == "shipping":
        if context.role != "consumer":
            yield blocker("not_delivered", "The order has not arrived yet.", "consumer", "carrier")
    elif state != "delivered":
        yield blocker("not_shipped", "Not all of the order is shipped yet.", "manufacturer", "warehouse")
    for returned in order.open_returns:
        yield blocker("return_open", f"Return {returned.rma} is open.", "customer_service", item=returned.rma)
    for problem in order.open_problems:
        yield blocker("problem_open", f"Problem {problem.problem} is open.", "customer_service")
    if context.role == "ledger":
        yield from held(order)
        days = order.terms.complete_after_days
        if order.delivered_since is not None and context.now < order.delivered_since + timedelta(days=days):
            yield blocker("too_early", f"{days} days have not passed since all of it arrived.")


def _complete(order: Order, command: Complete, context: Context) -> tuple[OrderEvent, ...]:
    by_time = context.role == "ledger"
    arrived = () if context.role != "consumer" else _on_the_way(order)
    return (
        *(
            OrderDelivered(shipment=shipment.shipment, proof="consumer", carrier_event=None, received_by=None)
            for shipment in arrived
        ),
        OrderCompleted("timer" if by_time else "consumer"),
    )


COMPLETE = Rules[Complete](
    events=_complete, standing=_completable, repeated=lambda order, command: order.state == "completed"
)
