"""The documents of every order, and what of them is still to be paid.

An invoice is open as far as it is neither credited nor paid: what was captured and not refunded pays the oldest invoice
first. So an order's open invoices sum to what its consumer still owes. Nothing personal is remembered: buyers stay
sealed in the entries.
"""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import Entry, Event
from order_ledger.following import Folding, Projection, Row, Rows, Table
from order_ledger.following.compact import Compact
from order_ledger.orders.events import (
    ORDER_EVENTS,
    CreditNoteIssued,
    InvoiceIssued,
    OrderEvent,
    OrderPlaced,
    PaymentKind,
    PaymentRecorded,
    ReceiptIssued,
)
from order_ledger.values import round_money

__all__ = ["IGNORED", "PROJECTION", "Account", "Document", "fold", "rows", "state"]

READ: frozenset[type[Event]] = frozenset((OrderPlaced, PaymentRecorded, InvoiceIssued, CreditNoteIssued, ReceiptIssued))
IGNORED = frozenset(ORDER_EVENTS) - READ
"""What happens to an order and is no document, and no money."""

DocumentKind = Literal["invoice", "credit_note", "receipt"]
KINDS: tuple[DocumentKind, ...] = get_args(DocumentKind)

_ZERO = Decimal(0)
_NOBODY = UUID(int=0)
_NO_CURRENCY = "XXX"
"""What ISO 4217 writes where no currency is involved: of an order that nothing is known of yet."""


class TaxLine(Struct, frozen=True):
    """What a document sums to in one category at one rate."""

    category: str
    rate: Decimal
    basis: Decimal
    tax: Decimal


class Document(Struct, frozen=True, kw_only=True):
    """A document as it was issued."""

    number: str
    kind: DocumentKind
    issued_on: date
    recorded_at: datetime
    gross: Decimal
    net: Decimal | None = None
    tax: Decimal | None = None
    prepaid: Decimal | None = None
    due: Decimal | None = None
    due_on: date | None = None
    invoice: str | None = None
    refund: int | None = None
    payment: UUID | None = None
    taxes: tuple[TaxLine, ...] = ()


class Paid(Struct, frozen=True):
    """A payment that was recorded; what takes it back names it."""

    payment: UUID
    kind: PaymentKind


class Account(Struct, frozen=True):
    """An order's documents, and the money that moved. Amounts are in the order's currency."""

    order_id: UUID
    number: str = ""
    consumer: UUID = _NOBODY
    seller: UUID = _NOBODY
    currency: str = _NO_CURRENCY
    captured: Decimal = _ZERO
    refunded: Decimal = _ZERO
    payments: tuple[Paid, ...] = ()
    documents: tuple[Document, ...] = ()


def fold(before: Account | None, entry: Entry[OrderEvent]) -> Account:
    """What is known after this entry."""
    account, event = before or Account(entry.stream), entry.event
    match event:
        case OrderPlaced():
            return replace(
                account,
                number=event.number,
                consumer=event.consumer,
                seller=event.seller.id,
                currency=event.total.currency,
            )
        case PaymentRecorded():
            return _paid(account, event)
        case InvoiceIssued() | CreditNoteIssued():
            return _with(account, _document(event, entry.recorded_at), event.currency)
        case ReceiptIssued():
            receipt = Document(
                number=event.number,
                kind="receipt",
                issued_on=event.issued_on,
                recorded_at=entry.recorded_at,
                gross=event.amount.amount,
                payment=event.payment,
            )
            return _with(account, receipt, event.amount.currency)
        case _:
            return account


def rows(account: Account) -> Rows:
    """The rows of one order, in the order of their columns."""
    credited = _credited(account)
    left = dict(_open(account, credited))
    order, documents = account.order_id, sorted(account.documents, key=lambda document: document.number)
    amounts = (round_money(amount, account.currency) for amount in _amounts(account, left))
    return {
        "account": [
            (
                order, account.number, account.consumer, account.seller, account.currency, *amounts,
                _compact.encode(account),
            )
        ],
        "document": [_document_row(account, each, credited, left) for each in documents],
        "tax_line": [
            (order, each.number, place, line.category, line.rate, line.basis, line.tax)
            for each in documents
            for place, line in enumerate(each.taxes, 1)
        ],
    }  # fmt: skip


def state(found: Rows) -> Account:
    """What the rows were made of."""
    return _compact.decode(found["account"][0][-1])


_compact = Compact(Account)


