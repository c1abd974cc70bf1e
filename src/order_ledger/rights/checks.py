"""Whether somebody may do or read this: the checks that read the tables."""

from collections.abc import Mapping
from functools import lru_cache
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import By, Role
from order_ledger.refusals import NotAllowed, NotFound
from order_ledger.rights.tables import COMMANDS, PARTS, READS, Grant, Of, Part, Read, Reader, View, Whose

__all__ = ["Scope", "commands_of", "may", "may_read", "reaching", "sees", "whose", "whose_read"]

_MACHINES = ("ledger", "carrier", "payment_provider", "unknown")


class Scope(Struct, frozen=True, kw_only=True):
    """What a check must know of the thing that is asked for.

    `makers` and `keepers` are the organisations that make the lines and that keep their stock: of the lines that the
    command names (`names_lines`), where all must be the asking organisation's; otherwise of all lines, where one is
    enough. None among them is a line that nobody makes, or keeps. `senders` sent the shipment that is named.
    """

    kind: Of = "order"
    consumer: UUID | None = None
    seller: UUID | None = None
    makers: frozenset[UUID | None] = frozenset()
    keepers: frozenset[UUID | None] = frozenset()
    senders: frozenset[UUID] = frozenset()
    names_lines: bool = False
    organisation: UUID | None = None
    person: UUID | None = None


def may(command: str, by: By, scope: Scope) -> None:
    """Pass where this is allowed. Raises `NotAllowed` where the role never may, and `NotFound` where it may, but not
    with this one."""
    grant = whose(command, by, scope.kind)
    if not _reaches(grant, by, scope):
        raise NotFound


def may_read(read: Read, by: By | None, scope: Scope) -> Grant:
    """The cell that allows this to be read; its `only` is for the reader to keep to. Raises as `may` does."""
    grant = whose_read(read, by)
    if by is not None and not _reaches(grant, by, scope):
        raise NotFound
    return grant


def whose(command: str, by: By, kind: Of = "order") -> Grant:
    """The cell of a command for this role. Raises `NotAllowed` where there is none."""
    row = COMMANDS.get((kind, command), {})
    grant = row.get(_acting_as(by))
    if grant is None:
        raise NotAllowed(_persons(row))
    if grant.whose == "for":
        raise NotAllowed(tuple(role for role in _persons(row) if role != by.role))
    return grant


def whose_read(read: Read, by: By | None) -> Grant:
    """The cell of a read for this role, such as a list is filtered by. Raises `NotAllowed` where there is none."""
    row = READS[read]
    grant = row.get("nobody" if by is None else _acting_as(by))
    if grant is None:
        raise NotAllowed(_persons(row))
    return grant


def reaching(by: By, scope: Scope) -> frozenset[str]:
    """The commands that this role may give about just this thing."""
    role = _acting_as(by)
    whose_reach = frozenset(grant.whose for grant in _grants_of(role, scope.kind) if _reaches(grant, by, scope))
    return _commands_by_whose(role, scope.kind, whose_reach)


@lru_cache(None)
def _grants_of(role: Role, kind: Of) -> tuple[Grant, ...]:
    """One cell for each `whose` that this role has."""
    return tuple(
        {row[role].whose: row[role] for (about, _), row in COMMANDS.items() if about == kind and role in row}.values()
    )


@lru_cache(None)
def _commands_by_whose(role: Role, kind: Of, reached: frozenset[Whose]) -> frozenset[str]:
    return frozenset(
        command
        for (about, command), row in COMMANDS.items()
        if about == kind and role in row and row[role].whose in reached
    )


@lru_cache(None)
def commands_of(role: Role, kind: Of = "order") -> tuple[str, ...]:
    """The commands about such a thing that this role may ever give, in the order of the table."""
    return tuple(command for (about, command), row in COMMANDS.items() if about == kind and role in row)


def sees(part: Part, role: Role) -> View | None:
    """How much of this part of an order the role sees; None is nothing."""
    return PARTS[part].get(role)


def _acting_as(by: By) -> Role:
    if by.on_behalf_of is None:
        return by.role
    if by.role != "customer_service":
        raise NotAllowed(("customer_service",))
    return "consumer"


def _reaches(grant: Grant, by: By, scope: Scope) -> bool:
    person = by.person if by.on_behalf_of is None else by.on_behalf_of
    match grant.whose:
        case "all":
            return True
        case "own":
            return person is not None and person == scope.consumer
        case "self":
            return person is not None and person == scope.person
        case "sold":
            return by.organisation is not None and by.organisation == scope.seller
        case "member":
            return by.organisation is not None and by.organisation == scope.organisation
        case "sent":
            return by.organisation is not None and by.organisation in scope.senders
        case "made":
            return _is_theirs(scope.makers, by.organisation, scope.names_lines)
        case "kept":
            return _is_theirs(scope.keepers, by.organisation, scope.names_lines)
        case "for":
            return False


def _is_theirs(organisations: frozenset[UUID | None], asking: UUID | None, all_of_them: bool) -> bool:
    return asking is not None and asking in organisations and (len(organisations) == 1 or not all_of_them)


def _persons(row: Mapping[Role, Grant] | Mapping[Reader, Grant]) -> tuple[str, ...]:
    return tuple(role for role in row if role not in _MACHINES and role != "nobody")
