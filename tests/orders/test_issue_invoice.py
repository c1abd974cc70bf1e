"""Invoices: whole, computed from what happened, and refused where a rule of EN 16931 would break."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from order_ledger.orders.commands import IssueInvoice
from order_ledger.orders.decisions import invoice_due
from order_ledger.orders.events import (
    Buyer,
    DocumentLine,
    InvoiceIssued,
    LinesCancelled,
    ProblemReported,
    ProblemResolved,
    TaxSubtotal,
)
from order_ledger.values import Address, Contact, Terms, Units, unsealed
from tests.examples import (
    ADA,
    AT_CONFIRMATION,
    BERLIN,
    BOOK_CONFIRMED,
    BOOK_PLACED,
    BUYER,
    CONFIRMED,
    ON_ITS_WAY,
    SECOND_SHIPMENT,
    SHIPMENT,
    SUBSTITUTED,
    TODAY,
    eur,
    line,
    paid,
    placed,
    seller,
    shipped,
)
from tests.orders.streams import given

SECOND = shipped((1, 2), shipment=SECOND_SHIPMENT, number="2")


def issue(number: int = 1, **changed: Any) -> IssueInvoice:
    known: dict[str, Any] = {
        "number": f"ACME-INV-2026-{number:06}",
        "series": "ACME-INV-2026",
        "sequence": number,
        "issued_on": TODAY,
        "layout": "1",
        "supply_on": TODAY,
        "shipment": SHIPMENT,
        "buyer": BUYER,
        "ship_to": BERLIN,
    }
    return IssueInvoice(**{**known, **changed})


def invoice(*history: Any, command: IssueInvoice | None = None, **context: Any) -> InvoiceIssued:
    (event,) = given(*history).when(command or issue(), **context).events
    assert isinstance(event, InvoiceIssued)
    return event


def test_issued_for_a_shipment() -> None:
    issued = invoice(*ON_ITS_WAY)
    assert (issued.number, issued.series, issued.sequence, issued.kind) == (
        "ACME-INV-2026-000001",
        "ACME-INV-2026",
        1,
        380,
    )
    assert issued.lines == (
        DocumentLine(
            no=1,
            order_line=1,
            description="Book",
            sku="BOOK",
            quantity=3,
            unit="C62",
            unit_net=Decimal("5.8833"),
            net=eur("17.65"),
            tax=eur("3.35"),
            gross=eur("21.00"),
            tax_category="S",
            tax_rate=Decimal("19.00"),
        ),
    )
    assert issued.tax == (TaxSubtotal("S", Decimal("19.00"), eur("17.65"), eur("3.35"), None),)
    assert (issued.net_total, issued.tax_total, issued.gross_total) == (eur("17.65"), eur("3.35"), eur("21.00"))
    assert (issued.prepaid, issued.due, issued.due_on) == (eur("0.00"), eur("21.00"), TODAY + timedelta(days=14))
    assert (issued.order_number, issued.shipment, issued.payment_reference) == (
        BOOK_PLACED.number,
        SHIPMENT,
        BOOK_PLACED.number,
    )
    assert issued.seller.legal_name == "Acme GmbH"
    assert issued.terms == "Payable by 2026-12-05"


def test_buyer_and_address_are_sealed_for_as_long_as_tax_law_keeps_them() -> None:
    issued = invoice(*ON_ITS_WAY)
    assert issued.buyer == unsealed(BUYER, ADA, "document")
    assert issued.ship_to == unsealed(BERLIN, ADA, "document")
    assert (issued.buyer_country, issued.ship_to_country) == ("DE", "DE")


def test_invoices_of_parts_sum_to_the_order_and_charges_go_on_the_first() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "FREIGHT"))
    history = given(order, CONFIRMED, shipped((1, 1)), SECOND).when(issue()).happens()
    history = history.when(issue(2, shipment=SECOND_SHIPMENT)).happens()
    first, second = (event for event in history.events if isinstance(event, InvoiceIssued))
    assert [(one.sku, one.quantity, one.gross) for one in first.lines] == [
        ("BOOK", 1, eur("7.00")),
        ("FREIGHT", 1, eur("5.95")),
    ]
    assert [(one.sku, one.quantity, one.gross) for one in second.lines] == [("BOOK", 2, eur("14.00"))]
    assert first.net_total.amount + second.net_total.amount == order.net.amount
    assert first.tax_total.amount + second.tax_total.amount == order.tax.amount
    history.comes_to(document="invoiced")


def test_what_was_paid_is_used_once() -> None:
    history = given(BOOK_PLACED, CONFIRMED, paid("10.00"), shipped((1, 1)), SECOND)
    history = history.when(issue()).happens().when(issue(2, shipment=SECOND_SHIPMENT)).happens()
    first, second = (event for event in history.events if isinstance(event, InvoiceIssued))
    assert (first.prepaid, first.due, first.due_on, first.terms) == (eur("7.00"), eur("0.00"), None, "Paid")
    assert (second.prepaid, second.due) == (eur("3.00"), eur("11.00"))


def test_how_it_is_paid() -> None:
    assert invoice(*ON_ITS_WAY).means_code == "58"
    assert invoice(*ON_ITS_WAY, paid("21.00")).means_code == "48"
    assert invoice(*ON_ITS_WAY, paid("21.00", method="boleto")).means_code == "ZZZ"


def test_issued_at_confirmation() -> None:
    order = placed(line(1, "BOOK", 3), terms=AT_CONFIRMATION)
    issued = invoice(order, CONFIRMED, command=issue(shipment=None))
    assert (issued.shipment, issued.gross_total) == (None, eur("21.00"))


def test_what_was_cancelled_before_is_not_invoiced_at_confirmation() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "FREIGHT"), terms=AT_CONFIRMATION)
    one_less = LinesCancelled(lines=(Units(1, 1),), net=eur("16.76"), tax=eur("3.19"), total=eur("19.95"))
    issued = invoice(order, one_less, CONFIRMED, command=issue(shipment=None))
    assert [(one.order_line, one.quantity) for one in issued.lines] == [(1, 2), (2, 1)]
    assert issued.gross_total == eur("19.95")


def test_what_is_added_after_the_confirmation_is_invoiced_by_itself() -> None:
    placed_so = placed(line(1, "VALVE", 3), terms=AT_CONFIRMATION)
    history = given(placed_so, CONFIRMED).when(issue(shipment=None)).happens()
    history.when(issue(2, shipment=None)).then_nothing()
    history = given(*history.events, *SUBSTITUTED).when(issue(2, shipment=None)).happens()
    added = history.events[-1]
    assert isinstance(added, InvoiceIssued)
    assert [(one.order_line, one.sku, one.quantity, one.gross) for one in added.lines] == [
        (2, "GASKET", 1, eur("4.00"))
    ]
    assert invoice_due(history.state, None) == ()
    history.when(issue(3, shipment=None)).then_nothing()


def test_what_is_sent_again_is_not_invoiced_again() -> None:
    lost = ProblemReported(problem=1, kind="not_received", shipment=SHIPMENT, lines=(), evidence=())
    again = ProblemResolved(1, "reship", (Units(1, 3),))
    second = shipped((1, 3), shipment=SECOND_SHIPMENT, number="2")
    history = given(*ON_ITS_WAY).when(issue()).happens()
    for replaces in (SHIPMENT, None):
        resent = given(*history.events, lost, again, replace(second, replaces=replaces))
        resent.when(issue(2, shipment=SECOND_SHIPMENT)).then_refused_for("nothing_to_invoice")


def test_ignored_when_retried() -> None:
    history = given(*ON_ITS_WAY).when(issue()).happens()
    history.when(issue()).then_nothing()
    history.when(issue(2)).then_nothing()


def test_refused_for_an_order_that_was_imported() -> None:
    imported = placed(line(1, "BOOK", 3), history=True)
    given(imported, *ON_ITS_WAY[1:]).when(issue()).then_refused("history_order")


def test_refused_before_it_is_confirmed() -> None:
    order = placed(line(1, "BOOK", 3), terms=AT_CONFIRMATION)
    given(order).when(issue(shipment=None)).then_refused_for("not_confirmed")


def test_refused_while_the_seller_is_incomplete() -> None:
    for missing in ({"legal_name": None}, {"country": None}, {"vat_id": None, "tax_number": "12/345/67890"}):
        given(*ON_ITS_WAY).when(issue(), seller=seller(**missing)).then_refused_for("seller_incomplete")
    given(*ON_ITS_WAY).when(issue(), seller=None).then_refused("seller_incomplete")
    invoice(*ON_ITS_WAY, seller=seller(vat_id=None, legal_id="HRB 1", tax_number="12/345/67890"))


def test_refused_while_the_buyer_is_incomplete() -> None:
    nameless, nowhere = Buyer(Contact(), BERLIN), Buyer(BUYER.contact, Address())
    given(*ON_ITS_WAY).when(issue(buyer=nameless)).then_refused_for("buyer_incomplete")
    given(*ON_ITS_WAY).when(issue(buyer=nowhere)).then_refused_for("buyer_incomplete")
    given(*ON_ITS_WAY).when(issue(ship_to=Address())).then_refused_for("ship_to_incomplete")


def test_refused_at_the_wrong_time() -> None:
    given(*BOOK_CONFIRMED).when(issue(shipment=None)).then_refused_for("invoiced_at_dispatch")
    order = placed(line(1, "BOOK", 3), terms=AT_CONFIRMATION)
    given(order, *ON_ITS_WAY[1:]).when(issue()).then_refused("invoiced_at_confirmation")


def test_refused_for_a_shipment_that_there_is_not() -> None:
    given(*ON_ITS_WAY).when(issue(shipment=SECOND_SHIPMENT)).then_refused("unknown_shipment")


def test_refused_where_the_tax_is_not_known() -> None:
    order = placed(line(1, "BOOK", 3, tax_category=None))
    given(order, *ON_ITS_WAY[1:]).when(issue()).then_refused("tax_unknown", line=1)


def test_refused_without_a_word_on_the_exemption() -> None:
    free = {"tax_rate": Decimal("0.00")}
    for category in ("E", "AE", "G"):
        order = placed(line(1, "BOOK", 3, tax_category=category, **free))
        given(order, *ON_ITS_WAY[1:]).when(issue()).then_refused_for("exemption_missing")
    exempt = placed(line(1, "BOOK", 3, tax_category="E", exemption="§ 4 UStG", **free))
    assert invoice(exempt, *ON_ITS_WAY[1:]).tax[0].exemption == "§ 4 UStG"


def test_refused_with_vat_ids_beside_what_is_outside_the_scope_of_vat() -> None:
    order = placed(line(1, "BOOK", 3, tax_category="O", tax_rate=Decimal("0.00"), exemption="Not taxable"))
    given(order, *ON_ITS_WAY[1:]).when(issue()).then_refused_for("vat_id_forbidden")
    invoice(order, *ON_ITS_WAY[1:], seller=seller(vat_id=None, legal_id="HRB 1"))


def test_refused_without_both_vat_ids_within_the_union() -> None:
    order = placed(line(1, "BOOK", 3, tax_category="K", tax_rate=Decimal("0.00"), exemption="Intra-Community"))
    given(order, *ON_ITS_WAY[1:]).when(issue()).then_refused_for("vat_id_missing")
    taxable = Buyer(replace(BUYER.contact, vat_id="ATU12345678"), BERLIN)
    invoice(order, *ON_ITS_WAY[1:], command=issue(buyer=taxable))


def test_refused_for_a_transfer_without_an_iban() -> None:
    given(*ON_ITS_WAY).when(issue(), seller=seller(iban=None)).then_refused_for("iban_missing")
    settled = invoice(*ON_ITS_WAY, paid("21.00", method="transfer"), seller=seller(iban=None))
    assert settled.due == eur("0.00")


def test_terms_without_days_are_due_at_once() -> None:
    order = placed(line(1, "BOOK", 3), terms=Terms("on_invoice", 0, "card", "dispatch", 14))
    assert invoice(order, *ON_ITS_WAY[1:]).due_on == date(2026, 11, 21)


def test_refused_where_the_tax_of_a_line_needs_a_registration_that_is_missing() -> None:
    unregistered = seller(vat_id=None, legal_id="HRB 1")
    given(*ON_ITS_WAY).when(issue(), seller=unregistered).then_refused_for("vat_id_missing")
    free: dict[str, Any] = {"tax_rate": Decimal("0.00"), "exemption": "Why"}
    reverse = placed(line(1, "BOOK", 3, tax_category="AE", **free))
    given(reverse, *ON_ITS_WAY[1:]).when(issue()).then_refused_for("vat_id_missing", saying="BR-AE-02")
    firm = Buyer(Contact(name="Ada Lovelace", vat_id="ATU12345678"), BERLIN)
    invoice(reverse, *ON_ITS_WAY[1:], command=issue(buyer=firm))
    export = placed(line(1, "BOOK", 3, tax_category="G", **free))
    taxed = seller(vat_id=None, legal_id="HRB 1", tax_number="12/345/67890")
    given(export, *ON_ITS_WAY[1:]).when(issue(), seller=taxed).then_refused_for("vat_id_missing", saying="BR-G-02")
