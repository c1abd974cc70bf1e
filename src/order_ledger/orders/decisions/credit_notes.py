"""Credit notes: what of an invoice is no longer to be paid; EN 16931 terms in brackets."""

from decimal import Decimal

from order_ledger.amounts import Worth, part_of, split
from order_ledger.orders.commands import IssueCreditNote
from order_ledger.orders.decisions.documents import (
    Billed,
    body_of,
    buyer_incomplete,
    gross_invoiced,
    history_order,
    seller_incomplete,
)
from order_ledger.orders.decisions.rules import ZERO, Blockers, Context, Rules, blocker, money_of
from order_ledger.orders.events import CreditNoteIssued, OrderEvent, PrecedingInvoice
from order_ledger.orders.lines import Places
from order_ledger.orders.money import PRICE_CUTS, Invoice, Settlement
from order_ledger.orders.order import Order
from order_ledger.values import Money, money

__all__ = ["ISSUE_CREDIT_NOTE", "credits_due"]


def credits_due(order: Order) -> tuple[tuple[str, int | None], ...]:
    """Each invoice and refund (or none) for which a credit note is to be issued now."""
    found: list[tuple[str, int | None]] = []
    for number, invoice in order.invoices.items():
        refunds: list[int | None] = [*order.refunds, None]
        found += [(number, refund) for refund in refunds if _credited_lines(order, invoice, refund)]
    return tuple(found)


def _credited_lines(order: Order, invoice: Invoice, refund: int | None) -> tuple[Billed, ...]:
    """Line, quantity and worth that are to be credited to this invoice for this refund."""
    if refund is not None and refund in invoice.refunds:
        return ()
    settlements = [known for known in order.settlements if known.refund == refund]
    if settlements:
        return _units_credited(order, invoice, settlements)
    return _spread(order, invoice, refund) if refund is not None else ()


def _units_credited(order: Order, invoice: Invoice, settlements: list[Settlement]) -> tuple[Billed, ...]:
    """Of the units settled those that this invoice covers; never more than is left of its lines."""
    left = {line.line: line.worth.gross.amount - invoice.credited.get(line.line, ZERO) for line in invoice.lines}
    found = []
    for settlement in settlements:
        if invoice.number in settlement.credited:
            continue
        for settled in settlement.parts:
            for invoiced in invoice.lines:
                start = max(settled.start, invoiced.start)
                count = min(settled.start + settled.count, invoiced.start + invoiced.count) - start
                if settled.line != invoiced.line or count <= 0:
                    continue
                worth = _worth_settled(order, settlement, settled, start, count)
                if worth.gross.amount > left[settled.line]:
                    worth = _only(worth, left[settled.line])
                if worth.gross.amount > 0:
                    left[settled.line] -= worth.gross.amount
                    found.append((settled.line, count, worth))
    return tuple(found)


def _worth_settled(order: Order, settlement: Settlement, settled: Places, start: int, count: int) -> Worth:
    """What these places are worth; less, in proportion, where the refund granted less for them."""
    line = order.lines[settled.line]
    granted = next((named for named in settlement.lines if named.line == settled.line), None)
    if granted is None or granted.quantity != settled.count:
        return line.worth_of(start, count)
    if granted.gross == line.worth_of(settled.start, settled.count).gross:
        return line.worth_of(start, count)
    whole = Worth(granted.net, granted.tax, granted.gross)
    return part_of(whole, settled.count, start - settled.start, count, line.ordered.tax_included)


def _only(worth: Worth, gross: Decimal) -> Worth:
    (less,) = split(Money(max(gross, ZERO), worth.gross.currency), [worth])
    return less


def _spread(order: Order, invoice: Invoice, number: int) -> tuple[Billed, ...]:
    """A refund that is not for units, such as goodwill, spread over the lines of the invoices, the oldest first."""
    refund = order.refunds.get(number)
    if refund is None:
        return ()
    whole = refund.amount if refund.basis in PRICE_CUTS else refund.extra
    elsewhere = sum((known.refunds.get(number, ZERO) for known in order.invoices.values()), ZERO)
    credited = [money_of(order, invoice.credited.get(line.line, ZERO)) for line in invoice.lines]
    left = gross_invoiced(invoice.lines) - sum((money.amount for money in credited), ZERO)
    amount = min(whole - elsewhere, left)
    if amount <= 0:
        return ()
    pieces = split(money_of(order, amount), [line.worth for line in invoice.lines], credited)
    return tuple(
        (line.line, line.count, piece)
        for line, piece in zip(invoice.lines, pieces, strict=True)
        if piece.gross.amount > 0
    )


def _credit_asked(order: Order, command: IssueCreditNote, context: Context) -> Blockers:
    yield from seller_incomplete(context.seller)
    yield from buyer_incomplete(command.buyer, command.ship_to)
    if command.refund is not None and command.refund not in order.refunds:
        yield blocker("unknown_refund", f"The order has no refund {command.refund}.")
    invoice = order.invoices.get(command.invoice)
    if invoice is None:
        yield blocker("unknown_invoice", f"The order has no invoice {command.invoice}.")
    elif not _credited_lines(order, invoice, command.refund):
        yield blocker("nothing_to_credit", "Nothing of that invoice is to be credited.")


def _credit(order: Order, command: IssueCreditNote, context: Context) -> tuple[OrderEvent, ...]:
    invoice = order.invoices[command.invoice]
    body = body_of(order, command, context, _credited_lines(order, invoice, command.refund))
    return (
        CreditNoteIssued(
            **body,
            kind=381,
            shipment=invoice.shipment,
            prepaid=money(0, order.currency),
            due=body["gross_total"],
            due_on=command.issued_on,
            terms="Set off against the invoice" if command.refund is None else "Paid back",
            invoice=PrecedingInvoice(invoice.number, invoice.issued_on),
            refund=command.refund,
        ),
    )


def _already_credited(order: Order, command: IssueCreditNote) -> bool:
    invoice = order.invoices.get(command.invoice)
    if invoice is None:
        return False
    if command.refund is not None:
        return command.refund in invoice.refunds
    credited = any(known.refund is None and invoice.number in known.credited for known in order.settlements)
    return credited and not _credited_lines(order, invoice, None)


ISSUE_CREDIT_NOTE = Rules[IssueCreditNote](
    events=_credit, standing=history_order, asked=_credit_asked, repeated=_already_credited
)
