"""Invoices: for a shipment, or for the whole order at its confirmation; EN 16931 terms in brackets."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from order_ledger.orders.commands import IssueInvoice
from order_ledger.orders.decisions.credit_notes import still_to_credit
from order_ledger.orders.decisions.documents import (
    body_of,
    buyer_incomplete,
    gross_invoiced,
    history_order,
    means_of_payment,
    seller_incomplete,
)
from order_ledger.orders.decisions.rules import (
    ZERO,
    Blockers,
    Context,
    Rules,
    blocker,
    money_of,
    unconfirmed,
    unknown_shipment,
)
from order_ledger.orders.events import Buyer, InvoiceIssued, OrderEvent
from order_ledger.orders.money import Invoice, InvoicedLine
from order_ledger.orders.order import Order
from order_ledger.values import round_money

__all__ = ["ISSUE_INVOICE", "invoice_due"]

_EXEMPT = frozenset(("E", "AE", "K", "G", "O"))


def invoice_due(order: Order, shipment: UUID | None) -> tuple[InvoicedLine, ...]:
    """What is still to be invoiced for a shipment, or for the whole order where none is named; nothing if nothing is.

    A shipment is invoiced once, and one that replaces another was invoiced with it. An order that is invoiced at its
    confirmation is so again for what was added to it since. Charges go on the first invoice.
    """
    if shipment is None:
        units = {line.line: line.ordered.quantity for line in order.lines.values()}
    else:
        known = order.shipments.get(shipment)
        if known is None or known.replaces is not None or known.rma is not None or _invoiced(order, shipment):
            return ()
        units = dict(known.shipped)
        units |= {line.line: line.ordered.quantity for line in order.lines.values() if not line.is_goods}
    found = []
    for number, quantity in sorted(units.items()):
        line = order.lines.get(number)
        if line is None:
            continue
        left = line.ordered.quantity - line.withdrawn - line.invoiced
        if (count := min(quantity, left)) > 0:
            found.append(InvoicedLine(number, line.invoiced, count, line.worth_of(line.invoiced, count)))
    if not any(order.lines[invoiced.line].is_goods for invoiced in found):
        return ()
    return tuple(found)


def _invoiced(order: Order, shipment: UUID | None) -> bool:
    return any(invoice.shipment == shipment for invoice in order.invoices.values())


def _invoice_asked(order: Order, command: IssueInvoice, context: Context) -> Blockers:
    yield from unconfirmed(order)
    yield from seller_incomplete(context.seller)
    yield from buyer_incomplete(command.buyer, command.ship_to)
    if command.shipment is None and order.terms.invoice_at == "dispatch":
        yield blocker("invoiced_at_dispatch", "The order is invoiced by shipment.")
    elif command.shipment is not None and order.terms.invoice_at == "confirmation":
        yield blocker("invoiced_at_confirmation", "The order is invoiced at its confirmation.")
    elif command.shipment is not None and command.shipment not in order.shipments:
        yield unknown_shipment(command.shipment)
    lines = invoice_due(order, command.shipment)
    if not lines:
        yield blocker("nothing_to_invoice", "Nothing of it is to be invoiced.")
    yield from _tax_blocked(order, lines, command.buyer, context)
    gross = gross_invoiced(lines)
    iban = context.seller.iban if context.seller is not None else None
    if not iban and gross > _prepaid(order, gross) and means_of_payment(order, context.seller) == "30":
        yield blocker("iban_missing", "A transfer needs the seller's IBAN (BR-61).", "administrator")


def _tax_blocked(order: Order, lines: Iterable[InvoicedLine], buyer: Buyer, context: Context) -> Blockers:
    seller = context.seller
    seller_vat = seller.vat_id if seller is not None else None
    registered = seller is None or seller.vat_id or seller.tax_number
    for invoiced in lines:
        ordered = order.lines[invoiced.line].ordered
        category = ordered.tax_category
        if category is None or ordered.tax_rate is None:
            yield blocker("tax_unknown", f"The tax of line {invoiced.line} is not known.", line=invoiced.line)
        elif category in _EXEMPT and not ordered.exemption:
            what = f"Line {invoiced.line} is exempt from tax, and does not say why (BR-{category}-10)."
            yield blocker("exemption_missing", what, "administrator", line=invoiced.line)
        elif category == "O" and (seller_vat or buyer.contact.vat_id):
            what = f"Line {invoiced.line} is outside the scope of VAT: no VAT ids may stand beside it (BR-O-02)."
            yield blocker("vat_id_forbidden", what, "administrator", line=invoiced.line)
        elif category == "K" and not (seller_vat and buyer.contact.vat_id):
            what = f"Line {invoiced.line} is supplied within the Union: both VAT ids are needed (BR-IC-02)."
            yield blocker("vat_id_missing", what, "administrator", "consumer", line=invoiced.line)
        elif category == "AE" and not (registered and buyer.contact.vat_id):
            what = f"The tax of line {invoiced.line} is owed by the buyer: both VAT ids are needed (BR-AE-02)."
            yield blocker("vat_id_missing", what, "administrator", "consumer", line=invoiced.line)
        elif category == "G" and seller is not None and not seller_vat:
            what = f"Line {invoiced.line} is exported: the seller's VAT id is needed (BR-G-02)."
            yield blocker("vat_id_missing", what, "administrator", line=invoiced.line)
        elif category != "O" and not registered:
            what = f"Line {invoiced.line} is taxed: the seller's VAT id or tax number is needed (BR-{category}-02)."
            yield blocker("vat_id_missing", what, "administrator", line=invoiced.line)


def _prepaid(order: Order, gross: Decimal) -> Decimal:
    """What was captured, is not to be paid back, and is not used by an earlier invoice. What of that one is credited,
    or will be, is free for this one."""
    used = sum((_used_by(order, invoice) for invoice in order.invoices.values()), ZERO)
    left = order.captured - order.granted - used
    return round_money(max(min(left, gross), ZERO), order.currency)


def _used_by(order: Order, invoice: Invoice) -> Decimal:
    still_to_pay = invoice.gross - invoice.gross_credited - still_to_credit(order, invoice)
    return max(min(invoice.prepaid, still_to_pay), ZERO)


def _invoice(order: Order, command: IssueInvoice, context: Context) -> tuple[OrderEvent, ...]:
    invoiced = invoice_due(order, command.shipment)
    body = body_of(order, command, context, ((line.line, line.count, line.worth) for line in invoiced))
    gross = body["gross_total"].amount
    prepaid = _prepaid(order, gross)
    due = gross - prepaid
    due_on = command.issued_on + timedelta(days=order.terms.due_days) if due > 0 else None
    return (
        InvoiceIssued(
            **body,
            kind=380,
            shipment=command.shipment,
            prepaid=money_of(order, prepaid),
            due=money_of(order, due),
            due_on=due_on,
            terms=_terms(due_on),
        ),
    )


def _terms(due_on: date | None) -> str:
    return "Paid" if due_on is None else f"Payable by {due_on.isoformat()}"


ISSUE_INVOICE = Rules[IssueInvoice](
    events=_invoice,
    standing=history_order,
    asked=_invoice_asked,
    repeated=lambda order, command: (
        command.number in order.invoices
        or (_invoiced(order, command.shipment) and not invoice_due(order, command.shipment))
    ),
)
