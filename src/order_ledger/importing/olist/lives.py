"""Which life an order of Olist's had, as its files tell it.

    created → placed            approved, invoiced, processing → confirmed      unavailable → confirmed, a shortage open
    shipped → shipping          delivered → delivered                           canceled → cancelled

An order's steps are those that its status says it went through, and those that it has a time for; a time that is not
there stays unknown. Payments carry no time at all. A tax is not known, nor who shipped what with which carrier.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from msgspec.structs import replace

from order_ledger.entries import Source
from order_ledger.importing.history import Draft, Life, Step, live
from order_ledger.importing.olist.files import COUNTRY, CURRENCY, Files, ItemRow, OrderRow, PaymentRow, Said, read
from order_ledger.importing.olist.ids import SYSTEM, id_within, olist_id
from order_ledger.importing.tables import Failure, Table
from order_ledger.orders.commands import (
    Cancel,
    Command,
    Confirm,
    Deliver,
    FindShortage,
    RecordHistory,
    RecordPayment,
    Ship,
)
from order_ledger.orders.decisions import order_number
from order_ledger.orders.events import OrderLine, OrderPlaced
from order_ledger.values import Address, Contact, Money, Organisation, Terms, Units, round_money, unsealed

STATUS_CONTRADICTED = "status_contradicted"
"""The breach of a step that has a time although the order's status says that it was never reached."""

_REACHED = {
    "created": "placed",
    "approved": "confirmed",
    "invoiced": "confirmed",
    "processing": "confirmed",
    "unavailable": "confirmed",
    "shipped": "shipped",
    "delivered": "delivered",
    "canceled": "cancelled",
}
_CONFIRMED = frozenset(("confirmed", "shipped", "delivered"))
_SHIPPED = frozenset(("shipped", "delivered"))

_ZERO = Money(Decimal("0.00"), CURRENCY)
_NO_CONTACT = Contact()
_NO_SELLER = Organisation(UUID(int=0), "")
_NOT_AGREED_HERE = Terms("on_invoice", 0, "other", "dispatch", 0)
_CONFIRM = Confirm()

_C = TypeVar("_C", bound=Command)


class Drafts(NamedTuple):
    """One part of the orders of some files: how many there are, and each in turn, or what is wrong with it."""

    orders: int
    each: Iterator[Draft | Failure]


def drafts(files: Files, now: datetime, part: int = 0, parts: int = 1) -> Drafts:
    """The orders whose ids fall into this part; rows of other files that belong to none come last."""
    orders, found = read(files, part, parts)
    lives = _Lives(files, now)
    return Drafts(orders, (each if isinstance(each, Failure) else lives.draft(each) for each in found))


class _Lives:
    """Makes lives of what some files say."""

    def __init__(self, files: Files, now: datetime) -> None:
        self._files = files
        self._now = now
        self._sellers: dict[str, Organisation] = {}

    def draft(self, said: Said) -> Draft:
        order, customer = said.order, said.customer
        stream = olist_id("order", order.reference)
        if customer is not None and customer.unique_id:
            consumer = olist_id("customer", customer.unique_id)
        else:
            consumer = olist_id("customer of an order", order.customer_id or order.reference)
        return Draft(stream, order.reference, consumer, order.row, partial(self._life, stream, consumer, said))

    def _life(self, stream: UUID, consumer: UUID, said: Said) -> Life:
        order = said.order
        source = self._source(self._files.orders, order.row, order.status)
        within = stream.bytes
        placed = _unchecked(RecordHistory, placed=self._placed(stream, consumer, said))
        steps = [
            Step(placed, order.placed, source),
            *self._paid(within, order, said.payments),
            *_went(within, tuple(Units(item.line, 1) for item in said.items), order, source),
        ]
        return live(stream, steps, self._now)

    def _placed(self, stream: UUID, consumer: UUID, said: Said) -> OrderPlaced:
        order, customer = said.order, said.customer
        address = Address()
        if customer is not None:
            address = Address(postcode=customer.postcode, city=customer.city, region=customer.region, country=COUNTRY)
        sellers = dict.fromkeys(item.seller for item in said.items)
        lines = self._lines(said.items, several_sellers=len(sellers) > 1)
        total = Money(sum((line.gross.amount for line in lines), _ZERO.amount), CURRENCY)
        return OrderPlaced(
            number=_number(stream, order.placed.date() if order.placed is not None else None),
            consumer=consumer,
            contact=unsealed(_NO_CONTACT, consumer),
            bill_to=unsealed(address, consumer),
            ship_to=unsealed(address, consumer),
            bill_to_country=address.country,
            ship_to_country=address.country,
            ship_to_region=address.region,
            zone=self._files.zone,
            language="pt-BR",
            seller=self._seller(next(iter(sellers))) if sellers else _NO_SELLER,
            lines=lines,
            net=total,
            tax=_ZERO,
            total=total,
            terms=_NOT_AGREED_HERE,
            promised_by=order.promised,
            buyer_reference=None,
            purchase_order=None,
            basket=None,
            exchange_of=None,
            reference=order.reference,
            history=True,
        )

    def _lines(self, items: Sequence[ItemRow], *, several_sellers: bool) -> tuple[OrderLine, ...]:
        """A line for each item, then a charge for each item's freight."""
        lines = []
        for item in items:
            seller = self._seller(item.seller) if several_sellers else None
            lines.append(_line(_GOODS, item.line, item.product, item.description, item.price, seller, item.ship_by))
        number = max((item.line for item in items), default=0)
        for item in items:
            if item.freight:
                number += 1
                seller = self._seller(item.seller) if several_sellers else None
                lines.append(_line(_FREIGHT, number, "freight", "Freight", item.freight, seller, None, item.line))
        return tuple(lines)

    def _paid(self, within: bytes, order: OrderRow, payments: Sequence[PaymentRow]) -> Iterator[Step]:
        for payment in payments:
            assert self._files.payments is not None, "payments are of a file"
            command = _unchecked(
                RecordPayment,
                kind="captured",
                amount=payment.amount,
                method=payment.method,
                provider=SYSTEM,
                reference=f"{order.reference}/{payment.number}",
                payment=id_within(within, f"payment/{payment.number}"),
                of=None,
                refund=None,
                instalments=payment.instalments,
                account_hint=None,
                at=None,
            )
            yield Step(command, None, self._source(self._files.payments, payment.row, order.status))

    def _source(self, table: Table, row: int, status: str) -> Source:
        return Source(SYSTEM, self._files.batch, table.sha256, row, status, None)

    def _seller(self, own: str) -> Organisation:
        seller = self._sellers.get(own)
        if seller is None:
            seller = self._sellers[own] = Organisation(olist_id("seller", own), own)
        return seller


