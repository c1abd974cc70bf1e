"""Agreeing to a revised promise."""

from order_ledger.orders.commands import AcceptDelay
from order_ledger.orders.events import DelayAccepted, OrderCancelled, PromiseRevised, RefundGranted
from tests.examples import CONFIRMED, CONSUMER, FOR_CONSUMER, LATER, MADE_PLACED, eur, paid
from tests.orders.streams import blocked, given

ACCEPT = AcceptDelay(revision=1)
REVISED = PromiseRevised(1, LATER, None, LATER)
OFFERED = PromiseRevised(1, LATER, eur("10.00"), LATER)
ORDER = (MADE_PLACED, CONFIRMED)


def test_accepted() -> None:
    given(*ORDER, REVISED).when(ACCEPT, by=CONSUMER).then(DelayAccepted(1)).comes_to(open_revision=None)
    given(*ORDER, REVISED).when(AcceptDelay(), by=CONSUMER).then(DelayAccepted(1))


def test_the_compensation_is_granted() -> None:
    given(*ORDER, paid("238.00"), OFFERED).when(ACCEPT, by=CONSUMER).then(
        DelayAccepted(1),
        RefundGranted(refund=1, basis="compensation", refers_to="1", lines=(), amount=eur("10.00")),
    )


def test_what_was_granted_by_hand_is_not_granted_again() -> None:
    by_hand = RefundGranted(refund=1, basis="compensation", refers_to="1", lines=(), amount=eur("4.00"))
    given(*ORDER, paid("238.00"), OFFERED, by_hand).when(ACCEPT, by=CONSUMER).then(
        DelayAccepted(1),
        RefundGranted(refund=2, basis="compensation", refers_to="1", lines=(), amount=eur("6.00")),
    )


def test_no_more_than_was_paid() -> None:
    given(*ORDER, OFFERED).when(ACCEPT, by=CONSUMER).then(DelayAccepted(1))


def test_accepted_for_the_consumer() -> None:
    for_ada = AcceptDelay(revision=1, reason="She said so on the phone.")
    given(*ORDER, REVISED).when(for_ada, by=FOR_CONSUMER).then(DelayAccepted(1))
    given(*ORDER, REVISED).when(ACCEPT, by=FOR_CONSUMER).then_refused_for("reason_required")


def test_ignored_when_retried() -> None:
    given(*ORDER, REVISED, DelayAccepted(1)).when(ACCEPT, by=CONSUMER).then_nothing()


def test_refused_where_none_is_open() -> None:
    given(*ORDER).when(ACCEPT, by=CONSUMER).then_refused_for("no_revision_open")
    given(*ORDER, PromiseRevised(1, LATER, None, None)).when(ACCEPT, by=CONSUMER).then_refused_for("no_revision_open")
    assert blocked(given(*ORDER), "accept-delay", CONSUMER) == ["no_revision_open"]


def test_refused_for_a_promise_since_revised() -> None:
    second = PromiseRevised(2, LATER, None, LATER)
    given(*ORDER, REVISED, second).when(ACCEPT, by=CONSUMER).then_refused_for("not_the_open_revision")


def test_refused_once_it_ended() -> None:
    given(*ORDER, REVISED, OrderCancelled()).when(ACCEPT, by=CONSUMER).then_refused("ended")
