"""Whose an order is, as the rights ask it."""

from order_ledger.orders.order import Order
from order_ledger.rights.checks import Scope

__all__ = ["scope_of"]


def scope_of(order: Order, command: object = None) -> Scope:
    """What the rights must know of this order, and of the lines and the shipment that the command names."""
    named = _named_lines(command) if command is not None else frozenset()
    lines = [line for line in order.lines.values() if line.line in named] if named else order.goods
    number = getattr(command, "shipment", None)
    shipment = order.shipments.get(number) if number is not None else None
    senders = [shipment] if shipment is not None else order.shipments.values()
    return Scope(
        consumer=order.consumer,
        seller=order.seller.id,
        makers=frozenset(line.manufacturer.id if line.manufacturer else None for line in lines),
        keepers=frozenset(line.ordered.warehouse.id if line.ordered.warehouse else None for line in lines),
        senders=frozenset(each.sender.id for each in senders if each.sender is not None),
        names_lines=bool(named),
    )


def _named_lines(command: object) -> frozenset[int]:
    one = getattr(command, "line", None)
    many = getattr(command, "lines", ())
    return frozenset(([one] if one is not None else []) + [getattr(each, "line", each) for each in many])
