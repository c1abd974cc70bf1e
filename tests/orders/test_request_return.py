"""Asking to give goods back."""

from typing import Any

from order_ledger.orders.commands import RequestReturn
from order_ledger.orders.events import ExchangeItem, OrderCancelled, ReturnLine, ReturnRequested, ReturnWithdrawn
from tests.examples import (
    ARRIVED,
    BOOK_CONFIRMED,
    CONSUMER,
    ON_ITS_WAY,
    PHOTO,
    REQUESTED,
    RETURN_REQUESTED,
    RMA,
    SECOND_SHIPMENT,
    delivered,
    shipped,
)
from tests.orders.streams import blocked, given
from tests.scenario import at


def request(*lines: ReturnLine, **changed: Any) -> RequestReturn:
    known: dict[str, Any] = {"lines": lines or (ReturnLine(1, 1, "changed_mind"),), "wanted": "refund"}
    return RequestReturn(**{**known, **changed})


def arrived_before(days: float) -> tuple[Any, ...]:
    return (*ON_ITS_WAY, at(days, delivered()))


def test_requested_with_a_number_of_its_own() -> None:
    given(*ARRIVED).when(request(), by=CONSUMER).then(REQUESTED).comes_to(return_="requested")
    (second,) = given(*RETURN_REQUESTED).when(request(), by=CONSUMER).events
    assert isinstance(second, ReturnRequested)
    assert second.rma == RMA.replace("R1", "R2")


def test_requested_with_evidence_for_an_exchange() -> None:
    swap = (ExchangeItem("VALVE", 2),)
    given(*ARRIVED).when(request(wanted="exchange", exchange_for=swap, evidence=(PHOTO,)), by=CONSUMER).then(
        ReturnRequested(
            rma=RMA,
            lines=(ReturnLine(1, 1, "changed_mind"),),
            wanted="exchange",
            exchange_for=swap,
            evidence=(PHOTO,),
        )
    )


def test_on_the_last_day() -> None:
    given(*arrived_before(30)).when(request(), by=CONSUMER).happens()


def test_refused_the_day_after() -> None:
    given(*arrived_before(30.01)).when(request(), by=CONSUMER).then_refused_for("return_window_over")


def test_a_defect_has_the_time_of_the_warranty() -> None:
    defect = request(ReturnLine(1, 1, "defective"))
    given(*arrived_before(730)).when(defect, by=CONSUMER).happens()
    given(*arrived_before(730.01)).when(defect, by=CONSUMER).then_refused_for("return_window_over")
    mixed = request(ReturnLine(1, 1, "defective"), ReturnLine(1, 1, "changed_mind"))
    given(*arrived_before(31)).when(mixed, by=CONSUMER).then_refused_for("return_window_over")


def test_each_shipment_has_its_own_time() -> None:
    two = (
        *BOOK_CONFIRMED,
        shipped((1, 1)),
        shipped((1, 2), shipment=SECOND_SHIPMENT, number="2"),
        at(40, delivered()),
        at(10, delivered(SECOND_SHIPMENT)),
    )
    given(*two).when(request(ReturnLine(1, 2, "changed_mind")), by=CONSUMER).happens()
    given(*two).when(request(ReturnLine(1, 3, "changed_mind")), by=CONSUMER).then_refused_for("return_window_over")


def test_refused_before_it_arrived() -> None:
    given(*ON_ITS_WAY).when(request(), by=CONSUMER).then_refused_for("not_delivered")
    assert blocked(given(*ON_ITS_WAY), "request-return", CONSUMER) == ["not_delivered"]
    assert blocked(given(*ARRIVED), "request-return", CONSUMER) == []


def test_refused_beyond_what_arrived() -> None:
    four = request(ReturnLine(1, 2, "changed_mind"), ReturnLine(1, 2, "damaged"))
    given(*ARRIVED).when(four, by=CONSUMER).then_refused_for("more_than_delivered")


def test_what_another_return_holds_does_not_count_twice() -> None:
    three = request(ReturnLine(1, 3, "changed_mind"))
    given(*RETURN_REQUESTED).when(three, by=CONSUMER).then_refused_for("more_than_delivered")
    given(*RETURN_REQUESTED, ReturnWithdrawn(RMA)).when(three, by=CONSUMER).happens()


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*ARRIVED).when(request(ReturnLine(7, 1, "late")), by=CONSUMER).then_refused_for("unknown_line")


def test_refused_as_an_exchange_for_nothing() -> None:
    given(*ARRIVED).when(request(wanted="exchange"), by=CONSUMER).then_refused_for("exchange_items_missing")


def test_refused_as_an_exchange_for_an_item_that_there_is_not() -> None:
    swap = request(wanted="exchange", exchange_for=(ExchangeItem("NOTHING", 1),))
    given(*ARRIVED).when(swap, by=CONSUMER).then_refused("unknown_item", item="NOTHING")


def test_the_same_item_may_be_wanted_again_though_it_is_no_longer_offered() -> None:
    same = request(wanted="exchange", exchange_for=(ExchangeItem("BOOK", 1),))
    given(*ARRIVED).when(same, by=CONSUMER, listings={}).happens()


def test_refused_once_cancelled() -> None:
    given(*ARRIVED, OrderCancelled()).when(request(), by=CONSUMER).then_refused_for("ended")
