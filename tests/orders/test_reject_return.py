"""Not letting goods come back."""

from order_ledger.orders.commands import RejectReturn
from order_ledger.orders.events import ReturnRejected
from tests.examples import OWNER, RETURN_APPROVED, RETURN_REQUESTED, RMA
from tests.orders.streams import given

REJECT = RejectReturn(rma=RMA, reason_code="used")


def test_rejected() -> None:
    given(*RETURN_REQUESTED).when(REJECT, by=OWNER).then(ReturnRejected(RMA)).comes_to(return_="rejected")


def test_ignored_when_retried() -> None:
    given(*RETURN_REQUESTED, ReturnRejected(RMA)).when(REJECT, by=OWNER).then_nothing()


def test_refused_once_approved() -> None:
    given(*RETURN_APPROVED).when(REJECT, by=OWNER).then_refused_for("return_approved")


def test_refused_for_a_return_that_there_is_not() -> None:
    other = RejectReturn(rma="R9", reason_code="used")
    given(*RETURN_REQUESTED).when(other, by=OWNER).then_refused_for("unknown_return")


def test_refused_for_another_reason_without_words() -> None:
    other = RejectReturn(rma=RMA, reason_code="other")
    given(*RETURN_REQUESTED).when(other, by=OWNER).then_refused_for("reason_required")
