"""`POST /v1/orders` and `POST /v1/orders/{order_id}/{command}`: what is asked of orders."""

from collections.abc import Iterable, Mapping
from typing import Any, cast
from uuid import UUID, uuid5

from fastapi import APIRouter
from msgspec import Struct
from msgspec.structs import replace
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller, calling_as, person_of
from order_ledger.api.commanding import (
    CallersHandler,
    Handler,
    answer,
    answered,
    cause_of,
    expected_version,
    facts,
    now,
    parse,
    refusals_answered,
)
from order_ledger.api.door import Door, body_of, door_of
from order_ledger.api.openapi import command_operation
from order_ledger.api.views import Opener, key_ids
from order_ledger.identifiers import uuid7
from order_ledger.items.item import Item, item_id
from order_ledger.journal.standings import Standing, Stream
from order_ledger.journal.writer import Decision, Written
from order_ledger.orders.commands import COMMANDS, Command, OrderCommand, Place, ResolveReturn
from order_ledger.orders.decisions import AllowedCommand, Context, allowed_commands, decide, exchange_order
from order_ledger.orders.events import AddressChanged, OrderPlaced
from order_ledger.orders.order import Order
from order_ledger.orders.scope import scope_of
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.refusals import Blocker, Invalid, NotFound, Refusal, Refused, Stale
from order_ledger.rights.checks import Scope, may, reaching, whose
from order_ledger.values import Address, Contact

router = APIRouter()

_NO_COMMAND = UUID(int=0)
"""Who only looks at what is allowed gives no command."""


async def place(request: Request) -> Response:
    """Checked in the same order as every command; what the database is asked for is asked in one question.

    Therefore the body is read first, and what is wrong with it is told in its turn.
    """
    door = door_of(request)
    person = Stream("person", person_of(request, door.tokens))
    try:
        body = await body_of(request)
        command, wrong = parse(Place, body), None
    except Invalid as invalid:
        body, command, wrong = b"", None, invalid
    wanted = _wanted(command) if command is not None else {}
    sellers = [Stream("organisation", command.seller)] if command is not None else []
    found = await door.standings.glance([person, *sellers, *wanted.values()])
    calling = request.scope["calling"] = calling_as(request, person.id, found[person.id].state)
    consumer = calling.on_behalf_of or calling.person
    scope = Scope(consumer=consumer)
    by = calling.by(scope)
    may("place", by, scope)
    key = door.key(request, calling.person, calling, body)
    if command is None:
        assert wrong is not None
        raise wrong
    stream, identity = Stream("order", uuid7()), uuid7()
    cause = cause_of(by, command, identity, consumer)
    context = Context(
        now=now(),
        by=by,
        command=identity,
        order_id=stream.id,
        listings={sku: state for sku, each in wanted.items() if (state := found[each.id].state) is not None},
        seller=found[command.seller].state,
    )

    def decided(_: Mapping[UUID, Standing]) -> Decision:
        return Decision({stream.id: facts(decide(None, command, context), command, context.now)}, cause)

    written = await door.writer.write(key, [stream], decided, new=True)
    return told(written, next(iter(written.standings)), calling, 201)


def _wanted(command: Place) -> dict[str, Stream]:
    """The items that are ordered, by SKU."""
    return {line.sku: Stream("item", item_id(line.seller or command.seller, line.sku)) for line in command.lines}


