"""What the public files say of each order: found, read row by row, checked, and joined.

The rows wait in memory until it is their order's turn. An order is left out whole where one of its rows says
what cannot be meant; each such row is named. Reviews and places on the map are not read: they say nothing about an
order's life.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import UUID
from zlib import crc32
from zoneinfo import ZoneInfo

from msgspec import Struct

from order_ledger.importing.olist.ids import olist_id
from order_ledger.importing.tables import BadSource, BadValue, Failure, Form, Row, Table, find
from order_ledger.values import Money, round_money

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

CURRENCY = "BRL"
COUNTRY = "BR"
STATUSES = ("created", "approved", "invoiced", "processing", "unavailable", "shipped", "delivered", "canceled")

_METHODS = {"credit_card": "card"}

_T = TypeVar("_T")


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


class OrderRow(Struct, frozen=True):
    """An order; times are in UTC."""

    row: int
    reference: str
    customer_id: str
    status: str
    placed: datetime | None
    approved: datetime | None
    handed_over: datetime | None
    arrived: datetime | None
    promised: datetime | None


class ItemRow(Struct, frozen=True):
    """One unit of a product, and what its freight costs."""

    row: int
    line: int
    product: str
    description: str
    seller: str
    ship_by: datetime | None
    price: Decimal
    freight: Decimal


class PaymentRow(Struct, frozen=True):
    """A payment, or a part of one; it carries no time."""

    row: int
    number: int
    method: str
    instalments: int | None
    amount: Money


class CustomerRow(Struct, frozen=True):
    """Who ordered, as far as it is known, and where that is."""

    unique_id: str
    postcode: str | None
    city: str | None
    region: str | None


class Said(Struct, frozen=True):
    """All that the files say of one order; `customer` is None where they know of nobody."""

    order: OrderRow
    items: Sequence[ItemRow]
    payments: Sequence[PaymentRow]
    customer: CustomerRow | None


class Read(NamedTuple):
    """One part of the orders of some files: how many there are, and each in turn, or what is wrong with it."""

    orders: int
    each: Iterator[Said | Failure]


def read(files: Files, part: int = 0, parts: int = 1) -> Read:
    """The orders whose ids fall into this part; rows of other files that belong to none come last."""
    in_part = _in_part(part, parts)
    orders = list(files.orders.rows(in_part))
    return Read(len(orders), _Reader(files, orders, in_part).said())


def _in_part(part: int, parts: int) -> Callable[[str], bool] | None:
    """Whether an order's id falls into this part; of one part, all do."""
    return (lambda own: crc32(own.encode()) % parts == part) if parts > 1 else None


