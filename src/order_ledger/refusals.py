"""Why the ledger says no, as data for a person.

    Refusal
    ├── Refused             the decision says no; what is missing, and who can mend it
    ├── Invalid             the request itself is wrong, field by field
    ├── NotAllowed          the role may not do this; these roles may
    ├── NotFound            there is no such thing, or not for this person
    ├── Unauthenticated     nobody is logged in
    ├── RoleRequired        several roles are held and none was chosen
    ├── Stale               the history went on after the version that was expected
    ├── KeyRequired         a command came without an idempotency key
    ├── KeyReused           the idempotency key was used for another request
    ├── KeyInFlight         the first request with this key has not been answered yet
    ├── Contended           others kept appending to the same streams; try again
    └── Unavailable         the database is away; the same key again gives the answer

What HTTP makes of these is decided at the door, and nowhere else. A refusal is an answer;
a bug of ours is an assertion.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Blocker(Struct, frozen=True):
    """One thing that stands in the way: a stable code, a sentence, and who can mend it.

    `who` names roles (consumer, ip_owner, manufacturer, warehouse, customer_service, administrator, ledger).
    """

    code: str
    what: str
    who: tuple[str, ...] = ()
    line: int | None = None
    item: str | None = None


class Refusal(Exception):
    """The ledger says no. `beside` is what stands beside the refusal where it is told, such as what is allowed."""

    code: str = "refused"
    beside: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or "").strip().splitlines()[0]


class Refused(Refusal):
    """The order, item or party is not in a state that allows this."""

    def __init__(self, *blocked_by: Blocker) -> None:
        assert blocked_by, "a refusal says what is missing"
        super().__init__(" ".join(blocker.what for blocker in blocked_by))
        self.blocked_by = blocked_by
        self.code = blocked_by[0].code


class Violation(Struct, frozen=True):
    """One thing that is wrong with a request, and where: `path` is a JSON pointer into the body."""

    path: str
    code: str
    what: str


class Invalid(Refusal):
    """The request is not well formed."""

    code = "invalid"

    def __init__(self, *violations: Violation) -> None:
        assert violations, "what is invalid is named"
        super().__init__("; ".join(f"{violation.path or '/'}: {violation.what}" for violation in violations))
        self.violations = violations


class NotAllowed(Refusal):
    """This role may not do this."""

    code = "not_allowed"

    def __init__(self, roles: tuple[str, ...]) -> None:
        super().__init__(f"Only {', '.join(roles)} may do this." if roles else "Only the ledger itself does this.")
        self.roles = roles


class NotFound(Refusal):
    """There is no such thing, or it is not yours to see."""

    code = "not_found"


class Unauthenticated(Refusal):
    """Log in first: the request carries no valid token."""

    code = "unauthenticated"


class RoleRequired(Refusal):
    """Several roles are held; say which one acts."""

    code = "role_required"

    def __init__(self, roles: tuple[str, ...]) -> None:
        super().__init__(f"Choose one of your roles with Ledger-Role: {', '.join(roles)}.")
        self.roles = roles


class Stale(Refusal):
    """The history went on after the version that was expected."""

    code = "stale"

    def __init__(self, expected: int, version: int) -> None:
        super().__init__(f"Version {expected} was expected, and the history is at version {version}.")
        self.expected = expected
        self.version = version


class KeyRequired(Refusal):
    """Send an Idempotency-Key with every command, so that a retry is not done twice."""

    code = "idempotency_key_required"


class KeyReused(Refusal):
    """This idempotency key was used before for another request; use a new one."""

    code = "idempotency_key_reused"


class KeyInFlight(Refusal):
    """The first request with this idempotency key has not been answered yet; try again."""

    code = "idempotency_key_in_flight"


class Contended(Refusal):
    """Others kept appending to the same streams; try again."""

    code = "contended"


class Unavailable(Refusal):
    """The database is away for the moment; send it again with the same key."""

    code = "unavailable"
