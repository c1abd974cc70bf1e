"""An order as it begins, and as it is taken on: by whom it is made, that it is confirmed, and where it goes."""

from decimal import Decimal
from uuid import UUID

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.events import (
    AddressChanged,
    ManufacturerAssigned,
    OrderConfirmed,
    OrderEvent,
    OrderLine,
    OrderPlaced,
)
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import with_line
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order
from order_ledger.values import Money, Organisation, Sealed, Terms

__all__ = ["CHANGES", "UNKNOWN", "placed"]

_ZERO = Decimal(0)


def placed(event: OrderPlaced, entry: Entry[OrderEvent]) -> Order:
    lines = {
        line.line: Line(ordered=line, wanted=line.quantity, manufacturer=line.manufacturer) for line in event.lines
    }
    implied = not any(line.kind != "charge" for line in event.lines)
    if implied:
        number = max(lines, default=0) + 1
        lines[number] = Line(ordered=_implied_line(event, number), wanted=1)
    return Order(
        id=entry.stream,
        version=entry.version,
        placed=event,
        placed_at=entry.at,
        recorded_at=entry.recorded_at,
        lines=lines,
        implied=implied,
        net=event.net,
        tax=event.tax,
        total=event.total,
        ship_to=event.ship_to,
        ship_to_country=event.ship_to_country,
        ship_to_region=event.ship_to_region,
        zone=event.zone,
        promised_by=event.promised_by,
    )


def _implied_line(event: OrderPlaced, number: int) -> OrderLine:
    return OrderLine(
        line=number,
        kind="untracked",
        item=None,
        sku="",
        revision=None,
        description="",
        quantity=1,
        unit="C62",
        unit_price=event.total.amount,
        tax_included=True,
        discount=Money(_ZERO, event.total.currency),
        net=event.net,
        tax=event.tax,
        gross=event.total,
        tax_category=None,
        tax_rate=None,
        exemption=None,
        seller=None,
        manufacturer=None,
        warehouse=None,
        steps=(),
        plan=(),
        return_days=0,
        warranty_days=0,
        ship_by=None,
        charge_for=None,
    )


_NOBODY = UUID(int=0)
_NO_MONEY = Money(Decimal("0.00"), "XXX")  # ISO 4217: no currency
UNKNOWN = OrderPlaced(
    number="",
    consumer=_NOBODY,
    contact=Sealed("", ""),
    bill_to=Sealed("", ""),
    ship_to=Sealed("", ""),
    bill_to_country=None,
    ship_to_country=None,
    ship_to_region=None,
    zone="UTC",
    language="und",
    seller=Organisation(_NOBODY, ""),
    lines=(),
    net=_NO_MONEY,
    tax=_NO_MONEY,
    total=_NO_MONEY,
    terms=Terms("on_invoice", 0, "other", "dispatch", 0),
    promised_by=None,
    buyer_reference=None,
    purchase_order=None,
    basket=None,
    exchange_of=None,
    reference=None,
    history=True,
)


def _confirmed(order: Order, event: OrderConfirmed, entry: Entry[OrderEvent]) -> Order:
    if event.promised_by is None:
        return replace(order, confirmed=True, confirmed_at=entry.at)
    return replace(order, confirmed=True, confirmed_at=entry.at, promised_by=event.promised_by, delay_expected=False)


def _assigned(order: Order, event: ManufacturerAssigned, entry: Entry[OrderEvent]) -> Order:
    for number in event.lines:
        if line := order.lines.get(number):
            order = with_line(order, replace(line, manufacturer=event.manufacturer))
    return order


def _moved(order: Order, event: AddressChanged, entry: Entry[OrderEvent]) -> Order:
    return replace(
        order,
        ship_to=event.ship_to,
        ship_to_country=event.ship_to_country,
        ship_to_region=event.ship_to_region,
        zone=event.zone,
    )


CHANGES: Changes = {
    OrderConfirmed: _confirmed,
    ManufacturerAssigned: _assigned,
    AddressChanged: _moved,
}
