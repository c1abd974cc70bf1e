"""What the journal itself says of all documents: every series whole, and every order's money and papers in agreement.

Nothing here asks a read model or a counter. Each order is folded anew from its entries, and what it should have is held
against what it has.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Entry
from order_ledger.journal.codec import Codec
from order_ledger.orders.decisions import credits_due, invoice_due
from order_ledger.orders.events import CreditNoteIssued, InvoiceIssued, ReceiptIssued
from order_ledger.orders.evolving import fold
from order_ledger.orders.money import PRICE_CUTS
from order_ledger.orders.order import Order

__all__ = ["Finding", "Report", "Series", "examine", "read_orders"]

Document = InvoiceIssued | CreditNoteIssued | ReceiptIssued

_ZERO = Decimal(0)
_AT_ONCE = 2_000
# A server's own cursor: entries of millions of orders go by, in the order in which their primary key has them.
_ENTRIES = """
    SELECT state, notification_id FROM journal.entry WHERE kind = 'order' ORDER BY originator_id, originator_version
"""


class Series(Struct, frozen=True):
    """A series as far as it got. Days are in the seller's zone."""

    series: str
    documents: int
    first_on: date
    last_on: date


class Finding(Struct, frozen=True, kw_only=True):
    """Something that does not hold. `expected` and `found` are amounts in the currency."""

    code: str
    what: str
    order: str | None = None
    number: str | None = None
    currency: str | None = None
    expected: Decimal | None = None
    found: Decimal | None = None


class Report(Struct, frozen=True):
    """All that was looked at, and what does not hold. Orders placed by an import count where they have documents."""

    position: int
    orders: int
    documents: int
    series: tuple[Series, ...]
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class _Issued(Struct, frozen=True):
    """What of a document its series is proved by."""

    sequence: int
    issued_on: date
    number: str
    order: str


def read_orders(connection: Connection[TupleRow], codec: Codec) -> Iterator[list[Entry[Any]]]:
    """Every order's entries, order by order. In a transaction of the caller's, which says what is looked at."""
    with connection.cursor("documents_of_all_orders", binary=True) as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(_ENTRIES)
        entries = (codec.decode(state, position) for state, position in cursor)
        for _, of_one in groupby(entries, key=lambda entry: entry.stream):
            yield list(of_one)


def examine(orders: Iterable[list[Entry[Any]]], position: int = 0) -> Report:
    """Looks at every order, and at every series that their documents make."""
    looked_at = documents = 0
    series: dict[str, list[_Issued]] = {}
    findings: list[Finding] = []
    for entries in orders:
        order = fold(entries)
        issued: list[Document] = [
            entry.event
            for entry in entries
            if isinstance(entry.event, InvoiceIssued | CreditNoteIssued | ReceiptIssued)
        ]
        if order.history and not issued:
            continue
        looked_at += 1
        documents += len(issued)
        for document in issued:
            known = _Issued(document.sequence, document.issued_on, document.number, order.number)
            series.setdefault(document.series, []).append(known)
        findings += _of_order(order, issued)
    for name, members in sorted(series.items()):
        members.sort(key=lambda each: each.sequence)
        findings += _of_series(name, members)
    told = tuple(
        Series(name, len(of_it), min(one.issued_on for one in of_it), max(one.issued_on for one in of_it))
        for name, of_it in sorted(series.items())
    )
    return Report(position, looked_at, documents, told, tuple(findings))


# Series


def _of_series(series: str, members: list[_Issued]) -> Iterator[Finding]:
    """From 1 on, each number once, and the days in their order."""
    last, last_on = 0, date.min
    for each in members:
        if each.sequence == last:
            yield Finding(code="number_twice", what=f"{each.number} was issued twice.", order=each.order,
                          number=each.number)  # fmt: skip
        elif each.sequence != last + 1:
            missing = f"{series}-{last + 1:06}" + (f" to {each.sequence - 1:06}" if each.sequence > last + 2 else "")
            yield Finding(code="number_missing", what=f"{missing} is missing.", number=f"{series}-{last + 1:06}")
        if each.issued_on < last_on:
            yield Finding(
                code="day_goes_back",
                what=f"{each.number} is of {each.issued_on}, and the one before it of {last_on}.",
                order=each.order,
                number=each.number,
            )
        if each.number != f"{series}-{each.sequence:06}" or not series.endswith(f"-{each.issued_on.year}"):
            what = f"{each.number} of {each.issued_on} is no number of {series} at {each.sequence}."
            yield Finding(code="number_wrong", what=what, order=each.order, number=each.number)
        last, last_on = each.sequence, max(each.issued_on, last_on)


