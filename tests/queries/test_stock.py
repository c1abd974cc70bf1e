"""How much of every item is there, asked across items, stocks and orders."""

import os
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.items.item import item_id, stock_id
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import OrderCancelled, StockShortageFound
from order_ledger.queries import stock
from order_ledger.queries.order_status import Whose
from order_ledger.queries.stock import Asked, Stocks
from order_ledger.stock.events import StockReceived
from order_ledger.values import Units
from tests.following.histories import SELLER, WAREHOUSE, an_id, line, placed
from tests.following.writing import Writing
from tests.projections.test_stock import LISTED, backordered, reserved

STOOL = item_id(SELLER.id, "STOOL")
CHAIR = item_id(SELLER.id, "CHAIR")


class Shelves:
    """A database with items, stocks and orders in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.journal = Journal(url, MasterKey(os.urandom(32)))
        self.writing = Writing(self.journal)

    def waits(self, order: str, quantity: int) -> UUID:
        """An order that waits for so many stools."""
        wanted = replace(line(1, "from_stock", quantity), item=STOOL)
        short = StockShortageFound(1, (Units(1, quantity),), ())
        self.writing.write(an_id(order), placed(order, lines=(wanted,)), short, backordered(quantity))
        return an_id(order)

    def asked(self, **what: Any) -> Stocks:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM journal.entry").fetchone()
            assert row is not None
            Follower(self.url, find("stock")).catch_up(row[0])
            found = stock.list_stock_now(connection, Asked(**what))
        assert found.position == row[0]
        return found

    def figures(self, **what: Any) -> dict[str, tuple[int, int, int, int]]:
        return {
            each.sku: (each.on_hand, each.reserved, each.available, each.backordered)
            for each in self.asked(**what).items
        }


@pytest.fixture
def shelves(ledger_url: str) -> Iterator[Shelves]:
    shelves = Shelves(ledger_url)
    yield shelves
    shelves.journal.close()


def test_of_nothing_there_is_the_position_alone(shelves: Shelves) -> None:
    assert shelves.asked() == Stocks((), 0)


def test_on_hand_reserved_available_and_on_backorder_by_item(shelves: Shelves) -> None:
    write = shelves.writing.write
    elsewhere = replace(WAREHOUSE, id=an_id("another warehouse"))
    write(STOOL, LISTED, kind="item")
    write(CHAIR, replace(LISTED, sku="CHAIR", warehouse=elsewhere), kind="item")
    write(item_id(SELLER.id, "ROTOR"), replace(LISTED, sku="ROTOR", kind="made_to_order"), kind="item")
    write(stock_id(SELLER.id, "STOOL"), StockReceived(9, "DN-1"), reserved(5), kind="stock")
    shelves.waits("A-1", 2)
    shelves.waits("A-2", 3)
    write(shelves.waits("A-3", 4), OrderCancelled())

    assert shelves.figures() == {"STOOL": (9, 5, 4, 5), "CHAIR": (0, 0, 0, 0)}
    assert shelves.figures(whose=Whose("warehouse", WAREHOUSE.id)) == {"STOOL": (9, 5, 4, 5)}
    assert shelves.figures(whose=Whose("ip_owner", SELLER.id)).keys() == {"STOOL", "CHAIR"}
    assert shelves.figures(whose=Whose("ip_owner", WAREHOUSE.id)) == {}
    first, second = sorted((STOOL, CHAIR))
    assert [each.item_id for each in shelves.asked(limit=1).items] == [first]
    assert [each.item_id for each in shelves.asked(after=first).items] == [second]
