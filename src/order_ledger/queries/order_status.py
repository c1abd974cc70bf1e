"""Where orders stand: lists, searches, queues, and how many are in which state.

What is asked is a value, `sql` and parameters follow from it, and rows become values. Who may ask what is the caller's
affair: `Whose` narrows a list to the orders of one party, and `names` lets a search look at the names of persons.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from order_ledger.queries.pages import BadCursor, as_cursor, from_cursor, page_size

STATES = (
    "placed",
    "confirmed",
    "in_production",
    "ready_to_ship",
    "shipping",
    "delivered",
    "completed",
    "rejected",
    "cancelled",
)
ANYBODY = UUID(int=0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class OrderStatus(Struct, frozen=True, kw_only=True):
    """Where an order stands. Times are UTC; amounts are in the order's currency, with its decimals.

    `state_since` is when the entry was recorded that put the order in its state. `waiting` says whose turn it is, as
    role and what for.
    """

    order_id: UUID
    number: str
    reference: str | None
    consumer: UUID
    seller: UUID
    seller_name: str
    history: bool
    placed_at: datetime | None
    listed_at: datetime
    promised_by: datetime | None
    state: str
    state_since: datetime
    changed_at: datetime
    reads: str
    held: bool
    held_for: str | None
    currency: str
    net: Decimal
    tax: Decimal
    total: Decimal
    refund_owed: Decimal
    payment: str
    stock: str
    fulfilment: str
    returned: str
    goods_lines: int
    goods_units: int
    first_description: str
    open_problems: int
    open_questions: int
    open_shortages: int
    delay_expected: bool
    delay_unanswered: bool
    tracking_numbers: list[str]
    rma_numbers: list[str]
    waiting: list[str]


class Whose(Struct, frozen=True):
    """The orders of one party: bought by this consumer, or sold, made or kept by this organisation."""

    role: str
    party: UUID


class Asked(Struct, frozen=True, kw_only=True):
    """What a list shall hold. All that is given must hold; nothing given is every order, the latest first.

    `queue` is a role whose turn it is; with `whose` of the same role, that party's turn. `search` finds by the start
    of a number, reference, tracking or return number, and with `names` by part of a name or an e-mail address.
    """

    states: tuple[str, ...] = ()
    queue: str | None = None
    search: str | None = None
    names: bool = False
    placed_after: datetime | None = None
    placed_before: datetime | None = None
    whose: Whose | None = None
    limit: int = 50
    cursor: str | None = None


class Page(Struct, frozen=True):
    """Some of a list, and where it goes on; None at its end."""

    orders: tuple[OrderStatus, ...]
    next_cursor: str | None


class Counts(Struct, frozen=True):
    """How many orders are in each state, as of this position of the journal."""

    orders: int
    states: dict[str, int]
    position: int


async def list_orders(connection: AsyncConnection[TupleRow], asked: Asked) -> Page:
    """A page of the list. Raises `BadCursor`."""
    few = None
    if (search := searching(asked)) is not None:
        found = await (await connection.execute(*search)).fetchall()
        few = [order for (order,) in found] if len(found) <= _FEW else None
    page_of = await connection.execute(*listing(asked, few))
    return page(await page_of.fetchall(), asked.limit)


def count_by_state(connection: Connection[TupleRow], whose: Whose | None = None) -> Counts:
    """How many orders are in each state."""
    query, parameters = counting(whose)
    return counts(connection.execute(query, parameters).fetchall())


def searching(asked: Asked) -> tuple[LiteralString, dict[str, Any]] | None:
    """The statement that finds a few orders of a search, and one more where there are many; and its parameters. None
    where nothing is searched for."""
    parameters = _sought(asked)
    if parameters is None:
        return None
    found = _TERMS + " UNION ALL " + _NAMED if asked.names else _TERMS
    return "SELECT order_id FROM (" + found + ") f LIMIT %(most)s", parameters | {"most": _FEW + 1}


def listing(asked: Asked, few: Sequence[UUID] | None = None) -> tuple[LiteralString, dict[str, Any]]:
    """The statement that finds a page of the list, and one row more where it goes on; and its parameters.

    Where a search finds few orders they are given, and it looks at no others. Where it finds many, it looks through the
    list until it has a page of them.
    """
    source: LiteralString = "order_status.orders o"
    conditions: list[LiteralString] = []
    parameters: dict[str, Any] = {"limit": page_size(asked.limit) + 1}
    listed: LiteralString = "o.listed_at"
    if asked.whose is not None:
        # Ordered by the party's own index, so that a page of a large seller costs no more than one of a small.
        source = "order_status.party w JOIN order_status.orders o USING (order_id)"
        conditions.append("w.party = %(party)s AND w.role = %(role)s")
        listed = "w.listed_at"
        parameters |= {"party": asked.whose.party, "role": asked.whose.role}
    if asked.states:
        conditions.append("o.state = ANY(%(states)s)")
        parameters["states"] = list(asked.states)
    if asked.queue is not None:
        turn: LiteralString = "t.role = %(queue)s"
        if asked.whose is not None and asked.whose.role == asked.queue:
            turn = "t.role = %(queue)s AND t.party IN (%(party)s, %(anybody)s)"
            parameters["anybody"] = ANYBODY
        conditions.append("o.order_id IN (SELECT t.order_id FROM order_status.waiting t WHERE " + turn + ")")
        parameters["queue"] = asked.queue
    if asked.placed_after is not None:
        conditions.append(listed + " > %(placed_after)s")
        parameters["placed_after"] = asked.placed_after
    if asked.placed_before is not None:
        conditions.append(listed + " < %(placed_before)s")
        parameters["placed_before"] = asked.placed_before
    if few is not None:
        conditions.append("o.order_id = ANY(%(few)s)")
        parameters["few"] = few
    elif (sought := _sought(asked)) is not None:
        conditions.append(_FOUND_BY_NUMBER_OR_NAME if asked.names else _FOUND_BY_NUMBER)
        parameters |= sought
    if asked.cursor is not None:
        conditions.append("(" + listed + ", o.order_id) < (%(after_at)s, %(after_id)s)")
        parameters["after_at"], parameters["after_id"] = _opened(asked.cursor)
    where: LiteralString = " WHERE " + " AND ".join(conditions) if conditions else ""
    ordered: LiteralString = " ORDER BY " + listed + " DESC, o.order_id DESC LIMIT %(limit)s"
    return "SELECT " + _SELECTED + " FROM " + source + where + ordered, parameters


def page(rows: Sequence[TupleRow], limit: int) -> Page:
    """The page that these rows are."""
    size = page_size(limit)
    orders = tuple(OrderStatus(**dict(zip(_COLUMNS, row, strict=True))) for row in rows[:size])
    return Page(orders, _cursor(orders[-1]) if len(rows) > size else None)


def counting(whose: Whose | None = None) -> tuple[LiteralString, dict[str, Any]]:
    """The statement that counts, and its parameters. One statement: the counts are those of the position."""
    if whose is None:
        return _COUNT + "order_status.orders o GROUP BY o.state", {}
    return (
        _COUNT + "order_status.party w JOIN order_status.orders o USING (order_id) "
        "WHERE w.party = %(party)s AND w.role = %(role)s GROUP BY o.state",
        {"party": whose.party, "role": whose.role},
    )


def counts(rows: Sequence[TupleRow]) -> Counts:
    """The counts that these rows are, every state named."""
    found: Mapping[str, int] = {state: number for state, number, _ in rows if state is not None}
    position = max(at for _, _, at in rows)
    return Counts(sum(found.values()), {state: found.get(state, 0) for state in STATES}, position)


_COLUMNS = tuple(field.name for field in msgspec.structs.fields(OrderStatus))
_SELECTED: LiteralString = """
    o.order_id, o.number, o.reference, o.consumer, o.seller, o.seller_name, o.history, o.placed_at, o.listed_at,
    o.promised_by, o.state, o.state_since, o.changed_at, o.reads, o.held, o.held_for, o.currency, o.net, o.tax,
    o.total, o.refund_owed, o.payment, o.stock, o.fulfilment, o.returned, o.goods_lines, o.goods_units,
    o.first_description, o.open_problems, o.open_questions, o.open_shortages, o.delay_expected, o.delay_unanswered,
    o.tracking_numbers, o.rma_numbers,
    array(SELECT DISTINCT t.role || ':' || t.what FROM order_status.waiting t WHERE t.order_id = o.order_id ORDER BY 1)
