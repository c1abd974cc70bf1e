"""Stock that does not suffice, or that a count took back."""

from order_ledger.orders.commands import FindShortage
from order_ledger.orders.events import Allocation, OrderCancelled, StockAllocated, StockShortageFound
from order_ledger.values import Units
from tests.examples import ALLOCATED, CONFIRMED, READY, RESERVATION, SECOND_RESERVATION, SHIPPED, STOCK_PLACED
from tests.orders.streams import given

TWO_KEPT = StockAllocated((Allocation(1, 2, RESERVATION),))
ONE_SHORT = FindShortage(lines=(Units(1, 1),))
FOUND = StockShortageFound(1, (Units(1, 1),), ())
LOST = (Allocation(1, 3, RESERVATION),)


def test_found() -> None:
    history = given(STOCK_PLACED, TWO_KEPT).when(ONE_SHORT).then(FOUND)
    history.comes_to(stock="short", open_shortages=(1,))


def test_found_again_when_more_is_short() -> None:
    history = given(STOCK_PLACED, FOUND).when(FindShortage(lines=(Units(1, 2),)))
    history.then(StockShortageFound(2, (Units(1, 2),), ())).comes_to(open_shortages=(1, 2))


def test_a_count_moves_a_ready_line_back() -> None:
    history = given(*READY).comes_to(state="ready_to_ship")
    history.when(FindShortage(lines=(Units(1, 3),), withdrawn=LOST)).then(
        StockShortageFound(1, (Units(1, 3),), LOST)
    ).comes_to(state="confirmed", stock="short")


def test_ignored_when_retried() -> None:
    given(STOCK_PLACED, TWO_KEPT, FOUND).when(ONE_SHORT).then_nothing()


def test_refused_beyond_what_the_line_lacks() -> None:
    given(STOCK_PLACED, TWO_KEPT).when(FindShortage(lines=(Units(1, 2),))).then_refused("more_than_wanted", line=1)
    given(STOCK_PLACED, ALLOCATED, CONFIRMED, SHIPPED).when(ONE_SHORT).then_refused("more_than_wanted", line=1)


def test_refused_for_a_reservation_that_there_is_not() -> None:
    lost = (Allocation(1, 1, SECOND_RESERVATION),)
    given(*READY).when(FindShortage(lines=(Units(1, 1),), withdrawn=lost)).then_refused("unknown_reservation", line=1)


def test_refused_beyond_what_was_kept() -> None:
    lost = (Allocation(1, 3, RESERVATION),)
    given(STOCK_PLACED, TWO_KEPT).when(FindShortage(lines=(Units(1, 3),), withdrawn=lost)).then_refused(
        "more_than_kept", line=1
    )


def test_refused_for_a_line_that_there_is_not() -> None:
    given(STOCK_PLACED).when(FindShortage(lines=(Units(7, 1),))).then_refused("unknown_line", line=7)


def test_refused_once_cancelled() -> None:
    given(STOCK_PLACED, OrderCancelled()).when(ONE_SHORT).then_refused("ended")
