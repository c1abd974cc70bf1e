"""`GET /v1/orders`: the orders you may see, filtered, searched, and those that wait for you."""

from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import msgspec
from fastapi import APIRouter
from psycopg.errors import InvalidSchemaName, UndefinedTable
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.commanding import answered
from order_ledger.api.door import Door, door_of
from order_ledger.api.moments import instant
from order_ledger.api.openapi import query, read_operation
from order_ledger.entries import Role
from order_ledger.following.lag import wait_for_async
from order_ledger.queries import order_status
from order_ledger.queries.order_status import Asked, BadCursor, OrderStatus, Whose
from order_ledger.refusals import Invalid, Unavailable, Violation
from order_ledger.rights import Scope, sees, whose_read

router = APIRouter()

_WAIT_SECONDS = 5.0
_KNOWN = {
    "status", "role_queue", "q", "placed_after", "placed_before", "organisation", "limit", "cursor", "wait_for",
}  # fmt: skip


async def orders(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    grant = whose_read("list", calling.by(Scope()))
    asked = _asked(request, calling, grant.whose)
    await caught_up(door, request)
    if asked.names:
        await door.seen(calling, "search")
    try:
        async with door.writer.connection() as connection:
            page = await order_status.list_orders(connection, asked)
    except BadCursor as error:
        raise Invalid(Violation("?cursor", "cursor", str(error))) from None
    body = {"orders": [_view(each, calling.role) for each in page.orders], "cursor": page.next_cursor}
    return Response(msgspec.json.encode(body), media_type="application/json")


async def caught_up(door: Door, request: Request, name: str = "order_status") -> None:
    """Waits until the read model of this name has the position in `wait_for`, for five seconds at most.

    Raises `Unavailable` where it was not there in time, or where nobody follows.
    """
    text = request.query_params.get("wait_for")
    if text is None:
        return
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(Violation("?wait_for", "position", "A position is a whole number, as a command's answer has it."))
    try:
        async with door.writer.connection() as connection:
            waited = await wait_for_async(connection, name, int(text), _WAIT_SECONDS)
    except (UndefinedTable, InvalidSchemaName):
        waited = "nobody_follows"
    if waited != "reached":
        what = "is not there yet" if waited == "late" else f"is followed by no process: run order-ledger follow {name}"
        raise Unavailable(f"The read model {name} {what}.")


def _asked(request: Request, calling: Caller, whose: str) -> Asked:
    given = request.query_params
    for name in given:
        if name not in _KNOWN:
            raise Invalid(
                Violation(f"?{name}", "unknown", f"There is no such filter. There are: {', '.join(sorted(_KNOWN))}.")
            )
    states = tuple(state for text in given.getlist("status") for state in text.split(",") if state)
    for state in states:
        if state not in order_status.STATES:
            raise Invalid(
                Violation("?status", "status", f"{state} is no status. There are: {', '.join(order_status.STATES)}.")
            )
    queue = given.get("role_queue")
    if queue is not None and queue not in get_args(Role):
        raise Invalid(Violation("?role_queue", "role", f"{queue} is no role."))
    search = given.get("q")
    if search is not None and (len(search) > 200 or "\x00" in search):
        raise Invalid(Violation("?q", "text", "A search has at most 200 characters."))
    return Asked(
        states=states,
        queue=queue,
        search=search,
        names=bool(search) and calling.role in ("customer_service", "auditor"),
        placed_after=_instant(request, "placed_after"),
        placed_before=_instant(request, "placed_before"),
        whose=whose_of(request, calling, whose),
        limit=_limit(given.get("limit", "50")),
        cursor=given.get("cursor"),
    )


def whose_of(request: Request, calling: Caller, whose: str) -> Whose | None:
    """The party that the caller asks for, as far as the cell of their role reaches; None is everybody.

    Raises `Invalid` where they act for several organisations and name none.
    """
    if calling.on_behalf_of is not None:
        return Whose("consumer", calling.on_behalf_of)
    if whose == "own":
        return Whose("consumer", calling.person)
    if whose == "all":
        return None
    text = request.query_params.get("organisation")
    if text is None:
        if None in calling.organisations:
            return None
        if len(calling.organisations) == 1:
            return Whose(calling.role, next(iter(filter(None, calling.organisations))))
        raise Invalid(Violation("?organisation", "missing", "You act for several organisations: say for which one."))
    try:
        wanted = UUID(text)
    except ValueError:
        raise Invalid(Violation("?organisation", "uuid", "An organisation is named by its id, a UUID.")) from None
    if wanted not in calling.organisations and None not in calling.organisations:
        return Whose(calling.role, UUID(int=(1 << 128) - 1))  # an organisation of others has no orders to show
    return Whose(calling.role, wanted)


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= order_status.LARGEST_PAGE:
        raise Invalid(Violation("?limit", "limit", f"A page has 1 to {order_status.LARGEST_PAGE} rows."))
    return int(text)


def _instant(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    return instant(name, text) if text is not None else None


def _view(each: OrderStatus, role: Role) -> dict[str, Any]:
    told = msgspec.structs.asdict(each)
    if sees("prices", role) is None:
        for name in ("net", "tax", "total", "refund_owed", "payment"):
            del told[name]
    told["status"] = told.pop("state")
    told["return"] = told.pop("returned")
    return told


router.add_api_route(
    "/v1/orders",
    answered("read:list", orders),
    methods=["GET"],
    name="orders",
    tags=["orders"],
    summary="The orders you may see",
    openapi_extra=read_operation(
        query("status", "Only orders in these states, separated by commas.", type="string"),
        query("role_queue", "Only orders that wait for this role.", type="string"),
        query(
            "q", "The start of a number, reference, tracking or return number; for some roles, a name.", type="string"
        ),
        query("placed_after", "Only orders placed after this time.", type="string", format="date-time"),
        query("placed_before", "Only orders placed before this time.", type="string", format="date-time"),
        query("organisation", "For which of your organisations.", type="string", format="uuid"),
        query("limit", "How many on a page.", type="integer", minimum=1, maximum=order_status.LARGEST_PAGE),
        query("cursor", "The cursor of the page before.", type="string"),
        query("wait_for", "Answer once the read model has this position: read your own writes.", type="integer"),
    ),
    response_model=None,
)