def _went(within: bytes, units: tuple[Units, ...], order: OrderRow, source: Source) -> Iterator[Step]:
    """What became of the order after it was placed and paid: what its status says, and what it has a time for."""
    reached = _REACHED[order.status]
    cancelled = reached == "cancelled"
    if reached in _CONFIRMED or order.approved is not None:
        yield Step(_CONFIRM, order.approved, source, _beyond(cancelled or reached in _CONFIRMED))
    if order.status == "unavailable":
        yield Step(_unchecked(FindShortage, lines=units, withdrawn=()), None, source)
    if reached in _SHIPPED or order.handed_over is not None or order.arrived is not None:
        shipment = id_within(within, "shipment")
        ship = _unchecked(
            Ship,
            lines=units,
            carrier=None,
            tracking_number=None,
            tracking_url=None,
            shipment=shipment,
            replaces=None,
            at=None,
        )
        yield Step(ship, order.handed_over, source, _beyond(cancelled or reached in _SHIPPED))
        if reached == "delivered" or order.arrived is not None:
            deliver = _unchecked(
                Deliver, shipment=shipment, proof="unknown", carrier_event=None, received_by=None, at=None
            )
            yield Step(deliver, order.arrived, source, _beyond(cancelled or reached == "delivered"))
    if cancelled:
        yield Step(_unchecked(Cancel, lines=(), reason_code=None), None, source)


def _beyond(is_said_by_status: bool) -> tuple[str, ...]:
    return () if is_said_by_status else (STATUS_CONTRADICTED,)


def _unchecked(command: type[_C], **said: Any) -> _C:
    """The command as the source knows it; its fields were checked one by one, or the source does not have them."""
    made = command.__new__(command)  # what `model_construct` does, without its search for what was left out
    _set(made, "__pydantic_fields_set__", set(said))
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    said["reason"] = None
    _set(made, "__dict__", said)
    return made


_set = object.__setattr__


def _line(
    like: OrderLine,
    number: int,
    sku: str,
    description: str,
    price: Decimal,
    seller: Organisation | None,
    ship_by: datetime | None = None,
    charge_for: int | None = None,
) -> OrderLine:
    paid = Money(round_money(price, CURRENCY), CURRENCY)
    return replace(
        like,
        line=number,
        sku=sku,
        description=description,
        unit_price=price,
        net=paid,
        gross=paid,
        seller=seller,
        ship_by=ship_by,
        charge_for=charge_for,
    )


_GOODS = OrderLine(
    line=1,
    kind="untracked",
    item=None,
    sku="",
    revision=None,
    description="",
    quantity=1,
    unit="C62",
    unit_price=_ZERO.amount,
    tax_included=True,
    discount=_ZERO,
    net=_ZERO,
    tax=_ZERO,
    gross=_ZERO,
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
"""One unit, its tax unknown: what was paid for it is all that is known."""

_FREIGHT = replace(_GOODS, kind="charge")


def _number(stream: UUID, day: date | None) -> str:
    """The order's number; where its day is not known, noughts stand in its place."""
    if day is not None:
        return order_number(stream, day)
    return "000000" + order_number(stream, date.min)[6:]
