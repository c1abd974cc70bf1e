"""Credit notes: each to one invoice, and together never more than it."""

from decimal import Decimal
from typing import Any

from order_ledger.entries import Event
from order_ledger.orders.commands import (
    Cancel,
    GrantRefund,
    IssueCreditNote,
    OrderCommand,
    RecordPayment,
    ResolveProblem,
    ResolveReturn,
)
from order_ledger.orders.decisions import credits_due
from order_ledger.orders.events import (
    CreditNoteIssued,
    InvoiceIssued,
    PrecedingInvoice,
    ProblemReported,
    ResolvedLine,
)
from order_ledger.orders.order import Order
from order_ledger.values import Address, Units
from tests.examples import (
    AT_CONFIRMATION,
    BERLIN,
    BOOK_PLACED,
    BUYER,
    CAME_BACK,
    CONFIRMED,
    ON_ITS_WAY,
    REFUND_PAYMENT,
    RMA,
    SECOND_SHIPMENT,
    SERVICE,
    SHIPMENT,
    TODAY,
    eur,
    line,
    paid,
    placed,
    seller,
    shipped,
)
from tests.orders.streams import given
from tests.orders.test_issue_invoice import issue
from tests.scenario import Happened, History

RESOLVE = ResolveReturn(rma=RMA, lines=(ResolvedLine(1, 1, "refund"),))
LOST = ProblemReported(problem=1, kind="not_received", shipment=SHIPMENT, lines=(), evidence=())


def credit(number: int = 1, refund: int | None = 1, invoice: int = 1, **changed: Any) -> IssueCreditNote:
    known: dict[str, Any] = {
        "number": f"ACME-CRN-2026-{number:06}",
        "series": "ACME-CRN-2026",
        "sequence": number,
        "issued_on": TODAY,
        "layout": "1",
        "supply_on": TODAY,
        "invoice": f"ACME-INV-2026-{invoice:06}",
        "refund": refund,
        "buyer": BUYER,
        "ship_to": BERLIN,
    }
    return IssueCreditNote(**{**known, **changed})


def after(*events: Event | Happened, commands: tuple[OrderCommand, ...]) -> History[Order]:
    history = given(*events)
    for command in commands:
        history = history.when(command, by=SERVICE).happens()
    return history


def credited(history: History[Order], command: IssueCreditNote) -> CreditNoteIssued:
    (event,) = history.when(command).events
    assert isinstance(event, CreditNoteIssued)
    return event


INVOICED_AND_BACK = after(*CAME_BACK, paid("21.00"), commands=(issue(), RESOLVE))


def test_for_what_came_back() -> None:
    note = credited(INVOICED_AND_BACK, credit())
    assert (note.kind, note.invoice, note.refund) == (381, PrecedingInvoice("ACME-INV-2026-000001", TODAY), 1)
    assert [(one.sku, one.quantity, one.gross) for one in note.lines] == [("BOOK", 1, eur("7.00"))]
    assert (note.net_total, note.tax_total, note.gross_total) == (eur("5.88"), eur("1.12"), eur("7.00"))
    assert note.shipment == SHIPMENT
    assert note.due_on is not None


def test_what_is_due_is_known() -> None:
    assert credits_due(INVOICED_AND_BACK.state) == (("ACME-INV-2026-000001", 1),)
    done = INVOICED_AND_BACK.when(credit()).happens()
    assert credits_due(done.state) == ()
    done.comes_to(document="partly_credited")


def test_as_soon_as_the_invoice_exists() -> None:
    before = after(*CAME_BACK, paid("21.00"), commands=(RESOLVE,))
    assert credits_due(before.state) == ()
    invoiced = before.when(issue()).happens()
    assert credited(invoiced, credit()).gross_total == eur("7.00")


def test_for_what_was_never_paid() -> None:
    unpaid = after(*CAME_BACK, commands=(issue(), RESOLVE))
    assert credits_due(unpaid.state) == (("ACME-INV-2026-000001", None),)
    note = credited(unpaid, credit(refund=None))
    assert (note.refund, note.gross_total, note.terms) == (None, eur("7.00"), "Set off against the invoice")


def test_for_what_was_cancelled_after_it_was_invoiced_at_confirmation() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "FREIGHT"), terms=AT_CONFIRMATION)
    cancel = Cancel(lines=(Units(1, 2),), reason_code="cannot_make")
    history = after(order, CONFIRMED, paid("26.95"), commands=(issue(shipment=None), cancel))
    assert credited(history, credit()).gross_total == eur("14.00")
    whole = after(order, CONFIRMED, paid("26.95"), commands=(issue(shipment=None), Cancel(reason_code="cannot_make")))
    assert credited(whole, credit()).gross_total == eur("26.95")
    whole.when(credit()).happens().comes_to(document="credited")


