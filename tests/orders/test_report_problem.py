"""What is wrong with a shipment, or with an order."""

from typing import Any

from order_ledger.orders.commands import ReportProblem
from order_ledger.orders.events import ProblemReported, ProblemResolved
from order_ledger.values import Units
from tests.examples import ARRIVED, BOOK_CONFIRMED, CONSUMER, ON_ITS_WAY, PHOTO, SECOND_SHIPMENT, SHIPMENT
from tests.orders.streams import given


def report(**changed: Any) -> ReportProblem:
    known: dict[str, Any] = {"kind": "damaged", "shipment": SHIPMENT, "lines": (Units(1, 1),)}
    return ReportProblem(**{**known, **changed})


REPORTED = ProblemReported(problem=1, kind="damaged", shipment=SHIPMENT, lines=(Units(1, 1),), evidence=())


def test_reported() -> None:
    history = given(*ARRIVED).when(report(), by=CONSUMER).then(REPORTED)
    assert [problem.problem for problem in history.state.open_problems] == [1]


def test_reported_with_evidence_of_the_whole_shipment() -> None:
    given(*ON_ITS_WAY).when(report(lines=(), evidence=(PHOTO,)), by=CONSUMER).then(
        ProblemReported(problem=1, kind="damaged", shipment=SHIPMENT, lines=(), evidence=(PHOTO,))
    )


def test_the_wish_to_cancel_needs_no_shipment() -> None:
    given(*BOOK_CONFIRMED).when(report(kind="cancel_wanted", shipment=None, lines=()), by=CONSUMER).then(
        ProblemReported(problem=1, kind="cancel_wanted", shipment=None, lines=(), evidence=())
    )


def test_the_next_one_has_the_next_number() -> None:
    (event,) = given(*ARRIVED, REPORTED).when(report(kind="missing"), by=CONSUMER).events
    assert isinstance(event, ProblemReported)
    assert event.problem == 2


def test_ignored_when_retried() -> None:
    given(*ARRIVED, REPORTED).when(report(), by=CONSUMER).then_nothing()


def test_reported_again_once_the_first_was_resolved() -> None:
    given(*ARRIVED, REPORTED, ProblemResolved(1, "none", ())).when(report(), by=CONSUMER).happens()


def test_refused_without_its_shipment() -> None:
    given(*ARRIVED).when(report(shipment=None), by=CONSUMER).then_refused_for("shipment_required")


def test_refused_for_a_shipment_that_there_is_not() -> None:
    given(*ARRIVED).when(report(shipment=SECOND_SHIPMENT), by=CONSUMER).then_refused_for("unknown_shipment")


def test_refused_beyond_what_it_held() -> None:
    given(*ARRIVED).when(report(lines=(Units(1, 4),)), by=CONSUMER).then_refused_for("more_than_shipped")


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*ARRIVED).when(report(lines=(Units(7, 1),)), by=CONSUMER).then_refused_for("unknown_line")
    elsewhere = report(kind="other", shipment=None, lines=(Units(7, 1),))
    given(*ARRIVED).when(elsewhere, by=CONSUMER).then_refused_for("unknown_line")
