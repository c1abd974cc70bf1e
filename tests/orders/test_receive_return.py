"""Goods that came back, and were counted."""

from datetime import timedelta
from typing import Any

from order_ledger.orders.commands import ReceiveReturn
from order_ledger.orders.events import (
    CountedLine,
    ProblemReported,
    ProblemResolved,
    ResolvedLine,
    ReturnApproved,
    ReturnReceived,
    ReturnResolved,
)
from order_ledger.values import Units
from tests.examples import (
    ARRIVED,
    CAME_BACK,
    KEEPER,
    MADE,
    MAKER,
    NOW,
    ON_ITS_WAY,
    ON_ITS_WAY_BACK,
    PHOTO,
    RECEIVED,
    RETURN_APPROVED,
    RETURN_REQUESTED,
    RETURN_SHIPMENT,
    RMA,
    SELLER,
    SHIPMENT,
    TODAY,
    shipped,
)
from tests.orders.streams import blocked, given

ONE = (CountedLine(1, 1, "resellable"),)
RETURNED_TO_SENDER = ProblemReported(problem=1, kind="returned_to_sender", shipment=SHIPMENT, lines=(), evidence=())


def receive(**changed: Any) -> ReceiveReturn:
    return ReceiveReturn(**{"rma": RMA, "lines": ONE, **changed})


def test_received() -> None:
    history = given(*ON_ITS_WAY_BACK).when(receive(), by=KEEPER).then(RECEIVED)
    history.comes_to(return_="received", state="delivered")
    assert history.state.lines[1].returned == 1


def test_received_though_nobody_said_it_was_sent() -> None:
    given(*RETURN_APPROVED).when(receive(evidence=(PHOTO,)), by=MAKER).then(
        ReturnReceived(rma=RMA, shipment=None, lines=ONE, evidence=(PHOTO,))
    )


def test_received_in_several_parcels() -> None:
    two = ReturnApproved(rma=RMA, lines=(Units(1, 2),), send_to=SELLER, send_by=TODAY, postage="seller")
    history = given(*RETURN_REQUESTED, two).when(receive(), by=KEEPER).happens().when(receive(), by=KEEPER).happens()
    history.when(receive(), by=KEEPER).then_refused_for("more_than_approved")


def test_an_undelivered_shipment_came_back() -> None:
    undelivered = ReturnReceived(rma=None, shipment=SHIPMENT, lines=ONE, evidence=())
    history = given(*ON_ITS_WAY).when(receive(rma=None, shipment=SHIPMENT), by=KEEPER).then(undelivered)
    history.comes_to(return_="none", state="shipping")


def test_made_goods_that_came_back_undelivered_are_ready_to_be_sent_again() -> None:
    back = ReturnReceived(rma=None, shipment=SHIPMENT, lines=(CountedLine(1, 2, "resellable"),), evidence=())
    again = ProblemResolved(1, "reship", (Units(1, 2),))
    given(*MADE, shipped((1, 2)), RETURNED_TO_SENDER, back, again).comes_to(state="ready_to_ship")
    scrap = ReturnReceived(rma=None, shipment=SHIPMENT, lines=(CountedLine(1, 2, "scrap"),), evidence=())
    given(*MADE, shipped((1, 2)), RETURNED_TO_SENDER, scrap, again).comes_to(state="confirmed")


def test_refused_beyond_what_was_approved() -> None:
    two = receive(lines=(CountedLine(1, 1, "resellable"), CountedLine(1, 1, "scrap")))
    given(*ON_ITS_WAY_BACK).when(two, by=KEEPER).then_refused_for("more_than_approved")
    given(*CAME_BACK).when(receive(), by=KEEPER).then_refused_for("more_than_approved")


def test_refused_before_it_is_approved() -> None:
    given(*RETURN_REQUESTED).when(receive(), by=KEEPER).then_refused("return_requested")


def test_refused_once_resolved() -> None:
    resolved = ReturnResolved(
        rma=RMA, lines=(ResolvedLine(1, 1, "refund"),), refund=None, exchange_order=None, sent_back=None
    )
    given(*CAME_BACK, resolved).when(receive(), by=KEEPER).then_refused("return_resolved")


def test_refused_for_a_return_that_there_is_not() -> None:
    given(*ON_ITS_WAY_BACK).when(receive(rma="R9"), by=KEEPER).then_refused_for("unknown_return")


def test_refused_for_both_a_return_and_a_shipment_or_neither() -> None:
    given(*ON_ITS_WAY_BACK).when(receive(shipment=SHIPMENT), by=KEEPER).then_refused_for("return_or_shipment")
    given(*ON_ITS_WAY_BACK).when(receive(rma=None), by=KEEPER).then_refused_for("return_or_shipment")


def test_refused_for_a_shipment_that_there_is_not() -> None:
    wrong = receive(rma=None, shipment=RETURN_SHIPMENT)
    given(*ON_ITS_WAY).when(wrong, by=KEEPER).then_refused_for("unknown_shipment")
    given(*ON_ITS_WAY_BACK).when(wrong, by=KEEPER).then_refused_for("unknown_shipment")


def test_refused_for_a_shipment_that_was_delivered() -> None:
    given(*ARRIVED).when(receive(rma=None, shipment=SHIPMENT), by=KEEPER).then_refused_for("already_delivered")


def test_refused_beyond_what_was_shipped() -> None:
    four = receive(rma=None, shipment=SHIPMENT, lines=(CountedLine(1, 4, "resellable"),))
    given(*ON_ITS_WAY).when(four, by=KEEPER).then_refused_for("more_than_shipped")


def test_refused_for_a_line_that_there_is_not() -> None:
    other = receive(lines=(CountedLine(7, 1, "scrap"),))
    given(*ON_ITS_WAY_BACK).when(other, by=KEEPER).then_refused_for("unknown_line")


def test_refused_for_tomorrow() -> None:
    given(*ON_ITS_WAY_BACK).when(receive(at=NOW + timedelta(days=1)), by=KEEPER).then_refused_for("in_the_future")


def test_shown_as_blocked_while_nothing_comes_back() -> None:
    assert blocked(given(*ARRIVED), "receive-return", KEEPER) == ["no_such_return"]
    assert blocked(given(*RETURN_APPROVED), "receive-return", KEEPER) == []
    assert blocked(given(*ON_ITS_WAY), "receive-return", KEEPER) == []
