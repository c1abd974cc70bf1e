"""Closing an order: by the consumer, or by the time that passed."""

from datetime import timedelta

from order_ledger.orders.commands import Complete
from order_ledger.orders.events import (
    DeliveryRetracted,
    OrderCancelled,
    OrderCompleted,
    OrderHeld,
    ProblemReported,
    ProblemResolved,
    ReturnLine,
    ReturnRequested,
    ReturnWithdrawn,
)
from tests.examples import (
    ARRIVED,
    BOOK_CONFIRMED,
    CONSUMER,
    LEDGER,
    NOW,
    ON_ITS_WAY,
    SECOND_SHIPMENT,
    SHIPMENT,
    delivered,
    shipped,
)
from tests.orders.streams import blocked, given
from tests.scenario import at

COMPLETE = Complete()
BY_CONSUMER, BY_TIMER = OrderCompleted("consumer"), OrderCompleted("timer")
PROBLEM = ProblemReported(problem=1, kind="damaged", shipment=SHIPMENT, lines=(), evidence=())
REQUESTED = ReturnRequested(
    rma="R1", lines=(ReturnLine(1, 1, "changed_mind"),), wanted="refund", exchange_for=(), evidence=()
)
LONG_AGO = (*ON_ITS_WAY, at(14, delivered()))


def test_completed() -> None:
    given(*ARRIVED).when(COMPLETE, by=CONSUMER).then(BY_CONSUMER).comes_to(state="completed", reads="Complete")


def test_on_its_way_it_says_that_all_of_it_arrived() -> None:
    parcels = (*BOOK_CONFIRMED, shipped((1, 1)), shipped((1, 2), shipment=SECOND_SHIPMENT, number="2"), delivered())
    given(*parcels).when(COMPLETE, by=CONSUMER).then(
        delivered(SECOND_SHIPMENT, proof="consumer"), BY_CONSUMER
    ).comes_to(state="completed")


def test_completed_by_time() -> None:
    given(*LONG_AGO).when(COMPLETE, by=LEDGER).then(BY_TIMER).comes_to(state="completed")


def test_completed_again_after_a_delivery_was_taken_back() -> None:
    version = len(ARRIVED)
    history = given(*ARRIVED, BY_CONSUMER, DeliveryRetracted(SHIPMENT, version)).comes_to(state="shipping")
    history.when(COMPLETE, by=CONSUMER).then(delivered(proof="consumer"), BY_CONSUMER)


def test_ignored_when_retried() -> None:
    given(*ARRIVED, BY_TIMER).when(COMPLETE, by=CONSUMER).then_nothing()
    given(*ARRIVED, BY_CONSUMER).when(COMPLETE, by=LEDGER).then_nothing()


def test_refused_to_time_too_early() -> None:
    given(*ON_ITS_WAY, at(13.99, delivered())).when(COMPLETE, by=LEDGER).then_refused_for("too_early")


def test_the_time_starts_again_with_the_last_delivery() -> None:
    version = len(LONG_AGO)
    again = (*LONG_AGO, at(2, DeliveryRetracted(SHIPMENT, version)), at(1, delivered()))
    given(*again).when(COMPLETE, by=LEDGER).then_refused_for("too_early")
    given(*again).when(COMPLETE, by=LEDGER, now=NOW + timedelta(days=13)).then(BY_TIMER)


def test_refused_to_time_while_it_is_on_its_way() -> None:
    given(*ON_ITS_WAY).when(COMPLETE, by=LEDGER).then_refused_for("not_delivered")


def test_refused_to_time_while_held() -> None:
    given(*LONG_AGO, OrderHeld()).when(COMPLETE, by=LEDGER).then_refused_for("held")
    given(*LONG_AGO, OrderHeld()).when(COMPLETE, by=CONSUMER).then(BY_CONSUMER)


def test_refused_before_all_of_it_is_shipped() -> None:
    given(*BOOK_CONFIRMED, shipped((1, 2)), delivered()).when(COMPLETE, by=CONSUMER).then_refused_for("not_shipped")


def test_refused_while_a_return_is_open() -> None:
    given(*ARRIVED, REQUESTED).when(COMPLETE, by=CONSUMER).then_refused_for("return_open")
    given(*ARRIVED, REQUESTED, ReturnWithdrawn("R1")).when(COMPLETE, by=CONSUMER).then(BY_CONSUMER)


def test_refused_while_a_problem_is_open() -> None:
    given(*ARRIVED, PROBLEM).when(COMPLETE, by=CONSUMER).then_refused_for("problem_open")
    given(*ARRIVED, PROBLEM, ProblemResolved(1, "none", ())).when(COMPLETE, by=CONSUMER).then(BY_CONSUMER)


def test_refused_once_cancelled() -> None:
    given(*BOOK_CONFIRMED, OrderCancelled()).when(COMPLETE, by=CONSUMER).then_refused_for("ended")


def test_shown_as_blocked_once_complete() -> None:
    assert blocked(given(*ARRIVED, BY_CONSUMER), "complete", CONSUMER) == ["completed"]
    assert blocked(given(*ARRIVED), "complete", CONSUMER) == []
