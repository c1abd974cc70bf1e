"""`GET /v1/analytics/fulfilment`: the measures of the orders that you may see."""

from datetime import UTC, date, datetime
from typing import Any, get_args

import msgspec
from fastapi import APIRouter
from psycopg.errors import InvalidSchemaName, UndefinedTable
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.commanding import answered
from order_ledger.api.door import door_of
from order_ledger.api.moments import instant
from order_ledger.api.openapi import query, read_operation
from order_ledger.api.order_lists import caught_up, whose_of
from order_ledger.queries import fulfilment as measures
from order_ledger.queries.fulfilment import Asked, GroupBy, Report
from order_ledger.refusals import Invalid, Unavailable, Violation
from order_ledger.rights import Scope, sees, whose_read

router = APIRouter()

_KNOWN = {"from", "to", "group_by", "organisation", "wait_for"}


async def fulfilment(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    grant = whose_read("analytics", calling.by(Scope()))
    asked = _asked(request, calling, grant.whose)
    await caught_up(door, request, "fulfilment")
    try:
        async with door.writer.connection() as connection:
            report = await measures.measure(connection, asked)
    except (UndefinedTable, InvalidSchemaName):
        raise Unavailable("The read model fulfilment is not there yet: run order-ledger follow fulfilment.") from None
    if sees("prices", calling.role) is None:
        report = _without_refunds(report)
    return Response(msgspec.json.encode(report), media_type="application/json")


def _asked(request: Request, calling: Caller, whose: str) -> Asked:
    given = request.query_params
    for name in given:
        if name not in _KNOWN:
            raise Invalid(
                Violation(f"?{name}", "unknown", f"There is no such filter. There are: {', '.join(sorted(_KNOWN))}.")
            )
    return Asked(
        now=datetime.now(UTC),
        since=_moment(request, "from"),
        until=_moment(request, "to"),
        group_by=_group_by(given.get("group_by")),
        whose=whose_of(request, calling, whose),
    )


def _moment(request: Request, name: str) -> datetime | None:
    """A time with its offset, or a day, which begins at midnight UTC."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if len(text) == len("2026-11-21"):
        try:
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        except ValueError:
            pass
    return instant(name, text)


def _group_by(text: str | None) -> GroupBy | None:
    for group in measures.GROUPS:
        if text == group:
            return group
    if text is None:
        return None
    raise Invalid(Violation("?group_by", "group", f"{text} is no group. There are: {', '.join(measures.GROUPS)}."))


def _without_refunds(report: Report) -> Report:
    groups = tuple(msgspec.structs.replace(group, refunds=None) for group in report.groups)
    return msgspec.structs.replace(report, refunds=None, groups=groups)


_HOURS = {"n": 979, "mean": 295.9, "median": 244.3, "p90": 558.6, "p95": 694.4}
_ON_TIME = {"n": 979, "instant": {"n": 904, "rate": 0.923}, "calendar_day": {"n": 917, "rate": 0.937}}
_EXAMPLE: dict[str, Any] = {
    "orders": 1000,
    "delivered": 979,
    "durations_hours": {"placed_to_delivered": _HOURS},
    "carriers_hours": {"ups": _HOURS},
    "on_time": _ON_TIME,
    "on_time_latest": _ON_TIME,
    "first_pass_yield": {"n": 40, "passed": 38, "rate": 0.95},
    "rework": {"steps": 2, "hours": {"n": 2, "mean": 3.5, "median": 3.5, "p90": 5.5, "p95": 5.75}},
    "returns": {
        "delivered_units": 1128,
        "requested_units": 12,
        "received_units": 11,
        "rate": 0.00975,
        "by_reason": {"damaged": {"requested_units": 12, "received_units": 11, "rate": 0.00975}},
    },
    "refunds": None,
    "by_placed_month": {"2017-11": {"orders": 84, "delivered": 81, "on_time_instant": 68}},
    "waiting": {"now": "2026-11-21T20:15:03Z", "by_role": [], "longest": []},
    "group_by": None,
    "groups": [],
    "position": 5015,
}

_OPERATION = read_operation(
    query("from", "Placed then or later: a time, or a day, which begins at midnight UTC.", type="string"),
    query("to", "Placed before.", type="string"),
    query(
        "group_by",
        "An order counts once in every group it touches, so groups need not sum to the whole.",
        type="string",
        enum=list(get_args(GroupBy)),
    ),
    query("organisation", "For which of your organisations.", type="string", format="uuid"),
    query("wait_for", "Answer once the read model has this position.", type="integer"),
)
_OPERATION["responses"] = {
    "200": {
        "description": "Every measure, as of a position of the journal. Durations are in hours; None is unknown.",
        "content": {"application/json": {"example": _EXAMPLE}},
    },
    **_OPERATION["responses"],
}

router.add_api_route(
    "/v1/analytics/fulfilment",
    answered("read:analytics", fulfilment),
    methods=["GET"],
    name="fulfilment",
    tags=["analytics"],
    summary="How long orders take, and what fails, goes back and waits",
    openapi_extra=_OPERATION,
    response_model=None,
)
