"""What becomes of what is short, agreed with the consumer."""

from datetime import timedelta
from typing import Any, Literal

from order_ledger.orders.commands import ResolveShortage, ShortageChoice
from order_ledger.orders.events import (
    Allocation,
    Consent,
    OrderCancelled,
    RefundGranted,
    ShortageOutcome,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
)
from order_ledger.values import Amounts, Units
from tests.examples import (
    ALLOCATED,
    CONFIRMED,
    LATER,
    NOW,
    RESERVATION,
    SECOND_RESERVATION,
    SERVICE,
    SHIPPED,
    STOCK_PLACED,
    eur,
    line,
    paid,
    placed,
)
from tests.orders.streams import blocked, given

AGREED = Consent("phone", NOW)
TWO_KEPT = StockAllocated((Allocation(1, 2, RESERVATION),))
ONE_SHORT = StockShortageFound(1, (Units(1, 1),), ())
ALL_SHORT = StockShortageFound(1, (Units(1, 3),), ())
SHORT = (STOCK_PLACED, TWO_KEPT, ONE_SHORT)
BACKORDER = ShortageChoice(1, 1, "backorder", expected_by=LATER)


def resolve(*choices: ShortageChoice, **changed: Any) -> ResolveShortage:
    return ResolveShortage(**{"shortage": 1, "outcomes": choices, "consent": AGREED, **changed})


def resolved(
    how: Literal["backorder", "substitute", "remove"], quantity: int, total: tuple[str, str, str], **more: Any
) -> ShortageResolved:
    net, tax, gross = (eur(amount) for amount in total)
    outcome = ShortageOutcome(1, quantity, how, more.get("expected_by"), more.get("replacement"))
    return ShortageResolved(shortage=1, outcomes=(outcome,), consent=AGREED, net=net, tax=tax, total=gross)


BACKORDERED = resolved("backorder", 1, ("25.21", "4.79", "30.00"), expected_by=LATER)


def test_backordered() -> None:
    history = given(*SHORT).when(resolve(BACKORDER), by=SERVICE).then(BACKORDERED)
    history.comes_to(stock="backordered", open_shortages=())


def test_a_backorder_is_served_by_the_next_allocation() -> None:
    served = StockAllocated((Allocation(1, 1, SECOND_RESERVATION),))
    given(*SHORT, BACKORDERED, CONFIRMED, served).comes_to(stock="allocated", state="ready_to_ship")


def test_a_backorder_that_is_not_served_is_settled_again() -> None:
    again = ShortageChoice(1, 1, "backorder", expected_by=LATER + timedelta(days=5))
    history = given(*SHORT, BACKORDERED).when(resolve(again), by=SERVICE).happens()
    assert history.state.lines[1].backordered == 1
    removed = resolved("remove", 1, ("16.81", "3.19", "20.00"))
    given(*SHORT, BACKORDERED, CONFIRMED).when(resolve(ShortageChoice(1, 1, "remove")), by=SERVICE).then(
        removed
    ).comes_to(state="ready_to_ship", stock="allocated")


def test_removed() -> None:
    outcome = given(*SHORT).when(resolve(ShortageChoice(1, 1, "remove")), by=SERVICE)
    history = outcome.then(resolved("remove", 1, ("16.81", "3.19", "20.00")))
    assert history.state.lines[1].wanted == 2
    assert history.state.total == eur("20.00")


def test_what_was_paid_for_the_removed_is_granted_back() -> None:
    history = given(*SHORT, paid("30.00")).when(resolve(ShortageChoice(1, 1, "remove")), by=SERVICE)
    history.then(
        resolved("remove", 1, ("16.81", "3.19", "20.00")),
        RefundGranted(
            refund=1,
            basis="cancellation",
            refers_to="",
            lines=(Amounts(1, 1, eur("8.40"), eur("1.60"), eur("10.00")),),
            amount=eur("10.00"),
        ),
    )