# Orders


def _of_order(order: Order, issued: list[Document]) -> Iterator[Finding]:
    if order.history:
        yield _finding(order, "history_order", "An order of an import has documents.", issued[0].number)
        return
    receipts = [document for document in issued if isinstance(document, ReceiptIssued)]
    invoices = [document for document in issued if isinstance(document, InvoiceIssued)]
    notes = [document for document in issued if isinstance(document, CreditNoteIssued)]
    yield from _receipts(order, receipts)
    yield from _invoices(order, invoices)
    yield from _credit_notes(order, invoices, notes)
    yield from _balance(order, invoices, notes)
    for invoice in invoices:
        yield from _sums(order, invoice)
    for note in notes:
        yield from _sums(order, note)


def _receipts(order: Order, receipts: list[ReceiptIssued]) -> Iterator[Finding]:
    """One for each payment captured and each refunded, of its amount."""
    left = {receipt.payment: receipt for receipt in receipts}
    if len(left) != len(receipts):
        yield _finding(order, "receipt_twice", "A payment has two receipts.")
    for payment in order.payments:
        if payment.kind not in ("captured", "refunded"):
            continue
        receipt = left.pop(payment.payment, None)
        if receipt is None:
            what = f"The payment {payment.reference} ({payment.kind}) has no receipt."
            yield _finding(order, "receipt_missing", what, expected=payment.amount, found=_ZERO)
        elif receipt.amount.amount != payment.amount or (receipt.kind == "received") != (payment.kind == "captured"):
            what = f"The receipt is not of the payment {payment.reference} ({payment.kind})."
            yield _finding(order, "receipt_wrong", what, receipt.number, payment.amount, receipt.amount.amount)
    for receipt in left.values():
        what = "The receipt is of a payment that the order does not have."
        yield _finding(order, "receipt_unfounded", what, receipt.number, _ZERO, receipt.amount.amount)


def _invoices(order: Order, invoices: list[InvoiceIssued]) -> Iterator[Finding]:
    """One for each dispatch, or those for the confirmation; and each line invoiced at what its units are worth."""
    shipments = [invoice.shipment for invoice in order.invoices.values() if invoice.shipment is not None]
    if len(set(shipments)) != len(shipments):
        yield _finding(order, "invoice_twice", "A shipment has two invoices.")
    occasions: list[UUID | None] = list(order.shipments) if order.terms.invoice_at == "dispatch" else [None]
    for occasion in occasions if order.confirmed else ():
        if due := invoice_due(order, occasion):
            what = f"The shipment {occasion} has no invoice." if occasion else "The order is not invoiced whole."
            expected = sum((line.worth.gross.amount for line in due), _ZERO)
            yield _finding(order, "invoice_missing", what, expected=expected, found=_ZERO)
    invoiced: dict[int, Decimal] = {}
    for invoice in invoices:
        for named in invoice.lines:
            invoiced[named.order_line] = invoiced.get(named.order_line, _ZERO) + named.gross.amount
    for number, found in sorted(invoiced.items()):
        line = order.lines.get(number)
        expected = line.worth_of(0, line.invoiced).gross.amount if line is not None else _ZERO
        if found != expected:
            what = f"The invoices do not come to what the units of line {number} are worth."
            yield _finding(order, "invoiced_wrong", what, expected=expected, found=found)
    captured = sum((payment.amount for payment in order.payments if payment.kind == "captured"), _ZERO)
    used = _ZERO
    for issued in order.invoices.values():
        used += min(issued.prepaid, issued.gross - issued.gross_credited)
        if issued.prepaid > issued.gross:
            what = "The invoice says that more was paid in advance than it comes to."
            yield _finding(order, "prepaid_wrong", what, issued.number, issued.gross, issued.prepaid)
    if used > captured:
        what = "The invoices say that more was paid in advance than was captured."
        yield _finding(order, "prepaid_wrong", what, expected=captured, found=used)