def test_nothing_for_what_was_cancelled_before_it_was_invoiced() -> None:
    order = placed(line(1, "BOOK", 3))
    cancel = Cancel(lines=(Units(1, 2),), reason_code="cannot_make")
    history = after(order, CONFIRMED, paid("21.00"), shipped((1, 1)), commands=(cancel, issue()))
    assert credits_due(history.state) == ()
    history.when(credit()).then_refused_for("nothing_to_credit")


def test_goodwill_is_spread_over_the_lines_of_the_invoices() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "VALVE", 1))
    goodwill = GrantRefund(basis="goodwill", amount=eur("3.10"), reason_code="late")
    parcel = shipped((1, 3), (2, 1))
    history = after(order, CONFIRMED, paid("31.00"), parcel, commands=(issue(), goodwill))
    note = credited(history, credit())
    assert [(one.order_line, one.gross) for one in note.lines] == [(1, eur("2.10")), (2, eur("1.00"))]
    assert note.gross_total == eur("3.10")


def test_goodwill_over_two_invoices_uses_the_first_up() -> None:
    second = shipped((1, 2), shipment=SECOND_SHIPMENT, number="2")
    goodwill = GrantRefund(basis="goodwill", amount=eur("8.00"), reason_code="quality")
    history = after(
        placed(line(1, "BOOK", 3)),
        CONFIRMED,
        paid("21.00"),
        shipped((1, 1)),
        second,
        commands=(issue(), issue(2, shipment=SECOND_SHIPMENT), goodwill),
    )
    first = history.when(credit()).happens()
    assert credits_due(first.state) == (("ACME-INV-2026-000002", 1),)
    assert credited(first, credit(2, invoice=2)).gross_total == eur("1.00")


def test_after_goodwill_no_more_than_is_left() -> None:
    goodwill = GrantRefund(basis="goodwill", amount=eur("20.00"), reason_code="quality")
    history = after(*ON_ITS_WAY, LOST, paid("21.00"), commands=(issue(), goodwill))
    history = history.when(credit()).happens()
    refunded = history.when(ResolveProblem(problem=1, how="refund"), by=SERVICE).happens()
    assert credited(refunded, credit(2, refund=2)).gross_total == eur("1.00")


def test_what_goodwill_took_off_a_line_that_goes_is_credited_on_the_others() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "VALVE", 1), terms=AT_CONFIRMATION)
    goodwill = GrantRefund(basis="goodwill", amount=eur("3.10"), reason_code="late")
    cancel = Cancel(lines=(Units(1, 3),), reason_code="cannot_make")
    history = after(order, CONFIRMED, paid("31.00"), commands=(issue(shipment=None), goodwill, credit()))
    note = credited(after(*history.events, commands=(cancel,)), credit(2, refund=2))
    assert [(one.order_line, one.gross) for one in note.lines] == [(1, eur("18.90")), (2, eur("2.10"))]


def test_what_goodwill_took_off_an_invoice_whose_units_go_is_credited_on_the_next() -> None:
    second = shipped((1, 2), shipment=SECOND_SHIPMENT, number="2")
    goodwill = GrantRefund(basis="goodwill", amount=eur("8.00"), reason_code="quality")
    both = (issue(), issue(2, shipment=SECOND_SHIPMENT), goodwill, credit(), credit(2, invoice=2))
    begun = after(BOOK_PLACED, CONFIRMED, paid("21.00"), shipped((1, 1)), second, LOST, commands=both)
    refunded = begun.when(ResolveProblem(problem=1, how="refund"), by=SERVICE).happens()
    assert credits_due(refunded.state) == (("ACME-INV-2026-000002", 2),)
    assert credited(refunded, credit(3, refund=2, invoice=2)).gross_total == eur("7.00")


def test_so_is_what_was_never_paid() -> None:
    second = shipped((1, 2), shipment=SECOND_SHIPMENT, number="2")
    goodwill = GrantRefund(basis="goodwill", amount=eur("7.00"), reason_code="quality")
    both = (issue(), issue(2, shipment=SECOND_SHIPMENT), goodwill, credit())
    begun = after(BOOK_PLACED, CONFIRMED, paid("8.00"), shipped((1, 1)), second, LOST, commands=both)
    dropped = begun.when(ResolveProblem(problem=1, how="refund"), by=SERVICE).happens()
    assert credits_due(dropped.state) == (("ACME-INV-2026-000002", None),)
    done = dropped.when(credit(2, refund=None, invoice=2)).happens()
    assert isinstance(done.events[-1], CreditNoteIssued) and done.events[-1].gross_total == eur("7.00")
    assert credits_due(done.state) == ()