def _with(account: Account, document: Document, currency: str) -> Account:
    """The account with this document; of one that there is already, as it was issued last."""
    others = tuple(each for each in account.documents if each.number != document.number)
    return replace(account, currency=currency, documents=(*others, document))


def _document(event: InvoiceIssued | CreditNoteIssued, recorded_at: datetime) -> Document:
    is_credit = isinstance(event, CreditNoteIssued)
    return Document(
        number=event.number,
        kind="credit_note" if is_credit else "invoice",
        issued_on=event.issued_on,
        recorded_at=recorded_at,
        net=event.net_total.amount,
        tax=event.tax_total.amount,
        gross=event.gross_total.amount,
        prepaid=event.prepaid.amount,
        due=event.due.amount,
        due_on=event.due_on,
        invoice=event.invoice.number if isinstance(event, CreditNoteIssued) else None,
        refund=event.refund if isinstance(event, CreditNoteIssued) else None,
        taxes=tuple(TaxLine(each.category, each.rate, each.basis.amount, each.tax.amount) for each in event.tax),
    )


def _paid(account: Account, event: PaymentRecorded) -> Account:
    """Money came, or went back; what failed takes back what it names."""
    before = next((each.kind for each in reversed(account.payments) if each.payment == event.of), None)
    captured, refunded, amount = account.captured, account.refunded, event.amount.amount
    match event.kind:
        case "captured":
            captured += amount
        case "failed" if before == "captured":
            captured = max(captured - amount, _ZERO)
        case "refunded":
            refunded += amount
        case "refund_failed" if before == "refunded":
            refunded = max(refunded - amount, _ZERO)
        case _:
            pass
    payments = (*account.payments, Paid(event.payment, event.kind))
    return replace(account, captured=captured, refunded=refunded, payments=payments)


def _amounts(account: Account, left: dict[str, Decimal]) -> tuple[Decimal, ...]:
    """What was invoiced, credited, captured and refunded, and is still open."""
    invoiced, credited = _sum(account, "invoice"), _sum(account, "credit_note")
    return invoiced, credited, account.captured, account.refunded, sum(left.values(), _ZERO)


def _sum(account: Account, kind: DocumentKind) -> Decimal:
    return sum((each.gross for each in account.documents if each.kind == kind), _ZERO)


def _credited(account: Account) -> dict[str, Decimal]:
    """What credit notes took off each invoice."""
    found: dict[str, Decimal] = {}
    for each in account.documents:
        if each.kind == "credit_note" and each.invoice is not None:
            found[each.invoice] = found.get(each.invoice, _ZERO) + each.gross
    return found


def _open(account: Account, credited: dict[str, Decimal]) -> Iterator[tuple[str, Decimal]]:
    """What is left to be paid of each invoice, the money there is paying the oldest first."""
    money = max(account.captured - account.refunded, _ZERO)
    invoices = [each for each in account.documents if each.kind == "invoice"]
    for invoice in sorted(invoices, key=lambda each: (each.issued_on, each.number)):
        claim = max(invoice.gross - credited.get(invoice.number, _ZERO), _ZERO)
        paid = min(claim, money)
        money -= paid
        yield invoice.number, claim - paid


def _document_row(account: Account, document: Document, credited: dict[str, Decimal], left: dict[str, Decimal]) -> Row:
    is_invoice = document.kind == "invoice"
    return (
        account.order_id,
        document.number,
        document.kind,
        document.issued_on,
        document.recorded_at,
        account.number,
        account.consumer,
        account.seller,
        account.currency,
        document.net,
        document.tax,
        document.gross,
        document.prepaid,
        document.due,
        document.due_on,
        round_money(credited.get(document.number, _ZERO), account.currency) if is_invoice else None,
        round_money(left[document.number], account.currency) if is_invoice else None,
        document.invoice,
        document.refund,
        document.payment,
    )


PROJECTION = Projection(
    name="invoices",
    version=1,
    schema=Path(__file__).parent / "schema.sql",
    tables=(
        Table(
            "account",
            tuple("order_id number consumer seller currency invoiced credited captured refunded open folded".split()),
        ),
        Table(
            "document",
            tuple(
                """
                order_id number kind issued_on recorded_at order_number consumer seller currency net tax gross prepaid
                due due_on credited open invoice refund payment
                """.split()
            ),
            key=2,
        ),
        Table("tax_line", ("order_id", "number", "place", "category", "rate", "basis", "tax"), key=3),
    ),
    foldings=(Folding(kind="order", fold=fold, rows=rows, state=state, form=Account, ignores=IGNORED),),
)
