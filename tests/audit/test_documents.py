"""The proof of all documents: it holds for what is whole, and finds each thing that is not."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from order_ledger.audit.documents import Finding, Report, examine
from order_ledger.entries import Entry, Event
from order_ledger.orders.events import CreditNoteIssued, InvoiceIssued, OrderPlaced, PaymentRecorded, ReceiptIssued
from order_ledger.values import Money
from tests.documents.orders import DOCUMENTS, Dealt, deal
from tests.examples import (
    AT_CONFIRMATION,
    CONFIRMED,
    ORDER_ID,
    SUBSTITUTED,
    TODAY,
    eur,
    line,
    paid,
    placed,
    shipped,
    uuid,
)
from tests.following.histories import entries_of
from tests.orders.streams import given
from tests.orders.test_issue_credit_note import INVOICED_AND_BACK, credit
from tests.orders.test_issue_invoice import issue
from tests.orders.test_issue_receipt import receipt


def entries(events: Sequence[Any], number: int = 1) -> list[Entry[Any]]:
    plain = [getattr(each, "event", each) for each in events]
    return entries_of(ORDER_ID if number == 1 else uuid(number + 5000), *plain)


def whole() -> list[Any]:
    """An order paid, invoiced, given back in part and credited, with a receipt for its payment."""
    history = INVOICED_AND_BACK.when(credit()).happens()
    (payment,) = history.state.payments
    return list(history.when(receipt(payment=payment.payment)).happens().events)


def looked_at(events: Sequence[Any]) -> Report:
    return examine([entries(events)])


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def altered(document: type[Event], **changed: Any) -> list[Any]:
    """The whole order with one of its documents otherwise."""
    return [replace(each, **changed) if isinstance(each, document) else each for each in whole()]


def without(kind: type[Event]) -> list[Any]:
    return [each for each in whole() if not isinstance(each, kind)]


def twice_at_confirmation() -> list[Any]:
    """One order, invoiced whole and then once more."""
    order = placed(line(1, "BOOK", 3), terms=AT_CONFIRMATION)
    *before, invoiced = given(order, CONFIRMED).when(issue(shipment=None)).happens().events
    return [*before, invoiced, replace(invoiced, number="ACME-INV-2026-000002", sequence=2)]


def test_what_is_whole_holds() -> None:
    report = looked_at(whole())
    assert report.findings == () and report.holds
    assert (report.orders, report.documents) == (1, 3)
    assert [(each.series, each.documents) for each in report.series] == [
        ("ACME-CRN-2026", 1), ("ACME-INV-2026", 1), ("ACME-RCP-2026", 1),
    ]  # fmt: skip


def test_a_hundred_invented_orders_hold() -> None:
    """Their documents numbered anew, as one seller's series would be."""
    numbered: dict[str, int] = {}

    def renumber(one: Dealt) -> list[Any]:
        names: dict[str, str] = {}
        events: list[Any] = []
        for event in one.history.events:
            if isinstance(event, DOCUMENTS):
                sequence = numbered[event.series] = numbered.get(event.series, 0) + 1
                names[event.number] = f"{event.series}-{sequence:06}"
                event = replace(event, number=names[event.number], sequence=sequence, issued_on=TODAY)
            if isinstance(event, CreditNoteIssued):
                preceding = replace(event.invoice, number=names[event.invoice.number])
                event = replace(event, invoice=preceding)
            events.append(event)
        return events

    report = examine(entries(renumber(deal(seed)), seed + 2) for seed in range(100))
    assert report.findings == ()
    assert report.documents == sum(numbered.values()) > 300


def test_an_order_of_an_import_has_none() -> None:
    history = placed(line(1, "BOOK", 3), history=True)
    assert looked_at([history, CONFIRMED, shipped((1, 3)), paid("21.00")]) == examine([])
    first = whole()[0]
    assert isinstance(first, OrderPlaced)
    assert codes(looked_at([replace(first, history=True), *whole()[1:]])) == ["history_order"]


