"""What holds for every projection there is: followed in small batches, its rows are those of one fold."""

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
import pytest

from order_ledger.following import Projection, Row
from order_ledger.following.live import Follower
from order_ledger.following.projections import find, names
from order_ledger.items.item import item_id, stock_id
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import OrderEvent
from order_ledger.stock.events import StockReceived
from order_ledger.values import round_money
from tests.following.comparing import differing_bytes
from tests.following.histories import SELLER, an_id, entries_of, random_history
from tests.following.writing import Writing
from tests.projections.test_stock import LISTED, reserved

_ORDERS = 30


@pytest.mark.parametrize("name", names())
def test_followed_in_small_batches_its_rows_are_those_of_one_fold(name: str, ledger_url: str) -> None:
    projection, random = find(name), Random(11)
    histories = [(an_id(f"order {number}"), random_history(random)) for number in range(_ORDERS)]
    with Journal(ledger_url, MasterKey(os.urandom(32))) as journal:
        writing = Writing(journal)
        writing.write(item_id(SELLER.id, "STOOL"), LISTED, kind="item")
        writing.write(stock_id(SELLER.id, "STOOL"), StockReceived(9, "DN-1"), reserved(5), kind="stock")
        position = writing.write_all(list(_taking_turns(histories)))
        codec = journal.codec
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        _follow(ledger_url, projection, position)
        assert connection.execute(f"SELECT kind, error FROM {name}.parked".encode()).fetchall() == []
        assert differing_bytes(connection, projection, codec) == 0


@pytest.mark.parametrize("name", names())
def test_amounts_have_the_decimals_of_their_currency(name: str) -> None:
    projection, random = find(name), Random(12)
    for _ in range(_ORDERS):
        for table, columns, row in _rows(projection, random_history(random)):
            amounts = [value for value in row if isinstance(value, Decimal)]
            if "currency" in columns:
                currency = row[columns.index("currency")]
                assert [str(amount) for amount in amounts] == [str(round_money(one, currency)) for one in amounts], (
                    table
                )


def _rows(projection: Projection, events: list[OrderEvent]) -> Iterator[tuple[str, tuple[str, ...], Row]]:
    for folding in projection.foldings:
        if folding.kind != "order":
            continue
        state = None
        for entry in entries_of(an_id("order"), *events):
            if type(entry.event) not in folding.ignores:
                state = folding.fold(state, entry)
        made = folding.rows(state) if state is not None else {}
        for table in projection.tables:
            yield from ((table.name, table.columns, row) for row in made.get(table.name, ()))


def _follow(url: str, projection: Projection, position: int) -> None:
    """Each batch by a process that has to load what the one before it left."""
    reached = 0
    while reached < position:
        follower = Follower(url, projection, batch=40)
        with follower.connect() as connection:
            follower.prepare(connection)
            reached = follower.advance(connection).position


def _taking_turns(histories: list[tuple[UUID, list[OrderEvent]]]) -> list[tuple[UUID, OrderEvent]]:
    """The first event of every order, then the second of every order, and so on."""
    longest = max(len(events) for _, events in histories)
    return [(order, events[place]) for place in range(longest) for order, events in histories if place < len(events)]


def test_a_projection_is_its_folder() -> None:
    for name in names():
        assert find(name).schema.parent == Path(__file__).parents[2] / "projections" / name
