"""Stock kept for lines."""

from order_ledger.orders.commands import AllocateStock
from order_ledger.orders.events import Allocation, OrderCancelled, StockAllocated
from tests.examples import ALLOCATED, MADE_PLACED, READY, RESERVATION, SECOND_RESERVATION, SHIPPED, STOCK_PLACED
from tests.orders.streams import given

ALL = Allocation(1, 3, RESERVATION)
SOME = Allocation(1, 1, RESERVATION)
REST = Allocation(1, 2, SECOND_RESERVATION)


def test_allocated() -> None:
    history = given(STOCK_PLACED).when(AllocateStock(lines=(ALL,))).then(StockAllocated((ALL,)))
    history.comes_to(stock="allocated", state="placed")


def test_allocated_in_parts() -> None:
    some = given(STOCK_PLACED).when(AllocateStock(lines=(SOME,))).then(StockAllocated((SOME,)))
    some.comes_to(stock="unchecked")
    some.when(AllocateStock(lines=(REST,))).then(StockAllocated((REST,))).comes_to(stock="allocated")


def test_only_what_is_new_of_it() -> None:
    given(STOCK_PLACED, StockAllocated((SOME,))).when(AllocateStock(lines=(SOME, REST))).then(StockAllocated((REST,)))


def test_ignored_when_retried() -> None:
    given(STOCK_PLACED, ALLOCATED).when(AllocateStock(lines=(ALL,))).then_nothing()
    given(*READY, SHIPPED).when(AllocateStock(lines=(ALL,))).then_nothing()


def test_refused_beyond_what_is_wanted() -> None:
    four = AllocateStock(lines=(Allocation(1, 4, RESERVATION),))
    given(STOCK_PLACED).when(four).then_refused("more_than_wanted", line=1)
    given(STOCK_PLACED, StockAllocated((SOME,))).when(
        AllocateStock(lines=(Allocation(1, 3, SECOND_RESERVATION),))
    ).then_refused("more_than_wanted", line=1)


def test_refused_for_a_line_made_to_order() -> None:
    given(MADE_PLACED).when(AllocateStock(lines=(SOME,))).then_refused("not_from_stock", line=1)


def test_refused_for_a_line_that_there_is_not() -> None:
    given(STOCK_PLACED).when(AllocateStock(lines=(Allocation(7, 1, RESERVATION),))).then_refused("unknown_line", line=7)


def test_refused_once_cancelled() -> None:
    given(STOCK_PLACED, OrderCancelled()).when(AllocateStock(lines=(ALL,))).then_refused("ended")