def test_what_is_credited_of_an_invoice_or_will_be_pays_the_next() -> None:
    """Before the credit note and after it alike."""
    second = shipped((1, 2), shipment=SECOND_SHIPMENT, number="2")
    refund = ResolveProblem(problem=1, how="refund")
    refunded = after(BOOK_PLACED, CONFIRMED, paid("21.00"), shipped((1, 1)), LOST, commands=(issue(), refund))
    for history in (refunded, refunded.when(credit()).happens()):
        (invoice,) = given(*history.events, second).when(issue(2, shipment=SECOND_SHIPMENT)).events
        assert isinstance(invoice, InvoiceIssued)
        assert (invoice.prepaid, invoice.due) == (eur("14.00"), eur("0.00"))


def test_less_granted_less_credited() -> None:
    less = ResolveReturn(rma=RMA, lines=(ResolvedLine(1, 1, "refund"),), amount=eur("5.00"))
    history = after(*CAME_BACK, paid("21.00"), commands=(issue(), less))
    assert credited(history, credit()).gross_total == eur("5.00")
    more = GrantRefund(basis="return", refers_to=RMA, amount=eur("2.00"))
    topped = history.when(credit()).happens().when(more, by=SERVICE).happens()
    topped.comes_to(total=eur("14.00"))
    assert credited(topped, credit(2, refund=2)).gross_total == eur("2.00")


def test_paid_late_it_is_credited_once() -> None:
    unpaid = after(*CAME_BACK, commands=(issue(), RESOLVE, credit(refund=None)))
    pay = RecordPayment(
        kind="captured",
        amount=eur("21.00"),
        method="card",
        provider="acme-pay",
        reference="ch_9",
        payment=REFUND_PAYMENT,
    )
    grant = GrantRefund(basis="return", refers_to=RMA, amount=eur("7.00"), lines=(Units(1, 1),))
    late = unpaid.when(pay).happens().when(grant, by=SERVICE).happens()
    assert credits_due(late.state) == ()
    late.comes_to(total=eur("14.00"), refund_owed=Decimal("7.00"))


def test_ignored_when_retried() -> None:
    INVOICED_AND_BACK.when(credit()).happens().when(credit()).then_nothing()
    unpaid = after(*CAME_BACK, commands=(issue(), RESOLVE, credit(refund=None)))
    unpaid.when(credit(2, refund=None)).then_nothing()


def test_refused_for_a_refund_that_there_is_not() -> None:
    INVOICED_AND_BACK.when(credit(refund=7)).then_refused("unknown_refund")


def test_refused_for_an_invoice_that_there_is_not() -> None:
    INVOICED_AND_BACK.when(credit(invoice=7)).then_refused_for("unknown_invoice")


def test_refused_where_there_is_nothing_to_credit() -> None:
    INVOICED_AND_BACK.when(credit(refund=None)).then_refused_for("nothing_to_credit")


def test_refused_while_seller_or_buyer_is_incomplete() -> None:
    INVOICED_AND_BACK.when(credit(), seller=seller(country=None)).then_refused_for("seller_incomplete")
    INVOICED_AND_BACK.when(credit(ship_to=Address())).then_refused_for("ship_to_incomplete")


def test_refused_for_an_order_that_was_imported() -> None:
    imported = placed(line(1, "BOOK", 3), history=True)
    given(imported, *CAME_BACK[1:], paid("21.00")).when(credit()).then_refused("history_order")


def test_every_cent_comes_back() -> None:
    """A line of 3 at 10.00 net in all, invoiced in parts, comes back unit by unit."""
    order = placed(line(1, "BOOK", 3, unit_price=Decimal("3.3333"), tax_included=False))
    history = given(order, CONFIRMED, paid("11.90"), shipped((1, 3)))
    history = history.when(issue()).happens()
    for number in (1, 2, 3):
        reported = ProblemReported(problem=number, kind="damaged", shipment=SHIPMENT, lines=(Units(1, 1),), evidence=())
        history = (
            given(*history.events, reported).when(ResolveProblem(problem=number, how="refund"), by=SERVICE).happens()
        )
        history = history.when(credit(number, refund=number)).happens()
    invoices = [event.gross_total.amount for event in history.events if isinstance(event, InvoiceIssued)]
    notes = [event.gross_total.amount for event in history.events if isinstance(event, CreditNoteIssued)]
    assert sum(notes) == sum(invoices) == Decimal("11.90")
    assert len(notes) == 3
    history.comes_to(document="credited", refund_owed=Decimal("11.90"))
