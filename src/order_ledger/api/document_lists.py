"""`GET /v1/documents` and `GET /v1/orders/{order_id}/documents`: which documents were issued, and what they come to."""

from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.door import door_of
from order_ledger.api.openapi import ORGANISATION, WAIT_FOR, in_pages, json_answer, query
from order_ledger.api.order_commands import order_id_of
from order_ledger.api.parameters import day, flag, identifier, limit, one_of
from order_ledger.api.read_models import NOBODY, read_model, whose_of
from order_ledger.api.reading import add_read
from order_ledger.journal.standings import Stream
from order_ledger.orders.scope import scope_of
from order_ledger.queries import invoices
from order_ledger.queries.invoices import Asked
from order_ledger.queries.pages import DEFAULT_PAGE, LARGEST_PAGE
from order_ledger.refusals import NotFound
from order_ledger.rights.checks import Scope, may_read, whose_read
from order_ledger.rights.tables import Grant

router = APIRouter()


async def documents(request: Request, calling: Caller) -> Response:
    grant = whose_read("documents", calling.by(Scope()))
    return await _told(request, _asked(request, calling, grant), grant)


async def documents_of_order(request: Request, calling: Caller) -> Response:
    whose_read("documents", calling.by(Scope()))
    order = (await door_of(request).standings.of(Stream("order", order_id_of(request)))).state
    if order is None:
        raise NotFound()
    scope = scope_of(order)
    grant = may_read("documents", calling.by(scope), scope)
    asked = Asked(
        order=order.id, limit=limit(request, DEFAULT_PAGE, LARGEST_PAGE), cursor=request.query_params.get("cursor")
    )
    return await _told(request, asked, grant)


async def _told(request: Request, asked: Asked, grant: Grant) -> Response:
    """The page and what all of the list comes to; for whom only that is, that alone."""
    async with read_model(door_of(request), request, "invoices") as connection:
        totals = await invoices.sum_documents(connection, asked)
        body: dict[str, Any] = {"totals": totals}
        if grant.only != "totals":
            page = await invoices.list_documents(connection, asked)
            body = {"documents": page.documents, "totals": totals, "cursor": page.next_cursor}
    return Response(msgspec.json.encode(body), media_type="application/json")


def _asked(request: Request, calling: Caller, grant: Grant) -> Asked:
    whose = whose_of(request, calling, grant.whose)
    consumer, seller = identifier(request, "consumer"), identifier(request, "seller")
    # Another's than one's own is nobody's: both conditions would have to hold.
    if whose is not None and whose.role == "consumer":
        consumer = whose.party if consumer in (None, whose.party) else NOBODY
    elif whose is not None:
        seller = whose.party if seller in (None, whose.party) else NOBODY
    return Asked(
        order=identifier(request, "order"),
        consumer=consumer,
        seller=seller,
        kind=one_of(request, "kind", invoices.KINDS),
        issued_from=day(request, "issued_from"),
        issued_to=day(request, "issued_to"),
        open_only=flag(request, "open"),
        limit=limit(request, DEFAULT_PAGE, LARGEST_PAGE),
        cursor=request.query_params.get("cursor"),
    )


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
_ANSWER = json_answer("The documents, the latest first, and what all come to. Analysts read that alone.", _EXAMPLE)

add_read(
    router,
    "/v1/documents",
    documents,
    query("order", "Only of this order.", type="string", format="uuid"),
    query("seller", "Only of this seller.", type="string", format="uuid"),
    query("consumer", "Only of this consumer.", type="string", format="uuid"),
    query("kind", "Only of this kind.", type="string", enum=list(invoices.KINDS)),
    query("issued_from", "Issued on this day or later.", type="string", format="date"),
    query("issued_to", "Issued on this day or earlier.", type="string", format="date"),
    query("open", "Only invoices of which something is still to be paid.", type="boolean"),
    ORGANISATION,
    *in_pages(LARGEST_PAGE),
    WAIT_FOR,
    tag="documents",
    summary="The documents you may see, and what they come to",
    answer=_ANSWER,
)
add_read(
    router,
    "/v1/orders/{order_id}/documents",
    documents_of_order,
    *in_pages(LARGEST_PAGE),
    WAIT_FOR,
    what="documents",
    tag="documents",
    summary="The documents of an order",
    answer=_ANSWER,
)
