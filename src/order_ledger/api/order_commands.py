"""`POST /v1/orders` and `POST /v1/orders/{order_id}/{command}`: what is asked of orders."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.commanding import Handler, answer, answered, cause_of, expected_version, facts, now, parse
from order_ledger.api.door import Door, body_of, door_of
from order_ledger.api.openapi import command_operation
from order_ledger.entries import By
from order_ledger.identifiers import uuid7
from order_ledger.items.item import Item, item_id
from order_ledger.journal.writer import Decision, Standing, Stream, Written
from order_ledger.orders.commands import COMMANDS, Command, Place, ResolveReturn
from order_ledger.orders.decisions import Context, allowed_commands, decide, exchange_order
from order_ledger.orders.order import Order
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.refusals import NotFound, Refusal, Stale
from order_ledger.rights import Scope, may, whose

router = APIRouter()


def scope_of(order: Order, command: object = None) -> Scope:
    """What the rights must know of this order, and of the lines and the shipment that the command names."""
    named = named_lines(command)
    lines = [line for line in order.lines.values() if line.line in named] if named else list(order.goods)
    shipment = order.shipments.get(getattr(command, "shipment", None) or UUID(int=0))
    senders = [shipment] if shipment is not None else list(order.shipments.values())
    return Scope(
        consumer=order.consumer,
        seller=order.seller.id,
        makers=frozenset(line.manufacturer.id if line.manufacturer else None for line in lines),
        keepers=frozenset(line.ordered.warehouse.id if line.ordered.warehouse else None for line in lines),
        senders=frozenset(each.sender.id for each in senders if each.sender is not None),
        names_lines=bool(named),
    )


def named_lines(command: object) -> frozenset[int]:
    """The lines that a command names."""
    one = getattr(command, "line", None)
    many = getattr(command, "lines", ())
    return frozenset(([one] if one is not None else []) + [getattr(each, "line", each) for each in many])


async def place(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    consumer = calling.on_behalf_of or calling.person
    by = calling.by(Scope(consumer=consumer))
    may("place", by, Scope(consumer=consumer))
    body = await body_of(request)
    key = door.key(request, calling.person, calling, body)
    command = parse(Place, body)
    order_id, identity, seller_stream = uuid7(), uuid7(), Stream("organisation", command.seller)
    wanted = {line.sku: Stream("item", item_id(line.seller or command.seller, line.sku)) for line in command.lines}
    related = await door.writer.standings([seller_stream, *wanted.values()])
    cause = cause_of(by, command, identity, consumer)
    stream = Stream("order", order_id)

    def decided(standings: Mapping[UUID, Standing]) -> Decision:
        moment = now()
        context = Context(
            now=moment,
            by=by,
            command=identity,
            order_id=order_id,
            listings={sku: state for sku, each in wanted.items() if (state := related[each.id].state) is not None},
            seller=related[command.seller].state,
        )
        return Decision({order_id: facts(decide(None, command, context), command, moment)}, cause)

    written = await door.writer.write(key, [stream], decided, new=True)
    return told(written, next(iter(written.standings)), calling, 201)


def on_order(command_type: type[Command]) -> Handler:
    """The handler of one command on an order."""

    async def handle(request: Request, calling: Caller) -> Response:
        door = door_of(request)
        whose(command_type.name, calling.by(Scope()))
        stream = Stream("order", order_id_of(request))
        order = await _order(door, stream)
        may(command_type.name, calling.by(scope_of(order)), scope_of(order))
        body = await body_of(request)
        key = door.key(request, stream.id, calling, body)
        command = parse(command_type, body)
        scope = scope_of(order, command)
        by = calling.by(scope)
        may(command_type.name, by, scope)
        expected = expected_version(request)
        identity = uuid7()
        cause = cause_of(by, command, identity, order.consumer)
        listings, organisations = await _related(door, order, command)
        streams, exchanged = [stream], _exchange_of(order, command, identity)
        if exchanged is not None:
            streams.append(Stream("order", exchanged))

        def decided(standings: Mapping[UUID, Standing]) -> Decision:
            moment, state = now(), standings[stream.id].state
            context = Context(
                now=moment,
                by=by,
                command=identity,
                order_id=stream.id,
                listings=listings,
                seller=organisations.get(order.seller.id),
                organisations=organisations,
            )
            made = {stream.id: facts(decide(state, command, context), command, moment)}
            if exchanged is not None and made[stream.id]:
                assert isinstance(command, ResolveReturn)
                made[exchanged] = facts((exchange_order(state, command, context),), command, moment)
            return Decision(made, cause)

        try:
            written = await door.writer.write(
                key, streams, decided, expected=(stream.id, expected) if expected is not None else None
            )
        except Refusal as refusal:
            refusal.more = await _beside(door, stream, calling, refusal)  # type: ignore[attr-defined]
            raise
        return told(written, stream.id, calling)

    return handle


def told(written: Written, order_id: UUID, calling: Caller, status: int = 200) -> Response:
    """The answer to a command on an order. What is allowed is as of the answer's own state."""
    order: Order = written.standings[order_id].state
    return answer(
        written,
        order_id,
        {
            "order_id": order_id,
            "number": order.number,
            "status": order.state,
            "allowed_commands": allowed_to(order, calling),
        },
        status,
    )


