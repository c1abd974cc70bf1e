"""What carriers say: repeated, out of order, and in codes that nobody knows."""

from datetime import timedelta
from typing import Any

from order_ledger.orders.commands import RecordProgress
from order_ledger.orders.events import (
    ShipmentProgressed,
    ShipmentStatus,
    TrackingCorrected,
)
from tests.examples import (
    ARRIVED,
    CARRIER,
    NOW,
    NUMBER,
    ON_ITS_WAY,
    ON_ITS_WAY_BACK,
    RAW,
    RETURN_SHIPMENT,
    SECOND_SHIPMENT,
    SHIPMENT,
    delivered,
)
from tests.orders.streams import given
from tests.scenario import at


def said(status: ShipmentStatus, event: str = "e1", **changed: Any) -> RecordProgress:
    known: dict[str, Any] = {
        "shipment": SHIPMENT,
        "carrier_event": event,
        "status": status,
        "carrier_code": "X",
        "carrier_text": "As the carrier puts it",
        "raw": RAW,
    }
    return RecordProgress(**{**known, **changed})


def progressed(status: ShipmentStatus, event: str = "e1", applied: bool = True, **changed: Any) -> ShipmentProgressed:
    known: dict[str, Any] = {
        "shipment": SHIPMENT,
        "carrier_event": event,
        "status": status,
        "carrier_code": "X",
        "carrier_text": "As the carrier puts it",
        "place": None,
        "expected_at": None,
        "applied": applied,
        "raw": RAW,
    }
    return ShipmentProgressed(**{**known, **changed})


def test_applied() -> None:
    history = given(*ON_ITS_WAY).when(said("out_for_delivery"), by=CARRIER).then(progressed("out_for_delivery"))
    history.comes_to(state="shipping", reads="Out for delivery")


def test_when_it_is_expected_is_kept() -> None:
    soon = NOW + timedelta(days=1)
    history = given(*ON_ITS_WAY).when(said("in_transit", expected_at=soon)).happens()
    assert history.state.shipments[SHIPMENT].expected_at == soon


def test_delivered() -> None:
    history = given(*ON_ITS_WAY).when(said("delivered"), by=CARRIER)
    history.then(progressed("delivered"), delivered(carrier_event="e1")).comes_to(state="delivered")


def test_delivered_once_only() -> None:
    given(*ARRIVED).when(said("delivered"), by=CARRIER).then(progressed("delivered"))


def test_ignored_when_seen_before() -> None:
    given(*ON_ITS_WAY, progressed("in_transit")).when(said("delivered")).then_nothing()
    given(*ON_ITS_WAY, progressed("in_transit", applied=False)).when(said("delivered")).then_nothing()


def test_older_is_kept_and_not_applied() -> None:
    history = given(*ON_ITS_WAY, at(0, progressed("in_transit")))
    older = said("out_for_delivery", "e2", at=NOW - timedelta(hours=1))
    history.when(older).then(progressed("out_for_delivery", "e2", applied=False)).comes_to(reads="Shipped")


def test_lower_is_kept_and_not_applied() -> None:
    history = given(*ON_ITS_WAY, progressed("delivered"), delivered())
    history.when(said("in_transit", "e2")).then(progressed("in_transit", "e2", applied=False))
    given(*ON_ITS_WAY, progressed("in_transit")).when(said("announced", "e2")).then(
        progressed("announced", "e2", applied=False)
    )


def test_to_and_fro_on_the_way_is_applied() -> None:
    given(*ON_ITS_WAY, progressed("out_for_delivery")).when(said("attempt_failed", "e2")).then(
        progressed("attempt_failed", "e2")
    )
    given(*ON_ITS_WAY, progressed("lost")).when(said("delivered", "e2")).then(
        progressed("delivered", "e2"), delivered(carrier_event="e2")
    )


def test_an_unknown_code_is_kept_and_not_applied() -> None:
    given(*ON_ITS_WAY).when(said("unknown")).then(progressed("unknown", applied=False))


def test_said_of_a_number_since_corrected_is_kept_and_not_applied() -> None:
    corrected = TrackingCorrected(
        shipment=SHIPMENT, carrier="dhl", tracking_number="2", tracking_url="https://www.dhl.com/track?id=2"
    )
    history = given(*ON_ITS_WAY, progressed("in_transit"), corrected)
    history.when(said("delivered", "e2", tracking_number=NUMBER)).then(progressed("delivered", "e2", applied=False))
    history.when(said("delivered", "e2", tracking_number="2")).then(
        progressed("delivered", "e2"), delivered(carrier_event="e2")
    )


def test_a_corrected_number_starts_from_nothing() -> None:
    corrected = TrackingCorrected(
        shipment=SHIPMENT, carrier="dhl", tracking_number="2", tracking_url="https://www.dhl.com/track?id=2"
    )
    given(*ON_ITS_WAY, progressed("delivered"), corrected).when(said("announced", "e2")).then(
        progressed("announced", "e2")
    )


def test_on_a_return_it_delivers_nothing() -> None:
    outcome = given(*ON_ITS_WAY_BACK).when(said("delivered", shipment=RETURN_SHIPMENT))
    outcome.then(progressed("delivered", shipment=RETURN_SHIPMENT)).comes_to(return_="on_its_way", state="delivered")


def test_refused_for_a_shipment_that_there_is_not() -> None:
    given(*ON_ITS_WAY).when(said("delivered", shipment=SECOND_SHIPMENT)).then_refused_for("unknown_shipment")


def test_refused_for_tomorrow() -> None:
    given(*ON_ITS_WAY).when(said("delivered", at=NOW + timedelta(days=1))).then_refused_for("in_the_future")
