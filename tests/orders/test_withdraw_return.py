"""Not giving goods back after all."""

from datetime import timedelta

from order_ledger.orders.commands import WithdrawReturn
from order_ledger.orders.events import ReturnWithdrawn
from tests.examples import CAME_BACK, CONSUMER, LEDGER, NOW, ON_ITS_WAY_BACK, RETURN_APPROVED, RETURN_REQUESTED, RMA
from tests.orders.streams import blocked, given

WITHDRAW = WithdrawReturn(rma=RMA)
WITHDRAWN = ReturnWithdrawn(RMA)


def test_withdrawn() -> None:
    for history in (RETURN_REQUESTED, RETURN_APPROVED):
        given(*history).when(WITHDRAW, by=CONSUMER).then(WITHDRAWN).comes_to(return_="withdrawn")


def test_withdrawn_by_the_ledger_where_nothing_was_sent_in_time() -> None:
    given(*RETURN_APPROVED).when(WITHDRAW, by=LEDGER, now=NOW + timedelta(days=15)).then(WITHDRAWN)


def test_ignored_when_retried() -> None:
    given(*RETURN_REQUESTED, WITHDRAWN).when(WITHDRAW, by=CONSUMER).then_nothing()


def test_refused_to_the_ledger_while_there_is_time() -> None:
    given(*RETURN_APPROVED).when(WITHDRAW, by=LEDGER, now=NOW + timedelta(days=14)).then_refused_for("too_early")


def test_refused_to_the_ledger_before_it_is_approved() -> None:
    given(*RETURN_REQUESTED).when(WITHDRAW, by=LEDGER).then_refused_for("return_requested")


def test_refused_once_on_its_way() -> None:
    given(*ON_ITS_WAY_BACK).when(WITHDRAW, by=CONSUMER).then_refused_for("return_on_its_way")
    given(*CAME_BACK).when(WITHDRAW, by=CONSUMER).then_refused_for("return_received")
    assert blocked(given(*CAME_BACK), "withdraw-return", CONSUMER) == ["no_such_return"]


def test_refused_for_a_return_that_there_is_not() -> None:
    given(*RETURN_REQUESTED).when(WithdrawReturn(rma="R9"), by=CONSUMER).then_refused_for("unknown_return")
