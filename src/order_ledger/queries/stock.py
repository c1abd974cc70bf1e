"""How much of every item is on hand, kept for orders, free, and waited for.

What is waited for spans orders: it is the sum of the units that they have on backorder. Units of lines that name no
item of ours are kept elsewhere, and are not among them.
"""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from order_ledger.queries.order_status import Whose


class ItemStock(Struct, frozen=True, kw_only=True):
    """The stock of an item, in its unit (UN/ECE Recommendation 20). Available is what is kept for nobody."""

    item_id: UUID
    sku: str
    description: str
    unit: str
    seller: UUID
    seller_name: str
    warehouse: UUID | None
    warehouse_name: str | None
    listed: bool
    on_hand: int
    reserved: int
    available: int
    backordered: int


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked for: all items, or those of one seller or one warehouse; those after an item, so many at most."""

    whose: Whose | None = None
    after: UUID | None = None
    limit: int | None = None


class Stocks(Struct, frozen=True):
    """Items in the order of their ids, as of a position of the journal."""

    items: tuple[ItemStock, ...]
    position: int


async def list_stock(connection: AsyncConnection[TupleRow], asked: Asked) -> Stocks:
    """The items that are asked for."""
    found = await connection.execute(_STOCK, _parameters(asked))
    return stocks(await found.fetchall())


def list_stock_now(connection: Connection[TupleRow], asked: Asked) -> Stocks:
    """The same for processes that may wait."""
    return stocks(connection.execute(_STOCK, _parameters(asked)).fetchall())


def stocks(rows: Sequence[TupleRow]) -> Stocks:
    """The items that these rows are; each says the position too, and one without an item says it alone."""
    items = (dict(zip(_COLUMNS, row[1:], strict=True)) for row in rows if row[1] is not None)
    return Stocks(tuple(ItemStock(**item) for item in items), rows[0][0] or 0)


def _parameters(asked: Asked) -> dict[str, Any]:
    return {
        "role": asked.whose.role if asked.whose else None,
        "party": asked.whose.party if asked.whose else None,
        "after": asked.after,
        "limit": asked.limit,
    }


_COLUMNS = tuple(field.name for field in msgspec.structs.fields(ItemStock))
# One statement, so that the figures are those of the position, which is there without any item too. What is followed is
# what is kept in stock, and whatever has a stock or is waited for all the same.
_STOCK: LiteralString = """
    SELECT b.position, i.*
    FROM (SELECT min(position) AS position FROM stock.bookmark) b
    LEFT JOIN (
        SELECT i.item, i.sku, i.description, i.unit, i.seller, i.seller_name, i.warehouse, i.warehouse_name, i.listed,
            coalesce(s.on_hand, 0) AS on_hand, coalesce(s.reserved, 0) AS reserved,
            coalesce(s.on_hand - s.reserved, 0) AS available, coalesce(w.quantity, 0) AS backordered
        FROM stock.item i
        LEFT JOIN stock.shelf s ON s.stock = i.stock
        LEFT JOIN (
            SELECT o.item, sum(o.quantity)::bigint AS quantity FROM stock.backorder o GROUP BY o.item
        ) w ON w.item = i.item
        WHERE (i.kind = 'from_stock' OR s.stock IS NOT NULL OR w.item IS NOT NULL)
            AND (%(after)s::uuid IS NULL OR i.item > %(after)s)
            AND (%(party)s::uuid IS NULL OR (%(role)s = 'ip_owner' AND i.seller = %(party)s)
                OR (%(role)s = 'warehouse' AND i.warehouse = %(party)s))
        ORDER BY i.item LIMIT %(limit)s
    ) i ON true
    ORDER BY i.item
"""