class _Reader:
    """Joins the files by order."""

    def __init__(self, files: Files, orders: Sequence[Row], in_part: Callable[[str], bool] | None) -> None:
        self._files = files
        self._orders = orders
        self._zone = UTC if files.zone == "UTC" else ZoneInfo(files.zone)
        self._items = _grouped(files.items, in_part)
        self._payments = _grouped(files.payments, in_part)
        self._customers = _grouped(files.customers, {row.values[1] for row in orders}.__contains__)
        self._products = {row.values[0]: row.values[1] for row in (files.products.rows() if files.products else ())}

    def said(self) -> Iterator[Said | Failure]:
        seen: set[str] = set()
        for row in self._orders:
            reference = row.values[0]
            if reference in seen:
                what = "the order is there already, in an earlier row"
                yield Failure(self._files.orders.file, row.number, "repeated", what, reference)
                continue
            seen.add(reference)
            failures: list[Failure] = []
            said = self._of_one(row, failures)
            yield from failures
            if said is not None:
                yield said
        for table, left in ((self._files.items, self._items), (self._files.payments, self._payments)):
            for reference, rows in left.items():
                assert table is not None, "rows are of a file"
                for row in rows:
                    yield Failure(table.file, row.number, "unknown_order", "no order has this id", reference)

    def _of_one(self, row: Row, failures: list[Failure]) -> Said | None:
        """What is said of one order, unless something is wrong with it."""
        files, own = self._files, row.values[0]
        found = _Found(own, failures)
        orders = found.each(files.orders, (row,), self._order)
        items = found.each(files.items, self._items.pop(own, ()), self._item, attrgetter("line"))
        payments = found.each(files.payments, self._payments.pop(own, ()), self._payment, attrgetter("number"))
        whose = self._customers.get(row.values[1], ()) if row.values[1] else ()
        customers = found.each(files.customers, whose, self._customer)
        if failures:
            return None
        return Said(orders[0], items, payments, customers[0] if customers else None)

    # What rows say; each raises `BadValue`

    def _order(self, row: Row) -> OrderRow:
        reference, customer_id, status, *times = row.values
        if status not in STATUSES:
            raise BadValue("unknown_status", f"order_status {status!r} is none of {', '.join(STATUSES)}")
        return OrderRow(
            row.number,
            _text(reference, "order_id"),
            customer_id,
            status,
            *map(self._instant, times, ORDERS.columns[3:]),
        )

    def _item(self, row: Row) -> ItemRow:
        _, line, product, seller, ship_by, price, freight = row.values
        return ItemRow(
            row.number,
            _whole(line, "order_item_id", 1, 10_000),
            _text(product, "product_id", 64),
            self._products.get(product) or product,
            _text(seller, "seller_id"),
            self._instant(ship_by, "shipping_limit_date"),
            _decimal(price, "price"),
            _decimal(freight, "freight_value"),
        )

    def _payment(self, row: Row) -> PaymentRow:
        _, number, method, instalments, value = row.values
        if not _CODE.fullmatch(method):
            raise BadValue("bad_code", f"payment_type {method!r} is no short name in lower case")
        return PaymentRow(
            row.number,
            _whole(number, "payment_sequential", 1, 1_000_000),
            _METHODS.get(method, method),
            _whole(instalments, "payment_installments", 0, 999) if instalments else None,
            Money(_decimal(value, "payment_value", decimals=2), CURRENCY),
        )

    def _customer(self, row: Row) -> CustomerRow:
        _, unique_id, postcode, city, state = row.values
        if state and not _STATE.fullmatch(state):
            raise BadValue("bad_code", f"customer_state {state!r} is no state of two capital letters")
        return CustomerRow(
            _text(unique_id, "customer_unique_id") if unique_id else "",
            _text(postcode, "customer_zip_code_prefix", 20) if postcode else None,
            _text(city, "customer_city") if city else None,
            f"{COUNTRY}-{state}" if state else None,
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


def _only(said: object) -> int:
    """The place of what is said once of an order."""
    return 0


class _Found:
    """What was found about one order; what is wrong with it is added to `failures`."""

    def __init__(self, reference: str, failures: list[Failure]) -> None:
        self._reference = reference
        self._failures = failures

    def each(
        self, table: Table | None, rows: Sequence[Row], read: Callable[[Row], _T], key: Callable[[_T], int] = _only
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
        self._failures.append(Failure(table.file, row.number, error.code, str(error), self._reference))


def _grouped(table: Table | None, wanted: Callable[[str], bool] | None) -> dict[str, list[Row]]:
    """The rows by their first column, as far as they are wanted."""
    found: dict[str, list[Row]] = {}
    for row in table.rows(wanted) if table is not None else ():
        found.setdefault(row.values[0], []).append(row)
    return found


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
    if match is None or (written := len(match[1] or "")) > decimals:
        raise BadValue("bad_number", f"{column} {text!r} is no amount such as 109.90")
    return Decimal(text) if written >= 2 else round_money(Decimal(text), CURRENCY)


def _whole(text: str, column: str, least: int, most: int) -> int:
    if not _WHOLE.fullmatch(text) or not least <= (number := int(text)) <= most:
        raise BadValue("bad_number", f"{column} {text!r} is no whole number from {least} to {most}")
    return number
