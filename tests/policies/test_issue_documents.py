"""Which documents are issued, when, under which numbers; and what becomes of those that cannot be."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from psycopg.errors import UniqueViolation

from order_ledger.documents.numbers import Counters, mend_counters, split_number
from order_ledger.entries import By, Cause, CommandRef
from order_ledger.journal.appending import Key
from order_ledger.journal.codec import Codec
from order_ledger.journal.journal import Journal
from order_ledger.journal.names import EVENTS
from order_ledger.orders.events import (
    AddressChanged,
    CreditNoteIssued,
    InvoiceIssued,
    LinesCancelled,
    ProblemReported,
    ProblemResolved,
    ReceiptIssued,
    RefundGranted,
)
from order_ledger.parties.events import OrganisationChanged
from order_ledger.policies.engine.cases import try_all_again
from order_ledger.policies.engine.desk import Task
from order_ledger.policies.engine.running import CannotAnswer
from order_ledger.values import Address, Amounts, Units, unsealed
from tests.examples import (
    ADA,
    AT_CONFIRMATION,
    BERLIN,
    BOOK_PLACED,
    BOTH_PLACED,
    CONFIRMED,
    PAYMENT,
    REFUND_PAYMENT,
    SECOND_SHIPMENT,
    SELLER,
    SHIPMENT,
    SUBSTITUTED,
    eur,
    line,
    paid,
    placed,
    shipped,
)
from tests.following.writing import Writing
from tests.policies.shop import Shop, gapless

YEAR = datetime.now(UTC).year
LATE = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
"""In Hamburg it is the next year already."""

ONE, TWO = shipped((1, 1)), shipped((1, 2), shipment=SECOND_SHIPMENT, number="2")
LOST = ProblemReported(problem=1, kind="not_received", shipment=SHIPMENT, lines=(), evidence=())
GIVEN_BACK = (
    LOST,
    ProblemResolved(problem=1, how="refund", lines=(Units(1, 1),)),
    RefundGranted(
        refund=1, basis="problem", refers_to="1", amount=eur("7.00"),
        lines=(Amounts(1, 1, eur("5.88"), eur("1.12"), eur("7.00")),),
    ),
)  # fmt: skip


def test_an_invoice_for_each_dispatch(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE, TWO)
    shop.issues()
    first, second = shop.issued(order)
    assert isinstance(first, InvoiceIssued) and isinstance(second, InvoiceIssued)
    assert (first.shipment, first.gross_total, second.shipment, second.gross_total) == (
        SHIPMENT, eur("7.00"), SECOND_SHIPMENT, eur("14.00"),
    )  # fmt: skip
    assert first.seller.legal_name == "Acme GmbH"
    assert shop.order(order).document == "invoiced"


def test_what_the_ledger_writes_says_what_it_answers(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    before = datetime.now(UTC)
    shop.issues()
    entry = shop.entries(order)[-1]
    assert (entry.by, entry.through, entry.command.name) == (By(None, "ledger"), "policy", "issue-invoice")
    assert entry.answers is not None and (entry.answers.stream, entry.answers.version) == (order, 3)
    assert entry.at is not None and before <= entry.at <= datetime.now(UTC)


def test_numbers_have_no_gap_over_all_orders_of_a_seller(shop: Shop) -> None:
    orders = [shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00", payment=uuid4()), ONE, TWO) for _ in range(5)]
    shop.issues(batch=4)
    issued = shop.issued(*orders)
    assert len(issued) == 15
    assert gapless(issued)
    assert {document.series for document in issued} == {f"ACME-INV-{YEAR}", f"ACME-RCP-{YEAR}"}


def test_one_invoice_at_the_confirmation_where_the_terms_say_so(shop: Shop) -> None:
    order = shop.ordered(placed(*BOTH_PLACED.lines, terms=AT_CONFIRMATION), CONFIRMED, shipped((1, 3)))
    shop.issues()
    (invoice,) = shop.issued(order)
    assert isinstance(invoice, InvoiceIssued)
    assert (invoice.shipment, invoice.gross_total) == (None, BOTH_PLACED.total)


def test_a_substitute_that_comes_after_the_confirmation_is_invoiced_and_what_it_stands_for_credited(shop: Shop) -> None:
    order = shop.ordered(placed(line(1, "VALVE", 3), terms=AT_CONFIRMATION), CONFIRMED)
    shop.issues()
    shop.happens(order, *SUBSTITUTED)
    shop.issues()
    first, credited, second = shop.issued(order)
    assert isinstance(first, InvoiceIssued) and isinstance(credited, CreditNoteIssued)
    assert isinstance(second, InvoiceIssued)
    assert (first.gross_total, credited.gross_total, second.gross_total) == (eur("30.00"), eur("10.00"), eur("4.00"))
    assert shop.order(order).document == "partly_credited"


def test_a_substitute_that_comes_before_the_confirmation_is_invoiced_with_it(shop: Shop) -> None:
    order = shop.ordered(placed(line(1, "VALVE", 3), terms=AT_CONFIRMATION), *SUBSTITUTED)
    shop.issues()
    assert shop.issued(order) == []
    shop.happens(order, CONFIRMED)
    shop.issues()
    (invoice,) = shop.issued(order)
    assert isinstance(invoice, InvoiceIssued) and invoice.gross_total == eur("24.00")


def test_no_invoice_for_a_parcel_that_is_sent_again(shop: Shop) -> None:
    again = shipped((1, 1), shipment=SECOND_SHIPMENT, replaces=SHIPMENT, number="2")
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE, again)
    shop.issues()
    assert len(shop.issued(order)) == 1


def test_a_receipt_for_each_payment_captured_and_refunded(shop: Shop) -> None:
    authorised = paid("21.00", kind="authorised", payment=uuid4(), reference="a")
    back = paid("7.00", kind="refunded", payment=REFUND_PAYMENT, reference="r", of=PAYMENT, refund=1)
    order = shop.ordered(BOOK_PLACED, CONFIRMED, authorised, paid("21.00"), ONE, *GIVEN_BACK, back)
    shop.issues()
    receipts = [document for document in shop.issued(order) if isinstance(document, ReceiptIssued)]
    assert [(each.kind, each.amount) for each in receipts] == [("received", eur("21.00")), ("refunded", eur("7.00"))]


def test_a_credit_note_at_once_where_it_was_invoiced(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"), ONE)
    shop.issues()
    shop.happens(order, *GIVEN_BACK)
    shop.issues()
    *_, note = shop.issued(order)
    assert isinstance(note, CreditNoteIssued)
    assert (note.refund, note.gross_total, note.invoice.number) == (1, eur("7.00"), f"ACME-INV-{YEAR}-000001")


def test_a_credit_note_as_soon_as_there_is_the_invoice(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"), ONE, *GIVEN_BACK)
    shop.issues(batch=1)
    assert [type(each).__name__ for each in shop.issued(order)] == [
        "ReceiptIssued",
        "InvoiceIssued",
        "CreditNoteIssued",
    ]


def test_a_credit_note_for_an_unpaid_unit_that_was_invoiced_and_is_dropped(shop: Shop) -> None:
    order = shop.ordered(placed(line(1, "BOOK", 3), terms=AT_CONFIRMATION), CONFIRMED)
    shop.issues()
    fewer = LinesCancelled(lines=(Units(1, 1),), net=eur("11.76"), tax=eur("2.24"), total=eur("14.00"))
    shop.happens(order, fewer)
    shop.issues()
    *_, note = shop.issued(order)
    assert isinstance(note, CreditNoteIssued)
    assert (note.refund, note.gross_total) == (None, eur("7.00"))


def test_nothing_for_orders_that_were_imported(shop: Shop) -> None:
    history = placed(line(1, "BOOK", 3), history=True)
    imported = shop.ordered(history, CONFIRMED, paid("21.00"), ONE, through="import")
    shop.happens(imported, paid("3.00", payment=uuid4(), reference="later"), TWO)
    shop.issues()
    assert (shop.issued(imported), shop.cases()) == ([], [])


def test_nothing_answers_an_entry_of_an_import(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE, through="import")
    shop.issues()
    assert (shop.issued(order), shop.cases()) == ([], [])


# What cannot be issued


def test_a_seller_without_legal_identity_is_a_case_for_the_administrator(journal: Journal) -> None:
    shop = Shop(journal)
    shop.registers(vat_id=None)
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    other = shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"))
    shop.issues()
    assert shop.issued(order, other) == []
    found = {(case.stream, case.task.split("/")[0], case.code, *case.who) for case in shop.cases()}
    assert found == {
        (order, "invoice", "seller_incomplete", "administrator"),
        (other, "receipt", "seller_incomplete", "administrator"),
    }


def test_what_was_owed_is_issued_once_when_the_seller_is_mended(journal: Journal) -> None:
    shop = Shop(journal)
    shop.registers(vat_id=None)
    orders = [shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00", payment=uuid4()), ONE, TWO) for _ in range(3)]
    shop.issues()
    shop.issues()
    assert shop.issued(*orders) == []
    assert [case.tries for case in shop.cases()] == [1] * 9
    shop.changes(vat_id=None, trade_name="Acme & Co")
    shop.issues()
    assert [case.tries for case in shop.cases()] == [2] * 9
    shop.changes(vat_id="DE123456789")
    shop.issues(batch=2)
    shop.changes(vat_id="DE123456789", trade_name="Acme again")
    shop.issues()
    issued = shop.issued(*orders)
    assert len(issued) == 9 and gapless(issued)
    assert shop.cases() == []


def test_a_case_ends_when_the_order_mends_it(shop: Shop) -> None:
    """The address is completed; the invoice is issued without anybody asking again."""
    nowhere = placed(line(1, "BOOK", 3), ship_to=unsealed(Address(city="Berlin"), ADA))
    order = shop.ordered(nowhere, CONFIRMED, ONE)
    shop.issues()
    (case,) = shop.cases()
    assert (case.code, case.who) == ("ship_to_incomplete", ["customer_service"])
    shop.happens(order, AddressChanged(unsealed(BERLIN, ADA), "DE", None, "Europe/Berlin"))
    shop.happens(order, paid("21.00"))
    shop.issues()
    assert shop.cases() == []
    assert [type(each).__name__ for each in shop.issued(order)] == ["ReceiptIssued", "InvoiceIssued"]


def test_a_seller_that_nobody_registered_is_a_case(journal: Journal) -> None:
    shop = Shop(journal)
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    shop.issues()
    assert [case.code for case in shop.cases()] == ["seller_incomplete"]
    shop.registers()
    shop.issues()
    assert shop.cases() == []
    assert len(shop.issued(order)) == 1


def test_a_buyer_who_was_forgotten_meanwhile_is_a_case(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    with shop.connected() as connection:
        connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now() WHERE purpose = 'order'")
    shop.issues()
    assert shop.issued(order) == []
    assert [(case.code, case.who) for case in shop.cases()] == [("buyer_erased", ["administrator"])]


def test_after_the_invoice_a_forgotten_buyer_still_gets_the_credit_note(shop: Shop) -> None:
    """It is for whom the invoice was for, and that is kept as long as tax law wants."""
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    shop.issues()
    with shop.connected() as connection:
        connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now() WHERE purpose = 'order'")
    shop.happens(order, LOST, ProblemResolved(problem=1, how="refund", lines=(Units(1, 1),)))
    shop.issues()
    assert [type(each).__name__ for each in shop.issued(order)] == ["InvoiceIssued", "CreditNoteIssued"]
    assert shop.cases() == []


def test_an_entry_that_nobody_can_read_is_a_case_and_the_others_go_on(shop: Shop) -> None:
    stream = uuid4()
    Writing(shop.journal).write_raw(stream, b'{"format":99}', "OrderTeleported")
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    shop.issues()
    (case,) = shop.cases()
    assert (case.stream, case.code, case.kind) == (stream, "unreadable", "order")
    assert len(shop.issued(order)) == 1


def test_of_a_seller_that_nobody_can_read_nothing_is_issued_until_it_can_be_read(shop: Shop) -> None:
    shop.changes(legal_name="Acme Holding")
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    knowing = shop.journal.codec
    shop.journal.codec = Codec(shop.journal.ledger, [each for each in EVENTS if each is not OrganisationChanged])
    shop.issues()
    shop.journal.codec = knowing
    codes = {(case.stream, case.kind, case.task.partition("/")[0], case.code) for case in shop.cases()}
    assert codes == {(order, "order", "invoice", "unreadable"), (SELLER.id, "organisation", "read", "unreadable")}
    with shop.connected() as connection:
        try_all_again(connection, "issue_documents")
    shop.issues()
    assert len(shop.issued(order)) == 1 and shop.cases() == []


# Days and numbers


def test_a_day_never_goes_back_and_the_year_follows_from_it(shop: Shop) -> None:
    orders = []
    for now in (LATE - timedelta(days=1), LATE, LATE - timedelta(days=2), LATE + timedelta(days=1)):
        orders.append(shop.ordered(BOOK_PLACED, CONFIRMED, ONE, at=LATE))
        shop.issues(clock=lambda now=now: now)
    assert [(each.number, each.issued_on) for each in shop.issued(*orders)] == [
        ("ACME-INV-2026-000001", date(2026, 12, 31)),
        ("ACME-INV-2027-000001", date(2027, 1, 1)),
        ("ACME-INV-2027-000002", date(2027, 1, 1)),
        ("ACME-INV-2027-000003", date(2027, 1, 2)),
    ]


def test_a_counter_that_is_behind_the_journal_is_set_and_said(shop: Shop) -> None:
    orders = [shop.ordered(BOOK_PLACED, CONFIRMED, ONE) for _ in range(3)]
    shop.issues()
    with shop.connected() as connection:
        connection.execute("UPDATE documents.counter SET sequence = 1")
        connection.execute("INSERT INTO documents.counter VALUES ('GONE', 'RCP', 7, '2026-01-01')")
        assert mend_counters(connection) == [
            "the counter of ACME-INV stood at 1 and the journal at 3: it was set to that",
            "the counter of GONE-RCP stood at 7 and the journal at 0: it was set to that",
        ]
        assert mend_counters(connection) == []
        connection.execute("DELETE FROM documents.counter")
    orders.append(shop.ordered(BOOK_PLACED, CONFIRMED, ONE))
    shop.issues()
    assert gapless(shop.issued(*orders))


def test_the_database_refuses_a_number_that_was_used(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    shop.issues()
    (invoice,) = shop.issued(order)
    with pytest.raises(UniqueViolation):
        shop.ordered(BOOK_PLACED, CONFIRMED, ONE, invoice)


def test_what_was_not_taken_was_not_drawn(shop: Shop) -> None:
    with shop.connected() as connection, connection.transaction():
        counters = Counters(connection, [("ACME", "INV"), ("ACME", "INV"), ("BOLT", "CRN")])
        first = counters.next("ACME", "INV", date(2026, 11, 21))
        assert counters.next("ACME", "INV", date(2026, 11, 21)) == first
        counters.take("ACME", "INV", first)
        assert counters.next("ACME", "INV", date(2026, 11, 20)).number == "ACME-INV-2026-000002"
        counters.write()
    with shop.connected() as connection:
        rows = connection.execute("SELECT code, kind, sequence FROM documents.counter ORDER BY code").fetchall()
    assert rows == [("ACME", "INV", 1), ("BOLT", "CRN", 0)]


@pytest.mark.parametrize(
    ("number", "named"),
    [
        ("ACME-INV-2026-000001", ("ACME-INV-2026", 1)),
        ("ACME-INV-2026-1234567", ("ACME-INV-2026", 1234567)),
        ("ACME-INV-2026-0000001", None),
        ("ACME-INV-2026-1", None),
        ("ACME-INV-2026-٠٠٠٠٠١", None),
        ("000001", None),
        ("-000001", None),
        ("", None),
        ("A" * 80 + "-000001", None),
    ],
)
def test_what_a_number_names(number: str, named: tuple[str, int] | None) -> None:
    assert split_number(number) == named


# Where it begins


def test_a_new_policy_answers_what_happens_from_now_on(shop: Shop) -> None:
    before = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    with shop.running(begin_at=None) as (runner, connection):
        after = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
        runner.catch_up(connection)
    assert (shop.issued(before), len(shop.issued(after))) == ([], 1)


def test_going_back_issues_nothing_twice(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"), ONE, *GIVEN_BACK)
    shop.issues()
    issued = shop.numbers(order)
    with shop.running(begin_at=1) as (runner, connection):
        runner.catch_up(connection)
    assert shop.numbers(order) == issued
    assert len(issued) == 3


def test_going_forward_would_skip_entries_and_is_refused(shop: Shop) -> None:
    with shop.running(begin_at=1):
        pass
    with pytest.raises(CannotAnswer), shop.running(begin_at=7):
        pass


# Others at the same time


def test_another_who_appends_meanwhile_only_delays_it(shop: Shop) -> None:
    orders: list[UUID] = [shop.ordered(BOOK_PLACED, CONFIRMED, ONE) for _ in range(8)]
    meddled: list[UUID] = []

    def meddle(step: str) -> None:
        if step == "decided" and len(meddled) < len(orders):
            order = orders[len(meddled)]
            meddled.append(order)
            shop.happens(order, paid("21.00", payment=uuid4()))

    with shop.running(reached=meddle) as (runner, connection):
        assert runner.advance(connection).again
        runner.catch_up(connection)
    issued = shop.issued(*orders)
    assert len(issued) == 16 and gapless(issued)


def test_a_task_that_was_done_before_is_not_done_again(shop: Shop) -> None:
    """Its key is remembered, even where nothing else is."""
    order = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    task = Task("order", order, 3, f"invoice/{SHIPMENT}")
    appending = shop.journal.encode("order", order, shop.journal.load(order, "order")[1], [], _anything())
    shop.journal.append_one([appending], uuid4(), Key(order, task.key("issue_documents")))
    other = shop.ordered(BOOK_PLACED, CONFIRMED, ONE)
    shop.issues()
    assert (shop.issued(order), shop.cases()) == ([], [])
    assert shop.numbers(other) == [f"ACME-INV-{YEAR}-000001"]


def _anything() -> Cause:
    return Cause(By(None, "ledger"), "policy", CommandRef(uuid4(), "issue-invoice"))
