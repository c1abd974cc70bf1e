"""`/v1/items` and `/v1/stock`: what is sold, and how much of it is there."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.commanding import CallersHandler, answer, answered, cause_of, expected_version, facts, now, parse
from order_ledger.api.door import Door, body_of, door_of
from order_ledger.api.openapi import command_operation, in_pages, query
from order_ledger.api.pages import after_cursor, cursor_of, listed
from order_ledger.api.parameters import identifier, limit
from order_ledger.api.reading import add_read
from order_ledger.identifiers import uuid7
from order_ledger.items import decisions as item_decisions
from order_ledger.items.commands import ChangePrice, DelistItem, ListItem
from order_ledger.items.item import Item, item_id, stock_id
from order_ledger.journal.standings import Standing, Stream
from order_ledger.journal.writer import Decision
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.queries.pages import DEFAULT_PAGE, LARGEST_PAGE
from order_ledger.refusals import NotFound
from order_ledger.rights.checks import Scope, may, whose, whose_read
from order_ledger.stock import decisions as stock_decisions
from order_ledger.stock.commands import AdjustStock, ReceiveStock
from order_ledger.stock.stock import Stock
from order_ledger.values import Organisation

router = APIRouter()


async def list_item(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    whose("list", calling.by(Scope(kind="item")), "item")
    body = await body_of(request)
    key = door.key(request, calling.person, calling, body)
    command = parse(ListItem, body)
    scope = Scope(kind="item", seller=command.seller)
    by = calling.by(scope)
    may("list", by, scope)
    stream, identity = Stream("item", item_id(command.seller, command.sku)), uuid7()
    named = [each for each in (command.seller, command.manufacturer, command.warehouse) if each is not None]
    parties = await door.standings.of_all([Stream("organisation", each) for each in named])

    def party(organisation: UUID | None, kind: str) -> Organisation | None:
        registered: RegisteredOrganisation | None = parties[organisation].state if organisation is not None else None
        return registered.named if registered is not None and kind in registered.kinds else None

    seller: RegisteredOrganisation | None = parties[command.seller].state

    def decided(standings: Mapping[UUID, Standing]) -> Decision:
        moment = now()
        context = item_decisions.Context(
            now=moment,
            by=by,
            command=identity,
            stream=stream.id,
            seller=party(command.seller, "seller"),
            seller_currency=seller.currency if seller is not None else None,
            manufacturer=party(command.manufacturer, "manufacturer"),
            warehouse=party(command.warehouse, "warehouse"),
        )
        made = item_decisions.decide(standings[stream.id].state, command, context)
        return Decision({stream.id: facts(made, command, moment)}, cause_of(by, command, identity, None))

    written = await door.writer.write(key, [stream], decided)
    return answer(written, stream.id, item_view(written.standings[stream.id].state), 201)


def on_item(command_type: type[DelistItem] | type[ChangePrice]) -> CallersHandler:
    """The handler of one command on an item."""

    async def handle(request: Request, calling: Caller) -> Response:
        door = door_of(request)
        whose(command_type.name, calling.by(Scope(kind="item")), "item")
        item = await _item(door, request)
        scope = Scope(kind="item", seller=item.seller.id)
        by = calling.by(scope)
        may(command_type.name, by, scope)
        body = await body_of(request)
        key = door.key(request, item.id, calling, body)
        command = parse(command_type, body)
        expected, identity = expected_version(request), uuid7()

        def decided(standings: Mapping[UUID, Standing]) -> Decision:
            moment = now()
            context = item_decisions.Context(now=moment, by=by, command=identity, stream=item.id)
            made = item_decisions.decide(standings[item.id].state, command, context)
            return Decision({item.id: facts(made, command, moment)}, cause_of(by, command, identity, None))

        written = await door.writer.write(
            key, [Stream("item", item.id)], decided, expected=None if expected is None else (item.id, expected)
        )
        return answer(written, item.id, item_view(written.standings[item.id].state))

    return handle


def on_stock(command_type: type[ReceiveStock] | type[AdjustStock]) -> CallersHandler:
    """The handler of one command on an item's stock."""

    async def handle(request: Request, calling: Caller) -> Response:
        door = door_of(request)
        whose(command_type.name, calling.by(Scope(kind="stock")), "stock")
        item = await _item(door, request)
        scope = Scope(kind="stock", seller=item.seller.id, keepers=_keepers(item))
        by = calling.by(scope)
        may(command_type.name, by, scope)
        stream = Stream("stock", stock_id(item.seller.id, item.sku))
        body = await body_of(request)
        key = door.key(request, stream.id, calling, body)
        command = parse(command_type, body)
        expected, identity = expected_version(request), uuid7()

        def decided(standings: Mapping[UUID, Standing]) -> Decision:
            moment = now()
            context = stock_decisions.Context(now=moment, by=by, command=identity, stream=stream.id)
            made = stock_decisions.decide(standings[stream.id].state, command, context)
            return Decision({stream.id: facts(made, command, moment)}, cause_of(by, command, identity, None))

        written = await door.writer.write(
            key, [stream], decided, expected=None if expected is None else (stream.id, expected)
        )
        return answer(written, stream.id, stock_view(item, written.standings[stream.id].state))

    return handle


