"""Letting an order wait."""

from order_ledger.orders.commands import Hold
from order_ledger.orders.events import OrderCancelled, OrderCompleted, OrderHeld, OrderReleased
from tests.examples import ARRIVED, MADE_PLACED, OWNER, SERVICE
from tests.orders.streams import blocked, given

HOLD = Hold(reason_code="fraud_check")


def test_held_beside_its_state() -> None:
    given(MADE_PLACED).when(HOLD, by=OWNER).then(OrderHeld()).comes_to(held=True, state="placed")


def test_held_again_after_a_release() -> None:
    given(MADE_PLACED, OrderHeld(), OrderReleased()).when(HOLD, by=OWNER).then(OrderHeld())


def test_ignored_when_retried() -> None:
    given(MADE_PLACED, OrderHeld()).when(HOLD, by=OWNER).then_nothing()
    assert blocked(given(MADE_PLACED, OrderHeld()), "hold", SERVICE) == ["held"]


def test_refused_once_it_ended() -> None:
    given(MADE_PLACED, OrderCancelled()).when(HOLD, by=SERVICE).then_refused_for("ended")
    given(*ARRIVED, OrderCompleted("timer")).when(HOLD, by=SERVICE).then_refused_for("ended")


def test_refused_for_another_reason_without_words() -> None:
    given(MADE_PLACED).when(Hold(reason_code="other"), by=OWNER).then_refused_for("reason_required")
