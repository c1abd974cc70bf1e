"""How much of every item is there, kept for orders, and waited for: of three kinds of stream, a fold each.

On hand and reserved are sums of what the stock's entries say. What is on backorder follows from the order, whose own
fold says so; what an item's backorders come to is asked in `order_ledger.queries.stock`.
"""

from datetime import datetime
from pathlib import Path
from typing import assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import astuple, replace

from order_ledger.entries import Entry, Event
from order_ledger.following import Folding, Projection, Rows, Table
from order_ledger.following.compact import Compact
from order_ledger.items.events import ItemDelisted, ItemEvent, ItemListed, PriceChanged
from order_ledger.items.item import stock_id
from order_ledger.orders.bare import evolve_bare
from order_ledger.orders.events import (
    ORDER_EVENTS,
    LinesCancelled,
    OrderCancelled,
    OrderEvent,
    OrderLine,
    OrderPlaced,
    OrderRejected,
    OrderShipped,
    ProblemReported,
    ProblemResolved,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
)
from order_ledger.orders.order import Order
from order_ledger.stock.events import (
    StockAdjusted,
    StockEvent,
    StockIssued,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
)

__all__ = ["PROJECTION", "Listing", "Shelf"]

_READ: frozenset[type[Event]] = frozenset(
    (
        OrderPlaced,
        OrderShipped,
        OrderCancelled,
        OrderRejected,
        LinesCancelled,
        StockAllocated,
        StockShortageFound,
        ShortageResolved,
        ProblemReported,
        ProblemResolved,
    )
)
"""What changes how much of an order is still to be shipped, kept for it, or waited for."""


# Items


class Listing(Struct, frozen=True):
    """An item as it is listed: the columns of its row."""

    item: UUID
    stock: UUID
    seller: UUID
    seller_name: str
    sku: str
    description: str
    kind: str
    unit: str
    warehouse: UUID | None
    warehouse_name: str | None
    listed: bool


def fold_item(before: Listing | None, entry: Entry[ItemEvent]) -> Listing:
    """The item after this entry."""
    match entry.event:
        case ItemListed() as event:
            keeper = event.warehouse
            return Listing(
                item=entry.stream,
                stock=stock_id(event.seller.id, event.sku),
                seller=event.seller.id,
                seller_name=event.seller.name,
                sku=event.sku,
                description=event.description,
                kind=event.kind,
                unit=event.unit,
                warehouse=keeper.id if keeper is not None else None,
                warehouse_name=keeper.name if keeper is not None else None,
                listed=True,
            )
        case ItemDelisted() | PriceChanged():
            known = before or Listing(entry.stream, _NOBODY, _NOBODY, "", "", "", "", "", None, None, False)
            return replace(known, listed=False) if isinstance(entry.event, ItemDelisted) else known
        case _ as never:
            assert_never(never)


def item_rows(listing: Listing) -> Rows:
    """The one row of an item."""
    return {"item": [astuple(listing)]}


def item_state(found: Rows) -> Listing:
    """What the row was made of."""
    return Listing(*found["item"][0])


# Their stock


class Shelf(Struct, frozen=True):
    """What lies on the shelf, and what of it is kept for orders: the columns of its row."""

    stock: UUID
    on_hand: int
    reserved: int
    changed_at: datetime


def fold_stock(before: Shelf | None, entry: Entry[StockEvent]) -> Shelf:
    """The stock after this entry."""
    known = before or Shelf(entry.stream, 0, 0, entry.recorded_at)
    known = replace(known, changed_at=entry.recorded_at)
    match entry.event:
        case StockReceived(quantity=quantity) | StockReturned(quantity=quantity):
            return replace(known, on_hand=known.on_hand + quantity)
        case StockAdjusted(change=change):
            return replace(known, on_hand=known.on_hand + change)
        case StockReserved(quantity=quantity):
            return replace(known, reserved=known.reserved + quantity)
        case StockReleased(quantity=quantity):
            return replace(known, reserved=known.reserved - quantity)
        case StockIssued(quantity=quantity):
            return replace(known, on_hand=known.on_hand - quantity, reserved=known.reserved - quantity)
        case _ as never:
            assert_never(never)


def stock_rows(shelf: Shelf) -> Rows:
    """The one row of a stock."""
    return {"shelf": [astuple(shelf)]}


def stock_state(found: Rows) -> Shelf:
    """What the row was made of."""
    return Shelf(*found["shelf"][0])


# Orders that wait for it


def fold_order(before: Order | None, entry: Entry[OrderEvent]) -> Order:
    """As much of the order as its backorders follow from."""
    event = entry.event
    if isinstance(event, OrderPlaced):
        entry = replace(entry, event=replace(event, lines=tuple(map(_without_its_making, event.lines))))
    return evolve_bare(before, entry)


def order_rows(order: Order) -> Rows:
    """The units that wait, by line; none once the order came to an end."""
    waiting = [
        (order.id, number, line.ordered.item, line.ordered.sku, line.backordered)
        for number, line in sorted(order.lines.items())
        if line.backordered and order.ended is None
    ]
    return {"backorder": waiting, "remembered": [(order.id, _compact.encode(order))]}


def order_state(found: Rows) -> Order:
    """What the rows were made of."""
    return _compact.decode(found["remembered"][0][-1])


def _without_its_making(line: OrderLine) -> OrderLine:
    return replace(line, description="", steps=(), plan=())


_compact = Compact(Order)
_NOBODY = UUID(int=0)

PROJECTION = Projection(
    name="stock",
    version=1,
    schema=Path(__file__).parent / "schema.sql",
    tables=(
        Table("item", Listing.__struct_fields__),
        Table("shelf", Shelf.__struct_fields__),
        Table("backorder", ("order_id", "line", "item", "sku", "quantity"), key=2),
        Table("remembered", ("order_id", "folded")),
    ),
    foldings=(
        Folding(
            kind="item", fold=fold_item, rows=item_rows, state=item_state, form=Listing,
            ignores=frozenset((PriceChanged,)),
        ),
        Folding(kind="stock", fold=fold_stock, rows=stock_rows, state=stock_state, form=Shelf),
        Folding(
            kind="order", fold=fold_order, rows=order_rows, state=order_state, form=Order,
            ignores=frozenset(ORDER_EVENTS) - _READ,
        ),
    ),
)  # fmt: skip
