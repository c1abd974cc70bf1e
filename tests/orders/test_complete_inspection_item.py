"""Items of the inspection and test plan: passes within limits and with evidence, and failures."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from order_ledger.orders.commands import CompleteInspectionItem
from order_ledger.orders.events import InspectionItemCompleted, OrderCancelled
from order_ledger.values import PlanItem
from tests.examples import (
    CONFIRMED,
    IN_PRODUCTION,
    MADE,
    MADE_PLACED,
    MAKER,
    PHOTO,
    STARTED,
    STEPS_DONE,
    checked,
    line,
    placed,
)
from tests.orders.streams import blocked, given

STEPPED = (*IN_PRODUCTION, *STEPS_DONE)


def bore(reading: str | None, passed: bool = True, **more: Any) -> CompleteInspectionItem:
    value = Decimal(reading) if reading is not None else None
    return CompleteInspectionItem(**{"line": 1, "item": "bore", "passed": passed, "reading": value, **more})


def surface(passed: bool = True, **more: Any) -> CompleteInspectionItem:
    return CompleteInspectionItem(**{"line": 1, "item": "surface", "passed": passed, **more})


def test_passed() -> None:
    given(*STEPPED).when(bore("12.00"), by=MAKER).then(checked("bore"))


def test_passed_with_evidence() -> None:
    given(*STEPPED).when(surface(evidence=(PHOTO,)), by=MAKER).then(checked("surface"))


def test_the_limits_themselves_pass() -> None:
    for reading in ("11.98", "12.02"):
        (event,) = given(*STEPPED).when(bore(reading), by=MAKER).events
        assert isinstance(event, InspectionItemCompleted)
        assert event.passed


def test_failed_without_reading_or_evidence() -> None:
    failed = replace(checked("bore", passed=False), reading=None, unit=None)
    given(*STEPPED).when(bore(None, passed=False), by=MAKER).then(failed)
    given(*STEPPED).when(surface(passed=False), by=MAKER).then(replace(checked("surface", passed=False), evidence=()))


def test_every_attempt_counts() -> None:
    given(*STEPPED, checked("bore", passed=False)).when(bore("12.00"), by=MAKER).then(checked("bore", attempt=2))
    given(*STEPPED, checked("bore")).when(bore("12.00"), by=MAKER).then(checked("bore", attempt=2))


def test_ignored_when_retried() -> None:
    given(*STEPPED, checked("bore")).when(bore("12.00", attempt=1), by=MAKER).then_nothing()


def test_refused_outside_its_limits() -> None:
    for reading in ("11.97", "12.03"):
        given(*STEPPED).when(bore(reading), by=MAKER).then_refused("outside_limits", line=1, item="bore")
    given(*STEPPED).when(bore("12.03", passed=False), by=MAKER).happens()


def test_a_limit_of_zero_is_a_limit() -> None:
    plan = (PlanItem("drift", "Drift", "milling", high=Decimal(0)),)
    order = placed(line(1, "ROTOR", 2, plan=plan))
    drift = CompleteInspectionItem(line=1, item="drift", passed=True, reading=Decimal("0.1"))
    given(order, CONFIRMED, STARTED, *STEPS_DONE).when(drift, by=MAKER).then_refused("outside_limits", line=1)


def test_refused_without_its_reading() -> None:
    given(*STEPPED).when(bore(None), by=MAKER).then_refused("reading_missing", line=1, item="bore")


def test_refused_without_its_evidence() -> None:
    given(*STEPPED).when(surface(), by=MAKER).then_refused("evidence_missing", line=1, item="surface")


def test_refused_before_its_step() -> None:
    given(*IN_PRODUCTION).when(bore("12.00"), by=MAKER).then_refused("step_missing", line=1, item="milling")


def test_refused_for_an_item_that_the_plan_has_not() -> None:
    shine = CompleteInspectionItem(line=1, item="shine", passed=True)
    given(*STEPPED).when(shine, by=MAKER).then_refused("unknown_item", line=1, item="shine")


def test_refused_where_an_attempt_is_left_out() -> None:
    given(*STEPPED).when(bore("12.00", attempt=3), by=MAKER).then_refused("wrong_attempt", line=1, item="bore")


def test_refused_where_nothing_is_made() -> None:
    given(*MADE).when(bore("12.00"), by=MAKER).then_refused("not_in_production", line=1)
    assert blocked(given(*MADE), "complete-inspection-item", MAKER) == ["not_in_production"]


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*STEPPED).when(bore("12.00", line=7), by=MAKER).then_refused("unknown_line", line=7)


def test_refused_once_cancelled() -> None:
    given(MADE_PLACED, CONFIRMED, STARTED, *STEPS_DONE, OrderCancelled()).when(bore("12.00"), by=MAKER).then_refused(
        "ended"
    )
