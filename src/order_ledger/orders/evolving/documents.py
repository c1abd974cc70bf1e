"""What was invoiced, credited and receipted."""

from decimal import Decimal

from msgspec.structs import replace

from order_ledger.amounts import Worth
from order_ledger.entries import Entry
from order_ledger.orders.events import CreditNoteIssued, InvoiceIssued, OrderEvent, ReceiptIssued
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.evolving.parts import with_line
from order_ledger.orders.money import Invoice, InvoicedLine
from order_ledger.orders.order import Order

__all__ = ["CHANGES"]

_ZERO = Decimal(0)


def _invoiced(order: Order, event: InvoiceIssued, entry: Entry[OrderEvent]) -> Order:
    lines = []
    for invoiced in event.lines:
        line = order.lines.get(invoiced.order_line)
        if line is None:
            continue
        worth = Worth(invoiced.net, invoiced.tax, invoiced.gross)
        lines.append(InvoicedLine(invoiced.order_line, line.invoiced, invoiced.quantity, worth))
        order = with_line(order, replace(line, invoiced=line.invoiced + invoiced.quantity))
    invoice = Invoice(
        event.number,
        event.issued_on,
        event.shipment,
        tuple(lines),
        event.gross_total.amount,
        event.prepaid.amount,
    )
    return replace(order, invoices={**order.invoices, event.number: invoice})


def _credited(order: Order, event: CreditNoteIssued, entry: Entry[OrderEvent]) -> Order:
    invoice = order.invoices.get(event.invoice.number)
    if invoice is None:
        return order
    credited = dict(invoice.credited)
    for line in event.lines:
        credited[line.order_line] = credited.get(line.order_line, _ZERO) + line.gross.amount
    refunds, set_off = dict(invoice.refunds), invoice.set_off
    if event.refund is None:
        set_off += event.gross_total.amount
    else:
        refunds[event.refund] = event.gross_total.amount
    invoice = replace(invoice, credited=credited, refunds=refunds, set_off=set_off)
    settlements = tuple(
        replace(settlement, credited=settlement.credited | {invoice.number})
        if settlement.refund == event.refund
        else settlement
        for settlement in order.settlements
    )
    return replace(order, invoices={**order.invoices, invoice.number: invoice}, settlements=settlements)


def _receipted(order: Order, event: ReceiptIssued, entry: Entry[OrderEvent]) -> Order:
    return replace(order, receipts=order.receipts | {event.payment})


CHANGES: Changes = {
    InvoiceIssued: _invoiced,
    CreditNoteIssued: _credited,
    ReceiptIssued: _receipted,
}