def allowed_to(order: Order, calling: Caller) -> list[Any]:
    """The commands of this person's role that reach this order, each with what is in its way."""
    scope = scope_of(order)
    by = calling.by(scope)
    context = Context(now=now(), by=by, command=UUID(int=0), order_id=order.id)
    return [each for each in allowed_commands(order, by, context) if _reaches(each.name, by, scope)]


def order_id_of(request: Request) -> UUID:
    """The id in the path; what is no id names no order."""
    try:
        return UUID(request.path_params["order_id"])
    except ValueError:
        raise NotFound() from None


async def _order(door: Door, stream: Stream) -> Order:
    order: Order | None = (await door.writer.standing(stream)).state
    if order is None:
        raise NotFound()
    return order


async def _beside(door: Door, stream: Stream, calling: Caller, refusal: Refusal) -> dict[str, Any]:
    """What stands beside a refusal: what was missed, or what is allowed instead."""
    if isinstance(refusal, Stale):
        entries, _ = await door.writer.entries(stream)
        missed = [entry for entry in entries if entry.version > refusal.expected]
        return {"missed": [{"version": entry.version, "name": type(entry.event).__name__} for entry in missed]}
    if refusal.code in ("unavailable", "idempotency_key_reused", "idempotency_key_in_flight"):
        return {}
    return {"allowed_commands": allowed_to(await _order(door, stream), calling)}


async def _related(
    door: Door, order: Order, command: Command
) -> tuple[dict[str, Item], dict[UUID, RegisteredOrganisation]]:
    """The items by SKU and the organisations by id that the decision may look at, as they stand now."""
    skus = set(_skus(command))
    if isinstance(command, ResolveReturn) and (returned := order.returns.get(command.rma)) is not None:
        skus |= {each.sku for each in returned.exchange_for}
    items = {sku: Stream("item", item_id(order.seller.id, sku)) for sku in skus}
    organisations = {order.seller.id, *_organisations(command)}
    found = await door.writer.standings([*items.values(), *(Stream("organisation", each) for each in organisations)])
    return (
        {sku: state for sku, each in items.items() if (state := found[each.id].state) is not None},
        {each: state for each in organisations if (state := found[each].state) is not None},
    )


def _skus(command: Command) -> Iterable[str]:
    for each in (*getattr(command, "outcomes", ()), *getattr(command, "exchange_for", ())):
        if sku := getattr(each, "sku", None):
            yield sku


def _organisations(command: Command) -> Iterable[UUID]:
    for name in ("manufacturer", "send_to"):
        if (given := getattr(command, name, None)) is not None:
            yield getattr(given, "id", given)


def _exchange_of(order: Order, command: Command, identity: UUID) -> UUID | None:
    """The new order's id, where units are exchanged."""
    if isinstance(command, ResolveReturn) and any(line.how == "exchange" for line in command.lines):
        return command.exchange_order or uuid7()
    return None


def _reaches(name: str, by: By, scope: Scope) -> bool:
    try:
        may(name, by, scope)
    except Refusal:
        return False
    return True


def _add(path: str, name: str, model: type[BaseModel], handler: Handler, status: int = 200) -> None:
    router.add_api_route(
        path,
        answered(name, handler),  # type: ignore[arg-type]
        methods=["POST"],
        status_code=status,
        name=name,
        tags=["orders"],
        openapi_extra=command_operation(model),
        summary=name.replace("-", " ").capitalize(),
        description=model.__doc__,
        response_model=None,
    )


_add("/v1/orders", "place", Place, place, 201)  # type: ignore[arg-type]
for _name, _command in COMMANDS.items():
    if _command is not Place:
        _add(f"/v1/orders/{{order_id}}/{_name}", _name, _command, on_order(_command))
