"""Following a shipment elsewhere."""

from typing import Any

from order_ledger.orders.commands import CorrectTracking
from order_ledger.orders.events import DeliveryRetracted, OrderCancelled, OrderCompleted, TrackingCorrected
from tests.examples import (
    ARRIVED,
    BOOK_CONFIRMED,
    CAME_BACK,
    KEEPER,
    NUMBER,
    ON_ITS_WAY,
    READY,
    RETURN_REQUESTED,
    SECOND_SHIPMENT,
    SHIPMENT,
    URL,
    delivered,
)
from tests.orders.streams import blocked, given

RIGHT = "00340434161094042558"
RIGHT_URL = f"https://www.dhl.com/track?id={RIGHT}"
CORRECTED = TrackingCorrected(shipment=SHIPMENT, carrier="dhl", tracking_number=RIGHT, tracking_url=RIGHT_URL)
TIMED_OUT = OrderCompleted("timer")


def correct(**changed: Any) -> CorrectTracking:
    known: dict[str, Any] = {
        "shipment": SHIPMENT,
        "carrier": "dhl",
        "tracking_number": RIGHT,
        "tracking_url": RIGHT_URL,
        "reason_code": "typo",
    }
    return CorrectTracking(**{**known, **changed})


def test_corrected() -> None:
    history = given(*ON_ITS_WAY).when(correct(), by=KEEPER).then(CORRECTED)
    assert history.state.shipments[SHIPMENT].tracking_number == RIGHT


def test_a_delivery_that_only_the_old_number_proved_is_taken_back() -> None:
    version = len(ARRIVED)
    history = given(*ARRIVED).comes_to(state="delivered").when(correct(), by=KEEPER)
    history.then(CORRECTED, DeliveryRetracted(SHIPMENT, version)).comes_to(state="shipping")


def test_with_it_goes_a_completion_by_the_time_that_passed() -> None:
    version = len(ARRIVED)
    given(*ARRIVED, TIMED_OUT).comes_to(state="completed").when(correct(), by=KEEPER).then(
        CORRECTED, DeliveryRetracted(SHIPMENT, version)
    ).comes_to(state="shipping", completed_by=None)


def test_a_delivery_that_people_proved_stands() -> None:
    for proof in ("consumer", "staff"):
        history = given(*ON_ITS_WAY, delivered(proof=proof))
        history.when(correct(), by=KEEPER).then(CORRECTED).comes_to(state="delivered")


def test_a_delivery_of_what_comes_back_stands() -> None:
    """Who gives something back has it."""
    for history in (RETURN_REQUESTED, CAME_BACK):
        given(*history).when(correct(), by=KEEPER).then(CORRECTED).comes_to(state="delivered")


def test_a_delivery_stands_where_only_the_link_changes() -> None:
    link = correct(tracking_number=NUMBER, tracking_url=f"{URL}&lang=de")
    (event,) = given(*ARRIVED).when(link, by=KEEPER).events
    assert isinstance(event, TrackingCorrected)


def test_ignored_when_retried() -> None:
    given(*ON_ITS_WAY, CORRECTED).when(correct(), by=KEEPER).then_nothing()


def test_refused_for_a_shipment_that_there_is_not() -> None:
    given(*ON_ITS_WAY).when(correct(shipment=SECOND_SHIPMENT), by=KEEPER).then_refused_for("unknown_shipment")


def test_refused_once_the_consumer_completed_it() -> None:
    given(*ARRIVED, OrderCompleted("consumer")).when(correct(), by=KEEPER).then_refused_for("completed")


def test_refused_once_it_ended() -> None:
    given(*BOOK_CONFIRMED, OrderCancelled()).when(correct(), by=KEEPER).then_refused("ended")


def test_refused_with_a_link_to_another_host() -> None:
    wrong = correct(tracking_url="https://track.example/1")
    given(*ON_ITS_WAY).when(wrong, by=KEEPER).then_refused_for("tracking_host_not_allowed")


def test_refused_for_another_reason_without_words() -> None:
    given(*ON_ITS_WAY).when(correct(reason_code="other"), by=KEEPER).then_refused_for("reason_required")


def test_shown_as_blocked_before_anything_is_shipped() -> None:
    assert blocked(given(*READY), "correct-tracking", KEEPER) == ["nothing_shipped"]
    assert blocked(given(*ON_ITS_WAY), "correct-tracking", KEEPER) == []
