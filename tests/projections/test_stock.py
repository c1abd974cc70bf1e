"""How much of every item is there: what the three folds make of any history."""

from random import Random
from typing import Any

from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from order_ledger.entries import Entry, Event
from order_ledger.following import Folding
from order_ledger.items.events import ItemDelisted, ItemListed
from order_ledger.items.item import stock_id
from order_ledger.orders import evolving
from order_ledger.orders.events import (
    Allocation,
    Consent,
    OrderCancelled,
    ShortageOutcome,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
)
from order_ledger.stock.events import (
    StockAdjusted,
    StockEvent,
    StockIssued,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
)
from order_ledger.values import Units, money
from projections.stock import PROJECTION
from tests.following.histories import (
    SELLER,
    START,
    WAREHOUSE,
    an_id,
    entries_of,
    eur,
    line,
    placed,
    random_history,
    shipped,
)

STREAM = an_id("stream")
FOLDINGS: dict[str, Folding[Any]] = {folding.kind: folding for folding in PROJECTION.foldings}
LISTED = ItemListed(
    sku="STOOL", seller=SELLER, revision=1, description="Stool", kind="from_stock", unit="C62",
    unit_price=money("10.00", "EUR").amount, currency="EUR", tax_included=True, tax_class="standard", lead_days=3,
    manufacturer=None, warehouse=WAREHOUSE, steps=(), plan=(), return_days=30, warranty_days=700,
)  # fmt: skip
ORDER, SHIPMENT = an_id("order"), an_id("shipment")


class Given:
    """given(*events).folds_to(table, *rows): the rows by column, of those columns that are named."""

    def __init__(self, kind: str, *events: Event) -> None:
        folding, state = FOLDINGS[kind], None
        for entry in _entries(kind, *events):
            if type(entry.event) not in folding.ignores:
                state = folding.fold(state, entry)
        self.rows = folding.rows(state)

    def folds_to(self, table: str, *rows: dict[str, Any]) -> None:
        columns = next(each.columns for each in PROJECTION.tables if each.name == table)
        found = [dict(zip(columns, row, strict=True)) for row in self.rows[table]]
        assert [{name: row[name] for name in rows[0]} for row in found] == list(rows) if rows else not found


def _entries(kind: str, *events: Event) -> list[Entry[Any]]:
    entries: list[Entry[Any]] = [*entries_of(STREAM, *events)]  # type: ignore[arg-type]
    return [replace(entry, kind=kind) for entry in entries]


def reserved(quantity: int) -> StockReserved:
    return StockReserved(an_id("reservation"), ORDER, 1, quantity)


def test_an_item_as_it_is_listed() -> None:
    Given("item", LISTED).folds_to(
        "item", {"item": STREAM, "stock": stock_id(SELLER.id, "STOOL"), "sku": "STOOL", "listed": True}
    )
    Given("item", LISTED, ItemDelisted()).folds_to("item", {"sku": "STOOL", "listed": False})
    Given("item", LISTED, replace(LISTED, description="A better stool")).folds_to(
        "item", {"description": "A better stool", "warehouse": WAREHOUSE.id}
    )


def test_on_hand_and_reserved() -> None:
    def shelf(*events: StockEvent) -> tuple[int, int]:
        ((_, on_hand, kept, _),) = Given("stock", *events).rows["shelf"]
        return on_hand, kept

    received = StockReceived(9, "DN-1")
    assert shelf(received) == (9, 0)
    assert shelf(received, StockAdjusted(-2, None, "loss")) == (7, 0)
    assert shelf(received, reserved(5)) == (9, 5)
    assert shelf(received, reserved(5), StockReleased(an_id("reservation"), 1, "cancelled")) == (9, 4)
    assert shelf(received, reserved(5), StockIssued(an_id("reservation"), SHIPMENT, 3)) == (6, 2)
    assert shelf(received, StockReturned(ORDER, "RMA-1", None, 1, 1)) == (10, 0)


def backordered(quantity: int) -> ShortageResolved:
    outcome = ShortageOutcome(1, quantity, "backorder", None, None)
    return ShortageResolved(
        shortage=1, outcomes=(outcome,), consent=Consent("phone", START), net=eur(1), tax=eur(0), total=eur(1)
    )


SHORT = (placed(lines=(line(1, "from_stock", 3),)), StockShortageFound(1, (Units(1, 3),), ()), backordered(3))
ALLOCATED = StockAllocated((Allocation(1, 2, an_id("reservation")),))


def test_what_an_order_waits_for() -> None:
    Given("order", *SHORT[:2]).folds_to("backorder")
    Given("order", *SHORT).folds_to("backorder", {"line": 1, "item": an_id("item 1"), "quantity": 3})


def test_what_was_allocated_since_is_waited_for_no_longer() -> None:
    Given("order", *SHORT, ALLOCATED).folds_to("backorder", {"quantity": 1})
    Given("order", *SHORT, ALLOCATED, shipped(Units(1, 2))).folds_to("backorder", {"quantity": 1})


def test_an_order_that_ended_waits_for_nothing() -> None:
    Given("order", *SHORT, OrderCancelled()).folds_to("backorder")


# Any history


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False), st.booleans())
def test_any_order_of_an_orders_events_folds_and_is_whole_in_its_rows(random: Random, in_disorder: bool) -> None:
    folding = FOLDINGS["order"]
    entries = entries_of(STREAM, *random_history(random))
    if in_disorder:
        random.shuffle(entries)
    state = None
    for entry in entries:
        if type(entry.event) not in folding.ignores:
            state = folding.fold(state, entry)
            assert folding.state(folding.rows(state)) == state
            assert b"Lovelace" not in repr(folding.rows(state)).encode()
    assert folding.form is type(state) or state is None


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_it_waits_for_what_the_whole_order_says(random: Random) -> None:
    """Leaving out most events changes nothing of what is on backorder."""
    events = random_history(random, most=25)
    whole = evolving.fold(entries_of(STREAM, *events))
    waiting = {} if whole.ended else {n: each.backordered for n, each in whole.lines.items() if each.backordered}
    assert {row[1]: row[4] for row in Given("order", *events).rows["backorder"]} == waiting


_STOCK_EVENTS = st.one_of(
    st.builds(StockReceived, st.integers(1, 5), st.just("DN")),
    st.builds(StockAdjusted, st.integers(-5, 5), st.none(), st.just("count")),
    st.builds(reserved, st.integers(1, 5)),
    st.builds(StockReleased, st.just(an_id("reservation")), st.integers(1, 5), st.just("cancelled")),
    st.builds(StockIssued, st.just(an_id("reservation")), st.just(SHIPMENT), st.integers(1, 5)),
    st.builds(StockReturned, st.just(ORDER), st.just("RMA-1"), st.none(), st.just(1), st.integers(1, 5)),
)


@given_any(
    st.lists(_STOCK_EVENTS, min_size=1, max_size=6), st.lists(st.sampled_from([LISTED, ItemDelisted()]), min_size=1)
)
def test_any_order_of_an_items_and_its_stocks_events_folds(stock: list[Event], item: list[Event]) -> None:
    for kind, events in (("stock", stock), ("item", item)):
        folding, state = FOLDINGS[kind], None
        for entry in _entries(kind, *events):
            state = folding.fold(state, entry)
            assert folding.state(folding.rows(state)) == state


def test_every_stream_is_named_first_in_its_rows() -> None:
    for kind, event in (("item", LISTED), ("stock", StockReceived(1, "DN")), ("order", SHORT[0])):
        found = Given(kind, event).rows
        assert {row[0] for rows in found.values() for row in rows} == {STREAM}
