"""The door as an ASGI application: every route, and the one place that puts a process's parts together."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import psycopg
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api import (
    analytics,
    document_files,
    document_lists,
    item_commands,
    operation,
    order_commands,
    order_lists,
    order_reads,
    party_commands,
    session,
    stock_lists,
)
from order_ledger.api.dispatch import Dispatch
from order_ledger.api.door import Door
from order_ledger.api.openapi import PROBLEM_SCHEMA
from order_ledger.api.problems import MEDIA_TYPE, problem
from order_ledger.journal.codec import Codec
from order_ledger.journal.database_roles import as_role
from order_ledger.journal.keys import check_master
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.sealing import MasterKey
from order_ledger.refusals import NotFound, Unavailable


def create_app(url: str, master: MasterKey) -> Dispatch:
    """The door to the ledger in this database. Connections are made when it starts, not before.

    `url` is the owner's: it looks whether the database is fit, and then takes the door's role, which may not alter
    what is written. Raises `Unfit` at the start.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with psycopg.connect(url, autocommit=True) as connection:
            ledger = inspect(connection)
            check_master(connection, master)
        _collect_rarely()
        async with Door(as_role(url, "order_ledger_door"), Codec(ledger, EVENTS, UPCASTERS), master) as door:
            app.state.door = door
            yield

    app = FastAPI(
        title="order-ledger",
        version=version("order-ledger"),
        summary="Every action on an order, appended once, in order, for ever.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # the ready-made pages load their scripts from elsewhere
        redoc_url=None,
    )
    modules = (
        session, order_commands, order_lists, order_reads, item_commands, party_commands, operation, analytics,
        stock_lists, document_lists, document_files,
    )  # fmt: skip
    for module in modules:
        app.include_router(module.router)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return Dispatch(app, (module.router for module in modules))


def _collect_rarely() -> None:
    """What is kept between commands are immutable values without cycles: looking through them finds nothing.

    Looking after every 700 allocations, as Python does unasked, took a tenth of the time of a command.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(NotFound())
    body = (
        f'{{"type":"about:blank","title":"{error.detail}","status":{error.status_code},'
        f'"detail":"{error.detail}","code":"method_not_allowed"}}'
    )
    return Response(body, error.status_code, dict(error.headers or {}), MEDIA_TYPE)


async def _database_away(request: Request, error: Exception) -> Response:
    return problem(Unavailable())


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = schema
    return app.openapi_schema
