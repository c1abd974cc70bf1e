"""`GET /v1/stock`: how much of every item is there, for those who may know."""

from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.door import door_of
from order_ledger.api.openapi import ORGANISATION, WAIT_FOR, in_pages, json_answer
from order_ledger.api.parameters import limit
from order_ledger.api.read_models import read_model, whose_of
from order_ledger.api.reading import add_read
from order_ledger.queries import stock
from order_ledger.queries.pages import DEFAULT_PAGE, LARGEST_PAGE, as_cursor, from_cursor
from order_ledger.queries.stock import Asked
from order_ledger.rights.checks import Scope, whose_read

router = APIRouter()


async def stock_figures(request: Request, calling: Caller) -> Response:
    grant = whose_read("stock_figures", calling.by(Scope()))
    size = limit(request, DEFAULT_PAGE, LARGEST_PAGE)
    cursor, whose = request.query_params.get("cursor"), whose_of(request, calling, grant.whose)
    async with read_model(door_of(request), request, "stock") as connection:
        after = UUID(bytes=from_cursor(cursor, 16)) if cursor is not None else None
        # One more than a page has, to know whether another follows.
        found = await stock.list_stock(connection, Asked(whose=whose, after=after, limit=size + 1))
    page = found.items[:size]
    body: dict[str, Any] = {
        "items": page,
        "cursor": as_cursor(page[-1].item_id.bytes) if len(found.items) > size else None,
        "position": found.position,
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


_EXAMPLE = {
    "items": [
        {
            "item_id": "5f0d7d43-6f8e-5c0a-9a51-2f6f3a0d1c11",
            "sku": "STOOL-45",
            "description": "Stool, 45 cm",
            "unit": "C62",
            "seller": "0198c000-0000-7000-8000-000000000001",
            "seller_name": "Atelier Nord",
            "warehouse": "0198c000-0000-7000-8000-000000000001",
            "warehouse_name": "Atelier Nord",
            "listed": True,
            "on_hand": 12,
            "reserved": 5,
            "available": 7,
            "backordered": 0,
        }
    ],
    "cursor": None,
    "position": 5015,
}

add_read(
    router,
    "/v1/stock",
    stock_figures,
    ORGANISATION,
    *in_pages(LARGEST_PAGE),
    WAIT_FOR,
    tag="stock",
    summary="How much of every item is there",
    answer=json_answer("Units on hand, reserved, available, waited for; as of a position of the journal.", _EXAMPLE),
)
