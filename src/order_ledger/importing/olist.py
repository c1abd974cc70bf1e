"""The public files of the Brazilian marketplace Olist: which order had which life.

    created → placed            approved, invoiced, processing → confirmed      unavailable → confirmed, a shortage open
    shipped → shipping          delivered → delivered                           canceled → cancelled

An order's steps are those that its status says it went through, and those that it has a time for; a time that is not
there stays unknown. Payments carry no time at all. A tax is not known, nor who shipped what with which carrier.
Reviews and places on the map are not read: they say nothing about an order's life.

Ids are derived from the source's own, so that the same order is the same stream whenever it is imported.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID
from zlib import crc32
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import Source
from order_ledger.importing.history import Draft, Life, Step, live, unchecked_uuid
from order_ledger.importing.tables import BadSource, BadValue, Failure, Form, Row, Table, find
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

SYSTEM = "olist"

ORDERS = Form(
    "olist_orders_dataset.csv",
    (
        "order_id",
        "customer_id",
        "order_status",
        "order_purchase_timestamp",
        "order_approved_at",
        "order_delivered_carrier_date",
        "order_delivered_customer_date",
        "order_estimated_delivery_date",
    ),
)
ITEMS = Form(
    "olist_order_items_dataset.csv",
    ("order_id", "order_item_id", "product_id", "seller_id", "shipping_limit_date", "price", "freight_value"),
)
PAYMENTS = Form(
    "olist_order_payments_dataset.csv",
    ("order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value"),
)
CUSTOMERS = Form(
    "olist_customers_dataset.csv",
    ("customer_id", "customer_unique_id", "customer_zip_code_prefix", "customer_city", "customer_state"),
)
PRODUCTS = Form("olist_products_dataset.csv", ("product_id", "product_category_name"))

STATUS_CONTRADICTED = "status_contradicted"
"""The breach of a step that has a time although the order's status says that it was never reached."""

_NAMESPACE = UUID("8d0a9b56-4a3c-5c6e-9f43-0a3ec1a4f0de")
_IN_NAMESPACE = sha1(_NAMESPACE.bytes)
_CURRENCY = "BRL"
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
_METHODS = {"credit_card": "card"}
_ZERO = Money(Decimal("0.00"), _CURRENCY)
_NO_SELLER = Organisation(UUID(int=0), "")
_NOT_AGREED_HERE = Terms("on_invoice", 0, "other", "dispatch", 0)
_CONFIRM = Confirm()

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_T = TypeVar("_T")
_C = TypeVar("_C", bound=Command)


def olist_id(what: str, own: str) -> UUID:
    """Our id of something of Olist's, by its own id."""
    return _uuid5(_IN_NAMESPACE, f"{SYSTEM}/{what}/{own}")


def _uuid5(namespace: "Hash", name: str) -> UUID:
    """As `uuid.uuid5` has it (RFC 9562, section 5.5), of a namespace that was hashed before."""
    digest = namespace.copy()
    digest.update(name.encode())
    number = int.from_bytes(digest.digest()[:16])
    return unchecked_uuid(number & ~(0xF << 76 | 0x3 << 62) | 5 << 76 | 0x2 << 62)


class Files(Struct, frozen=True):
    """The files of one import. `zone` is the one that their times are written in; `batch` follows from all of it."""

    orders: Table
    items: Table | None
    payments: Table | None
    customers: Table | None
    products: Table | None
    zone: str
    batch: UUID


def open_files(folder: Path, zone: str = "UTC") -> Files:
    """The files in this folder; raises `BadSource` without any orders, or for a file that lacks a column."""
    orders, items, payments, customers, products = (
        find(folder, form) for form in (ORDERS, ITEMS, PAYMENTS, CUSTOMERS, PRODUCTS)
    )
    if orders is None:
        raise BadSource(ORDERS.name, "no_orders", f"is not in {folder}, nor is another file with its columns")
    tables = (orders, items, payments, customers, products)
    digests = " ".join(table.sha256 if table is not None else "-" for table in tables)
    return Files(orders, items, payments, customers, products, zone, olist_id("batch", f"{digests} {zone}"))


class Drafts(NamedTuple):
    """One part of the orders of some files: how many there are, and each in turn, or what is wrong with it."""

    orders: int
    each: Iterator[Draft | Failure]