async def item(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    whose_read("catalogue", calling.by(Scope()))
    found = await _item(door, request)
    return Response(msgspec.json.encode(item_view(found)), media_type="application/json")


async def items(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    whose_read("catalogue", calling.by(Scope()))
    size = limit(request, DEFAULT_PAGE, LARGEST_PAGE)
    found = await listed(door, "ItemListed", after_cursor(request), size)
    states = await door.standings.of_all([Stream("item", each) for each, _ in found])
    seller = identifier(request, "seller")
    shown = [
        item_view(states[each].state)
        for each, _ in found
        if (seller is None or states[each].state.seller.id == seller) and states[each].state.listed
    ]
    body = {"items": shown, "cursor": cursor_of(found[-1][1]) if len(found) == size else None}
    return Response(msgspec.json.encode(body), media_type="application/json")


async def stock(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    whose_read("stock_figures", calling.by(Scope()))
    found = await _item(door, request)
    scope = Scope(kind="stock", seller=found.seller.id, keepers=_keepers(found))
    by = calling.by(scope)
    if calling.role in ("ip_owner", "warehouse") and by.organisation not in {scope.seller, *scope.keepers}:
        raise NotFound()
    stream = Stream("stock", stock_id(found.seller.id, found.sku))
    standing = await door.standings.of(stream)
    view = stock_view(found, standing.state or Stock(stream.id)) | {"version": standing.version}
    return Response(msgspec.json.encode(view), media_type="application/json")


def item_view(found: Item) -> dict[str, Any]:
    return {"item_id": found.id, **{k: v for k, v in msgspec.structs.asdict(found).items() if k != "id"}}


def stock_view(found: Item, state: Stock) -> dict[str, Any]:
    return {
        "item_id": found.id,
        "sku": found.sku,
        "seller": found.seller,
        "on_hand": state.on_hand,
        "reserved": state.reserved,
        "available": state.available,
    }


def _keepers(found: Item) -> frozenset[UUID | None]:
    return frozenset({found.warehouse.id if found.warehouse is not None else None})


async def _item(door: Door, request: Request) -> Item:
    try:
        stream = Stream("item", UUID(request.path_params["item_id"]))
    except ValueError:
        raise NotFound() from None
    found: Item | None = (await door.standings.of(stream)).state
    if found is None:
        raise NotFound()
    return found


def _post(path: str, name: str, tag: str, model: type[BaseModel], handler: Any, status: int = 200) -> None:
    router.add_api_route(
        path,
        answered(name, handler),
        methods=["POST"],
        status_code=status,
        name=name,
        tags=[tag],
        summary=name.replace("-", " ").capitalize(),
        description=model.__doc__,
        openapi_extra=command_operation(model, str(status)),
        response_model=None,
    )


_post("/v1/items", "list", "items", ListItem, list_item, 201)
_post("/v1/items/{item_id}/delist", "delist", "items", DelistItem, on_item(DelistItem))
_post("/v1/items/{item_id}/change-price", "change-price", "items", ChangePrice, on_item(ChangePrice))
_post("/v1/stock/{item_id}/receive-stock", "receive-stock", "stock", ReceiveStock, on_stock(ReceiveStock))
_post("/v1/stock/{item_id}/adjust-stock", "adjust-stock", "stock", AdjustStock, on_stock(AdjustStock))
add_read(
    router,
    "/v1/items",
    items,
    query("seller", "Only this seller's.", type="string", format="uuid"),
    *in_pages(LARGEST_PAGE),
    tag="items",
    summary="Items that are offered",
)
add_read(router, "/v1/items/{item_id}", item, tag="items", summary="An item")
add_read(router, "/v1/stock/{item_id}", stock, tag="stock", summary="How much of an item is there")
