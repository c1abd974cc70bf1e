"""Documents, asked: filters, pages, and what they come to."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.queries import invoices
from order_ledger.queries.invoices import Asked, IssuedDocument
from order_ledger.queries.pages import BadCursor, as_cursor
from tests.examples import ADA, BOOK_PLACED, CONFIRMED, SECOND_SHIPMENT, SELLER, paid, shipped
from tests.policies.shop import Shop

DAYS = tuple(datetime(2026, 11, day, 12, tzinfo=UTC) for day in (20, 21, 22))


class Lists:
    """Three orders, on three days: unpaid, paid, and shipped in two parcels with half of it paid."""

    def __init__(self, url: str, journal: Journal) -> None:
        self.url = url
        shop = Shop(journal)
        shop.registers()
        self.unpaid = shop.ordered(BOOK_PLACED, CONFIRMED, shipped((1, 3)))
        shop.issues(clock=lambda: DAYS[0])
        self.paid = shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"), shipped((1, 3)))
        shop.issues(clock=lambda: DAYS[1])
        second = shipped((1, 2), shipment=SECOND_SHIPMENT, number="2")
        self.half = shop.ordered(BOOK_PLACED, CONFIRMED, shipped((1, 1)), second, paid("10.00", payment=uuid4()))
        shop.issues(clock=lambda: DAYS[2])
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT max(notification_id) FROM journal.entry").fetchone()
        assert row is not None
        Follower(url, find("invoices")).catch_up(row[0])

    def found(self, **asked: Any) -> list[IssuedDocument]:
        page = self.page(**asked)
        assert page.next_cursor is None
        return list(page.documents)

    def page(self, **asked: Any) -> invoices.Page:
        async def ask() -> invoices.Page:
            async with await psycopg.AsyncConnection.connect(self.url) as connection:
                return await invoices.list_documents(connection, Asked(**asked))

        return asyncio.run(ask())

    def totals(self, **asked: Any) -> invoices.Totals:
        async def ask() -> invoices.Totals:
            async with await psycopg.AsyncConnection.connect(self.url) as connection:
                return await invoices.sum_documents(connection, Asked(**asked))

        return asyncio.run(ask())


@pytest.fixture
def lists(ledger_url: str) -> Iterator[Lists]:
    with Journal(ledger_url, MasterKey(bytes(range(32)))) as journal:
        yield Lists(ledger_url, journal)


def test_documents_are_found_by_what_is_asked(lists: Lists) -> None:
    everything = lists.found()
    assert len(everything) == 6
    assert [(each.issued_on, each.number) for each in everything] == sorted(
        ((each.issued_on, each.number) for each in everything), reverse=True
    )
    assert {each.kind for each in lists.found(order=lists.paid)} == {"invoice", "receipt"}
    assert [each.order_id for each in lists.found(kind="receipt")] == [lists.half, lists.paid]
    assert len(lists.found(issued_from=date(2026, 11, 21), issued_to=date(2026, 11, 21))) == 2
    assert lists.found(issued_to=date(2026, 11, 19)) == []
    assert len(lists.found(seller=SELLER.id)) == len(lists.found(consumer=ADA)) == 6
    assert lists.found(seller=uuid4()) == lists.found(consumer=uuid4()) == []


def test_only_what_is_still_to_be_paid(lists: Lists) -> None:
    left = {each.order_id: each.open for each in lists.found(open_only=True)}
    assert left == {lists.unpaid: Decimal("21.00"), lists.half: Decimal("11.00")}


def test_what_they_come_to(lists: Lists) -> None:
    found = lists.totals()
    assert [(each.kind, each.documents, each.net, each.gross, each.open) for each in found.documents] == [
        ("invoice", 4, Decimal("52.95"), Decimal("63.00"), Decimal("32.00")),
        ("receipt", 2, None, Decimal("31.00"), None),
    ]
    assert [(each.category, each.rate, each.basis, each.tax) for each in found.taxes] == [
        ("S", Decimal("19.00"), Decimal("52.95"), Decimal("10.05"))
    ]
    assert lists.totals(order=uuid4()) == invoices.Totals((), ())


def test_pages_go_on_where_the_last_one_ended(lists: Lists) -> None:
    everything, gathered, cursor = lists.found(), list[IssuedDocument](), None
    while True:
        page = lists.page(limit=4, cursor=cursor)
        gathered += page.documents
        cursor = page.next_cursor
        if cursor is None:
            break
    assert gathered == everything


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!!!", "ö", *map(as_cursor, (b"2026-11-21", b"a/b", b"2026-11-21/\0", b"\xff"))],
)
def test_a_cursor_that_no_list_gave(cursor: str) -> None:
    with pytest.raises(BadCursor):
        invoices.listing(Asked(cursor=cursor))
