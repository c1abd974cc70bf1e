"""A line is made when every step is done and every required item passed or conceded; never otherwise."""

from order_ledger.orders.commands import CompleteProduction
from order_ledger.orders.events import (
    ConcessionApproved,
    OrderCancelled,
    OrderHeld,
    ProductionCompleted,
    ProductionStarted,
)
from tests.examples import (
    CHECKS_PASSED,
    CONFIRMED,
    IN_PRODUCTION,
    MADE,
    MADE_PLACED,
    MAKER,
    PRODUCED,
    STEPS_DONE,
    checked,
    step_done,
)
from tests.orders.streams import blocked, given
from tests.orders.test_start_production import LOST

COMPLETE = CompleteProduction(line=1)
CHECKED = (*IN_PRODUCTION, *STEPS_DONE, *CHECKS_PASSED)
MISSING = ("step_missing", "step_missing", "item_pending", "item_pending")


def test_completed() -> None:
    given(*CHECKED).when(COMPLETE, by=MAKER).then(PRODUCED).comes_to(state="ready_to_ship")


def test_completed_with_a_concession() -> None:
    history = given(
        *IN_PRODUCTION,
        *STEPS_DONE,
        checked("bore", passed=False),
        ConcessionApproved(1, 1, "bore", 1),
        checked("surface"),
    )
    history.when(COMPLETE, by=MAKER).then(PRODUCED)


def test_completed_though_an_item_that_is_not_required_failed() -> None:
    given(*CHECKED, checked("weight", passed=False)).when(COMPLETE, by=MAKER).then(PRODUCED)


def test_a_second_run_counts_for_itself() -> None:
    started = (*LOST, ProductionStarted(1, 2, 1))
    given(*started).when(COMPLETE, by=MAKER).then_refused_for(*MISSING)
    again = (
        step_done("milling", run=2),
        step_done("polishing", run=2),
        checked("bore", run=2),
        checked("surface", run=2),
    )
    given(*started, *again).when(COMPLETE, by=MAKER).then(ProductionCompleted(1, 2, 1)).comes_to(state="ready_to_ship")


def test_ignored_when_retried() -> None:
    given(*MADE).when(COMPLETE, by=MAKER).then_nothing()


def test_refused_with_the_whole_list_of_what_is_missing() -> None:
    given(*IN_PRODUCTION).when(COMPLETE, by=MAKER).then_refused_for(*MISSING)
    given(*IN_PRODUCTION).when(COMPLETE, by=MAKER).then_refused("step_missing", line=1, item="polishing")
    given(*IN_PRODUCTION).when(COMPLETE, by=MAKER).then_refused("item_pending", line=1, item="surface")


def test_refused_where_an_item_failed() -> None:
    history = given(*IN_PRODUCTION, *STEPS_DONE, checked("bore", passed=False), checked("surface"))
    history.when(COMPLETE, by=MAKER).then_refused_for("item_failed")
    history.when(COMPLETE, by=MAKER).then_refused("item_failed", line=1, item="bore")


def test_refused_where_a_step_was_done_again_since() -> None:
    given(*CHECKED, step_done("polishing", attempt=2)).when(COMPLETE, by=MAKER).then_refused_for("item_pending")


def test_refused_while_held() -> None:
    given(*CHECKED, OrderHeld()).when(COMPLETE, by=MAKER).then_refused_for("held")


def test_refused_where_nothing_is_made() -> None:
    given(MADE_PLACED, CONFIRMED).when(COMPLETE, by=MAKER).then_refused("not_in_production", line=1)


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*CHECKED).when(CompleteProduction(line=7), by=MAKER).then_refused("unknown_line", line=7)


def test_refused_once_cancelled() -> None:
    given(*CHECKED, OrderCancelled()).when(COMPLETE, by=MAKER).then_refused("ended")


def test_what_is_missing_shows_before_anybody_asks() -> None:
    assert blocked(given(*IN_PRODUCTION), "complete-production", MAKER) == list(MISSING)
    assert blocked(given(*CHECKED), "complete-production", MAKER) == []
    assert blocked(given(*MADE), "complete-production", MAKER) == ["not_in_production"]
