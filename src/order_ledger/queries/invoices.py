"""Documents that were issued: lists, and what they come to by kind, tax category and rate.

What is asked is a value, statement and parameters follow from it, and rows become values. Who may ask what is the
caller's affair: `consumer` and `seller` narrow a list to what one party bought, or sold.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, LiteralString, get_args
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from order_ledger.queries.pages import BadCursor, as_cursor, from_cursor, page_size

DocumentKind = Literal["invoice", "credit_note", "receipt"]
KINDS: tuple[DocumentKind, ...] = get_args(DocumentKind)


class IssuedDocument(Struct, frozen=True, kw_only=True):
    """A document. Amounts are in its currency; `issued_on` and `due_on` are days in the seller's zone.

    `open` is what is still to be paid of an invoice: what was neither credited nor paid, money paying the oldest first.
    """

    order_id: UUID
    number: str
    kind: DocumentKind
    issued_on: date
    recorded_at: datetime
    order_number: str
    consumer: UUID
    seller: UUID
    currency: str
    net: Decimal | None
    tax: Decimal | None
    gross: Decimal
    prepaid: Decimal | None
    due: Decimal | None
    due_on: date | None
    credited: Decimal | None
    open: Decimal | None
    invoice: str | None
    refund: int | None
    payment: UUID | None


class Total(Struct, frozen=True):
    """What the documents of one kind and currency come to; of receipts there is no net and no tax."""

    kind: DocumentKind
    currency: str
    documents: int
    net: Decimal | None
    tax: Decimal | None
    gross: Decimal
    open: Decimal | None


class TaxTotal(Struct, frozen=True):
    """What documents of one kind and currency sum to in one tax category at one rate."""

    kind: DocumentKind
    currency: str
    category: str
    rate: Decimal
    basis: Decimal
    tax: Decimal


class Totals(Struct, frozen=True):
    """What all documents that were asked for come to."""

    documents: tuple[Total, ...]
    taxes: tuple[TaxTotal, ...]


class Asked(Struct, frozen=True, kw_only=True):
    """What a list shall hold. All that is given must hold; nothing given is every document, the latest first.

    `issued_from` and `issued_to` are days, both included.
    """

    order: UUID | None = None
    consumer: UUID | None = None
    seller: UUID | None = None
    kind: DocumentKind | None = None
    issued_from: date | None = None
    issued_to: date | None = None
    open_only: bool = False
    limit: int = 50
    cursor: str | None = None


class Page(Struct, frozen=True):
    """Some of a list, and where it goes on; None at its end."""

    documents: tuple[IssuedDocument, ...]
    next_cursor: str | None


async def list_documents(connection: AsyncConnection[TupleRow], asked: Asked) -> Page:
    """A page of the list. Raises `BadCursor`."""
    query, parameters = listing(asked)
    return page(await (await connection.execute(query, parameters)).fetchall(), asked.limit)


async def sum_documents(connection: AsyncConnection[TupleRow], asked: Asked) -> Totals:
    """What all of the list comes to, whatever page is asked for."""
    where, parameters = _where(asked)
    by_kind = await (await connection.execute(_TOTALS.format(where).encode(), parameters)).fetchall()
    by_tax = await (await connection.execute(_TAXES.format(where).encode(), parameters)).fetchall()
    return totals(by_kind, by_tax)


def listing(asked: Asked) -> tuple[bytes, dict[str, Any]]:
    """The statement that finds a page of the list, and one row more where it goes on; and its parameters."""
    where, parameters = _where(asked)
    parameters["limit"] = page_size(asked.limit) + 1
    if asked.cursor is not None:
        where += (" AND " if where else " WHERE ") + "(d.issued_on, d.number) < (%(after_on)s, %(after_number)s)"
        parameters["after_on"], parameters["after_number"] = _opened(asked.cursor)
    return (_LIST + where + " ORDER BY d.issued_on DESC, d.number DESC LIMIT %(limit)s").encode(), parameters


def page(rows: Sequence[TupleRow], limit: int) -> Page:
    """The page that these rows are."""
    size = page_size(limit)
    documents = tuple(IssuedDocument(**dict(zip(_COLUMNS, row, strict=True))) for row in rows[:size])
    return Page(documents, _cursor(documents[-1]) if len(rows) > size else None)


def totals(by_kind: Sequence[TupleRow], by_tax: Sequence[TupleRow]) -> Totals:
    """The totals that these rows are."""
    return Totals(tuple(Total(*row) for row in by_kind), tuple(TaxTotal(*row) for row in by_tax))


_COLUMNS = tuple(field.name for field in msgspec.structs.fields(IssuedDocument))
_LIST: LiteralString = """
    SELECT d.order_id, d.number, d.kind, d.issued_on, d.recorded_at, d.order_number, d.consumer, d.seller, d.currency,
        d.net, d.tax, d.gross, d.prepaid, d.due, d.due_on, d.credited, d.open, d.invoice, d.refund, d.payment
    FROM invoices.document d
"""
_TOTALS: LiteralString = """
    SELECT d.kind, d.currency, count(*), sum(d.net), sum(d.tax), sum(d.gross), sum(d.open)
    FROM invoices.document d {} GROUP BY d.kind, d.currency ORDER BY d.kind, d.currency
"""
_TAXES: LiteralString = """
    SELECT d.kind, d.currency, t.category, t.rate, sum(t.basis), sum(t.tax)
    FROM invoices.document d JOIN invoices.tax_line t USING (order_id, number) {}
    GROUP BY d.kind, d.currency, t.category, t.rate ORDER BY d.kind, d.currency, t.category, t.rate
"""


def _where(asked: Asked) -> tuple[str, dict[str, Any]]:
    conditions: list[LiteralString] = []
    parameters: dict[str, Any] = {}
    narrowing: tuple[tuple[LiteralString, Any], ...] = (
        ("d.order_id = %(order)s", asked.order),
        ("d.consumer = %(consumer)s", asked.consumer),
        ("d.seller = %(seller)s", asked.seller),
        ("d.kind = %(kind)s", asked.kind),
        ("d.issued_on >= %(issued_from)s", asked.issued_from),
        ("d.issued_on <= %(issued_to)s", asked.issued_to),
    )
    for condition, value in narrowing:
        if value is not None:
            conditions.append(condition)
            parameters[condition.partition("%(")[2].partition(")")[0]] = value
    if asked.open_only:
        conditions.append("d.open > 0")
    return (" WHERE " + " AND ".join(conditions) if conditions else ""), parameters


def _cursor(last: IssuedDocument) -> str:
    return as_cursor(f"{last.issued_on.isoformat()}/{last.number}".encode())


def _opened(cursor: str) -> tuple[date, str]:
    try:
        day, slash, number = from_cursor(cursor).decode().partition("/")
        if not slash or "\0" in number or len(number) > 200:
            raise BadCursor
        return date.fromisoformat(day), number
    except ValueError:
        raise BadCursor from None