WRONG: list[tuple[str, Callable[[], list[Any]]]] = [
    ("receipt_missing", lambda: without(ReceiptIssued)),
    ("receipt_wrong", lambda: altered(ReceiptIssued, amount=eur("20.00"))),
    ("receipt_wrong", lambda: altered(ReceiptIssued, kind="refunded")),
    ("receipt_unfounded", lambda: altered(ReceiptIssued, payment=uuid(999))),
    ("invoice_missing", lambda: without(InvoiceIssued)),
    ("credit_note_missing", lambda: without(CreditNoteIssued)),
    ("credited_more_than_granted", lambda: altered(CreditNoteIssued, gross_total=eur("7.01"))),
    ("credited_more_than_invoiced", lambda: altered(CreditNoteIssued, gross_total=eur("22.00"))),
    ("prepaid_wrong", lambda: altered(InvoiceIssued, prepaid=eur("22.00"))),
    ("prepaid_wrong", lambda: altered(PaymentRecorded, amount=eur("10.00"))),
    ("invoiced_wrong", lambda: twice_at_confirmation()),
    ("sum_wrong", lambda: altered(InvoiceIssued, net_total=eur("17.66"))),
    ("sum_wrong", lambda: altered(InvoiceIssued, tax_total=eur("3.36"))),
    ("sum_wrong", lambda: altered(InvoiceIssued, due=eur("1.00"))),
    ("number_missing", lambda: altered(InvoiceIssued, sequence=2, number="ACME-INV-2026-000002")),
    ("number_wrong", lambda: altered(InvoiceIssued, number="ACME-INV-2026-000009")),
    ("number_wrong", lambda: altered(InvoiceIssued, issued_on=TODAY + timedelta(days=60))),
]


@pytest.mark.parametrize(("code", "events"), WRONG, ids=[f"{code}-{n}" for n, (code, _) in enumerate(WRONG)])
def test_what_does_not_hold_is_found(code: str, events: Callable[[], list[Any]]) -> None:
    assert code in codes(looked_at(events()))


def test_what_is_found_names_the_order_and_the_amounts() -> None:
    (finding,) = looked_at(without(ReceiptIssued)).findings
    assert finding == Finding(
        code="receipt_missing",
        what="The payment ch_1 (captured) has no receipt.",
        order="261121-K7Q4M-9TXWB",
        currency="EUR",
        expected=Decimal("21.00"),
        found=Decimal(0),
    )


def test_a_line_invoiced_at_another_worth_is_found() -> None:
    def dearer(event: InvoiceIssued) -> InvoiceIssued:
        (one,) = event.lines
        cent = Money(one.gross.amount + Decimal("0.01"), "EUR")
        return replace(event, lines=(replace(one, gross=cent),))

    events = [dearer(each) if isinstance(each, InvoiceIssued) else each for each in whole()]
    assert "invoiced_wrong" in codes(looked_at(events))


def test_a_substitute_that_nobody_invoiced_is_found() -> None:
    at_confirmation = placed(line(1, "VALVE", 3), terms=AT_CONFIRMATION)
    invoiced = given(at_confirmation, CONFIRMED).when(issue(shipment=None)).happens()
    assert looked_at(invoiced.events).holds
    (missing, uncredited) = looked_at([*invoiced.events, *SUBSTITUTED]).findings
    assert (missing.code, missing.expected, uncredited.code) == (
        "invoice_missing", Decimal("4.00"), "credit_note_missing",
    )  # fmt: skip


def test_a_number_issued_twice_and_a_day_that_goes_back_are_found() -> None:
    one = given(placed(line(1, "BOOK", 3)), CONFIRMED, shipped((1, 3))).when(issue()).happens()
    twice = examine([entries(one.events), entries(one.events, 2)])
    assert codes(twice) == ["number_twice"]
    later = one.events[:-1], replace(one.events[-1], issued_on=TODAY + timedelta(days=1))
    first = [*later[0], later[1]]
    second = [*one.events[:-1], replace(one.events[-1], sequence=2, number="ACME-INV-2026-000002")]
    assert codes(examine([entries(first), entries(second, 2)])) == ["day_goes_back"]
