"""`GET /v1/orders`: the orders you may see, filtered, searched, and those that wait for you."""

from typing import Any, get_args

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.door import door_of
from order_ledger.api.openapi import ORGANISATION, WAIT_FOR, in_pages, query
from order_ledger.api.parameters import instant, limit, one_of
from order_ledger.api.read_models import read_model, whose_of
from order_ledger.api.reading import add_read
from order_ledger.entries import Role
from order_ledger.queries import order_status
from order_ledger.queries.order_status import Asked, OrderStatus
from order_ledger.queries.pages import DEFAULT_PAGE, LARGEST_PAGE
from order_ledger.refusals import Invalid, Violation
from order_ledger.rights.checks import Scope, sees, whose_read

router = APIRouter()

_ROLES: tuple[Role, ...] = get_args(Role)


async def orders(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    grant = whose_read("list", calling.by(Scope()))
    asked = _asked(request, calling, grant.whose)
    if asked.names:
        await door.seen(calling, "search")
    async with read_model(door, request, "order_status") as connection:
        page = await order_status.list_orders(connection, asked)
    body = {"orders": [_view(each, calling.role) for each in page.orders], "cursor": page.next_cursor}
    return Response(msgspec.json.encode(body), media_type="application/json")


def _asked(request: Request, calling: Caller, whose: str) -> Asked:
    given = request.query_params
    states = tuple(state for text in given.getlist("status") for state in text.split(",") if state)
    for state in states:
        if state not in order_status.STATES:
            raise Invalid(
                Violation("?status", "status", f"{state} is no status. There are: {', '.join(order_status.STATES)}.")
            )
    search = given.get("q")
    if search is not None and (len(search) > 200 or "\x00" in search):
        raise Invalid(Violation("?q", "text", "A search has at most 200 characters."))
    return Asked(
        states=states,
        queue=one_of(request, "role_queue", _ROLES),
        search=search,
        names=bool(search) and calling.role in ("customer_service", "auditor"),
        placed_after=instant(request, "placed_after"),
        placed_before=instant(request, "placed_before"),
        whose=whose_of(request, calling, whose),
        limit=limit(request, DEFAULT_PAGE, LARGEST_PAGE),
        cursor=given.get("cursor"),
    )


def _view(each: OrderStatus, role: Role) -> dict[str, Any]:
    told = msgspec.structs.asdict(each)
    if sees("prices", role) is None:
        for name in ("net", "tax", "total", "refund_owed", "payment"):
            del told[name]
    told["status"] = told.pop("state")
    told["return"] = told.pop("returned")
    return told


add_read(
    router,
    "/v1/orders",
    orders,
    query("status", "Only orders in these states, separated by commas.", type="string"),
    query("role_queue", "Only orders that wait for this role.", type="string", enum=list(_ROLES)),
    query("q", "The start of a number, reference, tracking or return number; for some roles, a name.", type="string"),
    query("placed_after", "Only orders placed after this time.", type="string", format="date-time"),
    query("placed_before", "Only orders placed before this time.", type="string", format="date-time"),
    ORGANISATION,
    *in_pages(LARGEST_PAGE),
    WAIT_FOR,
    what="list",
    tag="orders",
    summary="The orders you may see",
)
