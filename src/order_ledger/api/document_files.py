"""`GET /v1/documents/{number}.json`, `.pdf` and `.xml`: a document as a file, made from the entry that issued it."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.door import Door, door_of
from order_ledger.api.problems import Faulty, NotAcceptable
from order_ledger.api.reading import add_read
from order_ledger.documents import as_json, as_pdf, as_xml
from order_ledger.documents.files import FileDiffers, hold_against_first
from order_ledger.documents.numbers import FIND, split_number
from order_ledger.documents.opened import SEALED, NotMadeInThisForm, Opened, OpenedInvoice, OpenedReceipt
from order_ledger.entries import Entry
from order_ledger.journal.standings import Stream
from order_ledger.orders.events import ReceiptIssued
from order_ledger.orders.order import Order
from order_ledger.orders.scope import scope_of
from order_ledger.refusals import NotAllowed, NotFound
from order_ledger.rights.checks import Scope, may_read, whose_read
from order_ledger.rights.tables import READS

router = APIRouter()

_FORMS: dict[str, tuple[str, Callable[[Opened], bytes]]] = {
    "json": (as_json.MEDIA_TYPE, as_json.as_json),
    "pdf": (as_pdf.MEDIA_TYPE, as_pdf.as_pdf),
    "xml": (as_xml.MEDIA_TYPE, as_xml.as_xml),
}


async def document(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    grant = whose_read("documents", calling.by(Scope()))
    if grant.only == "totals":
        raise NotAllowed(tuple(role for role, cell in READS["documents"].items() if cell.only != "totals"))
    number, form = request.path_params["number"], request.path_params["form"]
    if form not in _FORMS:
        raise NotFound()
    entry, order = await _issued(door, number)
    scope = scope_of(order)
    may_read("documents", calling.by(scope), scope)
    media_type, make = _FORMS[form]
    opened = await _opened(door, entry, order)
    if not opened.erased:
        await door.seen(calling, f"document:{number}", order.id)
    try:
        # Typesetting takes long enough for others to notice.
        file = await asyncio.to_thread(make, opened)
    except NotMadeInThisForm as reason:
        raise NotAcceptable(str(reason)) from None
    try:
        async with door.pool.connection() as connection:
            digest = await hold_against_first(connection, number, media_type, opened.layout, opened.erased, file)
    except FileDiffers as error:
        raise Faulty(str(error)) from None
    headers = {
        "ETag": f'"{digest}"',
        "Content-Disposition": f'inline; filename="{number}.{form}"',
        "Cache-Control": "private, no-cache",
    }
    return Response(file, 200, headers, media_type)


async def _issued(door: Door, number: str) -> tuple[Entry[Any], Order]:
    """The entry that issued this document, and its order as it is now."""
    named = split_number(number)
    if named is None:
        raise NotFound()
    async with door.pool.connection() as connection:
        row = await (await connection.execute(FIND, named, prepare=True)).fetchone()
    if row is None:
        raise NotFound()
    entry = door.writer.codec.decode(bytes(row[0]))
    order = (await door.standings.of(Stream("order", entry.stream))).state
    assert isinstance(order, Order), "documents are issued for orders"
    return entry, order


async def _opened(door: Door, entry: Entry[Any], order: Order) -> Opened:
    """The document with what is sealed in it. A key that is gone leaves nothing; one that does not fit is a fault."""
    event = entry.event
    sealed = {name: value for name in SEALED if (value := getattr(event, name, None)) is not None}
    async with door.pool.connection() as connection:
        keys = await door.writer.keyring.read_async(connection, {value.sealed for value in sealed.values()})
    plain: dict[str, Any] = {}
    for name, value in sealed.items():
        key = keys[value.sealed]
        if key is not None:
            plain[name] = key.open(value, door.writer.codec.ledger, entry.stream, entry.version, name, SEALED[name])
    if isinstance(event, ReceiptIssued):
        return OpenedReceipt(event, plain.get("payer"), order.placed.language)
    return OpenedInvoice(event, plain.get("buyer"), plain.get("ship_to"))


_NUMBER = {
    "name": "number",
    "in": "path",
    "required": True,
    "description": "The document's number.",
    "schema": {"type": "string"},
    "example": "ACME-INV-2026-000001",
}
_FORM = {
    "name": "form",
    "in": "path",
    "required": True,
    "description": "json; pdf, which is PDF/A-3 with the XML inside (Factur-X); or xml (EN 16931, CII).",
    "schema": {"type": "string", "enum": list(_FORMS)},
    "example": "pdf",
}
_FILE = {
    "description": "The file. The same document gives the same bytes; the ETag is their SHA-256.",
    "content": {
        "application/json": {
            "schema": {"type": "object"},
            "example": {"number": "ACME-INV-2026-000001", "kind": 380},
        },
        "application/pdf": {"schema": {"type": "string", "format": "binary"}},
        "application/xml": {"schema": {"type": "string"}},
    },
}

add_read(
    router,
    "/v1/documents/{number}.{form}",
    document,
    _NUMBER,
    _FORM,
    tag="documents",
    summary="A document as a file",
    answer=_FILE,
    refused=("406",),
)
