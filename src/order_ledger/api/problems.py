"""What HTTP makes of a refusal: `application/problem+json` (RFC 9457), with a stable type and a code."""

from typing import Any

import msgspec
from starlette.responses import Response

from order_ledger.refusals import (
    Contended,
    Invalid,
    KeyInFlight,
    KeyRequired,
    KeyReused,
    NotAllowed,
    NotFound,
    Refusal,
    Refused,
    RoleRequired,
    Stale,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:order-ledger:problem:"

STATUS: dict[type[Refusal], tuple[int, str]] = {
    Unauthenticated: (401, "Not logged in"),
    NotAllowed: (403, "Not allowed"),
    NotFound: (404, "Not found"),
    RoleRequired: (400, "Role required"),
    KeyRequired: (400, "Idempotency key required"),
    KeyReused: (422, "Idempotency key reused"),
    KeyInFlight: (409, "Idempotency key in flight"),
    Invalid: (422, "Invalid request"),
    Stale: (412, "Stale version"),
    Refused: (409, "Refused"),
    Contended: (409, "Contended"),
    Unavailable: (503, "Database away"),
}


class TooLarge(Invalid):
    """The body is larger than is read."""

    code = "too_large"


class NotAcceptable(Refusal):
    """There is such a thing, but not in the form that was asked for."""

    code = "not_made_in_this_form"


class Faulty(Refusal):
    """What was to be answered is not what it was before: it is not given out, and somebody has to look."""

    code = "file_differs"


STATUS[NotAcceptable] = (406, "Not in this form")
STATUS[Faulty] = (500, "A fault of ours")
STATUS[TooLarge] = (413, "Body too large")


def problem(refusal: Refusal, **more: Any) -> Response:
    """The answer to a refusal; `more` are members beside the standard ones."""
    status, title = STATUS[type(refusal)]
    body: dict[str, Any] = {
        "type": TYPE + refusal.code.replace("_", "-"),
        "title": title,
        "status": status,
        "detail": str(refusal),
        "code": refusal.code,
    }
    headers = {}
    match refusal:
        case NotAllowed(roles=roles) | RoleRequired(roles=roles):
            body["roles"] = roles
        case Refused(blocked_by=blocked_by):
            body["type"] = TYPE + "refused"
            body["blocked_by"] = blocked_by
        case Invalid(violations=violations):
            body["violations"] = violations
        case Stale(expected=expected, version=version):
            body |= {"expected": expected, "version": version}
        case NotFound():
            body["detail"] = "There is no such thing, or it is not yours to see."  # the same for both, to the byte
        case Unauthenticated():
            headers["WWW-Authenticate"] = "Bearer"
        case Unavailable() | KeyInFlight() | Contended():
            headers["Retry-After"] = "1"
        case _:
            pass
    return Response(msgspec.json.encode(body | more), status, headers, MEDIA_TYPE)
