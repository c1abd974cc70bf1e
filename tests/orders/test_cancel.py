"""Cancelling what is not shipped, and the money that goes back."""

from typing import Any

import pytest

from order_ledger.entries import By
from order_ledger.orders.commands import Cancel
from order_ledger.orders.events import LinesCancelled, OrderCancelled, OrderRejected, RefundGranted
from order_ledger.values import Amounts, Units
from tests.examples import (
    ARRIVED,
    BOOK_CONFIRMED,
    BOOK_PLACED,
    CONFIRMED,
    CONSUMER,
    MADE_PLACED,
    ON_ITS_WAY,
    OWNER,
    SERVICE,
    STOCK_PLACED,
    eur,
    line,
    paid,
    placed,
    shipped,
)
from tests.orders.streams import blocked, given


def cancel(*units: tuple[int, int], **changed: Any) -> Cancel:
    lines = tuple(Units(of_line, quantity) for of_line, quantity in units)
    return Cancel(**{"lines": lines, "reason_code": "changed_mind", **changed})


def lines_cancelled(units: dict[int, int], net: str, tax: str, total: str) -> LinesCancelled:
    lines = tuple(Units(of_line, quantity) for of_line, quantity in units.items())
    return LinesCancelled(lines=lines, net=eur(net), tax=eur(tax), total=eur(total))


def refund(amount: str, *lines: Amounts) -> RefundGranted:
    return RefundGranted(refund=1, basis="cancellation", refers_to="", lines=lines, amount=eur(amount))


def test_cancelled() -> None:
    given(MADE_PLACED).when(cancel(), by=CONSUMER).then(OrderCancelled()).comes_to(
        state="cancelled", reads="Cancelled", costs=eur("0").amount
    )


@pytest.mark.parametrize("by", [OWNER, SERVICE])
def test_cancelled_by_staff_once_confirmed(by: By) -> None:
    given(MADE_PLACED, CONFIRMED).when(cancel(reason_code="cannot_make"), by=by).then(OrderCancelled())


def test_what_was_paid_is_granted_back() -> None:
    whole = Amounts(1, 3, eur("25.21"), eur("4.79"), eur("30.00"))
    history = given(STOCK_PLACED, paid("30.00")).when(cancel(), by=CONSUMER)
    history.then(OrderCancelled(), refund("30.00", whole)).comes_to(refund_owed=eur("30.00").amount)


def test_an_authorisation_is_no_payment() -> None:
    given(STOCK_PLACED, paid("30.00", kind="authorised")).when(cancel(), by=CONSUMER).then(OrderCancelled())


def test_all_that_is_not_shipped_if_nothing_is_named() -> None:
    history = given(*BOOK_CONFIRMED, shipped((1, 2))).when(cancel(), by=SERVICE)
    history.then(lines_cancelled({1: 1}, "11.77", "2.23", "14.00")).comes_to(state="shipping")


def test_units_of_a_line() -> None:
    history = given(*BOOK_CONFIRMED, paid("21.00")).when(cancel((1, 2)), by=SERVICE)
    history.then(
        lines_cancelled({1: 2}, "5.88", "1.12", "7.00"),
        refund("14.00", Amounts(1, 2, eur("11.77"), eur("2.23"), eur("14.00"))),
    ).comes_to(state="confirmed", total=eur("7.00"))


def test_only_what_was_paid_goes_back() -> None:
    history = given(*BOOK_CONFIRMED, paid("10.00")).when(cancel((1, 2)), by=SERVICE)
    history.then(
        lines_cancelled({1: 2}, "5.88", "1.12", "7.00"),
        refund("3.00", Amounts(1, 2, eur("11.77"), eur("2.23"), eur("14.00"))),
    )


def test_the_last_units_end_the_order() -> None:
    history = given(*BOOK_CONFIRMED).when(cancel((1, 2)), by=SERVICE).happens()
    history.when(cancel((1, 1)), by=SERVICE).then(OrderCancelled()).comes_to(state="cancelled")


def test_after_goodwill_no_more_than_was_paid() -> None:
    goodwill = RefundGranted(refund=1, basis="goodwill", refers_to="", lines=(), amount=eur("5.00"))
    history = given(BOOK_PLACED, paid("21.00"), goodwill).when(cancel(), by=CONSUMER)
    _, granted = history.events
    assert isinstance(granted, RefundGranted)
    assert granted.amount == eur("16.00")
    assert granted.refund == 2


def test_a_charge_goes_with_the_line_that_it_is_for() -> None:
    order = placed(line(1, "BOOK", 2), line(2, "BOOK"), line(3, "FREIGHT", charge_for=1), line(4, "FREIGHT"))
    history = given(order, CONFIRMED).when(cancel((1, 2)), by=SERVICE)
    history.then(lines_cancelled({1: 2, 3: 1}, "10.88", "2.07", "12.95"))
    part = given(order, CONFIRMED).when(cancel((1, 1)), by=SERVICE).events[0]
    assert isinstance(part, LinesCancelled)
    assert part.lines == (Units(1, 1),)


def test_ignored_when_retried() -> None:
    given(BOOK_PLACED, OrderCancelled()).when(cancel(), by=CONSUMER).then_nothing()


def test_refused_to_the_consumer_once_confirmed() -> None:
    given(*BOOK_CONFIRMED).when(cancel(), by=CONSUMER).then_refused_for("already_confirmed")
    assert blocked(given(*BOOK_CONFIRMED), "cancel", CONSUMER) == ["already_confirmed"]
    assert blocked(given(BOOK_PLACED), "cancel", CONSUMER) == []


def test_refused_once_all_is_shipped() -> None:
    given(*ON_ITS_WAY).when(cancel(), by=SERVICE).then_refused_for("already_shipped")
    given(*ARRIVED).when(cancel(), by=SERVICE).then_refused_for("already_shipped")


def test_refused_beyond_what_is_not_shipped() -> None:
    given(*BOOK_CONFIRMED, shipped((1, 2))).when(cancel((1, 2)), by=SERVICE).then_refused("more_than_unshipped", line=1)


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*BOOK_CONFIRMED).when(cancel((7, 1)), by=SERVICE).then_refused_for("unknown_line")


def test_refused_once_rejected() -> None:
    given(BOOK_PLACED, OrderRejected()).when(cancel(), by=SERVICE).then_refused_for("ended")


def test_refused_for_another_reason_without_words() -> None:
    given(BOOK_PLACED).when(cancel(reason_code="other"), by=CONSUMER).then_refused_for("reason_required")
