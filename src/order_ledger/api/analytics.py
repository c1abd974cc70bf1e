"""`GET /v1/analytics/fulfilment`: the measures of the orders that you may see."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.door import door_of
from order_ledger.api.openapi import ORGANISATION, WAIT_FOR, json_answer, query
from order_ledger.api.parameters import as_day, instant, one_of
from order_ledger.api.read_models import read_model, whose_of
from order_ledger.api.reading import add_read
from order_ledger.queries import fulfilment as measures
from order_ledger.queries.fulfilment import Asked, Report
from order_ledger.rights.checks import Scope, sees, whose_read

router = APIRouter()


async def fulfilment(request: Request, calling: Caller) -> Response:
    grant = whose_read("analytics", calling.by(Scope()))
    asked = _asked(request, calling, grant.whose)
    async with read_model(door_of(request), request, "fulfilment") as connection:
        report = await measures.measure(connection, asked)
    if sees("prices", calling.role) is None:
        report = _without_refunds(report)
    return Response(msgspec.json.encode(report), media_type="application/json")


def _asked(request: Request, calling: Caller, whose: str) -> Asked:
    return Asked(
        now=datetime.now(UTC),
        since=_moment(request, "from"),
        until=_moment(request, "to"),
        group_by=one_of(request, "group_by", measures.GROUPS),
        whose=whose_of(request, calling, whose),
    )


def _moment(request: Request, name: str) -> datetime | None:
    """A time with its offset, or a day, which begins at midnight UTC."""
    day = as_day(request.query_params.get(name, ""))
    return datetime.combine(day, datetime.min.time(), UTC) if day else instant(request, name)


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

add_read(
    router,
    "/v1/analytics/fulfilment",
    fulfilment,
    query("from", "Placed then or later: a time, or a day, which begins at midnight UTC.", type="string"),
    query("to", "Placed before.", type="string"),
    query(
        "group_by",
        "An order counts once in every group it touches, so groups need not sum to the whole.",
        type="string",
        enum=list(measures.GROUPS),
    ),
    ORGANISATION,
    WAIT_FOR,
    what="analytics",
    tag="analytics",
    summary="How long orders take, and what fails, goes back and waits",
    answer=json_answer("Every measure, as of a position of the journal. Durations are in hours.", _EXAMPLE),
)
