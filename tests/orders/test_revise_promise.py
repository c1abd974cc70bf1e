"""A new promise, or none yet."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from order_ledger.orders.commands import RevisePromise
from order_ledger.orders.events import DelayAccepted, OrderCancelled, PromiseRevised, RefundGranted
from order_ledger.values import Money
from tests.examples import (
    ARRIVED,
    BOOK_CONFIRMED,
    CONFIRMED,
    LATER,
    MADE_PLACED,
    MAKER,
    NOW,
    ON_ITS_WAY,
    SERVICE,
    eur,
    paid,
)
from tests.orders.streams import given

IN_A_WEEK = NOW + timedelta(days=7)
REVISED = PromiseRevised(1, LATER, None, IN_A_WEEK)


def revise(**changed: Any) -> RevisePromise:
    return RevisePromise(**{"promised_by": LATER, "reason_code": "material", **changed})


def test_revised() -> None:
    history = given(MADE_PLACED, CONFIRMED).when(revise(), by=MAKER).then(REVISED)
    history.comes_to(promised_by=LATER, delay_expected=False)
    assert history.state.open_revision is not None


def test_not_known_yet() -> None:
    history = given(MADE_PLACED, CONFIRMED).when(revise(promised_by=None), by=MAKER)
    history.then(PromiseRevised(1, None, None, IN_A_WEEK)).comes_to(promised_by=None)


def test_with_a_compensation_and_a_day_to_answer() -> None:
    tomorrow = NOW + timedelta(days=1)
    offer = revise(compensation=eur("10.00"), answer_by=tomorrow)
    given(MADE_PLACED, CONFIRMED, paid("238.00")).when(offer, by=SERVICE).then(
        PromiseRevised(1, LATER, eur("10.00"), tomorrow)
    )


def test_revised_again() -> None:
    later = LATER + timedelta(days=5)
    given(MADE_PLACED, CONFIRMED, REVISED).when(revise(promised_by=later), by=MAKER).then(
        PromiseRevised(2, later, None, IN_A_WEEK)
    )


def test_nothing_is_asked_once_all_is_shipped() -> None:
    given(*ON_ITS_WAY).when(revise(), by=SERVICE).then(PromiseRevised(1, LATER, None, None)).comes_to(
        open_revision=None
    )


def test_what_is_offered_is_given_where_nothing_is_asked() -> None:
    history = given(*ON_ITS_WAY, paid("21.00")).when(revise(compensation=eur("2.00")), by=SERVICE)
    history.then(
        PromiseRevised(1, LATER, eur("2.00"), None),
        RefundGranted(refund=1, basis="compensation", refers_to="1", lines=(), amount=eur("2.00")),
    )


def test_ignored_when_retried() -> None:
    given(MADE_PLACED, CONFIRMED, REVISED).when(revise(), by=MAKER).then_nothing()


def test_the_same_date_again_once_it_was_answered() -> None:
    given(MADE_PLACED, CONFIRMED, REVISED, DelayAccepted(1)).when(revise(), by=MAKER).then(
        PromiseRevised(2, LATER, None, IN_A_WEEK)
    )


def test_refused_in_the_past() -> None:
    given(MADE_PLACED, CONFIRMED).when(revise(promised_by=NOW), by=MAKER).then_refused_for("in_the_past")
    given(MADE_PLACED, CONFIRMED).when(revise(answer_by=NOW), by=MAKER).then_refused_for("in_the_past")


def test_refused_in_another_currency() -> None:
    dollars = revise(compensation=Money(Decimal("10.00"), "USD"))
    given(*BOOK_CONFIRMED).when(dollars, by=MAKER).then_refused_for("wrong_currency")


def test_refused_once_it_arrived() -> None:
    given(*ARRIVED).when(revise(), by=SERVICE).then_refused_for("already_delivered")


def test_refused_once_it_ended() -> None:
    given(MADE_PLACED, OrderCancelled()).when(revise(), by=SERVICE).then_refused_for("ended")
