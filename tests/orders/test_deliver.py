"""A shipment arrived, and what proves it."""

from datetime import timedelta
from typing import Any

from order_ledger.orders.commands import Deliver
from order_ledger.orders.events import OrderCancelled, OrderDelivered, OrderRejected
from order_ledger.values import unsealed
from tests.examples import (
    ADA,
    ARRIVED,
    BOOK_CONFIRMED,
    CARRIER,
    CONSUMER,
    LEDGER,
    NOW,
    ON_ITS_WAY,
    ON_ITS_WAY_BACK,
    RETURN_SHIPMENT,
    SECOND_SHIPMENT,
    SERVICE,
    SHIPMENT,
    delivered,
    shipped,
)
from tests.orders.streams import blocked, given


def deliver(**changed: Any) -> Deliver:
    return Deliver(**{"shipment": SHIPMENT, **changed})


def test_delivered_with_the_proof_of_who_says_so() -> None:
    for by, event in (
        (CONSUMER, delivered(proof="consumer")),
        (SERVICE, delivered(proof="staff")),
        (CARRIER, delivered(proof="carrier")),
        (LEDGER, delivered(proof="carrier")),
    ):
        given(*ON_ITS_WAY).when(deliver(), by=by).then(event).comes_to(state="delivered", reads="Delivered")


def test_customer_service_says_what_proves_it() -> None:
    given(*ON_ITS_WAY).when(deliver(proof="carrier", carrier_event="e9"), by=SERVICE).then(
        delivered(proof="carrier", carrier_event="e9")
    )


def test_who_took_it_in_is_sealed() -> None:
    given(*ON_ITS_WAY).when(deliver(received_by="The neighbour"), by=CONSUMER).then(
        OrderDelivered(
            shipment=SHIPMENT, proof="consumer", carrier_event=None, received_by=unsealed("The neighbour", ADA)
        )
    )


def test_one_of_two_parcels() -> None:
    parcels = given(*BOOK_CONFIRMED, shipped((1, 1)), shipped((1, 2), shipment=SECOND_SHIPMENT, number="2"))
    history = parcels.when(deliver(), by=CONSUMER).then(delivered(proof="consumer"))
    history.comes_to(state="shipping", fulfilment="partly_delivered", reads="Partly delivered")


def test_ignored_when_retried() -> None:
    given(*ARRIVED).when(deliver(), by=CONSUMER).then_nothing()


def test_refused_for_a_shipment_that_there_is_not() -> None:
    given(*ON_ITS_WAY).when(deliver(shipment=SECOND_SHIPMENT), by=CONSUMER).then_refused_for("unknown_shipment")


def test_refused_for_a_parcel_that_carries_a_return() -> None:
    given(*ON_ITS_WAY_BACK).when(deliver(shipment=RETURN_SHIPMENT), by=SERVICE).then_refused_for("is_a_return")


def test_refused_to_a_consumer_with_the_proof_of_others() -> None:
    given(*ON_ITS_WAY).when(deliver(proof="carrier"), by=CONSUMER).then_refused_for("proof_of_others")
    given(*ON_ITS_WAY).when(deliver(proof="consumer"), by=CONSUMER).then(delivered(proof="consumer"))


def test_refused_for_tomorrow() -> None:
    given(*ON_ITS_WAY).when(deliver(at=NOW + timedelta(days=1)), by=SERVICE).then_refused_for("in_the_future")


def test_refused_once_it_ended() -> None:
    for end in (OrderCancelled(), OrderRejected()):
        given(*ON_ITS_WAY, end).when(deliver(), by=SERVICE).then_refused_for("ended")


def test_shown_as_blocked_while_nothing_is_on_its_way() -> None:
    assert blocked(given(*BOOK_CONFIRMED), "deliver", CONSUMER) == ["nothing_on_the_way"]
    assert blocked(given(*ON_ITS_WAY), "deliver", CONSUMER) == []
    assert blocked(given(*ARRIVED), "deliver", CONSUMER) == ["nothing_on_the_way"]
