"""`GET /v1/documents` and `GET /v1/orders/{order_id}/documents`: which documents were issued, and what they come to."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from psycopg.errors import InvalidSchemaName, UndefinedTable
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.commanding import answered
from order_ledger.api.door import Door, door_of
from order_ledger.api.openapi import query, read_operation
from order_ledger.api.order_commands import order_id_of, scope_of
from order_ledger.api.order_lists import caught_up, whose_of
from order_ledger.journal.writer import Stream
from order_ledger.queries import invoices
from order_ledger.queries.invoices import Asked, BadCursor, DocumentKind
from order_ledger.refusals import Invalid, NotFound, Unavailable, Violation
from order_ledger.rights import Grant, Scope, may_read, whose_read

router = APIRouter()

_KNOWN = {
    "order", "seller", "consumer", "kind", "issued_from", "issued_to", "open", "organisation", "limit", "cursor",
    "wait_for",
}  # fmt: skip


async def documents(request: Request, calling: Caller) -> Response:
    grant = whose_read("documents", calling.by(Scope()))
    asked = _asked(request, calling, grant)
    await caught_up(door_of(request), request, "invoices")
    return await _told(door_of(request), asked, grant)


async def documents_of_order(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    whose_read("documents", calling.by(Scope()))
    order = (await door.writer.standing(Stream("order", order_id_of(request)))).state
    if order is None:
        raise NotFound()
    scope = scope_of(order)
    grant = may_read("documents", calling.by(scope), scope)
    _only(request, {"limit", "cursor", "wait_for"})
    given = request.query_params
    asked = Asked(order=order.id, limit=_limit(given.get("limit", "50")), cursor=given.get("cursor"))
    await caught_up(door, request, "invoices")
    return await _told(door, asked, grant)


async def _told(door: Door, asked: Asked, grant: Grant) -> Response:
    """The page and what all of the list comes to; for whom only that is, that alone."""
    try:
        async with door.writer.connection() as connection:
            totals = await invoices.sum_documents(connection, asked)
            body: dict[str, Any] = {"totals": totals}
            if grant.only != "totals":
                page = await invoices.list_documents(connection, asked)
                body = {"documents": page.documents, "totals": totals, "cursor": page.next_cursor}
    except BadCursor as error:
        raise Invalid(Violation("?cursor", "cursor", str(error))) from None
    except (UndefinedTable, InvalidSchemaName):
        raise Unavailable("The read model invoices is not there yet: run order-ledger follow invoices.") from None
    return Response(msgspec.json.encode(body), media_type="application/json")


def _asked(request: Request, calling: Caller, grant: Grant) -> Asked:
    _only(request, _KNOWN)
    given, whose = request.query_params, whose_of(request, calling, grant.whose)
    consumer, seller = _id(request, "consumer"), _id(request, "seller")
    # Another's than one's own is nobody's: both conditions would have to hold.
    if whose is not None and whose.role == "consumer":
        consumer = whose.party if consumer in (None, whose.party) else _NOBODY
    elif whose is not None:
        seller = whose.party if seller in (None, whose.party) else _NOBODY
    return Asked(
        order=_id(request, "order"),
        consumer=consumer,
        seller=seller,
        kind=_kind(given.get("kind")),
        issued_from=_day(request, "issued_from"),
        issued_to=_day(request, "issued_to"),
        open_only=_flag(request, "open"),
        limit=_limit(given.get("limit", "50")),
        cursor=given.get("cursor"),
    )


_NOBODY = UUID(int=(1 << 128) - 1)


def _only(request: Request, known: set[str]) -> None:
    for name in request.query_params:
        if name not in known:
            raise Invalid(
                Violation(f"?{name}", "unknown", f"There is no such filter. There are: {', '.join(sorted(known))}.")
            )


def _id(request: Request, name: str) -> UUID | None:
    text = request.query_params.get(name)
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise Invalid(Violation(f"?{name}", "uuid", "It is named by its id, a UUID.")) from None


def _kind(text: str | None) -> DocumentKind | None:
    for kind in invoices.KINDS:
        if text == kind:
            return kind
    if text is None:
        return None
    raise Invalid(Violation("?kind", "kind", f"{text} is no kind. There are: {', '.join(invoices.KINDS)}."))


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        if len(text) == len("2026-11-21"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Invalid(Violation(f"?{name}", "day", "A day is written as 2026-11-21."))


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise Invalid(Violation(f"?{name}", "boolean", "It is true or false."))
    return text == "true"


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= invoices.LARGEST_PAGE:
        raise Invalid(Violation("?limit", "limit", f"A page has 1 to {invoices.LARGEST_PAGE} rows."))
    return int(text)


_EXAMPLE: dict[str, Any] = {
    "documents": [
        {
            "order_id": "01932f0c-5a00-7000-8000-000000000001",
            "number": "ACME-INV-2026-000001",
            "kind": "invoice",
            "issued_on": "2026-11-22",
            "recorded_at": "2026-11-22T08:15:03.123456Z",
            "order_number": "261121-K7Q4M-9TXWB",
            "consumer": "01932f0c-5a00-7000-8000-00000000000e",
            "seller": "01932f0c-5a00-7000-8000-00000000000a",
            "currency": "EUR",
            "net": "17.65",
            "tax": "3.35",
            "gross": "21.00",
            "prepaid": "0.00",
            "due": "21.00",
            "due_on": "2026-12-06",
            "credited": "7.00",
            "open": "14.00",
            "invoice": None,
            "refund": None,
            "payment": None,
        }
    ],
    "totals": {
        "documents": [
            {
                "kind": "invoice",
                "currency": "EUR",
                "documents": 1,
                "net": "17.65",
                "tax": "3.35",
                "gross": "21.00",
                "open": "14.00",
            }
        ],
        "taxes": [
            {"kind": "invoice", "currency": "EUR", "category": "S", "rate": "19.00", "basis": "17.65", "tax": "3.35"}
        ],
    },
    "cursor": None,
}


def _operation(*parameters: dict[str, Any]) -> dict[str, Any]:
    operation = read_operation(
        *parameters,
        query("limit", "How many on a page.", type="integer", minimum=1, maximum=invoices.LARGEST_PAGE),
        query("cursor", "The cursor of the page before.", type="string"),
        query("wait_for", "Answer once the read model has this position.", type="integer"),
    )
    operation["responses"] = {
        "200": {
            "description": "The documents, the latest first, and what all of them come to. Analysts read that alone.",
            "content": {"application/json": {"example": _EXAMPLE}},
        },
        **operation["responses"],
    }
    return operation


for _path, _handler, _summary, _parameters in (
    (
        "/v1/documents",
        documents,
        "The documents you may see, and what they come to",
        (
            query("order", "Only of this order.", type="string", format="uuid"),
            query("seller", "Only of this seller.", type="string", format="uuid"),
            query("consumer", "Only of this consumer.", type="string", format="uuid"),
            query("kind", "Only of this kind.", type="string", enum=list(invoices.KINDS)),
            query("issued_from", "Issued on this day or later.", type="string", format="date"),
            query("issued_to", "Issued on this day or earlier.", type="string", format="date"),
            query("open", "Only invoices of which something is still to be paid.", type="boolean"),
            query("organisation", "For which of your organisations.", type="string", format="uuid"),
        ),
    ),
    ("/v1/orders/{order_id}/documents", documents_of_order, "The documents of an order", ()),
):
    router.add_api_route(
        _path,
        answered("read:documents", _handler),
        methods=["GET"],
        name=_handler.__name__,
        tags=["documents"],
        summary=_summary,
        openapi_extra=_operation(*_parameters),
        response_model=None,
    )
