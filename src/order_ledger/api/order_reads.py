"""What people read of an order: as it is, as it was at any moment, its timeline, its stored bytes, and live."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from order_ledger.api.callers import Caller
from order_ledger.api.door import Door, door_of
from order_ledger.api.headers import header
from order_ledger.api.openapi import WAIT_FOR, query
from order_ledger.api.order_commands import allowed_to, order_id_of
from order_ledger.api.parameters import instant, version
from order_ledger.api.read_models import caught_up
from order_ledger.api.reading import add_read
from order_ledger.api.timeline import timeline_view
from order_ledger.api.views import Opener, key_ids, order_view, sealed_view, shows_personal_data
from order_ledger.entries import Entry, Event
from order_ledger.journal.standings import Stream
from order_ledger.moments import as_of, as_recorded, until_version
from order_ledger.orders.events import AddressChanged, OrderPlaced
from order_ledger.orders.evolving import fold
from order_ledger.orders.order import Order
from order_ledger.orders.scope import scope_of
from order_ledger.refusals import Invalid, NotFound, Violation
from order_ledger.rights.checks import Scope, may_read, sees, whose_read
from order_ledger.rights.tables import Read

router = APIRouter()

_MOMENT = (
    query("version", "The order as it was after this version.", type="integer", minimum=1),
    query("as_of", "The order as of what had happened by this time.", type="string", format="date-time"),
    query("as_recorded", "The order as of what was known by this time.", type="string", format="date-time"),
)


async def order(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    await caught_up(door, request, "order_status")
    entries, current = await _readable(door, request, calling, "past_versions" if _is_past(request) else "order")
    told = _at_moment(request, entries)
    if not told:
        raise NotFound()
    shown = current if len(told) == len(entries) else fold(told)
    view = order_view(shown, calling.role, _own_lines(shown, calling))
    if len(told) == len(entries):
        view["position"] = entries[-1].position
        view["allowed_commands"] = allowed_to(current, calling)
    if shows_personal_data(shown, calling.role):
        await door.seen(calling, "order", shown.id)
        opener = await _opener(door, told, {"contact", "bill_to", "ship_to"})
        placed = told[0]
        addressed = next(e for e in reversed(told) if isinstance(e.event, OrderPlaced | AddressChanged))
        view |= sealed_view(shown, calling.role, placed, addressed, opener)
    return _json(view, {"ETag": f'"{shown.version}"'})


async def timeline(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    entries, current = await _readable(door, request, calling, "timeline")
    reasons = sees("reasons", calling.role)
    opens = reasons in ("yes", "for_everyone")
    opener = await _opener(door, entries, {"reason", "text"} if opens else set())
    if opens and opener.opens_any:
        await door.seen(calling, "timeline", current.id)
    names = await _names(door, entries) if sees("who", calling.role) in ("name", "id_name_and_role") else {}
    view = [row for entry in entries if (row := timeline_view(entry, calling.role, opener, names)) is not None]
    return _json({"order_id": current.id, "number": current.number, "version": current.version, "timeline": view})


async def events(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    _, current = await _readable(door, request, calling, "stored_bytes")
    async with door.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT state FROM journal.entry WHERE originator_id = %s ORDER BY originator_version", (current.id,)
        )
        rows = await cursor.fetchall()
    await door.seen(calling, "events", current.id)
    return Response(b"".join(bytes(state) + b"\n" for (state,) in rows), media_type="application/x-ndjson")


async def stream(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    _, current = await _readable(door, request, calling, "stream")
    last = header(request, b"last-event-id") or ""
    after = int(last) if last.isdigit() and len(last) < 19 else current.version
    return StreamingResponse(
        _live(door, request, calling, current.id, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _live(door: Door, request: Request, calling: Caller, order_id: UUID, after: int) -> AsyncIterator[bytes]:
    yield b": following\n\n"
    while not await request.is_disconnected():
        standing = await door.standings.of(Stream("order", order_id))
        if standing.version > after:
            entries, _ = await door.standings.entries(Stream("order", order_id))
            opener = Opener(door.writer.codec.ledger, {})
            for entry in entries:
                if entry.version > after and (row := timeline_view(entry, calling.role, opener, {})) is not None:
                    data = msgspec.json.encode({**row, "status": standing.state.state, "reads": standing.state.reads})
                    yield b"id: %d\nevent: %b\ndata: %b\n\n" % (entry.version, str(row["name"]).encode(), data)
            after = standing.version
        await door.signal.wait()


async def _readable(door: Door, request: Request, calling: Caller, read: Read) -> tuple[list[Entry[Event]], Order]:
    """The order's entries and state; raises what the rights say."""
    whose_read(read, calling.by(Scope()))
    found = Stream("order", order_id_of(request))
    standing = await door.standings.of(found)
    if standing.state is None:
        raise NotFound()
    scope = scope_of(standing.state)
    may_read(read, calling.by(scope), scope)
    entries, _ = await door.standings.entries(found, until=standing.version)
    return entries, standing.state


def _is_past(request: Request) -> bool:
    return any(name in request.query_params for name in ("version", "as_of", "as_recorded"))


def _at_moment(request: Request, entries: list[Entry[Event]]) -> list[Entry[Any]]:
    given = [name for name in ("version", "as_of", "as_recorded") if name in request.query_params]
    if len(given) > 1:
        raise Invalid(Violation(f"?{given[1]}", "one_moment", "Give one of version, as_of and as_recorded."))
    if not given:
        return entries
    if (until := version(request, "version")) is not None:
        return until_version(entries, until)
    if (happened_by := instant(request, "as_of")) is not None:
        return as_of(entries, happened_by)
    recorded_by = instant(request, "as_recorded")
    assert recorded_by is not None, "one of the three is given"
    return as_recorded(entries, recorded_by)


def _own_lines(shown: Order, calling: Caller) -> frozenset[int] | None:
    """The lines that a maker or keeper sees: their own."""
    if None in calling.organisations:
        return None
    match calling.role:
        case "manufacturer":
            return frozenset(
                n
                for n, line in shown.lines.items()
                if line.manufacturer and line.manufacturer.id in calling.organisations
            )
        case "warehouse":
            return frozenset(
                n
                for n, line in shown.lines.items()
                if line.ordered.warehouse and line.ordered.warehouse.id in calling.organisations
            )
        case _:
            return None


async def _opener(door: Door, entries: list[Entry[Any]], fields: set[str]) -> Opener:
    ids = key_ids(entries, fields) if fields else set()
    if not ids:
        return Opener(door.writer.codec.ledger, {})
    async with door.pool.connection() as connection:
        return Opener(door.writer.codec.ledger, await door.writer.keyring.read_async(connection, ids))


async def _names(door: Door, entries: list[Entry[Any]]) -> dict[UUID, str]:
    persons = {entry.by.person for entry in entries if entry.by.person is not None}
    if not persons:
        return {}
    async with door.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT person, name FROM personal.contact WHERE person = ANY(%s) AND name IS NOT NULL", (list(persons),)
        )
        return dict(await cursor.fetchall())


def _json(view: object, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(view), 200, headers, "application/json")


for _path, _read, _summary, _parameters in (
    ("", order, "An order, as it is or as it was", (*_MOMENT, WAIT_FOR)),
    ("/timeline", timeline, "What happened to an order, for you to read", ()),
    ("/events", events, "The stored bytes of an order's entries, one a line", ()),
    ("/stream", stream, "What happens to an order, live (server-sent events)", ()),
):
    add_read(router, f"/v1/orders/{{order_id}}{_path}", _read, *_parameters, tag="orders", summary=_summary)
