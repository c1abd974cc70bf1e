"""Whether the ledger is well: `/healthz` for anybody, `/readyz` and `/metrics` in detail for those who run it."""

import asyncio
from typing import Any

import msgspec
import psycopg
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.door import Door, door_of
from order_ledger.api.reading import add_read
from order_ledger.following import lag
from order_ledger.journal.database_roles import inspect_rights
from order_ledger.journal.feed import HOLDERS
from order_ledger.policies.engine import status as policies
from order_ledger.refusals import Refusal
from order_ledger.rights.checks import Scope, whose_read

router = APIRouter()


async def healthz(request: Request) -> Response:
    """This process answers."""
    return Response(b'{"status":"ok"}', media_type="application/json")


async def readyz(request: Request) -> Response:
    """Whether commands are taken: the database answers. In detail for those who run the ledger."""
    door = door_of(request)
    try:
        detail = await _detail(door)
    except Refusal as refusal:
        body = {"ready": False, "reason": refusal.code, "detail": str(refusal)}
        return Response(msgspec.json.encode(body), 503, {"Retry-After": "1"}, "application/json")
    body = {"ready": True}
    try:
        whose_read("readyz", (await door.caller(request)).by(Scope()))
    except Refusal:
        return Response(msgspec.json.encode(body), media_type="application/json")
    return Response(msgspec.json.encode(body | detail), media_type="application/json")


async def metrics(request: Request, calling: Caller) -> Response:
    whose_read("metrics", calling.by(Scope()))
    door = door_of(request)
    detail = await _detail(door)
    door.metrics.observe(detail["followers"], detail["policies"])
    return door.metrics.scrape()


async def _detail(door: Door) -> dict[str, Any]:
    async with door.pool.connection() as connection:
        cursor = await connection.execute(HOLDERS)
        holding = [{"pid": pid, "name": name, "seconds": seconds} for pid, name, seconds in await cursor.fetchall()]
    return {"holding_the_feed": holding, **await asyncio.to_thread(_look, door.url)}


def _look(url: str) -> dict[str, Any]:
    """What followers and policies say of themselves, and what is lost on a database that lets us have no roles."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        return {
            "followers": [msgspec.structs.asdict(each) for each in lag.status(connection)],
            "policies": [msgspec.structs.asdict(each) for each in policies.status(connection)],
            "lost": inspect_rights(connection),
        }


router.add_api_route("/healthz", healthz, methods=["GET"], tags=["operation"], summary="Does it answer?")
router.add_api_route("/readyz", readyz, methods=["GET"], tags=["operation"], summary="Does it take commands?")
add_read(router, "/metrics", metrics, tag="operation", summary="Prometheus metrics")
