"""Invoices, credit notes and receipts, whole and computed from what happened; EN 16931 terms in brackets.

Number, series, sequence and day come with the command, since they are drawn where the event is appended.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from order_ledger.amounts import Worth, part_of, split
from order_ledger.orders.commands import IssueCreditNote, IssueInvoice, IssueReceipt
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
from order_ledger.orders.events import (
    Buyer,
    CreditNoteIssued,
    DocumentLine,
    DocumentSeller,
    InvoiceIssued,
    OrderEvent,
    PrecedingInvoice,
    ReceiptIssued,
    TaxSubtotal,
)
from order_ledger.orders.lines import Line, Places
from order_ledger.orders.money import Invoice, InvoicedLine, Settlement
from order_ledger.orders.order import Order
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.values import Address, Money, money, round_money, unsealed

__all__ = ["ISSUE_CREDIT_NOTE", "ISSUE_INVOICE", "ISSUE_RECEIPT", "credits_due", "invoice_due"]

_EXEMPT = frozenset(("E", "AE", "K", "G", "O"))
_FOUR_DECIMALS = Decimal("0.0001")


# What all documents need


def _history(order: Order, context: Context) -> Blockers:
    if order.history:
        yield blocker("history_order", "The ledger issues no documents for orders that were imported.")


def _seller_incomplete(seller: RegisteredOrganisation | None) -> Blockers:
    if seller is None or not seller.legal_name or not seller.country or not (seller.vat_id or seller.legal_id):
        what = "The seller needs a name, a country, and a VAT id or a legal registration (BR-CO-26)."
        yield blocker("seller_incomplete", what, "administrator")


def _buyer_incomplete(buyer: Buyer, ship_to: Address) -> Blockers:
    if not (buyer.contact.name or buyer.contact.company):
        yield blocker("buyer_incomplete", "The buyer's name is missing (BR-07).", "customer_service")
    if buyer.bill_to.country is None:
        yield blocker("buyer_incomplete", "The buyer's country is missing (BR-11).", "customer_service")
    if ship_to.country is None:
        yield blocker("ship_to_incomplete", "The country of delivery is missing (BT-80).", "customer_service")


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


def _seller(seller: RegisteredOrganisation | None) -> DocumentSeller:
    assert seller is not None and seller.country is not None, "a document of an incomplete seller is refused"
    return DocumentSeller(
        legal_name=seller.legal_name or seller.name,
        trade_name=seller.trade_name,
        address=seller.address,
        country=seller.country,
        vat_id=seller.vat_id,
        tax_number=seller.tax_number,
        legal_id=seller.legal_id,
        legal_scheme=seller.legal_scheme,
        email=seller.email,
        phone=seller.phone,
    )


def _document_line(number: int, line: Line, quantity: int, worth: Worth) -> DocumentLine:
    ordered = line.ordered
    return DocumentLine(
        no=number,
        order_line=ordered.line,
        description=ordered.description,
        sku=ordered.sku,
        quantity=quantity,
        unit=ordered.unit,
        unit_net=(worth.net.amount / quantity).quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_UP),
        net=worth.net,
        tax=worth.tax,
        gross=worth.gross,
        tax_category=ordered.tax_category or "",
        tax_rate=ordered.tax_rate if ordered.tax_rate is not None else ZERO,
    )


def _taxes(order: Order, lines: Iterable[DocumentLine]) -> tuple[TaxSubtotal, ...]:
    sums: dict[tuple[str, Decimal, str | None], tuple[Decimal, Decimal]] = {}
    for line in lines:
        key = (line.tax_category, line.tax_rate, order.lines[line.order_line].ordered.exemption)
        basis, tax = sums.get(key, (ZERO, ZERO))
        sums[key] = basis + line.net.amount, tax + line.tax.amount
    return tuple(
        TaxSubtotal(category, rate, money_of(order, basis), money_of(order, tax), exemption)
        for (category, rate, exemption), (basis, tax) in sums.items()
    )


def _means(order: Order, seller: RegisteredOrganisation | None) -> str:
    """How it is paid (BT-81, UNTDID 4461): as the last payment was, or else as the terms say."""
    paid = [payment.method for payment in order.payments if payment.kind in ("authorised", "captured")]
    match paid[-1] if paid else order.terms.method:
        case "card":
            return "48"
        case "transfer":
            return "58" if order.currency == "EUR" and seller is not None and seller.iban else "30"
        case _:
            return "ZZZ"


# Invoices


def invoice_due(order: Order, shipment: UUID | None) -> tuple[InvoicedLine, ...]:
    """What is to be invoiced for a shipment, or for the whole order where none is named; nothing if nothing is.

    A shipment that replaces another was invoiced already, and so were units that a confirmation invoiced. Charges go
    on the first invoice.
    """
    if shipment is None:
        units = {line.line: line.ordered.quantity for line in order.lines.values()}
    else:
        known = order.shipments.get(shipment)
        if known is None or known.replaces is not None or known.rma is not None:
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


def _invoice_asked(order: Order, command: IssueInvoice, context: Context) -> Blockers:
    yield from unconfirmed(order)
    yield from _seller_incomplete(context.seller)
    yield from _buyer_incomplete(command.buyer, command.ship_to)
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
    gross = _gross(lines)
    iban = context.seller.iban if context.seller is not None else None
    if not iban and gross > _prepaid(order, gross) and _means(order, context.seller) == "30":
        yield blocker("iban_missing", "A transfer needs the seller's IBAN (BR-61).", "administrator")


def _gross(lines: Iterable[InvoicedLine]) -> Decimal:
    return sum((line.worth.gross.amount for line in lines), ZERO)


def _prepaid(order: Order, gross: Decimal) -> Decimal:
    """What was captured, and neither used by an earlier invoice nor granted back for what was never invoiced."""
    used = sum((invoice.prepaid for invoice in order.invoices.values()), ZERO)
    credited = sum((sum(invoice.credited.values(), ZERO) for invoice in order.invoices.values()), ZERO)
    left = order.captured - used - max(order.granted - credited, ZERO)
    return round_money(max(min(left, gross), ZERO), order.currency)


def _invoice(order: Order, command: IssueInvoice, context: Context) -> tuple[OrderEvent, ...]:
    invoiced = invoice_due(order, command.shipment)
    lines = tuple(
        _document_line(no, order.lines[line.line], line.count, line.worth) for no, line in enumerate(invoiced, 1)
    )
    net, tax = _net_and_tax(lines)
    prepaid = _prepaid(order, net + tax)
    due = net + tax - prepaid
    due_on = command.issued_on + timedelta(days=order.terms.due_days) if due > 0 else None
    seller = context.seller
    return (
        InvoiceIssued(
            number=command.number,
            series=command.series,
            sequence=command.sequence,
            kind=380,
            issued_on=command.issued_on,
            supply_on=command.supply_on,
            seller=_seller(seller),
            buyer=unsealed(command.buyer, order.consumer, "document"),
            buyer_country=command.buyer.bill_to.country or "",
            ship_to=unsealed(command.ship_to, order.consumer, "document"),
            ship_to_country=command.ship_to.country or "",
            buyer_reference=order.placed.buyer_reference,
            purchase_order=order.placed.purchase_order,
            order_number=order.number,
            shipment=command.shipment,
            currency=order.currency,
            lines=lines,
            tax=_taxes(order, lines),
            net_total=money_of(order, net),
            tax_total=money_of(order, tax),
            gross_total=money_of(order, net + tax),
            prepaid=money_of(order, prepaid),
            due=money_of(order, due),
            due_on=due_on,
            terms=_terms(due_on),
            means_code=_means(order, seller),
            iban=seller.iban if seller is not None else None,
            payment_reference=order.number,
            language=order.placed.language,
            layout=command.layout,
        ),
    )


def _terms(due_on: date | None) -> str:
    return "Paid" if due_on is None else f"Payable by {due_on.isoformat()}"


def _net_and_tax(lines: Iterable[DocumentLine]) -> tuple[Decimal, Decimal]:
    net = tax = ZERO
    for line in lines:
        net, tax = net + line.net.amount, tax + line.tax.amount
    return net, tax


ISSUE_INVOICE = Rules[IssueInvoice](
    events=_invoice,
    standing=_history,
    asked=_invoice_asked,
    repeated=lambda order, command: (
        command.number in order.invoices
        or any(invoice.shipment == command.shipment for invoice in order.invoices.values())
    ),
)


# Credit notes


def credits_due(order: Order) -> tuple[tuple[str, int | None], ...]:
    """Each invoice and refund (or none) for which a credit note is to be issued now."""
    found: list[tuple[str, int | None]] = []
    for number, invoice in order.invoices.items():
        refunds: list[int | None] = [*order.refunds, None]
        found += [(number, refund) for refund in refunds if _credited_lines(order, invoice, refund)]
    return tuple(found)


def _credited_lines(order: Order, invoice: Invoice, refund: int | None) -> tuple[tuple[int, int, Worth], ...]:
    """Line, quantity and worth that are to be credited to this invoice for this refund."""
    if refund is not None and refund in invoice.refunds:
        return ()
    settlements = [known for known in order.settlements if known.refund == refund]
    if settlements:
        return _units_credited(order, invoice, settlements)
    return _spread(order, invoice, refund) if refund is not None else ()


def _units_credited(
    order: Order, invoice: Invoice, settlements: list[Settlement]
) -> tuple[tuple[int, int, Worth], ...]:
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


def _spread(order: Order, invoice: Invoice, number: int) -> tuple[tuple[int, int, Worth], ...]:
    """A refund that is not for units, such as goodwill, spread over the lines of the invoices, the oldest first."""
    refund = order.refunds.get(number)
    if refund is None:
        return ()
    whole = refund.amount if refund.basis in ("compensation", "goodwill") else refund.extra
    elsewhere = sum((known.refunds.get(number, ZERO) for known in order.invoices.values()), ZERO)
    credited = [money_of(order, invoice.credited.get(line.line, ZERO)) for line in invoice.lines]
    left = _gross(invoice.lines) - sum((money.amount for money in credited), ZERO)
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
    yield from _seller_incomplete(context.seller)
    yield from _buyer_incomplete(command.buyer, command.ship_to)
    if command.refund is not None and command.refund not in order.refunds:
        yield blocker("unknown_refund", f"The order has no refund {command.refund}.")
    invoice = order.invoices.get(command.invoice)
    if invoice is None:
        yield blocker("unknown_invoice", f"The order has no invoice {command.invoice}.")
    elif not _credited_lines(order, invoice, command.refund):
        yield blocker("nothing_to_credit", "Nothing of that invoice is to be credited.")


def _credit(order: Order, command: IssueCreditNote, context: Context) -> tuple[OrderEvent, ...]:
    invoice = order.invoices[command.invoice]
    lines = tuple(
        _document_line(no, order.lines[number], quantity, worth)
        for no, (number, quantity, worth) in enumerate(_credited_lines(order, invoice, command.refund), 1)
    )
    net, tax = _net_and_tax(lines)
    seller = context.seller
    return (
        CreditNoteIssued(
            number=command.number,
            series=command.series,
            sequence=command.sequence,
            kind=381,
            issued_on=command.issued_on,
            supply_on=command.supply_on,
            seller=_seller(seller),
            buyer=unsealed(command.buyer, order.consumer, "document"),
            buyer_country=command.buyer.bill_to.country or "",
            ship_to=unsealed(command.ship_to, order.consumer, "document"),
            ship_to_country=command.ship_to.country or "",
            buyer_reference=order.placed.buyer_reference,
            purchase_order=order.placed.purchase_order,
            order_number=order.number,
            shipment=invoice.shipment,
            currency=order.currency,
            lines=lines,
            tax=_taxes(order, lines),
            net_total=money_of(order, net),
            tax_total=money_of(order, tax),
            gross_total=money_of(order, net + tax),
            prepaid=money(0, order.currency),
            due=money_of(order, net + tax),
            due_on=command.issued_on,
            terms="Set off against the invoice" if command.refund is None else "Paid back",
            means_code=_means(order, seller),
            iban=seller.iban if seller is not None else None,
            payment_reference=order.number,
            language=order.placed.language,
            layout=command.layout,
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
    events=_credit, standing=_history, asked=_credit_asked, repeated=_already_credited
)


# Receipts


def _receipt_asked(order: Order, command: IssueReceipt, context: Context) -> Blockers:
    yield from _seller_incomplete(context.seller)
    paid = next((payment for payment in order.payments if payment.payment == command.payment), None)
    if paid is None:
        yield blocker("unknown_payment", f"The order has no payment {command.payment}.")
    elif paid.kind not in ("captured", "refunded"):
        yield blocker("nothing_received", f"A payment {paid.kind} is neither received nor refunded.")


def _receipt(order: Order, command: IssueReceipt, context: Context) -> tuple[OrderEvent, ...]:
    paid = next(payment for payment in order.payments if payment.payment == command.payment)
    return (
        ReceiptIssued(
            number=command.number,
            series=command.series,
            sequence=command.sequence,
            issued_on=command.issued_on,
            seller=_seller(context.seller),
            payer=unsealed(command.payer, order.consumer, "document"),
            payment=command.payment,
            kind="received" if paid.kind == "captured" else "refunded",
            amount=money_of(order, paid.amount),
            method=paid.method,
            provider=paid.provider,
            reference=paid.reference,
            account_hint=paid.account_hint,
            order_number=order.number,
            invoices=tuple(order.invoices),
        ),
    )


ISSUE_RECEIPT = Rules[IssueReceipt](
    events=_receipt,
    standing=_history,
    asked=_receipt_asked,
    repeated=lambda order, command: command.payment in order.receipts,
)
