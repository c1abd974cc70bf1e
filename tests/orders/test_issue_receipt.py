"""Receipts for payments captured and refunded."""

from typing import Any

from order_ledger.orders.commands import IssueReceipt
from order_ledger.orders.events import ReceiptIssued, RefundGranted
from order_ledger.values import unsealed
from tests.examples import (
    ADA,
    BOOK_PLACED,
    CONTACT,
    ON_ITS_WAY,
    PAYMENT,
    REFUND_PAYMENT,
    SECOND_PAYMENT,
    TODAY,
    eur,
    line,
    paid,
    placed,
    seller,
)
from tests.orders.streams import given
from tests.orders.test_issue_invoice import issue


def receipt(**changed: Any) -> IssueReceipt:
    known: dict[str, Any] = {
        "number": "ACME-RCP-2026-000001",
        "series": "ACME-RCP-2026",
        "sequence": 1,
        "issued_on": TODAY,
        "layout": "1",
        "payment": PAYMENT,
        "payer": CONTACT,
    }
    return IssueReceipt(**{**known, **changed})


def test_for_what_was_received() -> None:
    (event,) = given(*ON_ITS_WAY, paid("21.00")).when(issue()).happens().when(receipt()).events
    assert isinstance(event, ReceiptIssued)
    assert (event.kind, event.amount, event.method, event.reference) == ("received", eur("21.00"), "card", "ch_1")
    assert event.invoices == ("ACME-INV-2026-000001",)
    assert event.payer == unsealed(CONTACT, ADA, "document")
    assert event.order_number == BOOK_PLACED.number


def test_for_what_was_refunded() -> None:
    granted = RefundGranted(refund=1, basis="goodwill", refers_to="", lines=(), amount=eur("5.00"))
    back = paid("5.00", kind="refunded", payment=REFUND_PAYMENT, reference="re_1", refund=1)
    (event,) = given(BOOK_PLACED, paid("21.00"), granted, back).when(receipt(payment=REFUND_PAYMENT)).events
    assert isinstance(event, ReceiptIssued)
    assert (event.kind, event.amount) == ("refunded", eur("5.00"))


def test_ignored_when_retried() -> None:
    given(BOOK_PLACED, paid("21.00")).when(receipt()).happens().when(receipt()).then_nothing()


def test_refused_for_a_payment_that_there_is_not() -> None:
    given(BOOK_PLACED, paid("21.00")).when(receipt(payment=SECOND_PAYMENT)).then_refused_for("unknown_payment")


def test_refused_for_what_only_was_authorised() -> None:
    given(BOOK_PLACED, paid("21.00", kind="authorised")).when(receipt()).then_refused_for("nothing_received")


def test_refused_while_the_seller_is_incomplete() -> None:
    incomplete = seller(vat_id=None)
    given(BOOK_PLACED, paid("21.00")).when(receipt(), seller=incomplete).then_refused_for("seller_incomplete")


def test_refused_for_an_order_that_was_imported() -> None:
    imported = placed(line(1, "BOOK", 3), history=True)
    given(imported, paid("21.00")).when(receipt()).then_refused("history_order")
