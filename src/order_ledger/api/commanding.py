"""How a command comes in, whatever it is about: checked in one order, decided, appended, answered.

401, 403, 404, 400 (the key), 422, 412, 409: the body is not looked at before its turn, so that nobody learns from
an error in it what they may not see.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from order_ledger.api.access_log import Access
from order_ledger.api.callers import Caller
from order_ledger.api.door import door_of
from order_ledger.api.headers import header
from order_ledger.api.problems import problem
from order_ledger.entries import By, Cause, CommandRef, Event, Fact
from order_ledger.journal.standings import Standing
from order_ledger.journal.writer import Written
from order_ledger.refusals import Invalid, Refusal, Unauthenticated, Unavailable, Violation
from order_ledger.values import Unsealed, unsealed

Handler = Callable[[Request], Awaitable[Response]]
CallersHandler = Callable[[Request, Caller], Awaitable[Response]]


def answered(what: str, handler: CallersHandler) -> Handler:
    """The handler once it is known who is calling, with every refusal answered and written down."""

    async def handle(request: Request) -> Response:
        calling = request.scope["calling"] = await door_of(request).caller(request)
        return await handler(request, calling)

    return refusals_answered(what, handle)


def refusals_answered(what: str, handler: Handler) -> Handler:
    """The handler with every refusal answered as a problem, and written down with who tried.

    The handler leaves who is calling in the request's scope, as `calling`, as soon as it knows.
    """

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            door_of(request).metrics.refusals.labels(refusal.code).inc()
            calling: Caller | None = request.scope.get("calling")
            if calling is not None or isinstance(refusal, Unauthenticated):
                await _write_down(request, calling, what, refusal)
            return problem(refusal, **refusal.beside)

    return handle


async def _write_down(request: Request, calling: Caller | None, what: str, refusal: Refusal) -> None:
    with suppress(Unavailable):  # then there is nowhere to write, and nothing was shown
        await door_of(request).access_log.record(
            Access(
                calling.person if calling else None,
                calling.role if calling else None,
                calling.on_behalf_of if calling else None,
                what,
                _uuid_or_none(request.path_params.get("order_id")),
                refusal.code,
            )
        )


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], body: bytes) -> Model:
    """The command that the body is; raises `Invalid` with every violation and its path."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise Invalid(
            *(
                Violation("/" + "/".join(map(str, each["loc"])) if each["loc"] else "", each["type"], each["msg"])
                for each in error.errors(include_url=False, include_context=False, include_input=False)
            )
        ) from None


def expected_version(request: Request) -> int | None:
    """The version in If-Match, where one is sent; raises `Invalid`."""
    given = header(request, b"if-match")
    if given is None or given.strip() == "*":
        return None
    text = given.strip().removeprefix('"').removesuffix('"')
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(Violation("If-Match", "version", 'If-Match names a version, such as "7".'))
    return int(text)


def cause_of(by: By, command: Any, identity: UUID, sealed_for: UUID | None, *, through: Any = "api") -> Cause:
    """What the entries of this command have in common; its reason is sealed for the person it is about."""
    reason = getattr(command, "reason", None)
    if by.on_behalf_of is not None and not reason:
        raise Invalid(Violation("/reason", "missing", "A reason is owed when acting for a consumer."))
    person = sealed_for or by.person
    sealed: Unsealed[str] | None = unsealed(reason, person) if reason and person else None
    return Cause(by, through, CommandRef(identity, command.name), getattr(command, "reason_code", None), sealed)


def facts(events: tuple[Event, ...], command: Any, now: datetime) -> list[Fact]:
    """The events with the time at which they happened: what the command says, else now."""
    at = getattr(command, "at", None) or now
    return [Fact(event, at) for event in events]


def now() -> datetime:
    """The time, UTC, once per decision."""
    return datetime.now(UTC)


def answer(written: Written, stream: UUID, body: dict[str, Any], status: int = 200) -> Response:
    """The answer to an accepted command."""
    standing: Standing = written.standings[stream]
    headers = {"ETag": f'"{standing.version}"'}
    if written.replayed:
        headers["Idempotency-Replayed"] = "true"
    told = {
        "version": standing.version,
        "position": standing.position,
        **body,
        "events": [
            {"version": entry.version, "name": type(entry.event).__name__}
            for entry in written.entries
            if entry.stream == stream
        ],
    }
    return Response(msgspec.json.encode(told), status, headers, "application/json")


def _uuid_or_none(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
