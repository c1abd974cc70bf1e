"""Credit notes: what of an invoice is no longer to be paid; EN 16931 terms in brackets."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from order_ledger.amounts import Worth, part_of, split
from order_ledger.orders.commands import IssueCreditNote
from order_ledger.orders.decisions.documents import (
    Billed,
    body_of,
    buyer_incomplete,
    history_order,
    seller_incomplete,
)
from order_ledger.orders.decisions.rules import ZERO, Blockers, Context, Rules, blocker, money_of
from order_ledger.orders.events import CreditNoteIssued, OrderEvent, PrecedingInvoice
from order_ledger.orders.lines import Places
from order_ledger.orders.money import PRICE_CUTS, Invoice, Settlement
from order_ledger.orders.order import Order
from order_ledger.values import Money, money

__all__ = ["ISSUE_CREDIT_NOTE", "credits_due", "still_to_credit"]


def credits_due(order: Order) -> tuple[tuple[str, int | None], ...]:
    """Each invoice and refund (or none) for which a credit note is to be issued now."""
    found: list[tuple[str, int | None]] = []
    for number, invoice in order.invoices.items():
        refunds: list[int | None] = [*order.refunds, None]
        found += [(number, refund) for refund in refunds if _credited_lines(order, invoice, refund)]
    return tuple(found)


def still_to_credit(order: Order, invoice: Invoice) -> Decimal:
    """What of an invoice is to be credited and is not yet."""
    refunds: list[int | None] = [*order.refunds, None]
    return _gross(line for refund in refunds for line in _credited_lines(order, invoice, refund))


def _credited_lines(order: Order, invoice: Invoice, refund: int | None) -> tuple[Billed, ...]:
    """Line, quantity and worth that are to be credited to this invoice for this refund."""
    if refund is not None and refund in invoice.refunds:
        return ()
    settlements = [known for known in order.settlements if known.refund == refund]
    if settlements:
        return _units_credited(order, invoice, settlements, _lacking_elsewhere(order, invoice, refund, settlements))
    return _spread(order, invoice, refund) if refund is not None else ()


def _units_credited(
    order: Order, invoice: Invoice, settlements: list[Settlement], elsewhere: Decimal
) -> tuple[Billed, ...]:
    """Of the units settled those that this invoice covers, and what other invoices lack; never more than is left of it.

    What a price cut took off their line already is credited on the other lines: the cut was for what is left, too.
    """
    left, lacking = _left_of(invoice), elsewhere
    found: list[Billed] = []
    for number, count, worth in _units_covered(order, invoice, settlements, credited=False):
        if worth.gross.amount > left[number]:
            lacking += worth.gross.amount - left[number]
            worth = _only(worth, left[number])
        if worth.gross.amount > 0:
            left[number] -= worth.gross.amount
            found.append((number, count, worth))
    return (*found, *_over_all_lines(order, invoice, lacking, left))


def _units_covered(
    order: Order, invoice: Invoice, settlements: list[Settlement], *, credited: bool
) -> Iterator[Billed]:
    """Of the units settled those that this invoice covers, and what they are to be credited at; those that were
    credited there, or those that were not."""
    for settlement in settlements:
        if (invoice.number in settlement.credited) != credited:
            continue
        for settled in settlement.parts:
            for invoiced in invoice.lines:
                start = max(settled.start, invoiced.start)
                count = min(settled.start + settled.count, invoiced.start + invoiced.count) - start
                if settled.line == invoiced.line and count > 0:
                    yield settled.line, count, _worth_settled(order, settlement, settled, start, count)


def _lacking_elsewhere(order: Order, invoice: Invoice, refund: int | None, settlements: list[Settlement]) -> Decimal:
    """What comes to this invoice for units on others, of which price cuts left too little. The oldest one that has room
    takes it."""
    lacking, room = ZERO, dict[str, Decimal]()
    for other in order.invoices.values():
        done = _gross(_units_covered(order, other, settlements, credited=True))
        due = _gross(_units_covered(order, other, settlements, credited=False))
        left = sum(_left_of(other).values(), ZERO)
        lacking += done - (other.set_off if refund is None else other.refunds.get(refund, ZERO)) + max(due - left, ZERO)
        # Of one refund an invoice is credited once.
        room[other.number] = max(left - due, ZERO) if refund is None or refund not in other.refunds else ZERO
    for number, free in room.items():
        taken = min(max(lacking, ZERO), free)
        if number == invoice.number:
            return taken
        lacking -= taken
    return ZERO


def _gross(billed: Iterable[Billed]) -> Decimal:
    return sum((worth.gross.amount for _, _, worth in billed), ZERO)


def _left_of(invoice: Invoice) -> dict[int, Decimal]:
    """What of each line was not credited yet."""
    return {line.line: line.worth.gross.amount - invoice.credited.get(line.line, ZERO) for line in invoice.lines}


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
    return _over_all_lines(order, invoice, whole - elsewhere, _left_of(invoice))


def _over_all_lines(order: Order, invoice: Invoice, amount: Decimal, left: Mapping[int, Decimal]) -> tuple[Billed, ...]:
    """So much of the invoice, spread over its lines as far as they are left."""
    amount = min(amount, sum(left.values(), ZERO))
    if amount <= 0:
        return ()
    gone = [money_of(order, line.worth.gross.amount - left[line.line]) for line in invoice.lines]
    pieces = split(money_of(order, amount), [line.worth for line in invoice.lines], gone)
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
