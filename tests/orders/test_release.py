"""Letting an order go on."""

from order_ledger.orders.commands import Release
from order_ledger.orders.events import OrderCancelled, OrderHeld, OrderReleased
from tests.examples import MADE_PLACED, OWNER, SERVICE
from tests.orders.streams import blocked, given

RELEASE = Release(reason="The payment was checked.")


def test_released() -> None:
    given(MADE_PLACED, OrderHeld()).when(RELEASE, by=OWNER).then(OrderReleased()).comes_to(held=False)


def test_ignored_when_retried() -> None:
    given(MADE_PLACED, OrderHeld(), OrderReleased()).when(RELEASE, by=OWNER).then_nothing()
    assert blocked(given(MADE_PLACED), "release", SERVICE) == ["not_held"]


def test_refused_without_a_reason() -> None:
    given(MADE_PLACED, OrderHeld()).when(Release(), by=OWNER).then_refused_for("reason_required")


def test_refused_once_it_ended() -> None:
    given(MADE_PLACED, OrderHeld(), OrderCancelled()).when(RELEASE, by=SERVICE).then_refused_for("ended")
