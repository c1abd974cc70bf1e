"""Who is calling: the person, the role they chose, and for whom they act."""

from uuid import UUID

from msgspec import Struct
from starlette.requests import Request

from order_ledger.accounts import Tokens
from order_ledger.api.headers import header
from order_ledger.entries import By, Role
from order_ledger.parties.person import Person
from order_ledger.refusals import Invalid, NotAllowed, RoleRequired, Unauthenticated, Violation
from order_ledger.rights.checks import Scope


class Caller(Struct, frozen=True):
    """A person in one role. `organisations` are those they hold it in; None among them is the whole marketplace."""

    person: UUID
    role: Role
    organisations: frozenset[UUID | None]
    on_behalf_of: UUID | None = None

    def by(self, scope: Scope) -> By:
        """The same, acting on this thing: for the organisation of theirs that it concerns."""
        return By(self.person, self.role, self._organisation(scope), self.on_behalf_of)

    def _organisation(self, scope: Scope) -> UUID | None:
        match self.role:
            case "ip_owner":
                concerned: frozenset[UUID | None] = frozenset({scope.seller, scope.organisation})
            case "manufacturer":
                concerned = scope.makers | scope.senders | {scope.organisation}
            case "warehouse":
                concerned = scope.keepers | scope.senders | {scope.organisation}
            case _:
                return None
        for organisation in sorted(filter(None, concerned)):
            if organisation in self.organisations or None in self.organisations:
                return organisation
        return next(iter(sorted(filter(None, self.organisations))), None)


def person_of(request: Request, tokens: Tokens) -> UUID:
    """Whose token was sent; raises `Unauthenticated`. Asks nobody."""
    scheme, _, token = (header(request, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated()
    return tokens.person(token.strip())


def calling_as(request: Request, person_id: UUID, person: Person | None) -> Caller:
    """The person in the role they chose; raises `RoleRequired`, `NotAllowed` for a role not held, and `Invalid`."""
    held: frozenset[tuple[Role, UUID | None]] = person.roles if person is not None else frozenset()
    role = _chosen(header(request, b"ledger-role"), held)
    return Caller(
        person_id,
        role,
        frozenset(organisation for held_role, organisation in held if held_role == role),
        _on_behalf_of(request, role),
    )


def _chosen(wanted: str | None, held: frozenset[tuple[Role, UUID | None]]) -> Role:
    for role, _ in held:
        if role == wanted:
            return role
    roles = tuple(sorted({role for role, _ in held}))
    if wanted is not None or not roles:
        raise NotAllowed(roles)
    if len(roles) > 1:
        raise RoleRequired(roles)
    return roles[0]


def _on_behalf_of(request: Request, role: Role) -> UUID | None:
    given = header(request, b"ledger-on-behalf-of")
    if given is None:
        return None
    if role != "customer_service":
        raise NotAllowed(("customer_service",))
    try:
        return UUID(given)
    except ValueError:
        raise Invalid(
            Violation("Ledger-On-Behalf-Of", "uuid", "The header names the consumer by their id, a UUID.")
        ) from None
