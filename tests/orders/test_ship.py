"""Handing units to a carrier."""

from datetime import timedelta
from typing import Any

from order_ledger.orders.commands import Ship
from order_ledger.orders.events import (
    Allocation,
    OrderCancelled,
    OrderHeld,
    OrderShipped,
    ProblemReported,
    ProblemResolved,
    StockAllocated,
)
from order_ledger.values import Units
from tests.examples import (
    ALLOCATED,
    BOOK_CONFIRMED,
    BOTH_PLACED,
    CONFIRMED,
    KEEPER,
    MADE,
    MAKER,
    NOW,
    NUMBER,
    ON_ITS_WAY,
    PREPAID_PLACED,
    READY,
    RESERVATION,
    SECOND_SHIPMENT,
    SHIPMENT,
    SHIPPED,
    STOCK_PLACED,
    URL,
    WORKS,
    eur,
    paid,
    seller,
    shipped,
)
from tests.orders.streams import blocked, given
from tests.scenario import made

MISSING = ProblemReported(problem=1, kind="missing", shipment=SHIPMENT, lines=(Units(1, 1),), evidence=())
SEND_AGAIN = ProblemResolved(1, "reship", (Units(1, 1),))


def ship(*units: tuple[int, int], **changed: Any) -> Ship:
    known: dict[str, Any] = {
        "lines": tuple(Units(line, quantity) for line, quantity in units),
        "carrier": "dhl",
        "tracking_number": NUMBER,
        "tracking_url": URL,
        "shipment": SHIPMENT,
    }
    return Ship(**{**known, **changed})


def test_shipped() -> None:
    given(*READY).when(ship((1, 3)), by=KEEPER).then(SHIPPED).comes_to(state="shipping", reads="Shipped")


def test_shipped_by_its_maker() -> None:
    given(*MADE).when(ship((1, 2)), by=MAKER).then(shipped((1, 2), sender=WORKS)).comes_to(state="shipping")


def test_untracked_lines_ship_straight_from_confirmed() -> None:
    given(*BOOK_CONFIRMED).when(ship((1, 3)), by=KEEPER).then(shipped((1, 3), sender=None))


def test_the_id_is_derived_if_left_out() -> None:
    (event,) = given(*READY).when(ship((1, 3), shipment=None), by=KEEPER).events
    assert isinstance(event, OrderShipped)
    assert event.shipment == made("shipment")


def test_shipped_in_parts() -> None:
    history = given(*READY).when(ship((1, 2)), by=KEEPER).then(shipped((1, 2)))
    history.comes_to(state="ready_to_ship", reads="Partly shipped (2 of 3 units on their way, 0 delivered)")
    history.when(ship((1, 1), shipment=SECOND_SHIPMENT), by=KEEPER).happens().comes_to(state="shipping")


def test_the_part_that_is_there_ships_before_the_part_that_is_short() -> None:
    two = StockAllocated((Allocation(1, 2, RESERVATION),))
    given(STOCK_PLACED, two, CONFIRMED).when(ship((1, 2)), by=KEEPER).then(shipped((1, 2)))
    given(STOCK_PLACED, two, CONFIRMED).when(ship((1, 3)), by=KEEPER).then_refused("more_than_ready", line=1)


def test_one_line_ships_while_another_is_made() -> None:
    given(BOTH_PLACED, ALLOCATED, CONFIRMED).when(ship((1, 3)), by=KEEPER).then(SHIPPED)


def test_sent_again_for_a_shipment_that_lost_units() -> None:
    history = given(*ON_ITS_WAY, MISSING, SEND_AGAIN)
    again = ship((1, 1), shipment=SECOND_SHIPMENT, replaces=SHIPMENT, tracking_number="2")
    history.when(again, by=KEEPER).happens().comes_to(state="shipping")


def test_ignored_when_retried() -> None:
    given(*READY, SHIPPED).when(ship((1, 3)), by=KEEPER).then_nothing()
    given(*READY, SHIPPED).when(ship((1, 3), shipment=None), by=KEEPER).then_nothing()


def test_refused_before_it_is_confirmed() -> None:
    given(STOCK_PLACED, ALLOCATED).when(ship((1, 3)), by=KEEPER).then_refused_for("not_confirmed")


def test_refused_while_held() -> None:
    given(*READY, OrderHeld()).when(ship((1, 3)), by=KEEPER).then_refused_for("held")


