"""Taking an order on: by the seller, or by the ledger for orders from stock."""

from order_ledger.orders.commands import Confirm
from order_ledger.orders.events import (
    Allocation,
    Consent,
    OrderConfirmed,
    OrderHeld,
    OrderRejected,
    ShortageOutcome,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
)
from order_ledger.values import Units
from tests.examples import (
    ALLOCATED,
    BOTH_PLACED,
    CONFIRMED,
    LATER,
    LEDGER,
    MADE_PLACED,
    NOW,
    OWNER,
    RESERVATION,
    STOCK_PLACED,
    eur,
    seller,
)
from tests.orders.streams import blocked, given

PARTLY_ALLOCATED = StockAllocated((Allocation(1, 2, RESERVATION),))
SHORT = StockShortageFound(1, (Units(1, 1),), ())
BACKORDERED = ShortageResolved(
    shortage=1,
    outcomes=(ShortageOutcome(1, 1, "backorder", LATER, None),),
    consent=Consent("phone", NOW),
    net=eur("25.21"),
    tax=eur("4.79"),
    total=eur("30.00"),
)
BY_HAND = seller(confirm_stock_orders="hand")


def test_confirmed() -> None:
    given(MADE_PLACED).when(Confirm(), by=OWNER).then(OrderConfirmed(None)).comes_to(state="confirmed")


def test_confirmed_with_a_promise() -> None:
    history = given(MADE_PLACED).when(Confirm(promised_by=LATER), by=OWNER).then(OrderConfirmed(LATER))
    history.comes_to(promised_by=LATER)


def test_the_promise_made_at_placement_stands_without_another() -> None:
    history = given(MADE_PLACED).when(Confirm(), by=OWNER).then(OrderConfirmed(None))
    history.comes_to(promised_by=MADE_PLACED.promised_by)


def test_confirmed_once_stock_is_allocated() -> None:
    given(STOCK_PLACED, ALLOCATED).when(Confirm(), by=OWNER).then(CONFIRMED).comes_to(state="ready_to_ship")


def test_confirmed_once_what_is_short_is_on_backorder() -> None:
    given(STOCK_PLACED, PARTLY_ALLOCATED, SHORT, BACKORDERED).when(Confirm(), by=OWNER).then(CONFIRMED).comes_to(
        state="confirmed", stock="backordered"
    )


def test_confirmed_by_the_ledger_where_all_comes_from_stock_and_the_seller_lets_it() -> None:
    given(STOCK_PLACED, ALLOCATED).when(Confirm(), by=LEDGER).then(CONFIRMED)


def test_ignored_when_retried() -> None:
    given(MADE_PLACED, CONFIRMED).when(Confirm(), by=OWNER).then_nothing()


def test_refused_while_stock_is_not_allocated() -> None:
    given(STOCK_PLACED).when(Confirm(), by=OWNER).then_refused("not_allocated", line=1)
    given(STOCK_PLACED, PARTLY_ALLOCATED).when(Confirm(), by=OWNER).then_refused("not_allocated", line=1)


def test_refused_while_a_shortage_is_open() -> None:
    given(STOCK_PLACED, PARTLY_ALLOCATED, SHORT).when(Confirm(), by=OWNER).then_refused("shortage_open", line=1)


def test_refused_while_held() -> None:
    given(MADE_PLACED, OrderHeld()).when(Confirm(), by=OWNER).then_refused_for("held")


def test_refused_once_rejected() -> None:
    given(MADE_PLACED, OrderRejected()).when(Confirm(), by=OWNER).then_refused("ended")


def test_refused_with_a_promise_in_the_past() -> None:
    given(MADE_PLACED).when(Confirm(promised_by=NOW), by=OWNER).then_refused_for("in_the_past")


def test_refused_to_the_ledger_where_not_all_comes_from_stock() -> None:
    given(BOTH_PLACED, ALLOCATED).when(Confirm(), by=LEDGER).then_refused_for("not_from_stock")


def test_refused_to_the_ledger_where_the_seller_confirms_by_hand() -> None:
    history = given(STOCK_PLACED, ALLOCATED)
    history.when(Confirm(), by=LEDGER, seller=BY_HAND).then_refused_for("confirmed_by_hand")
    history.when(Confirm(), by=OWNER, seller=BY_HAND).then(CONFIRMED)


def test_shown_as_blocked_once_confirmed() -> None:
    assert blocked(given(MADE_PLACED, CONFIRMED), "confirm", OWNER) == ["already_confirmed"]
    assert blocked(given(MADE_PLACED), "confirm", OWNER) == []
