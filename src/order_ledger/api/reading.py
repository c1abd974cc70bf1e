"""How a read comes in: who asks is known, only what there is can be asked for, and every refusal is answered."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.commanding import CallersHandler, answered
from order_ledger.api.openapi import read_operation
from order_ledger.api.parameters import only


def add_read(
    router: APIRouter,
    path: str,
    handler: CallersHandler,
    *parameters: dict[str, Any],
    tag: str,
    summary: str,
    what: str | None = None,
    answer: dict[str, Any] | None = None,
    refused: tuple[str, ...] = (),
) -> None:
    """Adds a read with these parameters, and no others. `what` is what the access log calls it, the handler's name
    unless it is given; `answer` and `refused` are what OpenAPI says of the answer, and of refusals of its own."""

    async def handle(request: Request, calling: Caller) -> Response:
        only(request, parameters)
        return await handler(request, calling)

    router.add_api_route(
        path,
        answered(f"read:{what or handler.__name__}", handle),
        methods=["GET"],
        name=handler.__name__,
        tags=[tag],
        summary=summary,
        openapi_extra=read_operation(*parameters, answer=answer, refused=refused),
        response_model=None,
    )
