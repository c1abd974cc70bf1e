"""An invoice or a credit note as EN 16931 asks for it, in the syntax of UN/CEFACT CII (Factur-X, profile EN 16931).

The numbers in brackets are the standard's business terms and rules. What the standard has no use for is left out, and
what it forbids beside something else as well: an IBAN-less transfer (BR-61), a rate outside the scope of VAT (BR-O-05).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from drafthorse.models.accounting import ApplicableTradeTax
from drafthorse.models.document import Document as CrossIndustryInvoice
from drafthorse.models.party import TaxRegistration
from drafthorse.models.payment import PaymentMeans, PaymentTerms
from drafthorse.models.tradelines import LineItem

from order_ledger.documents.opened import NotMadeInThisForm, Opened, OpenedReceipt, decimals, price_and_basis
from order_ledger.orders.events import Buyer, CreditNoteIssued, DocumentLine, DocumentSeller, InvoiceIssued, TaxSubtotal
from order_ledger.values import Address

MEDIA_TYPE = "application/xml"
GUIDELINE = "urn:cen.eu:en16931:2017"
ERASED = "erased"
"""The name of a buyer that nobody knows any more; without a name the file would not be valid (BR-07)."""

_SCHEMA = "FACTUR-X_EN16931"
_TRANSFERS = ("30", "58")
_OUTSIDE_VAT = "O"


def as_xml(document: Opened) -> bytes:
    """The bytes; the same document gives the same. They hold to the published XML schema, or an error is raised.

    Raises `NotMadeInThisForm` for receipts, and for currencies of more than two decimals.
    """
    if isinstance(document, OpenedReceipt):
        raise NotMadeInThisForm("A receipt has no XML: EN 16931 knows invoices and credit notes.")
    event = document.event
    if decimals(event.currency) > 2:
        raise NotMadeInThisForm(
            f"Amounts in {event.currency} have more than the two decimals that EN 16931 allows: there is no XML."
        )
    invoice = CrossIndustryInvoice()
    invoice.context.guideline_parameter.id = GUIDELINE
    invoice.header.id = event.number
    invoice.header.type_code = str(event.kind)
    invoice.header.issue_date_time = event.issued_on
    for line in event.lines:
        invoice.trade.items.add(_line(line, event.currency))
    _agreement(invoice.trade.agreement, event, document.buyer)
    _delivery(invoice.trade.delivery, event, document.ship_to)
    _settlement(invoice.trade.settlement, event)
    written: bytes = invoice.serialize(schema=_SCHEMA)
    return written


def _line(line: DocumentLine, currency: str) -> LineItem:
    """A line (BG-25)."""
    price, basis = price_and_basis(line.net.amount, line.quantity, line.unit_net, currency)
    item = LineItem()
    item.document.line_id = str(line.no)
    item.product.seller_assigned_id = line.sku or None
    item.product.name = line.description or line.sku or str(line.order_line)
    item.agreement.net.amount = price
    item.agreement.net.basis_quantity = (Decimal(basis), line.unit)
    item.delivery.billed_quantity = (Decimal(line.quantity), line.unit)
    item.settlement.trade_tax.type_code = "VAT"
    item.settlement.trade_tax.category_code = line.tax_category
    if line.tax_category != _OUTSIDE_VAT:
        item.settlement.trade_tax.rate_applicable_percent = line.tax_rate
    item.settlement.monetary_summation.total_amount = line.net.amount
    return item


def _agreement(agreement: Any, event: InvoiceIssued | CreditNoteIssued, buyer: Buyer | None) -> None:
    """Who sells to whom (BG-4, BG-7), and what they refer to."""
    if event.buyer_reference:
        agreement.buyer_reference = event.buyer_reference
    _seller(agreement.seller, event.seller)
    if buyer is None:
        agreement.buyer.name = ERASED
        agreement.buyer.address.country_id = event.buyer_country
    else:
        contact = buyer.contact
        agreement.buyer.name = contact.company or contact.name or buyer.bill_to.company or buyer.bill_to.name
        if contact.company and contact.name:
            agreement.buyer.contact.person_name = contact.name
        if contact.phone:
            agreement.buyer.contact.telephone.number = contact.phone
        if contact.email:
            agreement.buyer.contact.email.address = contact.email
        _address(agreement.buyer.address, buyer.bill_to, event.buyer_country)
        _registered(agreement.buyer, contact.vat_id, event.buyer_country, None)
    agreement.seller_order.issuer_assigned_id = event.order_number
    if event.purchase_order:
        agreement.buyer_order.issuer_assigned_id = event.purchase_order


def _seller(party: Any, seller: DocumentSeller) -> None:
    party.name = seller.legal_name
    if seller.legal_id:
        # The scheme is a code of ISO 6523 (BR-CL-11), or is not said.
        is_code = seller.legal_scheme is not None and len(seller.legal_scheme) == 4 and seller.legal_scheme.isdigit()
        party.legal_organization.id = (seller.legal_scheme, seller.legal_id) if is_code else seller.legal_id
    if seller.trade_name:
        party.legal_organization.trade_name = seller.trade_name
    if seller.phone or seller.email:
        party.contact.person_name = seller.trade_name or seller.legal_name
    if seller.phone:
        party.contact.telephone.number = seller.phone
    if seller.email:
        party.contact.email.address = seller.email
    _address(party.address, seller.address, seller.country)
    _registered(party, seller.vat_id, seller.country, seller.tax_number)


def _registered(party: Any, vat_id: str | None, country: str, tax_number: str | None) -> None:
    for scheme, number in (("FC", tax_number), ("VA", vat_number(vat_id, country))):
        if number:
            registration = TaxRegistration()
            registration.id = (scheme, number)
            party.tax_registrations.add(registration)


def vat_number(vat_id: str | None, country: str) -> str | None:
    """A VAT id as it is written in documents: without blanks, its country before it (BR-CO-09; Greece is EL)."""
    if vat_id is None:
        return None
    plain = "".join(character for character in vat_id.upper() if character.isalnum())
    if not plain:
        return None
    return plain if plain[:2].isalpha() else f"{'EL' if country == 'GR' else country}{plain}"


def _address(written: Any, address: Address, country: str) -> None:
    if address.postcode:
        written.postcode = address.postcode
    if address.line1:
        written.line_one = address.line1
    if address.line2:
        written.line_two = address.line2
    if address.city:
        written.city_name = address.city
    written.country_id = address.country or country
    if address.region:
        written.country_subdivision = address.region


def _delivery(delivery: Any, event: InvoiceIssued | CreditNoteIssued, ship_to: Address | None) -> None:
    """Where it went (BG-13, BG-15), when (BT-72), and with which parcel (BT-16)."""
    if ship_to is None:
        delivery.ship_to.address.country_id = event.ship_to_country
    else:
        if ship_to.company or ship_to.name:
            delivery.ship_to.name = ship_to.company or ship_to.name
        _address(delivery.ship_to.address, ship_to, event.ship_to_country)
    delivery.event.occurrence = event.supply_on
    if event.shipment is not None:
        delivery.despatch_advice.issuer_assigned_id = str(event.shipment)


def _settlement(settlement: Any, event: InvoiceIssued | CreditNoteIssued) -> None:
    """What it comes to, and how it is paid."""
    settlement.payment_reference = event.payment_reference
    settlement.currency_code = event.currency
    if event.means_code not in _TRANSFERS or event.iban:
        means = PaymentMeans()
        means.type_code = event.means_code
        if event.means_code in _TRANSFERS:
            means.payee_account.iban = event.iban
        settlement.payment_means.add(means)
    for subtotal in together(event.tax):
        settlement.trade_tax.add(_tax(subtotal))
    terms = PaymentTerms()
    terms.description = event.terms
    if event.due_on is not None:
        terms.due = event.due_on
    settlement.terms.add(terms)
    totals = settlement.monetary_summation
    totals.line_total = event.net_total.amount
    totals.tax_basis_total = (event.net_total.amount, None)
    totals.tax_total = (event.tax_total.amount, event.currency)
    totals.grand_total = (event.gross_total.amount, None)
    totals.prepaid_total = event.prepaid.amount
    totals.due_amount = event.due.amount
    if isinstance(event, CreditNoteIssued):
        settlement.invoice_referenced_document.issuer_assigned_id = event.invoice.number
        settlement.invoice_referenced_document.issue_date_time = event.invoice.issued_on


def together(subtotals: Iterable[TaxSubtotal]) -> list[TaxSubtotal]:
    """One subtotal for each category and rate, as the standard wants it (BR-E-01 and its likes), with all reasons."""
    found: dict[tuple[str, Decimal], TaxSubtotal] = {}
    for each in subtotals:
        key = (each.category, each.rate)
        before = found.get(key)
        if before is None:
            found[key] = each
            continue
        reasons = dict.fromkeys(reason for reason in (before.exemption, each.exemption) if reason)
        found[key] = TaxSubtotal(
            each.category,
            each.rate,
            type(each.basis)(before.basis.amount + each.basis.amount, each.basis.currency),
            type(each.tax)(before.tax.amount + each.tax.amount, each.tax.currency),
            "; ".join(reasons) or None,
        )
    return list(found.values())


def _tax(subtotal: TaxSubtotal) -> ApplicableTradeTax:
    """What is due in one category at one rate (BG-23)."""
    tax = ApplicableTradeTax()
    tax.calculated_amount = subtotal.tax.amount
    tax.type_code = "VAT"
    if subtotal.exemption and subtotal.category not in ("S", "Z", "L", "M"):
        tax.exemption_reason = subtotal.exemption
    tax.basis_amount = subtotal.basis.amount
    tax.category_code = subtotal.category
    if subtotal.category != _OUTSIDE_VAT:
        tax.rate_applicable_percent = subtotal.rate
    return tax