"""
_COUNT: LiteralString = (
    "SELECT NULL, 0, min(position) FROM order_status.bookmark UNION ALL SELECT o.state, count(*), 0 FROM "
)
_TERMS: LiteralString = "SELECT f.order_id FROM order_status.term f WHERE f.term >= %(from)s AND f.term < %(to)s"
_NAMES: LiteralString = "SELECT c.person FROM personal.contact c WHERE c.search LIKE %(like)s"
_NAMED: LiteralString = (
    "SELECT p.order_id FROM order_status.party p WHERE p.role = 'consumer' AND p.party IN (" + _NAMES + ")"
)
_FOUND_BY_NUMBER: LiteralString = "o.order_id IN (" + _TERMS + ")"
_FOUND_BY_NUMBER_OR_NAME: LiteralString = "(" + _FOUND_BY_NUMBER + " OR o.consumer IN (" + _NAMES + "))"
_FEW = 1_000


def _sought(asked: Asked) -> dict[str, Any] | None:
    sought = _as_text(asked.search or "")
    if not sought:
        return None
    return {"from": sought, "to": sought + "\U0010ffff", "like": f"%{_literally(sought)}%"}


def _as_text(search: str) -> str:
    """In lower case, and what no text can hold turned into what none holds."""
    return search.strip().lower().encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _literally(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _cursor(last: OrderStatus) -> str:
    at = (last.listed_at - _EPOCH) // _MICROSECOND
    return as_cursor(at.to_bytes(8, "big", signed=True) + last.order_id.bytes)


def _opened(cursor: str) -> tuple[datetime, UUID]:
    last = from_cursor(cursor, 24)
    try:
        return _EPOCH + _MICROSECOND * int.from_bytes(last[:8], "big", signed=True), UUID(bytes=last[8:])
    except OverflowError:
        raise BadCursor from None
