"""Steps: first in their order, and again at any time."""

from datetime import timedelta
from typing import Any

from order_ledger.orders.commands import CompleteStep
from order_ledger.orders.events import LinesCancelled, OrderCancelled, OrderHeld, ProductionStepCompleted
from order_ledger.values import Units
from tests.examples import (
    CONFIRMED,
    IN_PRODUCTION,
    MADE,
    MADE_PLACED,
    MAKER,
    NOW,
    STARTED,
    STEPS_DONE,
    checked,
    eur,
    line,
    placed,
    step_done,
)
from tests.orders.streams import blocked, given

MILLING = CompleteStep(line=1, step="milling")
POLISHING = CompleteStep(line=1, step="polishing")
MILLED = step_done("milling")


def milling(**more: Any) -> CompleteStep:
    return CompleteStep(**{"line": 1, "step": "milling", **more})


def test_done() -> None:
    given(*IN_PRODUCTION).when(MILLING, by=MAKER).then(MILLED)


def test_done_one_after_the_other() -> None:
    given(*IN_PRODUCTION, MILLED).when(POLISHING, by=MAKER).then(step_done("polishing"))


def test_when_it_was_begun_is_kept() -> None:
    begun = NOW - timedelta(hours=3)
    given(*IN_PRODUCTION).when(milling(started_at=begun), by=MAKER).then(
        ProductionStepCompleted(line=1, run=1, step="milling", attempt=1, started_at=begun, rework_for=None)
    )


def test_done_again_makes_every_item_after_it_pending_again() -> None:
    history = given(*IN_PRODUCTION, *STEPS_DONE, checked("bore"), checked("surface", passed=False))
    again = history.when(milling(rework_for="surface"), by=MAKER).then(
        step_done("milling", attempt=2, rework_for="surface")
    )
    run = again.state.lines[1].run
    assert run is not None
    assert (run.check("bore").state, run.check("surface").state) == ("pending", "pending")
    assert run.check("bore").attempts == 1


def test_done_again_it_leaves_the_items_before_it() -> None:
    history = given(*IN_PRODUCTION, *STEPS_DONE, checked("bore"), checked("surface"))
    run = history.when(POLISHING, by=MAKER).happens().state.lines[1].run
    assert run is not None
    assert (run.check("bore").state, run.check("surface").state) == ("passed", "pending")


def test_done_again_without_the_step_after_it() -> None:
    given(*IN_PRODUCTION, MILLED).when(MILLING, by=MAKER).then(step_done("milling", attempt=2))


def test_done_while_held() -> None:
    given(*IN_PRODUCTION, OrderHeld()).when(MILLING, by=MAKER).then(MILLED)


def test_ignored_when_retried() -> None:
    given(*IN_PRODUCTION, MILLED).when(milling(attempt=1), by=MAKER).then_nothing()


def test_refused_before_the_step_before_it() -> None:
    given(*IN_PRODUCTION).when(POLISHING, by=MAKER).then_refused("step_missing", line=1, item="milling")


def test_refused_for_a_step_that_there_is_not() -> None:
    given(*IN_PRODUCTION).when(CompleteStep(line=1, step="gilding"), by=MAKER).then_refused(
        "unknown_step", line=1, item="gilding"
    )


def test_refused_as_rework_for_an_item_that_there_is_not() -> None:
    given(*IN_PRODUCTION).when(milling(rework_for="shine"), by=MAKER).then_refused("unknown_item", line=1, item="shine")


def test_refused_where_an_attempt_is_left_out() -> None:
    given(*IN_PRODUCTION).when(milling(attempt=2), by=MAKER).then_refused("wrong_attempt", line=1, item="milling")


def test_refused_where_nothing_is_made() -> None:
    given(MADE_PLACED, CONFIRMED).when(MILLING, by=MAKER).then_refused("not_in_production", line=1)
    given(*MADE).when(MILLING, by=MAKER).then_refused("not_in_production", line=1)
    assert blocked(given(*MADE), "complete-step", MAKER) == ["not_in_production"]


def test_refused_where_the_line_is_no_longer_wanted() -> None:
    dropped = LinesCancelled(lines=(Units(1, 2),), net=eur("5.88"), tax=eur("1.12"), total=eur("7.00"))
    history = given(placed(line(1, "ROTOR", 2), line(2, "BOOK")), CONFIRMED, STARTED, dropped)
    history.when(MILLING, by=MAKER).then_refused_for("not_in_production")
    assert blocked(history, "complete-step", MAKER) == ["not_in_production"]


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*IN_PRODUCTION).when(CompleteStep(line=7, step="milling"), by=MAKER).then_refused("unknown_line", line=7)


def test_refused_where_it_was_begun_after_it_was_done() -> None:
    wrong = milling(started_at=NOW - timedelta(hours=1), at=NOW - timedelta(hours=2))
    given(*IN_PRODUCTION).when(wrong, by=MAKER).then_refused("started_later", line=1)


def test_refused_where_it_will_be_begun_tomorrow() -> None:
    given(*IN_PRODUCTION).when(milling(started_at=NOW + timedelta(days=1)), by=MAKER).then_refused("in_the_future")


def test_refused_once_cancelled() -> None:
    given(MADE_PLACED, CONFIRMED, STARTED, OrderCancelled()).when(MILLING, by=MAKER).then_refused("ended")