def drafts(files: Files, now: datetime, part: int = 0, parts: int = 1) -> Drafts:
    """The orders whose ids fall into this part; rows of other files that belong to none come last."""
    customers: set[str] = set()
    count = 0
    for row in files.orders.rows(_in_part(part, parts)):
        count += 1
        customers.add(row.values[1])
    return Drafts(count, _Reader(files, now, part, parts, customers).drafts())


def _in_part(part: int, parts: int) -> Callable[[str], bool] | None:
    """Whether an order's id falls into this part; of one part, all do."""
    return (lambda own: crc32(own.encode()) % parts == part) if parts > 1 else None


class _Order(NamedTuple):
    row: int
    reference: str
    customer_id: str
    status: str
    placed: datetime | None
    approved: datetime | None
    handed_over: datetime | None
    arrived: datetime | None
    promised: datetime | None


class _Item(NamedTuple):
    row: int
    line: int
    product: str
    seller: str
    ship_by: datetime | None
    price: Decimal
    freight: Decimal


class _Payment(NamedTuple):
    row: int
    number: int
    method: str
    instalments: int | None
    amount: Money


class _Customer(NamedTuple):
    unique_id: str
    postcode: str | None
    city: str | None
    region: str | None


_NO_CUSTOMER = _Customer("", None, None, None)


