"""`/v1/organisations` and `/v1/persons`: who takes part, and who may act for whom."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.callers import Caller
from order_ledger.api.commanding import CallersHandler, answer, answered, cause_of, expected_version, facts, now, parse
from order_ledger.api.door import Door, body_of, door_of
from order_ledger.api.openapi import command_operation, in_pages
from order_ledger.api.pages import after_cursor, cursor_of, listed
from order_ledger.api.parameters import limit
from order_ledger.api.reading import add_read
from order_ledger.api.views import ERASED
from order_ledger.entries import Event, Kind
from order_ledger.identifiers import uuid7
from order_ledger.journal.contacts import remember_contact
from order_ledger.journal.standings import Standing, Stream
from order_ledger.journal.writer import Decision, Written
from order_ledger.parties.commands import (
    ChangeContact,
    ChangeOrganisation,
    ChoosePreferences,
    GrantRole,
    RegisterOrganisation,
    RegisterPerson,
    WithdrawRole,
)
from order_ledger.parties.decisions import Context, decide_organisation, decide_person
from order_ledger.parties.events import RoleGranted, RoleWithdrawn
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.parties.person import Person
from order_ledger.queries.pages import DEFAULT_PAGE, LARGEST_PAGE
from order_ledger.refusals import NotFound
from order_ledger.rights.checks import Scope, may, may_read, whose
from order_ledger.rights.tables import Of, Read

router = APIRouter()


def on_party(kind: Kind, command_type: type[Any], *, begins: bool) -> CallersHandler:
    """The handler of one command on an organisation or a person."""

    async def handle(request: Request, calling: Caller) -> Response:
        door, name = door_of(request), command_type.name
        of: Of = "organisation" if kind == "organisation" else "person"
        grant = whose(name, calling.by(Scope(kind=of)), of)
        if begins:
            stream = Stream(kind, calling.person if grant.whose == "self" else uuid7())
        else:
            stream = Stream(kind, _id_of(request, kind))
            if (await door.standings.of(stream)).state is None:
                raise NotFound()
        scope = Scope(kind=of, organisation=stream.id, person=stream.id)
        by = calling.by(scope)
        may(name, by, scope)
        body = await body_of(request)
        key = door.key(request, calling.person if begins else stream.id, calling, body)
        command = parse(command_type, body)
        expected, identity = expected_version(request), uuid7()
        related = await _related(door, command)

        def decided(standings: Mapping[UUID, Standing]) -> Decision:
            moment = now()
            context = Context(now=moment, by=by, command=identity, stream=stream.id, **related)
            state = standings[stream.id].state
            made: Sequence[Event] = (
                decide_organisation(state, command, context)
                if kind == "organisation"
                else decide_person(state, command, context)
            )
            sealed_for = stream.id if kind == "person" else None
            return Decision(
                {stream.id: facts(tuple(made), command, moment)}, cause_of(by, command, identity, sealed_for)
            )

        written = await door.writer.write(
            key, [stream], decided, expected=None if expected is None else (stream.id, expected)
        )
        written_stream = next(iter(written.standings))
        if isinstance(command, RegisterPerson | ChangeContact):
            async with door.pool.connection() as connection:
                await remember_contact(connection, written_stream, command.contact)
        return answer(written, written_stream, _view_of(kind, written, written_stream), 201 if begins else 200)

    return handle


async def organisations(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    scope = Scope(kind="organisation")
    size = limit(request, DEFAULT_PAGE, LARGEST_PAGE)
    found = await listed(door, "OrganisationRegistered", after_cursor(request), size)
    states = await door.standings.of_all([Stream("organisation", each) for each, _ in found])
    shown = []
    for each, _ in found:
        scope = Scope(kind="organisation", organisation=each)
        try:
            grant = may_read("organisations", calling.by(scope), scope)
        except NotFound:
            continue
        state: RegisteredOrganisation = states[each].state
        shown.append(
            {"organisation_id": each, "name": state.name} if grant.only == "names" else organisation_view(state)
        )
    body = {"organisations": shown, "cursor": cursor_of(found[-1][1]) if len(found) == size else None}
    return Response(msgspec.json.encode(body), media_type="application/json")


async def organisation(request: Request, calling: Caller) -> Response:
    state, only = await _read(request, calling, "organisation", "organisations")
    view = {"organisation_id": state.id, "name": state.name} if only == "names" else organisation_view(state)
    return Response(msgspec.json.encode(view), media_type="application/json")


async def person(request: Request, calling: Caller) -> Response:
    door = door_of(request)
    state, only = await _read(request, calling, "person", "persons")
    await door.seen(calling, "person", state.id)
    async with door.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT name, company, email, phone FROM personal.contact WHERE person = %s", (state.id,)
        )
        row = await cursor.fetchone()
    contact = dict(zip(("name", "company", "email", "phone"), row, strict=True)) if row else ERASED
    view = {"person_id": state.id, "contact": contact}
    if only != "contacts":
        view |= {k: v for k, v in person_view(state).items() if k != "person_id"}
    return Response(msgspec.json.encode(view), media_type="application/json")


async def myself(request: Request, calling: Caller) -> Response:
    """Who is logged in, and the roles they hold."""
    standing = await door_of(request).standings.of(Stream("person", calling.person))
    view = person_view(standing.state) | {"role": calling.role}
    return Response(msgspec.json.encode(view), media_type="application/json")


def organisation_view(state: RegisteredOrganisation) -> dict[str, Any]:
    told = {key: value for key, value in msgspec.structs.asdict(state).items() if key != "id"}
    return {"organisation_id": state.id, "name": state.name, **told}


def person_view(state: Person) -> dict[str, Any]:
    return {
        "person_id": state.id,
        "language": state.language,
        "roles": [
            {"role": role, "organisation": where}
            for role, where in sorted(state.roles, key=lambda r: (r[0], str(r[1])))
        ],
        "preferences": state.preferences,
        "forgotten": sorted(state.forgotten),
    }


def _view_of(kind: Kind, written: Written, stream: UUID) -> dict[str, Any]:
    state = written.standings[stream].state
    return organisation_view(state) if kind == "organisation" else person_view(state)


async def _read(request: Request, calling: Caller, kind: Kind, read: Read) -> tuple[Any, str]:
    stream = Stream(kind, _id_of(request, kind))
    scope = Scope(kind="organisation" if kind == "organisation" else "person", organisation=stream.id, person=stream.id)
    grant = may_read(read, calling.by(scope), scope)
    state = (await door_of(request).standings.of(stream)).state
    if state is None:
        raise NotFound()
    return state, grant.only


async def _related(door: Door, command: object) -> dict[str, Any]:
    """What a decision about a party must know beside it."""
    if isinstance(command, RegisterOrganisation):
        return {"code_taken": command.code in await _codes(door)}
    if isinstance(command, GrantRole) and command.organisation is not None:
        standing = await door.standings.of(Stream("organisation", command.organisation))
        return {"organisation": standing.state}
    if isinstance(command, WithdrawRole) and command.role == "administrator":
        return {"administrators": await _administrators(door)}
    return {}


async def _codes(door: Door) -> set[str]:
    found = await listed(door, "OrganisationRegistered", 0, 100_000)
    states = await door.standings.of_all([Stream("organisation", each) for each, _ in found])
    return {standing.state.code for standing in states.values()}


async def _administrators(door: Door) -> int:
    async with door.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT state, number FROM journal.register "
            "WHERE heading IN ('RoleGranted', 'RoleWithdrawn') ORDER BY number"
        )
        rows = await cursor.fetchall()
    holders: set[UUID] = set()
    for state, position in rows:
        entry = door.writer.codec.decode(bytes(state), position)
        match entry.event:
            case RoleGranted(role="administrator"):
                holders.add(entry.stream)
            case RoleWithdrawn(role="administrator"):
                holders.discard(entry.stream)
            case _:
                pass
    return len(holders)


def _id_of(request: Request, kind: Kind) -> UUID:
    try:
        return UUID(request.path_params[f"{kind}_id"])
    except ValueError:
        raise NotFound() from None


_COMMANDS: tuple[tuple[Kind, str, type[Any], bool], ...] = (
    ("organisation", "/v1/organisations", RegisterOrganisation, True),
    ("organisation", "/v1/organisations/{organisation_id}/change-organisation", ChangeOrganisation, False),
    ("person", "/v1/persons", RegisterPerson, True),
    ("person", "/v1/persons/{person_id}/change-contact", ChangeContact, False),
    ("person", "/v1/persons/{person_id}/choose-preferences", ChoosePreferences, False),
    ("person", "/v1/persons/{person_id}/grant-role", GrantRole, False),
    ("person", "/v1/persons/{person_id}/withdraw-role", WithdrawRole, False),
)
for _kind, _path, _command, _begins in _COMMANDS:
    router.add_api_route(
        _path,
        answered(_command.name, on_party(_kind, _command, begins=_begins)),
        methods=["POST"],
        status_code=201 if _begins else 200,
        name=_command.name,
        tags=["parties"],
        summary=_command.name.replace("-", " ").capitalize(),
        description=_command.__doc__,
        openapi_extra=command_operation(_command, "201" if _begins else "200"),
        response_model=None,
    )

add_read(
    router,
    "/v1/organisations",
    organisations,
    *in_pages(LARGEST_PAGE),
    tag="parties",
    summary="The organisations you may see",
)
for _path, _handler, _summary in (
    ("/v1/organisations/{organisation_id}", organisation, "An organisation"),
    ("/v1/persons/{person_id}", person, "A person"),
    ("/v1/me", myself, "Who is logged in, and the roles they hold"),
):
    add_read(router, _path, _handler, tag="parties", summary=_summary)
