"""What providers, and customer service, say about money."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from order_ledger.orders.commands import RecordPayment
from order_ledger.orders.events import PaymentRecorded, RefundGranted
from order_ledger.values import Money
from tests.examples import BOOK_PLACED, NOW, PAYMENT, PROVIDER, REFUND_PAYMENT, SECOND_PAYMENT, eur, paid, uuid
from tests.orders.streams import given
from tests.scenario import made


def pay(amount: str, kind: str = "captured", **changed: Any) -> RecordPayment:
    known: dict[str, Any] = {
        "kind": kind,
        "amount": eur(amount),
        "method": "card",
        "provider": "acme-pay",
        "reference": "ch_1",
        "payment": PAYMENT,
        "account_hint": "4242",
    }
    return RecordPayment(**{**known, **changed})


def granted(amount: str) -> RefundGranted:
    return RefundGranted(refund=1, basis="goodwill", refers_to="", lines=(), amount=eur(amount))


PAID = (BOOK_PLACED, paid("21.00"))


def test_captured() -> None:
    given(BOOK_PLACED).when(pay("21.00"), by=PROVIDER).then(paid("21.00")).comes_to(payment="paid")


def test_the_id_is_derived_if_left_out() -> None:
    (event,) = given(BOOK_PLACED).when(pay("21.00", payment=None), by=PROVIDER).events
    assert isinstance(event, PaymentRecorded)
    assert event.payment == made("payment")


def test_authorised_then_captured() -> None:
    authorised = given(BOOK_PLACED).when(pay("21.00", "authorised"), by=PROVIDER)
    history = authorised.then(paid("21.00", kind="authorised")).comes_to(payment="authorised")
    captured = history.when(pay("21.00", of=PAYMENT, payment=SECOND_PAYMENT), by=PROVIDER).happens()
    captured.comes_to(payment="paid", authorised=Decimal("0.00"))


def test_more_than_it_costs_may_come() -> None:
    given(BOOK_PLACED).when(pay("25.00"), by=PROVIDER).happens().comes_to(payment="overpaid")


def test_refunded_within_what_was_granted() -> None:
    back = pay("5.00", "refunded", reference="re_1", payment=REFUND_PAYMENT, refund=1)
    given(*PAID, granted("5.00")).when(back, by=PROVIDER).happens().comes_to(
        payment="partly_refunded", refund_owed=Decimal("0.00")
    )


def test_a_refund_that_failed_is_owed_again() -> None:
    back = paid("5.00", kind="refunded", payment=REFUND_PAYMENT, reference="re_1", refund=1)
    failed = pay("5.00", "refund_failed", reference="re_1", payment=SECOND_PAYMENT, of=REFUND_PAYMENT)
    history = given(*PAID, granted("5.00"), back).when(failed, by=PROVIDER).happens()
    history.comes_to(refund_owed=Decimal("5.00"), payment="paid")
    assert history.state.refunds[1].refunded == 0


def test_a_capture_that_failed_is_not_paid() -> None:
    failed = pay("21.00", "failed", reference="ch_2", payment=SECOND_PAYMENT, of=PAYMENT)
    given(*PAID).when(failed, by=PROVIDER).happens().comes_to(payment="unpaid")


def test_an_attempt_that_failed_changes_nothing() -> None:
    given(BOOK_PLACED).when(pay("21.00", "failed"), by=PROVIDER).happens().comes_to(payment="unpaid")
    given(*PAID).when(pay("21.00", "disputed"), by=PROVIDER).happens().comes_to(payment="paid")


def test_voided() -> None:
    history = given(BOOK_PLACED, paid("21.00", kind="authorised"))
    history.when(pay("21.00", "voided", of=PAYMENT), by=PROVIDER).happens().comes_to(payment="unpaid")


def test_ignored_when_retried() -> None:
    given(*PAID).when(pay("21.00"), by=PROVIDER).then_nothing()
    given(*PAID).when(pay("21.00", payment=SECOND_PAYMENT), by=PROVIDER).then_nothing()


def test_the_same_reference_of_another_kind_is_another_payment() -> None:
    given(BOOK_PLACED, paid("21.00", kind="authorised")).when(pay("21.00"), by=PROVIDER).happens()


def test_refused_beyond_what_was_granted() -> None:
    back = pay("5.01", "refunded", reference="re_1", refund=1)
    given(*PAID, granted("5.00")).when(back, by=PROVIDER).then_refused_for("more_than_granted")
    given(*PAID).when(pay("0.01", "refunded"), by=PROVIDER).then_refused_for("more_than_granted")


def test_refused_beyond_what_that_refund_is_of() -> None:
    second = RefundGranted(refund=2, basis="goodwill", refers_to="", lines=(), amount=eur("2.00"))
    back = pay("5.01", "refunded", reference="re_1", refund=1)
    given(*PAID, granted("5.00"), second).when(back, by=PROVIDER).then_refused_for("more_than_granted")


def test_refused_beyond_what_was_authorised() -> None:
    given(*PAID).when(pay("1.00", "voided"), by=PROVIDER).then_refused_for("more_than_authorised")


def test_refused_where_more_failed_than_was_refunded() -> None:
    back = paid("5.00", kind="refunded", payment=REFUND_PAYMENT, reference="re_1", refund=1)
    failed = pay("6.00", "refund_failed", reference="re_1", payment=SECOND_PAYMENT, of=REFUND_PAYMENT)
    given(*PAID, granted("5.00"), back).when(failed, by=PROVIDER).then_refused_for("more_than_refunded")


def test_refused_where_all_that_was_refunded_so_failed_before() -> None:
    back = paid("5.00", kind="refunded", payment=REFUND_PAYMENT, reference="re_1", refund=1)
    other = paid("5.00", kind="refunded", payment=uuid(60), reference="re_2", refund=1)
    failed = paid("5.00", kind="refund_failed", payment=uuid(61), reference="re_1", of=REFUND_PAYMENT)
    again = pay("5.00", "refund_failed", reference="re_3", payment=SECOND_PAYMENT, of=REFUND_PAYMENT)
    history = given(*PAID, granted("10.00"), back, other, failed)
    history.when(again, by=PROVIDER).then_refused_for("more_than_refunded")


def test_refused_in_another_currency() -> None:
    dollars = pay("1.00").model_copy(update={"amount": Money(Decimal("1.00"), "USD")})
    given(BOOK_PLACED).when(dollars, by=PROVIDER).then_refused_for("wrong_currency")


def test_refused_of_a_payment_that_there_is_not() -> None:
    given(BOOK_PLACED).when(pay("1.00", of=SECOND_PAYMENT), by=PROVIDER).then_refused_for("unknown_payment")


def test_refused_for_a_refund_that_there_is_not() -> None:
    given(*PAID, granted("5.00")).when(pay("5.00", "refunded", refund=7), by=PROVIDER).then_refused_for(
        "unknown_refund"
    )


def test_refused_for_tomorrow() -> None:
    given(BOOK_PLACED).when(pay("1.00", at=NOW + timedelta(days=1)), by=PROVIDER).then_refused_for("in_the_future")