def test_refused_until_it_is_paid_where_it_is_to_be_paid_first() -> None:
    order = (PREPAID_PLACED, CONFIRMED)
    given(*order).when(ship((1, 3)), by=KEEPER).then_refused_for("unpaid")
    given(*order, paid("21.00", kind="authorised")).when(ship((1, 3)), by=KEEPER).then_refused_for("unpaid")
    given(*order, paid("21.00")).when(ship((1, 3)), by=KEEPER).happens()
    assert blocked(given(*order), "ship", KEEPER) == ["unpaid"]


def test_the_consumer_is_named_as_who_can_mend_it() -> None:
    from order_ledger.orders.decisions import allowed_commands
    from tests.orders.streams import context

    allowed = allowed_commands(given(PREPAID_PLACED, CONFIRMED).state, KEEPER, context(KEEPER))
    (blocker,) = next(one.blocked_by for one in allowed if one.name == "ship")
    assert blocker.who == ("consumer",)


def test_refused_beyond_what_is_ready() -> None:
    given(*READY).when(ship((1, 4)), by=KEEPER).then_refused_for("more_than_ready")
    given(*READY).when(ship((1, 2), (1, 2)), by=KEEPER).then_refused("more_than_ready", line=1)
    given(*BOOK_CONFIRMED).when(ship((1, 4)), by=KEEPER).then_refused("more_than_ready", line=1)


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*READY).when(ship((7, 1)), by=KEEPER).then_refused("unknown_line", line=7)


def test_refused_for_a_charge() -> None:
    given(BOTH_PLACED, ALLOCATED, CONFIRMED).when(ship((3, 1)), by=KEEPER).then_refused("not_goods", line=3)


def test_refused_without_units() -> None:
    nothing = ship((1, 1)).model_copy(update={"lines": ()})
    given(*READY).when(nothing, by=KEEPER).then_refused("no_lines")


def test_refused_without_a_way_to_follow_it() -> None:
    for lost in ("carrier", "tracking_number", "tracking_url"):
        untracked = ship((1, 3)).model_copy(update={lost: None})
        given(*READY).when(untracked, by=KEEPER).then_refused_for("tracking_missing")


def test_refused_with_a_link_in_the_clear() -> None:
    clear = ship((1, 3)).model_copy(update={"tracking_url": "http://www.dhl.com/track"})
    given(*READY).when(clear, by=KEEPER).then_refused_for("link_not_https")


def test_refused_with_a_link_to_another_host() -> None:
    for host in ("www.dhl.com.evil.example", "notdhl.com"):
        elsewhere = ship((1, 3), tracking_url=f"https://{host}/track")
        given(*READY).when(elsewhere, by=KEEPER).then_refused_for("tracking_host_not_allowed")


def test_any_host_will_do_where_the_seller_names_none() -> None:
    elsewhere = ship((1, 3), tracking_url="https://track.example/1")
    given(*READY).when(elsewhere, by=KEEPER, seller=seller(tracking_hosts=())).happens()


def test_refused_as_sent_again_for_a_shipment_that_there_is_not() -> None:
    given(*READY).when(ship((1, 3), replaces=SECOND_SHIPMENT), by=KEEPER).then_refused("unknown_shipment")


def test_refused_as_sent_again_beyond_what_was_lost() -> None:
    half = (*BOOK_CONFIRMED, shipped((1, 2)), MISSING, SEND_AGAIN)
    again = ship((1, 2), shipment=SECOND_SHIPMENT, replaces=SHIPMENT, tracking_number="2")
    given(*half).when(again, by=KEEPER).then_refused("more_than_replaced", line=1)


def test_refused_for_tomorrow() -> None:
    given(*READY).when(ship((1, 3), at=NOW + timedelta(seconds=1)), by=KEEPER).then_refused_for("in_the_future")
    given(*READY).when(ship((1, 3), at=NOW), by=KEEPER).then(SHIPPED)


def test_refused_once_cancelled() -> None:
    given(*READY, OrderCancelled()).when(ship((1, 3)), by=KEEPER).then_refused("ended")


def test_shown_as_blocked_while_nothing_is_ready() -> None:
    assert blocked(given(BOTH_PLACED, CONFIRMED), "ship", KEEPER) == ["nothing_ready"]
    assert blocked(given(*READY), "ship", KEEPER) == []


def test_a_price_cut_paid_back_does_not_stop_it() -> None:
    from order_ledger.orders.events import RefundGranted
    from tests.examples import REFUND_PAYMENT

    cut = RefundGranted(refund=1, basis="goodwill", refers_to="", lines=(), amount=eur("5.00"))
    back = paid("5.00", kind="refunded", payment=REFUND_PAYMENT, reference="re_1", refund=1)
    given(PREPAID_PLACED, CONFIRMED, paid("21.00"), cut, back).when(ship((1, 3)), by=KEEPER).happens()
