"""`POST /v1/token`: logging in with a local account."""

from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.access_log import Access
from order_ledger.api.commanding import parse
from order_ledger.api.door import body_of, door_of
from order_ledger.api.openapi import problems
from order_ledger.api.problems import problem
from order_ledger.journal.standings import Stream
from order_ledger.refusals import Refusal, Unauthenticated

router = APIRouter()


class LogIn(BaseModel):
    """A login and its password."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"login": "ada", "password": "kept-in-her-head"}]},
    )

    login: Annotated[str, Field(min_length=1, max_length=200)]
    password: Annotated[str, Field(min_length=1, max_length=200)]


async def token(request: Request) -> Response:
    door = door_of(request)
    try:
        given = parse(LogIn, await body_of(request))
        async with door.pool.connection() as connection:
            issued, until = await door.logins.log_in(connection, given.login, given.password)
        person = door.tokens.person(issued)
        standing = await door.standings.of(Stream("person", person))
    except Refusal as refusal:
        if isinstance(refusal, Unauthenticated):
            await door.access_log.record(Access(None, None, None, "log-in", None, refusal.code, {"login": given.login}))
        return problem(refusal)
    roles = sorted({role for role, _ in standing.state.roles}) if standing.state is not None else []
    body = {"token": issued, "token_type": "Bearer", "expires_at": until, "person_id": person, "roles": roles}
    return Response(msgspec.json.encode(body), headers={"Cache-Control": "no-store"}, media_type="application/json")


router.add_api_route(
    "/v1/token",
    token,
    methods=["POST"],
    tags=["session"],
    summary="Log in",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": LogIn.model_json_schema()}}},
        "responses": problems("401", "413", "422", "503"),
    },
    response_model=None,
)
