"""`GET /v1/stock`: how much of every item is there, for those who may know."""

from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from psycopg.errors import InvalidSchemaName, UndefinedTable
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.commanding import answered
from order_ledger.api.door import door_of
from order_ledger.api.openapi import query, read_operation
from order_ledger.api.order_lists import caught_up, whose_of
from order_ledger.queries import stock
from order_ledger.queries.stock import LARGEST_PAGE, Asked
from order_ledger.refusals import Invalid, Unavailable, Violation
from order_ledger.rights import Scope, whose_read

router = APIRouter()

_KNOWN = {"organisation", "limit", "cursor", "wait_for"}


async def stock_figures(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    grant = whose_read("stock_figures", calling.by(Scope()))
    asked = _asked(request, calling, grant.whose)
    assert asked.limit is not None
    await caught_up(door, request, "stock")
    try:
        async with door.writer.connection() as connection:
            found = await stock.list_stock(connection, msgspec.structs.replace(asked, limit=asked.limit + 1))
    except (UndefinedTable, InvalidSchemaName):
        raise Unavailable("The read model stock is not there yet: run order-ledger follow stock.") from None
    page = found.items[: asked.limit]
    body: dict[str, Any] = {
        "items": page,
        "cursor": str(page[-1].item_id) if len(found.items) > asked.limit else None,
        "position": found.position,
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


def _asked(request: Request, calling: Caller, whose: str) -> Asked:
    given = request.query_params
    for name in given:
        if name not in _KNOWN:
            raise Invalid(
                Violation(f"?{name}", "unknown", f"There is no such filter. There are: {', '.join(sorted(_KNOWN))}.")
            )
    limit = given.get("limit", "50")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= LARGEST_PAGE:
        raise Invalid(Violation("?limit", "limit", f"A page has 1 to {LARGEST_PAGE} rows."))
    try:
        after = UUID(given["cursor"]) if "cursor" in given else None
    except ValueError:
        raise Invalid(Violation("?cursor", "cursor", "Use the cursor of the page before, as it is.")) from None
    return Asked(whose=whose_of(request, calling, whose), after=after, limit=int(limit))


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

_OPERATION = read_operation(
    query("organisation", "For which of your organisations.", type="string", format="uuid"),
    query("limit", "How many on a page.", type="integer", minimum=1, maximum=LARGEST_PAGE),
    query("cursor", "The cursor of the page before.", type="string"),
    query("wait_for", "Answer once the read model has this position.", type="integer"),
)
_OPERATION["responses"] = {
    "200": {
        "description": "Units on hand, reserved, available and on backorder, as of a position of the journal.",
        "content": {"application/json": {"example": _EXAMPLE}},
    },
    **_OPERATION["responses"],
}

router.add_api_route(
    "/v1/stock",
    answered("read:stock_figures", stock_figures),
    methods=["GET"],
    name="stock_figures",
    tags=["stock"],
    summary="How much of every item is there",
    openapi_extra=_OPERATION,
    response_model=None,
)
