"""What invoices, credit notes and receipts share; EN 16931 terms in brackets.

Documents are whole, and computed from what happened. Number, series, sequence and day come with the command, since
they are drawn where the event is appended.
"""

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TypedDict

from order_ledger.amounts import Worth
from order_ledger.orders.commands import IssueCreditNote, IssueInvoice
from order_ledger.orders.decisions.rules import ZERO, Blockers, Context, blocker, money_of
from order_ledger.orders.events import Buyer, DocumentLine, DocumentSeller, TaxSubtotal
from order_ledger.orders.lines import Line
from order_ledger.orders.money import InvoicedLine
from order_ledger.orders.order import Order
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.values import Address, Money, Sealed, unsealed

__all__ = [
    "Billed",
    "Body",
    "body_of",
    "buyer_incomplete",
    "document_seller",
    "gross_invoiced",
    "history_order",
    "means_of_payment",
    "seller_incomplete",
]

Billed = tuple[int, int, Worth]
"""A line of the order, how many units of it, and what they are worth."""

_FOUR_DECIMALS = Decimal("0.0001")


# What stands in the way


def history_order(order: Order, context: Context) -> Blockers:
    """An import placed the order: its documents were issued elsewhere, if at all."""
    if order.history:
        yield blocker("history_order", "The ledger issues no documents for orders that were imported.")


def seller_incomplete(seller: RegisteredOrganisation | None) -> Blockers:
    """Nobody knows yet who the seller is, legally."""
    if seller is None or not seller.legal_name or not seller.country or not (seller.vat_id or seller.legal_id):
        what = "The seller needs a name, a country, and a VAT id or a legal registration (BR-CO-26)."
        yield blocker("seller_incomplete", what, "administrator")


def buyer_incomplete(buyer: Buyer, ship_to: Address) -> Blockers:
    """It is not known who buys, or where the goods go."""
    if not (buyer.contact.name or buyer.contact.company):
        yield blocker("buyer_incomplete", "The buyer's name is missing (BR-07).", "customer_service")
    if buyer.bill_to.country is None:
        yield blocker("buyer_incomplete", "The buyer's country is missing (BR-11).", "customer_service")
    if ship_to.country is None:
        yield blocker("ship_to_incomplete", "The country of delivery is missing (BT-80).", "customer_service")


# What they say


class Body(TypedDict):
    """What an invoice and a credit note say alike."""

    number: str
    series: str
    sequence: int
    issued_on: date
    supply_on: date
    seller: DocumentSeller
    buyer: Sealed[Buyer]
    buyer_country: str
    ship_to: Sealed[Address]
    ship_to_country: str
    buyer_reference: str | None
    purchase_order: str | None
    order_number: str
    currency: str
    lines: tuple[DocumentLine, ...]
    tax: tuple[TaxSubtotal, ...]
    net_total: Money
    tax_total: Money
    gross_total: Money
    means_code: str
    iban: str | None
    payment_reference: str
    language: str
    layout: str


def body_of(order: Order, command: IssueInvoice | IssueCreditNote, context: Context, billed: Iterable[Billed]) -> Body:
    """What the document that is asked for says about these units, the parties and the payment."""
    lines = tuple(
        _line(no, order.lines[number], quantity, worth) for no, (number, quantity, worth) in enumerate(billed, 1)
    )
    net = sum((line.net.amount for line in lines), ZERO)
    tax = sum((line.tax.amount for line in lines), ZERO)
    seller = context.seller
    return Body(
        number=command.number,
        series=command.series,
        sequence=command.sequence,
        issued_on=command.issued_on,
        supply_on=command.supply_on,
        seller=document_seller(seller),
        buyer=unsealed(command.buyer, order.consumer, "document"),
        buyer_country=command.buyer.bill_to.country or "",
        ship_to=unsealed(command.ship_to, order.consumer, "document"),
        ship_to_country=command.ship_to.country or "",
        buyer_reference=order.placed.buyer_reference,
        purchase_order=order.placed.purchase_order,
        order_number=order.number,
        currency=order.currency,
        lines=lines,
        tax=_taxes(order, lines),
        net_total=money_of(order, net),
        tax_total=money_of(order, tax),
        gross_total=money_of(order, net + tax),
        means_code=means_of_payment(order, seller),
        iban=seller.iban if seller is not None else None,
        payment_reference=order.number,
        language=order.placed.language,
        layout=command.layout,
    )


def document_seller(seller: RegisteredOrganisation | None) -> DocumentSeller:
    """The seller as a document names it."""
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


def _line(number: int, line: Line, quantity: int, worth: Worth) -> DocumentLine:
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


def means_of_payment(order: Order, seller: RegisteredOrganisation | None) -> str:
    """How it is paid (BT-81, UNTDID 4461): as the last payment was, or else as the terms say."""
    paid = [payment.method for payment in order.payments if payment.kind in ("authorised", "captured")]
    match paid[-1] if paid else order.terms.method:
        case "card":
            return "48"
        case "transfer":
            return "58" if order.currency == "EUR" and seller is not None and seller.iban else "30"
        case _:
            return "ZZZ"


def gross_invoiced(lines: Iterable[InvoicedLine]) -> Decimal:
    """What these lines were invoiced at, together."""
    return sum((line.worth.gross.amount for line in lines), ZERO)
