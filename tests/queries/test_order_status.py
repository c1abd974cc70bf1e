"""Where orders stand, asked: lists, filters, searches, queues, pages, counts."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import AsyncConnection, Connection

from order_ledger.entries import Event
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import (
    Allocation,
    OrderCancelled,
    OrderConfirmed,
    ProductionCompleted,
    ProductionStarted,
    ReturnRequested,
    StockAllocated,
)
from order_ledger.orders.order import STATES
from order_ledger.queries import order_status
from order_ledger.queries.order_status import Asked, Page, Whose
from order_ledger.queries.pages import LARGEST_PAGE, BadCursor, as_cursor
from order_ledger.values import Units
from tests.following.histories import (
    CONSUMER,
    MAKERS,
    SELLER,
    START,
    WAREHOUSE,
    an_id,
    line,
    placed,
    shipped,
)
from tests.following.writing import Writing


class Lists:
    """A database with orders in it, and questions to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.journal = Journal(url, MasterKey(os.urandom(32)))
        self.writing = Writing(self.journal)

    def given(self, order: str, *events: Event) -> UUID:
        self.writing.write(an_id(order), *events)
        return an_id(order)

    def follow(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SELECT max(notification_id) FROM journal.entry").fetchone()
        assert row is not None
        Follower(self.url, find("order_status")).catch_up(row[0] or 0)

    def page(self, **asked: Any) -> Page:
        self.follow()

        async def ask() -> Page:
            async with await AsyncConnection.connect(self.url, autocommit=True) as connection:
                return await order_status.list_orders(connection, Asked(**asked))

        return asyncio.run(ask())

    def numbers(self, **asked: Any) -> list[str]:
        return [order.number for order in self.page(**asked).orders]


@pytest.fixture
def lists(ledger_url: str) -> Iterator[Lists]:
    lists = Lists(ledger_url)
    yield lists
    lists.journal.close()


STOOL = (line(1, "from_stock"),)
ALLOCATED = StockAllocated((Allocation(1, 2, an_id("reservation")),))
OTHER_SELLER, OTHER_CONSUMER = replace(SELLER, id=an_id("other seller")), an_id("other consumer")


def test_all_the_latest_first(lists: Lists) -> None:
    for number in ("A-1", "A-2", "A-3"):
        lists.given(number, placed(number))
    # Placed at one time, they are in the order of their ids.
    assert sorted(lists.numbers()) == ["A-1", "A-2", "A-3"]
    ids = [order.order_id for order in lists.page().orders]
    assert ids == sorted(ids, reverse=True)


def test_what_a_row_says(lists: Lists) -> None:
    order = lists.given("A-1", placed("A-1", STOOL, reference="EXT-9"), ALLOCATED, OrderConfirmed(START))
    (found,) = lists.page().orders
    assert (found.order_id, found.number, found.reference, found.state) == (order, "A-1", "EXT-9", "ready_to_ship")
    assert (found.consumer, found.seller, found.seller_name) == (CONSUMER, SELLER.id, "Studio Walnut")
    assert (found.total, str(found.total), found.currency) == (Decimal("40.00"), "40.00", "EUR")
    assert (found.promised_by, found.placed_at, found.listed_at) == (START, START, START)
    assert (found.payment, found.stock, found.fulfilment, found.returned) == (
        "unpaid", "allocated", "unshipped", "none",
    )  # fmt: skip
    assert found.reads == "Processing: ready to ship"
    assert found.waiting == ["warehouse:ship"]
    assert found.state_since > datetime.now(UTC) - timedelta(minutes=5)


def test_by_state(lists: Lists) -> None:
    lists.given("A-1", placed("A-1"))
    lists.given("A-2", placed("A-2"), OrderCancelled())
    assert lists.numbers(states=("cancelled",)) == ["A-2"]
    assert sorted(lists.numbers(states=("placed", "cancelled"))) == ["A-1", "A-2"]


def test_by_whose_they_are(lists: Lists) -> None:
    lists.given("A-1", placed("A-1"))
    lists.given("A-2", replace(placed("A-2", STOOL), seller=OTHER_SELLER, consumer=OTHER_CONSUMER))
    both = ["A-1", "A-2"]
    assert lists.numbers(whose=Whose("consumer", CONSUMER)) == ["A-1"]
    assert lists.numbers(whose=Whose("ip_owner", OTHER_SELLER.id)) == ["A-2"]
    assert lists.numbers(whose=Whose("manufacturer", MAKERS[0].id)) == ["A-1"]
    assert sorted(lists.numbers(whose=Whose("warehouse", WAREHOUSE.id))) == both
    assert lists.numbers(whose=Whose("manufacturer", WAREHOUSE.id)) == []


def test_by_whose_turn_it_is(lists: Lists) -> None:
    lists.given("A-1", placed("A-1", STOOL), ALLOCATED)
    lists.given("A-2", placed("A-2", STOOL), ALLOCATED, OrderConfirmed(None))
    assert lists.numbers(queue="ip_owner") == ["A-1"]
    assert lists.numbers(queue="warehouse") == ["A-2"]
    assert lists.numbers(queue="warehouse", whose=Whose("warehouse", WAREHOUSE.id)) == ["A-2"]
    assert lists.numbers(queue="warehouse", whose=Whose("warehouse", an_id("another"))) == []
    assert lists.numbers(queue="manufacturer") == []


def test_another_partys_turn_is_not_mine(lists: Lists) -> None:
    """An order that two make: only who can go on has it in their queue."""
    lines = (line(1, "made_to_order"), replace(line(2, "made_to_order"), manufacturer=MAKERS[1]))
    made = (ProductionStarted(1, 1, 2), ProductionCompleted(1, 1, 2), shipped(Units(1, 2)))
    lists.given("A-1", placed("A-1", lines), OrderConfirmed(None), *made)
    assert lists.numbers(queue="manufacturer", whose=Whose("manufacturer", MAKERS[1].id)) == ["A-1"]
    assert lists.numbers(queue="manufacturer", whose=Whose("manufacturer", MAKERS[0].id)) == []


@pytest.fixture(params=["few", "many"])
def few_or_many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that finds many goes another way than one that finds few; both find the same."""
    if request.param == "many":
        monkeypatch.setattr(order_status, "_FEW", 0)


@pytest.mark.usefixtures("few_or_many")
@pytest.mark.parametrize(
    "search", ["A-1", "a-1", "ext-9", "EXT", "1z-4", " 1Z-42 ", "RMA-1"]
)  # fmt: skip
def test_found_by_the_start_of_a_number(lists: Lists, search: str) -> None:
    requested = ReturnRequested(rma="RMA-1", lines=(), wanted="refund", exchange_for=(), evidence=())
    lists.given("A-1", placed("A-1", STOOL, reference="EXT-9"), shipped(Units(1, 1)), requested)
    lists.given("B-1", placed("B-1"))
    assert lists.numbers(search=search) == ["A-1"]


@pytest.mark.usefixtures("few_or_many")
@pytest.mark.parametrize(
    "search",
    ["%", "_", "-1", "\\", "A-1%", "'; DROP SCHEMA order_status CASCADE; --", "ﬁ\U0010ffff", "A-1\0", "\0", "\ud800"],
    ids=range(10),
)
def test_a_search_is_taken_literally(lists: Lists, search: str) -> None:
    lists.given("A-1", placed("A-1"))
    assert lists.numbers(search=search, names=True) == []


def test_an_empty_search_is_none(lists: Lists) -> None:
    lists.given("A-1", placed("A-1"))
    assert lists.numbers(search="  ") == ["A-1"]


@pytest.mark.usefixtures("few_or_many")
def test_found_by_name_by_those_who_may(lists: Lists) -> None:
    lists.given("A-1", placed("A-1"))
    lists.given("A-2", replace(placed("A-2"), consumer=OTHER_CONSUMER))
    with psycopg.connect(lists.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO personal.contact (person, name, email) VALUES (%s, 'Ada Lovelace', 'ada@example.org')",
            (CONSUMER,),
        )
    assert lists.numbers(search="lovel", names=True) == ["A-1"]
    assert lists.numbers(search="ADA@", names=True) == ["A-1"]
    assert lists.numbers(search="lovel") == []


def test_a_search_that_finds_few_looks_at_no_other_order(lists: Lists) -> None:
    asked = Asked(search="A-1", names=True, limit=10)
    lists.given("A-1", placed("A-1"))
    lists.follow()
    search = order_status.searching(asked)
    assert search is not None
    with psycopg.connect(lists.url, autocommit=True) as connection:
        connection.execute("SET enable_seqscan TO off")
        few = [order for (order,) in connection.execute(*search).fetchall()]
        query, parameters = order_status.listing(asked, few)
        plan = "\n".join(text for (text,) in connection.execute(b"EXPLAIN " + query.encode(), parameters).fetchall())
    assert few == [an_id("A-1")]
    assert "orders_pkey" in plan


def test_by_when_they_were_placed(lists: Lists) -> None:
    lists.given("A-1", placed("A-1"))
    assert lists.numbers(placed_after=START - timedelta(seconds=1)) == ["A-1"]
    assert lists.numbers(placed_after=START) == []
    assert lists.numbers(placed_before=START + timedelta(seconds=1)) == ["A-1"]
    assert lists.numbers(placed_before=START) == []


@pytest.mark.parametrize("whose", [None, Whose("ip_owner", SELLER.id)])
def test_pages_hold_every_order_once(lists: Lists, whose: Whose | None) -> None:
    for number in range(7):
        lists.given(f"A-{number}", placed(f"A-{number}"))
    found: list[str] = []
    cursor, sizes = None, []
    while True:
        page = lists.page(limit=3, cursor=cursor, whose=whose)
        found += [order.number for order in page.orders]
        sizes.append(len(page.orders))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sizes == [3, 3, 1]
    assert sorted(found) == [f"A-{number}" for number in range(7)]


def test_no_page_is_larger_than_the_largest_or_empty_by_its_limit(lists: Lists) -> None:
    lists.given("A-1", placed("A-1"))
    assert lists.numbers(limit=1_000_000) == ["A-1"]
    assert lists.numbers(limit=0) == ["A-1"]
    assert order_status.listing(Asked(limit=1_000_000))[1]["limit"] == LARGEST_PAGE + 1


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "AAAA", as_cursor(b"\xff" * 24) + "=", "\x7f" * 32, as_cursor(b"\x7f" * 24)]
)
def test_a_cursor_that_no_list_gave(cursor: str) -> None:
    with pytest.raises(BadCursor):
        order_status.listing(Asked(cursor=cursor))


def test_counts_by_state(lists: Lists) -> None:
    lists.given("A-1", placed("A-1"))
    lists.given("A-2", replace(placed("A-2"), seller=OTHER_SELLER), OrderCancelled())
    lists.follow()

    def ask(whose: Whose | None) -> order_status.Counts:
        with Connection.connect(lists.url, autocommit=True) as connection:
            return order_status.count_by_state(connection, whose)

    everything = ask(None)
    assert everything.orders == 2
    assert everything.states == {**dict.fromkeys(STATES, 0), "placed": 1, "cancelled": 1}
    assert everything.position == 3
    mine = ask(Whose("ip_owner", OTHER_SELLER.id))
    assert (mine.orders, mine.states["cancelled"], mine.position) == (1, 1, 3)


def test_the_states_are_those_of_an_order() -> None:
    assert order_status.STATES == STATES


def test_a_page_of_a_party_is_read_from_its_index(lists: Lists) -> None:
    """What a page costs does not grow with what is not on it."""
    lists.given("A-1", placed("A-1"))
    lists.follow()
    query, parameters = order_status.listing(Asked(whose=Whose("ip_owner", SELLER.id), limit=10))
    with psycopg.connect(lists.url, autocommit=True) as connection:
        connection.execute("SET enable_seqscan TO off")
        connection.execute("SET enable_bitmapscan TO off")
        plan = "\n".join(text for (text,) in connection.execute(b"EXPLAIN " + query.encode(), parameters).fetchall())
    assert "party_listed" in plan
    assert "Sort" not in plan.split("SubPlan")[0]