def on_order(command_type: type[Command]) -> CallersHandler:
    """The handler of one command on an order."""

    async def handle(request: Request, calling: Caller) -> Response:
        door = door_of(request)
        whose(command_type.name, calling.by(Scope()))
        stream = Stream("order", order_id_of(request))
        order = await _order(door, stream)
        may(command_type.name, calling.by(scope_of(order)), scope_of(order))
        body = await body_of(request)
        key = door.key(request, stream.id, calling, body)
        command = cast(OrderCommand, parse(command_type, body))
        scope = scope_of(order, command)
        by = calling.by(scope)
        may(command_type.name, by, scope)
        expected = expected_version(request)
        identity = uuid7()
        cause = cause_of(by, command, identity, order.consumer)
        listings, organisations = await _related(door, order, command)
        exchange = await _exchange_of(door, order, command, identity)
        streams = [stream] if exchange is None else [stream, exchange.stream]

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
            events = decide(state, command, context)
            made = {stream.id: facts(events, command, moment)}
            if exchange is not None:
                there = replace(context, order_id=exchange.stream.id)
                begun = exchange_order(state, events, exchange.contact, exchange.bill_to, exchange.ship_to, there)
                made[exchange.stream.id] = facts(begun, command, moment)
            return Decision(made, cause)

        try:
            written = await door.writer.write(
                key, streams, decided, expected=(stream.id, expected) if expected is not None else None
            )
        except Refusal as refusal:
            refusal.beside = await _beside(door, stream, calling, refusal)
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


def allowed_to(order: Order, calling: Caller) -> list[AllowedCommand]:
    """The commands of this person's role that reach this order, each with what is in its way."""
    scope = scope_of(order)
    by = calling.by(scope)
    context = Context(now=now(), by=by, command=_NO_COMMAND, order_id=order.id)
    return list(allowed_commands(order, by, context, reaching(by, scope)))


def order_id_of(request: Request) -> UUID:
    """The id in the path; what is no id names no order."""
    try:
        return UUID(request.path_params["order_id"])
    except ValueError:
        raise NotFound() from None


async def _order(door: Door, stream: Stream) -> Order:
    order: Order | None = (await door.standings.of(stream)).state
    if order is None:
        raise NotFound()
    return order


async def _beside(door: Door, stream: Stream, calling: Caller, refusal: Refusal) -> dict[str, Any]:
    """What stands beside a refusal: what was missed, or what is allowed instead."""
    if isinstance(refusal, Stale):
        entries, _ = await door.standings.entries(stream)
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
    found = await door.standings.glance([*items.values(), *(Stream("organisation", each) for each in organisations)])
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


class _Exchange(Struct, frozen=True):
    """The order that is placed in exchange, and what of the first one is sealed in it anew."""

    stream: Stream
    contact: Contact
    bill_to: Address
    ship_to: Address


async def _exchange_of(door: Door, order: Order, command: Command, identity: UUID) -> _Exchange | None:
    """Where units are exchanged; raises `Refused` where the consumer was forgotten meanwhile."""
    if not isinstance(command, ResolveReturn) or not any(line.how == "exchange" for line in command.lines):
        return None
    entries, _ = await door.standings.entries(Stream("order", order.id))
    async with door.pool.connection() as connection:
        keys = await door.writer.keyring.read_async(connection, key_ids(entries, {"contact", "bill_to", "ship_to"}))
    opener = Opener(door.writer.codec.ledger, keys)
    addressed = next(entry for entry in reversed(entries) if isinstance(entry.event, OrderPlaced | AddressChanged))
    contact, bill_to = opener.open(entries[0], "contact"), opener.open(entries[0], "bill_to")
    ship_to = opener.open(addressed, "ship_to")
    if not (isinstance(contact, Contact) and isinstance(bill_to, Address) and isinstance(ship_to, Address)):
        raise Refused(Blocker("erased", "The consumer was forgotten: there is no address to send an exchange to."))
    new = command.exchange_order or uuid5(identity, "exchange")
    return _Exchange(Stream("order", new), contact, bill_to, ship_to)


def _add(path: str, name: str, model: type[BaseModel], handler: Handler, status: int = 200) -> None:
    router.add_api_route(
        path,
        handler,
        methods=["POST"],
        status_code=status,
        name=name,
        tags=["orders"],
        openapi_extra=command_operation(model),
        summary=name.replace("-", " ").capitalize(),
        description=model.__doc__,
        response_model=None,
    )


_add("/v1/orders", "place", Place, refusals_answered("place", place), 201)
for _name, _command in COMMANDS.items():
    if _command is not Place:
        _add(f"/v1/orders/{{order_id}}/{_name}", _name, _command, answered(_name, on_order(_command)))
