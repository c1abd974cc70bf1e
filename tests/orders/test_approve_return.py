"""Letting goods come back: how many, where to, until when, at whose cost."""

from datetime import timedelta
from typing import Any

import pytest

from order_ledger.orders.commands import ApproveReturn
from order_ledger.orders.events import ReturnApproved, ReturnLine, ReturnReason, ReturnRejected, ReturnRequested
from order_ledger.values import Organisation, Units
from tests.examples import (
    APPROVED,
    ARRIVED,
    DEPOT,
    MADE,
    OTHER_SELLER,
    OWNER,
    READY,
    RETURN_APPROVED,
    RETURN_REQUESTED,
    RMA,
    SELLER,
    SERVICE,
    SHIPPED,
    TODAY,
    WORKS,
    delivered,
    shipped,
)
from tests.orders.streams import blocked, given


def approve(**changed: Any) -> ApproveReturn:
    return ApproveReturn(**{"rma": RMA, **changed})


def requested(quantity: int = 1, reason: ReturnReason = "changed_mind") -> ReturnRequested:
    return ReturnRequested(
        rma=RMA, lines=(ReturnLine(1, quantity, reason),), wanted="refund", exchange_for=(), evidence=()
    )


def test_approved() -> None:
    given(*RETURN_REQUESTED).when(approve(), by=OWNER).then(APPROVED).comes_to(return_="approved")


def test_in_part_and_by_a_day() -> None:
    tomorrow = TODAY + timedelta(days=1)
    command = approve(lines=(Units(1, 1),), send_by=tomorrow, postage="seller", send_to=SELLER.id)
    given(*ARRIVED, requested(3)).when(command, by=SERVICE).then(
        ReturnApproved(rma=RMA, lines=(Units(1, 1),), send_to=SELLER, send_by=tomorrow, postage="seller")
    )


@pytest.mark.parametrize(
    ("history", "place"),
    [((*READY, SHIPPED, delivered()), DEPOT), ((*MADE, shipped((1, 2)), delivered()), WORKS), (ARRIVED, SELLER)],
)
def test_goods_go_back_where_they_came_from(history: tuple[Any, ...], place: Organisation) -> None:
    (event,) = given(*history, requested()).when(approve(), by=OWNER).events
    assert isinstance(event, ReturnApproved)
    assert event.send_to == place


def test_the_seller_pays_the_postage_of_what_was_not_as_it_should_be() -> None:
    (event,) = given(*ARRIVED, requested(reason="damaged")).when(approve(), by=OWNER).events
    assert isinstance(event, ReturnApproved)
    assert event.postage == "seller"


def test_ignored_when_retried() -> None:
    given(*RETURN_APPROVED).when(approve(), by=OWNER).then_nothing()


def test_refused_for_a_return_that_there_is_not() -> None:
    given(*RETURN_REQUESTED).when(approve(rma="R9"), by=OWNER).then_refused_for("unknown_return")


def test_refused_once_rejected() -> None:
    given(*RETURN_REQUESTED, ReturnRejected(RMA)).when(approve(), by=OWNER).then_refused_for("return_rejected")


def test_refused_beyond_what_was_asked() -> None:
    given(*RETURN_REQUESTED).when(approve(lines=(Units(1, 2),)), by=OWNER).then_refused_for("more_than_requested")


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*RETURN_REQUESTED).when(approve(lines=(Units(7, 1),)), by=OWNER).then_refused_for("unknown_line")


def test_refused_to_a_stranger() -> None:
    given(*RETURN_REQUESTED).when(approve(send_to=OTHER_SELLER.id), by=OWNER).then_refused_for("unknown_organisation")


def test_refused_by_yesterday() -> None:
    yesterday = TODAY - timedelta(days=1)
    given(*RETURN_REQUESTED).when(approve(send_by=yesterday), by=OWNER).then_refused_for("in_the_past")
    given(*RETURN_REQUESTED).when(approve(send_by=TODAY), by=OWNER).happens()


def test_shown_as_blocked_where_none_was_asked() -> None:
    assert blocked(given(*ARRIVED), "approve-return", OWNER) == ["no_such_return"]
    assert blocked(given(*RETURN_REQUESTED), "approve-return", OWNER) == []