class _Reader:
    """Joins the files by order. Rows of the smaller files wait in memory until their order comes."""

    def __init__(self, files: Files, now: datetime, part: int, parts: int, customers: set[str]) -> None:
        self._files = files
        self._now = now
        self._in_part = _in_part(part, parts)
        self._zone = UTC if files.zone == "UTC" else ZoneInfo(files.zone)
        self._items = _grouped(files.items, self._in_part)
        self._payments = _grouped(files.payments, self._in_part)
        self._customers = _grouped(files.customers, customers.__contains__)
        self._products = {row.values[0]: row.values[1] for row in (files.products.rows() if files.products else ())}
        self._sellers: dict[str, Organisation] = {}

    def drafts(self) -> Iterator[Draft | Failure]:
        seen: set[str] = set()
        for row in self._files.orders.rows(self._in_part):
            reference = row.values[0]
            again = reference in seen
            seen.add(reference)
            if again:
                what = "the order is there already, in an earlier row"
                yield Failure(self._files.orders.file, row.number, "repeated", what, reference)
                continue
            found = _Found(reference)
            draft = self._draft(row, found)
            yield from found.failures
            if draft is not None:
                yield draft
        for table, left in ((self._files.items, self._items), (self._files.payments, self._payments)):
            for reference, rows in left.items():
                assert table is not None, "rows are of a file"
                for row in rows:
                    what = "no order has this id"
                    yield Failure(table.file, row.number, "unknown_order", what, reference)

    def _draft(self, row: Row, found: "_Found") -> Draft | None:
        files, own = self._files, row.values[0]
        orders = found.each(files.orders, (row,), self._order, lambda order: 0)
        items = found.each(files.items, self._items.pop(own, ()), self._item, lambda item: item.line)
        payments = found.each(files.payments, self._payments.pop(own, ()), self._payment, lambda paid: paid.number)
        whose = self._customers.get(row.values[1], ()) if row.values[1] else ()
        customers = found.each(files.customers, whose, self._customer, lambda customer: 0)
        if found.failures:
            return None
        (order,), customer = orders, customers[0] if customers else _NO_CUSTOMER
        stream = olist_id("order", order.reference)
        if customer.unique_id:
            consumer = olist_id("customer", customer.unique_id)
        else:
            consumer = olist_id("customer of an order", order.customer_id or order.reference)
        decide = partial(self._life, stream, consumer, order, items, payments, customer)
        return Draft(stream, order.reference, consumer, order.row, decide)

    def _life(
        self,
        stream: UUID,
        consumer: UUID,
        order: _Order,
        items: list[_Item],
        payments: list[_Payment],
        customer: _Customer,
    ) -> Life:
        source = self._source(self._files.orders, order.row, order.status)
        placed = self._placed(stream, order, consumer, items, customer)
        of_order = sha1(stream.bytes)
        steps = [
            Step(_unchecked(RecordHistory, placed=placed), order.placed, source),
            *self._paid(of_order, order, payments),
            *_went(of_order, tuple(Units(item.line, 1) for item in items), order, source),
        ]
        return live(stream, steps, self._now)

    def _placed(
        self,
        stream: UUID,
        order: "_Order",
        consumer: UUID,
        items: list[_Item],
        customer: _Customer,
    ) -> OrderPlaced:
        country = "BR" if customer is not _NO_CUSTOMER else None
        address = Address(postcode=customer.postcode, city=customer.city, region=customer.region, country=country)
        sellers = {item.seller: None for item in items}
        several = len(sellers) > 1
        lines = self._lines(items, several)
        total = Money(sum((line.gross.amount for line in lines), _ZERO.amount), _CURRENCY)
        return OrderPlaced(
            number=_number(stream, order.placed.date() if order.placed is not None else None),
            consumer=consumer,
            contact=unsealed(_NO_CONTACT, consumer),
            bill_to=unsealed(address, consumer),
            ship_to=unsealed(address, consumer),
            bill_to_country=country,
            ship_to_country=country,
            ship_to_region=customer.region,
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

    def _lines(self, items: list[_Item], several_sellers: bool) -> tuple[OrderLine, ...]:
        """A line for each item, then a charge for each item's freight."""
        lines = []
        for item in items:
            description = self._products.get(item.product) or item.product
            seller = self._seller(item.seller) if several_sellers else None
            lines.append(_line(_GOODS, item.line, item.product, description, item.price, seller, item.ship_by))
        number = max((item.line for item in items), default=0)
        for item in items:
            if item.freight:
                number += 1
                seller = self._seller(item.seller) if several_sellers else None
                lines.append(_line(_FREIGHT, number, "freight", "Freight", item.freight, seller, None, item.line))
        return tuple(lines)

    def _paid(self, of_order: "Hash", order: "_Order", payments: list[_Payment]) -> Iterator[Step]:
        for payment in payments:
            assert self._files.payments is not None, "payments are of a file"
            command = _unchecked(
                RecordPayment,
                kind="captured",
                amount=payment.amount,
                method=payment.method,
                provider=SYSTEM,
                reference=f"{order.reference}/{payment.number}",
                payment=_uuid5(of_order, f"payment/{payment.number}"),
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

    # What rows say; each raises `BadValue`

    def _order(self, row: Row) -> "_Order":
        reference, customer_id, status, *times = row.values
        if status not in _REACHED:
            raise BadValue("unknown_status", f"order_status {status!r} is none of {', '.join(_REACHED)}")
        return _Order(
            row.number,
            _text(reference, "order_id"),
            customer_id,
            status,
            *map(self._instant, times, ORDERS.columns[3:]),
        )

    def _item(self, row: Row) -> _Item:
        _, line, product, seller, ship_by, price, freight = row.values
        return _Item(
            row.number,
            _whole(line, "order_item_id", 1, 10_000),
            _text(product, "product_id", 64),
            _text(seller, "seller_id"),
            self._instant(ship_by, "shipping_limit_date"),
            _decimal(price, "price"),
            _decimal(freight, "freight_value"),
        )

    def _payment(self, row: Row) -> _Payment:
        _, number, method, instalments, value = row.values
        if not _CODE.fullmatch(method):
            raise BadValue("bad_code", f"payment_type {method!r} is no short name in lower case")
        return _Payment(
            row.number,
            _whole(number, "payment_sequential", 1, 1_000_000),
            _METHODS.get(method, method),
            _whole(instalments, "payment_installments", 0, 999) if instalments else None,
            Money(_decimal(value, "payment_value", decimals=2), _CURRENCY),
        )

    def _customer(self, row: Row) -> _Customer:
        _, unique_id, postcode, city, state = row.values
        if state and not _STATE.fullmatch(state):
            raise BadValue("bad_code", f"customer_state {state!r} is no state of two capital letters")
        return _Customer(
            _text(unique_id, "customer_unique_id") if unique_id else "",
            _text(postcode, "customer_zip_code_prefix", 20) if postcode else None,
            _text(city, "customer_city") if city else None,
            f"BR-{state}" if state else None,
        )

    def _instant(self, text: str, column: str) -> datetime | None:
        """The moment; a time of day that its zone had twice is the earlier one."""
        if not text:
            return None
        try:
            if self._zone is UTC and len(text) == len("2017-10-02 10:56:33") and text[13] == text[16] == ":":
                return datetime.fromisoformat(f"{text}+00:00")
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self._zone)
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise BadValue("bad_date", f"{column} {text!r} is no time such as 2017-10-02 10:56:33") from None


class _Found:
    """What was found about one order, and what is wrong with it."""

    def __init__(self, reference: str) -> None:
        self._reference = reference
        self.failures: list[Failure] = []

    def each(
        self, table: Table | None, rows: Sequence[Row], read: Callable[[Row], _T], key: Callable[[_T], int]
    ) -> list[_T]:
        """What the rows say, in order of `key`, each of which there is once."""
        if not rows:
            return []
        if len(rows) == 1 and rows[0].is_whole:
            try:
                return [read(rows[0])]
            except BadValue as error:
                self._fail(table, rows[0], error)
                return []
        found: dict[int, _T] = {}
        for row in rows:
            try:
                if not row.is_whole:
                    raise BadValue("bad_row", "the row has more or fewer fields than the header")
                value = read(row)
                place = key(value)
                if place in found:
                    raise BadValue("repeated", "the same is said in an earlier row")
                found[place] = value
            except BadValue as error:
                self._fail(table, row, error)
        return [found[place] for place in sorted(found)] if len(found) > 1 else list(found.values())

    def _fail(self, table: Table | None, row: Row, error: BadValue) -> None:
        assert table is not None, "rows are of a file"
        self.failures.append(Failure(table.file, row.number, error.code, str(error), self._reference))


def _went(of_order: "Hash", units: tuple[Units, ...], order: _Order, source: Source) -> Iterator[Step]:
    """What became of the order after it was placed and paid: what its status says, and what it has a time for."""
    reached = _REACHED[order.status]
    cancelled = reached == "cancelled"
    if reached in _CONFIRMED or order.approved is not None:
        yield Step(_CONFIRM, order.approved, source, _beyond(cancelled or reached in _CONFIRMED))
    if order.status == "unavailable":
        yield Step(_unchecked(FindShortage, lines=units, withdrawn=()), None, source)
    if reached in _SHIPPED or order.handed_over is not None or order.arrived is not None:
        shipment = _uuid5(of_order, "shipment")
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


def _unchecked(command: type[_C], **said: Any) -> _C:
    """The command as the source knows it; its fields were checked one by one, or the source does not have them."""
    made = command.__new__(command)  # what `model_construct` does, without its search for what was left out
    object.__setattr__(made, "__dict__", {"reason": None, **said})
    object.__setattr__(made, "__pydantic_fields_set__", set(said))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


_CONFIRMED = frozenset(("confirmed", "shipped", "delivered"))
_SHIPPED = frozenset(("shipped", "delivered"))


def _beyond(is_said_by_status: bool) -> tuple[str, ...]:
    return () if is_said_by_status else (STATUS_CONTRADICTED,)


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
    paid = Money(round_money(price, _CURRENCY), _CURRENCY)
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


def _grouped(table: Table | None, wanted: Callable[[str], bool] | None) -> dict[str, list[Row]]:
    """The rows by their first column, as far as they are wanted."""
    found: dict[str, list[Row]] = {}
    for row in table.rows(wanted) if table is not None else ():
        found.setdefault(row.values[0], []).append(row)
    return found


_NO_CONTACT = Contact()
_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_STATE = re.compile(r"[A-Z]{2}")
_DECIMAL = re.compile(r"[0-9]{1,11}(?:\.([0-9]{1,4}))?")
_WHOLE = re.compile(r"[0-9]{1,9}")


def _text(text: str, column: str, longest: int = 200) -> str:
    if not text:
        raise BadValue("missing", f"{column} is empty")
    if len(text) > longest:
        raise BadValue("bad_text", f"{column} is longer than {longest} characters")
    if not text.isprintable() and any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise BadValue("bad_text", f"{column} holds a control character")
    return text


def _decimal(text: str, column: str, decimals: int = 4) -> Decimal:
    match = _DECIMAL.fullmatch(text)
    if match is None or len(match[1] or "") > decimals:
        raise BadValue("bad_number", f"{column} {text!r} is no amount such as 109.90")
    number = Decimal(text)
    return round_money(number, _CURRENCY) if len(match[1] or "") < 2 else number


def _whole(text: str, column: str, least: int, most: int) -> int:
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise BadValue("bad_number", f"{column} {text!r} is no whole number from {least} to {most}")
    return int(text)
