"""Tracking links that were looked at."""

from order_ledger.orders.commands import CheckTracking
from order_ledger.orders.events import TrackingChecked
from tests.examples import ON_ITS_WAY, SECOND_SHIPMENT, SHIPMENT, URL
from tests.orders.streams import given


def test_checked() -> None:
    command = CheckTracking(shipment=SHIPMENT, tracking_url=URL, reachable=False, host_allowed=True, http_status=404)
    history = (
        given(*ON_ITS_WAY)
        .when(command)
        .then(TrackingChecked(shipment=SHIPMENT, tracking_url=URL, reachable=False, host_allowed=True, http_status=404))
    )
    assert history.state.shipments[SHIPMENT].link_reachable is False


def test_refused_for_a_shipment_that_there_is_not() -> None:
    command = CheckTracking(shipment=SECOND_SHIPMENT, tracking_url=URL, reachable=True, host_allowed=True)
    given(*ON_ITS_WAY).when(command).then_refused_for("unknown_shipment")
