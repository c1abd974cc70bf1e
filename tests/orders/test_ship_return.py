"""Goods on their way back."""

from datetime import timedelta
from typing import Any

from order_ledger.orders.commands import ShipReturn
from order_ledger.orders.events import ReturnShipped
from tests.examples import (
    CONSUMER,
    NOW,
    ON_ITS_WAY_BACK,
    RETURN_APPROVED,
    RETURN_REQUESTED,
    RETURN_SHIPMENT,
    RETURN_SHIPPED,
    RMA,
)
from tests.orders.streams import blocked, given
from tests.scenario import made


def ship(**changed: Any) -> ShipReturn:
    known: dict[str, Any] = {
        "rma": RMA,
        "carrier": "dhl",
        "tracking_number": "9",
        "tracking_url": "https://www.dhl.com/track?id=9",
        "shipment": RETURN_SHIPMENT,
    }
    return ShipReturn(**{**known, **changed})


def test_sent() -> None:
    given(*RETURN_APPROVED).when(ship(), by=CONSUMER).then(RETURN_SHIPPED).comes_to(
        return_="on_its_way", state="delivered"
    )


def test_sent_with_a_carrier_of_the_consumers_choice() -> None:
    elsewhere = ship(tracking_url="https://parcels.example/9", shipment=None)
    (event,) = given(*RETURN_APPROVED).when(elsewhere, by=CONSUMER).events
    assert isinstance(event, ReturnShipped)
    assert event.shipment == made("return")


def test_sent_in_a_second_parcel() -> None:
    given(*ON_ITS_WAY_BACK).when(ship(tracking_number="10", shipment=None), by=CONSUMER).happens()


def test_ignored_when_retried() -> None:
    given(*ON_ITS_WAY_BACK).when(ship(), by=CONSUMER).then_nothing()
    given(*ON_ITS_WAY_BACK).when(ship(shipment=None), by=CONSUMER).then_nothing()


def test_refused_before_it_is_approved() -> None:
    given(*RETURN_REQUESTED).when(ship(), by=CONSUMER).then_refused_for("return_requested")
    assert blocked(given(*RETURN_REQUESTED), "ship-return", CONSUMER) == ["no_such_return"]


def test_refused_for_a_return_that_there_is_not() -> None:
    given(*RETURN_APPROVED).when(ship(rma="R9"), by=CONSUMER).then_refused_for("unknown_return")


def test_refused_without_a_way_to_follow_it() -> None:
    untracked = ship().model_copy(update={"tracking_url": None})
    given(*RETURN_APPROVED).when(untracked, by=CONSUMER).then_refused_for("tracking_missing")


def test_refused_for_tomorrow() -> None:
    given(*RETURN_APPROVED).when(ship(at=NOW + timedelta(days=1)), by=CONSUMER).then_refused_for("in_the_future")
