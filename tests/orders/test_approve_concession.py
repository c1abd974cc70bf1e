"""Accepting an item that failed."""

from order_ledger.orders.commands import ApproveConcession
from order_ledger.orders.events import ConcessionApproved, OrderCancelled
from tests.examples import IN_PRODUCTION, MADE, OWNER, STEPS_DONE, checked, step_done
from tests.orders.streams import blocked, given

CONCEDE = ApproveConcession(line=1, item="bore", reason_code="within_function")
FAILED = (*IN_PRODUCTION, *STEPS_DONE, checked("bore", passed=False))


def test_conceded() -> None:
    run = given(*FAILED).when(CONCEDE, by=OWNER).then(ConcessionApproved(1, 1, "bore", 1)).state.lines[1].run
    assert run is not None
    assert run.check("bore").state == "conceded"


def test_the_last_attempt_is_conceded() -> None:
    given(*FAILED, checked("bore", passed=False, attempt=2)).when(CONCEDE, by=OWNER).then(
        ConcessionApproved(1, 1, "bore", 2)
    )


def test_ignored_when_retried() -> None:
    given(*FAILED, ConcessionApproved(1, 1, "bore", 1)).when(CONCEDE, by=OWNER).then_nothing()


def test_refused_where_it_did_not_fail() -> None:
    given(*IN_PRODUCTION, *STEPS_DONE).when(CONCEDE, by=OWNER).then_refused("not_failed", line=1, item="bore")
    given(*FAILED, checked("bore", attempt=2)).when(CONCEDE, by=OWNER).then_refused("not_failed", line=1, item="bore")
    given(*FAILED, step_done("milling", attempt=2)).when(CONCEDE, by=OWNER).then_refused("not_failed", line=1)


def test_refused_for_an_item_that_the_plan_has_not() -> None:
    shine = ApproveConcession(line=1, item="shine", reason_code="cosmetic")
    given(*FAILED).when(shine, by=OWNER).then_refused("unknown_item", line=1, item="shine")


def test_refused_where_nothing_is_made() -> None:
    given(*MADE).when(CONCEDE, by=OWNER).then_refused("not_in_production", line=1)


def test_refused_for_a_line_that_there_is_not() -> None:
    other = ApproveConcession(line=7, item="bore", reason_code="cosmetic")
    given(*FAILED).when(other, by=OWNER).then_refused("unknown_line", line=7)


def test_refused_once_cancelled() -> None:
    given(*FAILED, OrderCancelled()).when(CONCEDE, by=OWNER).then_refused("ended")


def test_shown_as_blocked_where_nothing_failed() -> None:
    assert blocked(given(*IN_PRODUCTION), "approve-concession", OWNER) == ["not_failed"]
    assert blocked(given(*FAILED), "approve-concession", OWNER) == []