def _credit_notes(order: Order, invoices: list[InvoiceIssued], notes: list[CreditNoteIssued]) -> Iterator[Finding]:
    """All that is owed, never more than the invoice, and of a refund never more than was granted, or than the units are
    worth that it was granted for: with a substitute for them, or where they were not paid whole, less goes back."""
    for invoice, refund in credits_due(order):
        what = f"Of {invoice} something is to be credited" + (f" for refund {refund}." if refund is not None else ".")
        expected = order.refunds[refund].amount if refund is not None else None
        yield _finding(order, "credit_note_missing", what, invoice, expected, _ZERO)
    gross = {invoice.number: invoice.gross_total.amount for invoice in invoices}
    credited: dict[str, Decimal] = {}
    granted: dict[int, Decimal] = {}
    for note in notes:
        credited[note.invoice.number] = credited.get(note.invoice.number, _ZERO) + note.gross_total.amount
        if note.refund is not None:
            granted[note.refund] = granted.get(note.refund, _ZERO) + note.gross_total.amount
    for number, found in credited.items():
        if found > gross.get(number, _ZERO):
            what = "More was credited than was invoiced."
            yield _finding(order, "credited_more_than_invoiced", what, number, gross.get(number, _ZERO), found)
    for refund, found in granted.items():
        known = order.refunds.get(refund)
        worth = sum((line.gross.amount for line in known.lines), _ZERO) if known is not None else _ZERO
        expected = max(known.amount, worth) if known is not None else _ZERO
        if found > expected:
            what = f"More was credited for refund {refund} than was granted."
            yield _finding(order, "credited_more_than_granted", what, expected=expected, found=found)
    if order.refunded > order.granted:
        what = "More was paid back than was granted."
        yield _finding(order, "refunded_more_than_granted", what, expected=order.granted, found=order.refunded)


def _balance(order: Order, invoices: list[InvoiceIssued], notes: list[CreditNoteIssued]) -> Iterator[Finding]:
    """Once all is invoiced, and credited what is owed: invoices less credit notes are what is to be paid, which is what
    the order costs, less compensation and goodwill."""
    whole = all(line.invoiced >= line.ordered.quantity - line.withdrawn for line in order.lines.values())
    if not invoices or not whole or credits_due(order):
        return
    cut = sum((refund.amount for refund in order.refunds.values() if refund.basis in PRICE_CUTS), _ZERO)
    expected = max(order.costs - cut, _ZERO)
    found = sum((invoice.gross_total.amount for invoice in invoices), _ZERO)
    found -= sum((note.gross_total.amount for note in notes), _ZERO)
    if found != expected:
        what = "Invoices less credit notes do not come to what is to be paid."
        yield _finding(order, "balance_wrong", what, expected=expected, found=found)


def _sums(order: Order, document: InvoiceIssued | CreditNoteIssued) -> Iterator[Finding]:
    """A document's totals are those of its lines and of its taxes."""
    net = sum((line.net.amount for line in document.lines), _ZERO)
    tax = sum((each.tax.amount for each in document.tax), _ZERO)
    for what, expected, found in (
        ("The net total is not that of the lines.", net, document.net_total.amount),
        ("The tax total is not that of its categories.", tax, document.tax_total.amount),
        ("The total is not net and tax.", net + tax, document.gross_total.amount),
        ("What is due is not what is not paid yet.", net + tax - document.prepaid.amount, document.due.amount),
    ):
        if expected != found:
            yield _finding(order, "sum_wrong", what, document.number, expected, found)


def _finding(
    order: Order,
    code: str,
    what: str,
    number: str | None = None,
    expected: Decimal | None = None,
    found: Decimal | None = None,
) -> Finding:
    return Finding(
        code=code, what=what, order=order.number, number=number, currency=order.currency, expected=expected, found=found
    )
