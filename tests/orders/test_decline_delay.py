"""Not agreeing to a revised promise: what is not shipped is cancelled, in the same decision."""

from order_ledger.orders.commands import DeclineDelay
from order_ledger.orders.events import (
    DelayAccepted,
    DelayDeclined,
    LinesCancelled,
    OrderCancelled,
    PromiseRevised,
    RefundGranted,
)
from order_ledger.values import Amounts, Units
from tests.examples import BOOK_CONFIRMED, CONFIRMED, CONSUMER, LATER, MADE_PLACED, ON_ITS_WAY, eur, paid, shipped
from tests.orders.streams import blocked, given

DECLINE = DeclineDelay(revision=1)
REVISED = PromiseRevised(1, LATER, None, LATER)


def test_declined() -> None:
    given(MADE_PLACED, CONFIRMED, REVISED).when(DECLINE, by=CONSUMER).then(DelayDeclined(1), OrderCancelled()).comes_to(
        state="cancelled"
    )


def test_what_was_paid_is_granted_back() -> None:
    history = given(MADE_PLACED, CONFIRMED, paid("238.00"), REVISED).when(DECLINE, by=CONSUMER)
    history.then(
        DelayDeclined(1),
        OrderCancelled(),
        RefundGranted(
            refund=1,
            basis="cancellation",
            refers_to="",
            lines=(Amounts(1, 2, eur("200.00"), eur("38.00"), eur("238.00")),),
            amount=eur("238.00"),
        ),
    )


def test_what_is_shipped_stays() -> None:
    history = given(*BOOK_CONFIRMED, shipped((1, 1)), REVISED).when(DECLINE, by=CONSUMER)
    history.then(
        DelayDeclined(1),
        LinesCancelled(lines=(Units(1, 2),), net=eur("5.88"), tax=eur("1.12"), total=eur("7.00")),
    ).comes_to(state="shipping", promised_by=MADE_PLACED.promised_by)


def test_ignored_when_retried() -> None:
    given(MADE_PLACED, CONFIRMED, REVISED, DelayDeclined(1), OrderCancelled()).when(DECLINE, by=CONSUMER).then_nothing()


def test_refused_where_none_is_open() -> None:
    given(MADE_PLACED, CONFIRMED).when(DECLINE, by=CONSUMER).then_refused_for("no_revision_open")
    accepted = given(MADE_PLACED, CONFIRMED, REVISED, DelayAccepted(1))
    accepted.when(DECLINE, by=CONSUMER).then_refused_for("no_revision_open")
    assert blocked(accepted, "decline-delay", CONSUMER) == ["no_revision_open"]


def test_refused_for_a_promise_since_revised() -> None:
    second = PromiseRevised(2, LATER, None, LATER)
    given(MADE_PLACED, CONFIRMED, REVISED, second).when(DECLINE, by=CONSUMER).then_refused_for("not_the_open_revision")


def test_refused_once_all_is_shipped() -> None:
    given(*BOOK_CONFIRMED, REVISED, shipped((1, 3))).when(DECLINE, by=CONSUMER).then_refused_for("already_shipped")
    assert blocked(given(*ON_ITS_WAY, REVISED), "decline-delay", CONSUMER) == ["already_shipped"]


def test_refused_once_it_ended() -> None:
    given(MADE_PLACED, REVISED, OrderCancelled()).when(DECLINE, by=CONSUMER).then_refused("ended")
