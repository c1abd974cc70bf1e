"""The fold of every order's documents and money, and the property that keeps it honest."""

from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from order_ledger.entries import Entry
from order_ledger.orders.events import OrderEvent
from projections import invoices
from projections.invoices import PROJECTION, Account
from tests.documents.orders import deal
from tests.examples import BOOK_PLACED, CONFIRMED, ORDER_ID, PAYMENT, REFUND_PAYMENT, SHIPMENT, paid, shipped
from tests.following.histories import entries_of, random_history
from tests.orders.streams import given
from tests.orders.test_issue_credit_note import INVOICED_AND_BACK, credit
from tests.orders.test_issue_invoice import issue
from tests.scenario import History


def read_of(entries: list[Entry[OrderEvent]]) -> list[Entry[OrderEvent]]:
    """Those that the projection does not pass over."""
    return [entry for entry in entries if type(entry.event) not in invoices.IGNORED]


def folded(history: History[Any]) -> Account:
    """What the projection knows of this history."""
    events: Any = [getattr(each, "event", each) for each in history.events]
    return fold_all(entries_of(ORDER_ID, *events))


def fold_all(entries: list[Entry[OrderEvent]]) -> Account:
    account: Account | None = None
    for entry in read_of(entries):
        account = invoices.fold(account, entry)
    assert account is not None
    return account


def table(account: Account, name: str) -> list[dict[str, Any]]:
    columns = next(each.columns for each in PROJECTION.tables if each.name == name)
    return [dict(zip(columns, row, strict=True)) for row in invoices.rows(account)[name]]


def test_an_invoice_is_open_until_it_is_paid() -> None:
    history = given(BOOK_PLACED, CONFIRMED, shipped((1, 3))).when(issue()).happens()
    (row,) = table(folded(history), "document")
    assert (row["kind"], row["gross"], row["due"], row["open"], row["credited"]) == (
        "invoice", Decimal("21.00"), Decimal("21.00"), Decimal("21.00"), 0,
    )  # fmt: skip
    half = given(*history.events, paid("10.00"))
    assert table(folded(half), "document")[0]["open"] == Decimal("11.00")
    whole = given(*half.events, paid("11.00", payment=REFUND_PAYMENT, reference="2"))
    assert table(folded(whole), "document")[0]["open"] == 0
    failed = given(*whole.events, paid("11.00", kind="failed", of=REFUND_PAYMENT, reference="3"))
    assert table(folded(failed), "document")[0]["open"] == Decimal("11.00")


def test_money_pays_the_oldest_invoice_first() -> None:
    second = shipped((1, 2), shipment=REFUND_PAYMENT, number="2")
    history = given(BOOK_PLACED, CONFIRMED, shipped((1, 1)), second, paid("10.00"))
    history = history.when(issue()).happens().when(issue(2, shipment=REFUND_PAYMENT)).happens()
    assert [row["open"] for row in table(folded(history), "document")] == [0, Decimal("11.00")]


def test_a_credit_note_takes_off_what_is_open() -> None:
    history = INVOICED_AND_BACK.when(credit()).happens()
    account = folded(history)
    note, invoice = table(account, "document")
    assert (note["kind"], note["invoice"], note["refund"], note["open"]) == (
        "credit_note", "ACME-INV-2026-000001", 1, None,
    )  # fmt: skip
    assert (invoice["credited"], invoice["open"]) == (Decimal("7.00"), 0)
    (row,) = table(account, "account")
    assert (row["invoiced"], row["credited"], row["captured"], row["open"]) == (21, 7, 21, 0)
    refunded = given(*history.events, paid("7.00", kind="refunded", of=PAYMENT, refund=1, reference="r"))
    assert table(folded(refunded), "account")[0]["open"] == 0


def test_tax_lines_are_those_of_the_document() -> None:
    history = given(BOOK_PLACED, CONFIRMED, shipped((1, 3), shipment=SHIPMENT)).when(issue()).happens()
    (row,) = table(folded(history), "tax_line")
    assert (row["category"], row["rate"], row["basis"], row["tax"]) == (
        "S", Decimal("19.00"), Decimal("17.65"), Decimal("3.35"),
    )  # fmt: skip


def test_the_sums_are_those_of_the_documents_of_invented_orders() -> None:
    """What is open of all invoices is never more than what they come to, less credits and money."""
    for seed in range(30):
        one = deal(seed)
        (row,) = table(folded(one.history), "account")
        assert row["invoiced"] == sum(each.gross_total.amount for each in one.invoices)
        assert row["credited"] == sum(each.gross_total.amount for each in one.credit_notes)
        assert (row["captured"], row["refunded"]) == (one.order.captured, one.order.refunded)
        claims = row["invoiced"] - row["credited"]
        assert row["open"] == max(claims - max(row["captured"] - row["refunded"], 0), 0)
        assert len(table(folded(one.history), "document")) == len(one.documents)


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_the_state_is_whole_in_the_rows(random: Random) -> None:
    account: Account | None = None
    for entry in read_of(entries_of(ORDER_ID, *random_history(random, 30))):
        account = invoices.fold(account, entry)
        again = invoices.state(invoices.rows(account))
        assert again == account
        assert repr(again) == repr(account), "decimals are kept too"


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_any_prefix_and_any_order_of_events_folds(random: Random) -> None:
    entries = read_of(entries_of(ORDER_ID, *random_history(random, 30)))
    random.shuffle(entries)
    account = fold_all(entries)
    assert invoices.state(invoices.rows(account)) == account
    for each in PROJECTION.tables:
        assert {len(row) for row in invoices.rows(account)[each.name]} <= {len(each.columns)}
        keys = [row[: each.key] for row in invoices.rows(account)[each.name]]
        assert len(keys) == len(set(keys))


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_no_sealed_value_is_in_a_row(random: Random) -> None:
    account = fold_all(entries_of(ORDER_ID, *random_history(random)))
    assert b"Lovelace" not in repr(invoices.rows(account)).encode()


def test_every_event_is_read_or_passed_over_by_name() -> None:
    assert invoices.READ.isdisjoint(invoices.IGNORED)
