"""Beginning to make a line, or to make it again."""

from datetime import timedelta

from order_ledger.orders.commands import StartProduction
from order_ledger.orders.events import (
    OrderCancelled,
    OrderHeld,
    OrderReleased,
    ProblemReported,
    ProblemResolved,
    ProductionStarted,
)
from order_ledger.values import Units
from tests.examples import (
    CONFIRMED,
    DELIVERED,
    IN_PRODUCTION,
    MADE,
    MADE_PLACED,
    MAKER,
    NOW,
    PREPAID,
    READY,
    SHIPMENT,
    STARTED,
    STOCK_PLACED,
    line,
    paid,
    placed,
    shipped,
)
from tests.orders.streams import blocked, given

START = StartProduction(line=1)
LOST = (
    *MADE,
    shipped((1, 2)),
    ProblemReported(problem=1, kind="not_received", shipment=SHIPMENT, lines=(), evidence=()),
    ProblemResolved(1, "reship", (Units(1, 1),)),
)


def test_started() -> None:
    given(MADE_PLACED, CONFIRMED).when(START, by=MAKER).then(STARTED).comes_to(state="in_production")


def test_started_again_for_what_is_to_be_sent_again() -> None:
    given(*LOST).comes_to(state="confirmed").when(START, by=MAKER).then(ProductionStarted(1, 2, 1)).comes_to(
        state="in_production"
    )


def test_ignored_when_retried() -> None:
    given(*IN_PRODUCTION).when(START, by=MAKER).then_nothing()


def test_refused_before_it_is_confirmed() -> None:
    given(MADE_PLACED).when(START, by=MAKER).then_refused_for("not_confirmed")


def test_refused_while_held() -> None:
    given(MADE_PLACED, CONFIRMED, OrderHeld()).when(START, by=MAKER).then_refused_for("held")
    given(MADE_PLACED, CONFIRMED, OrderHeld(), OrderReleased()).when(START, by=MAKER).then(STARTED)


def test_refused_until_it_is_paid_where_it_is_to_be_paid_first() -> None:
    order = placed(line(1, "ROTOR", 2), terms=PREPAID)
    given(order, CONFIRMED).when(START, by=MAKER).then_refused_for("unpaid")
    given(order, CONFIRMED, paid("237.99")).when(START, by=MAKER).then_refused_for("unpaid")
    given(order, CONFIRMED, paid("238.00")).when(START, by=MAKER).then(STARTED)


def test_refused_where_nobody_is_assigned() -> None:
    order = placed(line(1, "ROTOR", 2, manufacturer=None))
    given(order, CONFIRMED).when(START, by=MAKER).then_refused("not_assigned", line=1)


def test_refused_for_a_line_from_stock() -> None:
    given(*READY).when(START, by=MAKER).then_refused("not_made_to_order", line=1)


def test_refused_for_a_line_that_there_is_not() -> None:
    given(MADE_PLACED, CONFIRMED).when(StartProduction(line=7), by=MAKER).then_refused("unknown_line", line=7)


def test_refused_where_all_of_it_is_made() -> None:
    given(*MADE).when(START, by=MAKER).then_refused("nothing_to_make", line=1)
    given(*MADE, shipped((1, 2)), DELIVERED).when(START, by=MAKER).then_refused("nothing_to_make", line=1)


def test_refused_once_cancelled() -> None:
    given(MADE_PLACED, CONFIRMED, OrderCancelled()).when(START, by=MAKER).then_refused("ended")


def test_refused_for_tomorrow() -> None:
    tomorrow = StartProduction(line=1, at=NOW + timedelta(days=1))
    given(MADE_PLACED, CONFIRMED).when(tomorrow, by=MAKER).then_refused_for("in_the_future")


def test_shown_as_blocked_with_what_is_missing_of_each_line() -> None:
    assert blocked(given(MADE_PLACED, CONFIRMED), "start-production", MAKER) == []
    assert blocked(given(*IN_PRODUCTION), "start-production", MAKER) == ["in_production"]
    assert blocked(given(STOCK_PLACED, CONFIRMED), "start-production", MAKER) == ["nothing_to_make"]