def test_the_order_ends_with_its_last_line() -> None:
    history = given(STOCK_PLACED, ALL_SHORT, paid("30.00")).when(resolve(ShortageChoice(1, 3, "remove")), by=SERVICE)
    removed, cancelled, granted = history.events
    assert removed == resolved("remove", 3, ("0.00", "0.00", "0.00"))
    assert cancelled == OrderCancelled()
    assert isinstance(granted, RefundGranted)
    assert granted.amount == eur("30.00")
    history.happens().comes_to(state="cancelled")


def test_a_charge_for_the_line_goes_with_it() -> None:
    order = placed(line(1, "VALVE", 3), line(2, "BOOK", 1), line(3, "FREIGHT", charge_for=1))
    history = given(order, ALL_SHORT).when(resolve(ShortageChoice(1, 3, "remove")), by=SERVICE).happens()
    history.comes_to(total=eur("7.00"))
    assert history.state.lines[3].wanted == 0


def test_substituted() -> None:
    choice = ShortageChoice(1, 1, "substitute", sku="GASKET")
    new = line(2, "GASKET", 1)
    outcome = given(*SHORT).when(resolve(choice), by=SERVICE)
    history = outcome.then(resolved("substitute", 1, ("20.17", "3.83", "24.00"), replacement=new))
    assert history.state.lines[1].wanted == 2
    assert history.state.lines[2].ordered == new
    history.comes_to(state="placed", stock="unchecked", total=eur("24.00"))


def test_a_dearer_substitute_grants_nothing() -> None:
    choice = ShortageChoice(1, 1, "substitute", sku="ROTOR")
    (only,) = given(*SHORT, paid("30.00")).when(resolve(choice), by=SERVICE).events
    assert isinstance(only, ShortageResolved)
    assert only.total == eur("139.00")


def test_refused_where_nothing_is_short() -> None:
    given(STOCK_PLACED, ALLOCATED).when(resolve(BACKORDER), by=SERVICE).then_refused("no_shortage")
    assert blocked(given(STOCK_PLACED, ALLOCATED), "resolve-shortage", SERVICE) == ["no_shortage"]


def test_refused_for_a_shortage_that_there_is_not() -> None:
    given(*SHORT).when(resolve(BACKORDER, shortage=7), by=SERVICE).then_refused_for("unknown_shortage")


def test_refused_beyond_what_is_short() -> None:
    given(*SHORT).when(resolve(ShortageChoice(1, 2, "remove")), by=SERVICE).then_refused("more_than_short", line=1)


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*SHORT).when(resolve(ShortageChoice(7, 1, "remove")), by=SERVICE).then_refused("unknown_line", line=7)


def test_refused_to_backorder_without_a_date() -> None:
    given(*SHORT).when(resolve(ShortageChoice(1, 1, "backorder")), by=SERVICE).then_refused("date_required", line=1)


def test_refused_to_backorder_for_yesterday() -> None:
    yesterday = ShortageChoice(1, 1, "backorder", expected_by=NOW - timedelta(days=1))
    given(*SHORT).when(resolve(yesterday), by=SERVICE).then_refused("in_the_past")


def test_refused_to_substitute_by_nothing() -> None:
    given(*SHORT).when(resolve(ShortageChoice(1, 1, "substitute")), by=SERVICE).then_refused("item_required", line=1)


def test_refused_to_substitute_by_an_item_that_there_is_not() -> None:
    choice = ShortageChoice(1, 1, "substitute", sku="NOTHING")
    given(*SHORT).when(resolve(choice), by=SERVICE).then_refused("unknown_item", item="NOTHING")


def test_refused_where_the_consumer_has_yet_to_agree() -> None:
    tomorrow = Consent("email", NOW + timedelta(days=1))
    given(*SHORT).when(resolve(BACKORDER, consent=tomorrow), by=SERVICE).then_refused("in_the_future")


def test_refused_once_all_is_shipped() -> None:
    given(STOCK_PLACED, ALLOCATED, CONFIRMED, SHIPPED).when(resolve(BACKORDER), by=SERVICE).then_refused(
        "already_shipped"
    )


def test_refused_once_cancelled() -> None:
    given(STOCK_PLACED, ALL_SHORT, OrderCancelled()).when(resolve(BACKORDER), by=SERVICE).then_refused("ended")
