"""Saying where lines are made."""

from order_ledger.orders.commands import Assign
from order_ledger.orders.events import LinesCancelled, ManufacturerAssigned, OrderRejected
from order_ledger.values import Organisation, Units
from tests.examples import (
    ALLOCATED,
    BOTH_PLACED,
    CONFIRMED,
    IN_PRODUCTION,
    MADE,
    MADE_PLACED,
    OTHER_SELLER,
    OWNER,
    SELLER,
    STOCK_PLACED,
    WORKS,
    eur,
    line,
    placed,
    seller,
    uuid,
    workshop,
)
from tests.orders.streams import blocked, given

ELSEWHERE = Organisation(uuid(60), "Elsewhere")
KNOWN = {WORKS.id: workshop(), ELSEWHERE.id: workshop(id=ELSEWHERE.id, trade_name="Elsewhere"), SELLER.id: seller()}


def assign(*lines: int, to: Organisation = ELSEWHERE) -> Assign:
    return Assign(lines=lines, manufacturer=to.id)


def test_assigned() -> None:
    history = given(MADE_PLACED).when(assign(1), by=OWNER, organisations=KNOWN)
    assert history.then(ManufacturerAssigned((1,), ELSEWHERE)).state.lines[1].manufacturer == ELSEWHERE


def test_assigned_once_confirmed() -> None:
    given(MADE_PLACED, CONFIRMED).when(assign(1), by=OWNER, organisations=KNOWN).then(
        ManufacturerAssigned((1,), ELSEWHERE)
    )


def test_ignored_when_retried() -> None:
    given(MADE_PLACED).when(assign(1, to=WORKS), by=OWNER).then_nothing()


def test_refused_to_an_unknown_manufacturer() -> None:
    given(MADE_PLACED).when(assign(1, to=OTHER_SELLER), by=OWNER).then_refused("unknown_manufacturer")
    given(MADE_PLACED).when(assign(1, to=SELLER), by=OWNER, organisations=KNOWN).then_refused("unknown_manufacturer")


def test_refused_for_a_line_that_there_is_not() -> None:
    given(MADE_PLACED).when(assign(7), by=OWNER, organisations=KNOWN).then_refused("unknown_line", line=7)


def test_refused_for_a_line_from_stock() -> None:
    given(STOCK_PLACED).when(assign(1), by=OWNER, organisations=KNOWN).then_refused("not_made_to_order", line=1)


def test_refused_once_its_making_began() -> None:
    given(*IN_PRODUCTION).when(assign(1), by=OWNER, organisations=KNOWN).then_refused("production_started", line=1)
    given(*MADE).when(assign(1), by=OWNER, organisations=KNOWN).then_refused("production_started", line=1)


def test_refused_for_a_line_that_is_no_longer_wanted() -> None:
    two = placed(line(1, "ROTOR"), line(2, "ROTOR"))
    dropped = LinesCancelled(lines=(Units(1, 1),), net=eur("100.00"), tax=eur("19.00"), total=eur("119.00"))
    given(two, dropped).when(assign(1), by=OWNER, organisations=KNOWN).then_refused("not_wanted", line=1)


def test_refused_once_it_ended() -> None:
    given(MADE_PLACED, OrderRejected()).when(assign(1), by=OWNER, organisations=KNOWN).then_refused("ended")


def test_shown_as_blocked_where_nothing_waits_to_be_assigned() -> None:
    assert blocked(given(STOCK_PLACED, ALLOCATED), "assign", OWNER) == ["nothing_to_assign"]
    assert blocked(given(BOTH_PLACED), "assign", OWNER) == []
