"""Every document of a hundred invented orders keeps the published rules, and the sums that those let pass."""

from collections.abc import Iterator
from decimal import Decimal
from functools import cache

import pytest

from order_ledger.documents.as_xml import as_xml
from order_ledger.documents.opened import OpenedInvoice, decimals, price_and_basis
from order_ledger.orders.events import CreditNoteIssued, InvoiceIssued
from tests.documents.orders import Dealt, deal
from tests.documents.rules import broken
from tests.examples import BERLIN, BOOK_CONFIRMED, BUYER, shipped
from tests.orders.streams import given
from tests.orders.test_issue_invoice import issue

ORDERS = 100


@cache
def dealt() -> tuple[Dealt, ...]:
    return tuple(deal(seed) for seed in range(ORDERS))


def documents() -> Iterator[tuple[Dealt, InvoiceIssued | CreditNoteIssued]]:
    for one in dealt():
        yield from ((one, invoice) for invoice in one.invoices)
        yield from ((one, note) for note in one.credit_notes)


def xml_of(one: Dealt, document: InvoiceIssued | CreditNoteIssued) -> bytes:
    return as_xml(OpenedInvoice(document, one.buyer, one.buyer.bill_to))


def test_every_document_keeps_the_published_rules() -> None:
    wrong = {document.number: found for one, document in documents() if (found := broken(xml_of(one, document)))}
    assert wrong == {}


def test_the_invented_orders_hold_all_that_there_is() -> None:
    """A generator that makes nothing proves nothing."""
    everything = [document for _, document in documents()]
    assert {line.tax_category for each in everything for line in each.lines} == {"S", "Z", "E", "K", "G", "AE", "O"}
    assert {each.currency for each in everything} == {"EUR", "USD", "JPY"}
    assert {type(each) for one in dealt() for each in one.documents} == {type(each) for each in everything} | {
        type(next(each for one in dealt() for each in one.documents if each.number.startswith("ACME-RCP")))
    }
    assert len(everything) > 150 and sum(isinstance(each, CreditNoteIssued) for each in everything) > 50
    assert any(each.prepaid.amount > 0 for each in everything) and any(each.due_on is None for each in everything)
    assert any(each.refund is None for each in everything if isinstance(each, CreditNoteIssued))
    assert any(len(one.invoices) > 1 for one in dealt())
    assert any(line.sku == "GASKET" for each in everything for line in each.lines), "a substitute"
    assert any(len(each.tax) > 1 for each in everything)


def test_what_is_due_has_a_day_and_a_credit_note_its_invoice() -> None:
    for one, document in documents():
        if document.due.amount > 0:
            assert document.due_on is not None and document.due_on >= document.issued_on
            assert b"<ram:DueDateDateTime>" in xml_of(one, document)
        if isinstance(document, CreditNoteIssued):
            assert (
                f"<ram:IssuerAssignedID>{document.invoice.number}</ram:IssuerAssignedID>"
                in (xml_of(one, document).decode().partition("InvoiceReferencedDocument")[2])
            )


def test_the_net_of_a_line_is_its_price_by_its_quantity() -> None:
    """To the cent, also where no price of four decimals comes to it: then the price is that of all units."""
    bases = set()
    for _, document in documents():
        for line in document.lines:
            price, basis = price_and_basis(line.net.amount, line.quantity, line.unit_net, document.currency)
            cent = Decimal(1).scaleb(-decimals(document.currency))
            assert (price * line.quantity / basis).quantize(cent, rounding="ROUND_HALF_UP") == line.net.amount
            assert line.gross.amount == line.net.amount + line.tax.amount
            bases.add(basis == 1)
    assert bases == {True, False}


def test_totals_are_the_sums_of_the_lines() -> None:
    for _, document in documents():
        assert sum(line.net.amount for line in document.lines) == document.net_total.amount
        assert sum(each.tax.amount for each in document.tax) == document.tax_total.amount
        assert document.net_total.amount + document.tax_total.amount == document.gross_total.amount
        assert document.gross_total.amount - document.prepaid.amount == document.due.amount


def test_invoices_sum_to_the_order_and_credit_notes_never_to_more_than_the_invoices() -> None:
    whole = 0
    for one in dealt():
        order = one.order
        invoiced = sum((each.gross_total.amount for each in one.invoices), Decimal(0))
        wanted = sum(
            line.worth_of(0, line.ordered.quantity - line.withdrawn).gross.amount for line in order.lines.values()
        )
        if order.document == "invoiced":
            assert invoiced == wanted
            whole += 1
        for invoice in one.invoices:
            credited = sum(
                (each.gross_total.amount for each in one.credit_notes if each.invoice.number == invoice.number),
                Decimal(0),
            )
            assert credited <= invoice.gross_total.amount
    assert whole > 10


PLANTED = (
    ("<ram:DuePayableAmount>21.00", "<ram:DuePayableAmount>22.00", "BR-CO-16"),
    ("<ram:TaxBasisTotalAmount>17.65", "<ram:TaxBasisTotalAmount>17.66", "BR-CO-13"),
    ("<ram:Name>Ada Lovelace</ram:Name>", "", "BR-07"),
    ('<ram:ID schemeID="VA">DE123456789</ram:ID>', '<ram:ID schemeID="VA">123456789</ram:ID>', "BR-CO-09"),
    ("<ram:RateApplicablePercent>19.00", "<ram:RateApplicablePercent>0.00", "BR-S-05"),
    ("<ram:IBANID>DE89370400440532013000</ram:IBANID>", "", "BR-61"),
)


@pytest.mark.parametrize(("text", "instead", "rule"), PLANTED, ids=[rule for _, _, rule in PLANTED])
def test_a_planted_error_is_found(text: str, instead: str, rule: str) -> None:
    (event,) = given(*BOOK_CONFIRMED, shipped((1, 3))).when(issue()).events
    assert isinstance(event, InvoiceIssued)
    xml = as_xml(OpenedInvoice(event, BUYER, BERLIN))
    assert broken(xml) == []
    assert text in xml.decode()
    assert any(rule in found for found in broken(xml.decode().replace(text, instead).encode()))
