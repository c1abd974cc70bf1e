"""What a command makes happen to an organisation or a person. Pure: no clock, no I/O."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, assert_never
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import By, Role
from order_ledger.parties.commands import (
    ChangeContact,
    ChangeOrganisation,
    ChoosePreferences,
    ForgetPerson,
    GrantRole,
    OrganisationCommand,
    OrganisationDetails,
    PersonCommand,
    RegisterOrganisation,
    RegisterPerson,
    WithdrawRole,
)
from order_ledger.parties.events import (
    ContactChanged,
    OrganisationChanged,
    OrganisationEvent,
    OrganisationKind,
    OrganisationRegistered,
    PersonEvent,
    PersonForgotten,
    PersonRegistered,
    PreferencesChosen,
    RoleGranted,
    RoleWithdrawn,
    TaxRule,
)
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.parties.person import Person
from order_ledger.refusals import Blocker, NotFound, Refused
from order_ledger.values import unsealed

__all__ = ["Context", "decide_organisation", "decide_person"]

_ADMINISTRATOR = ("administrator",)
_HELD_IN: dict[Role, OrganisationKind] = {
    "ip_owner": "seller",
    "manufacturer": "manufacturer",
    "warehouse": "warehouse",
}
"""The roles that may be held in an organisation, and of which kind. Any role may be held in the whole marketplace."""


class Context(Struct, frozen=True, kw_only=True):
    """What a decision may know beside the party: the time, who asks, the command's id and the stream's, and

    - `code_taken`: whether another organisation has the code already;
    - `organisation`: the one a role is granted in, None where it is not registered;
    - `administrators`: how many persons hold that role now;
    - `documents_kept_until`: the last day on which tax law wants this person's documents kept, None where none are.
    """

    now: datetime
    by: By
    command: UUID
    stream: UUID
    code_taken: bool = False
    organisation: RegisteredOrganisation | None = None
    administrators: int = 0
    documents_kept_until: date | None = None


def decide_organisation(
    organisation: RegisteredOrganisation | None, command: OrganisationCommand, context: Context
) -> tuple[OrganisationEvent, ...]:
    """What happens, in order; nothing for a retry. Raises `Refused`, and `NotFound` for one never registered."""
    match command:
        case RegisterOrganisation():
            return _register_organisation(organisation, command, context)
        case ChangeOrganisation():
            return _change_organisation(organisation, command)
        case _:
            assert_never(command)


def decide_person(person: Person | None, command: PersonCommand, context: Context) -> tuple[PersonEvent, ...]:
    """What happens, in order; nothing for a retry. Raises `Refused`, and `NotFound` for one never registered."""
    if isinstance(command, RegisterPerson):
        return _register_person(person, command, context)
    if person is None:
        raise NotFound
    match command:
        case ChangeContact():
            return _change_contact(person, command, context)
        case ChoosePreferences():
            return (PreferencesChosen(command.channels),) if command.channels != person.preferences else ()
        case GrantRole():
            return _grant_role(person, command, context)
        case WithdrawRole():
            return _withdraw_role(person, command, context)
        case ForgetPerson():
            return _forget(person, command, context)
        case _:
            assert_never(command)


def _register_organisation(
    organisation: RegisteredOrganisation | None, command: RegisterOrganisation, context: Context
) -> tuple[OrganisationEvent, ...]:
    if organisation is not None:
        if _says_nothing_new(organisation, command):
            return ()
        raise Refused(Blocker("already_registered", "The organisation is registered; change it.", _ADMINISTRATOR))
    if context.code_taken:
        raise Refused(Blocker("code_taken", f"Another organisation is {command.code}.", _ADMINISTRATOR))
    _refuse_if_wrong(command)
    return (OrganisationRegistered(**_details(command)),)


def _change_organisation(
    organisation: RegisteredOrganisation | None, command: ChangeOrganisation
) -> tuple[OrganisationEvent, ...]:
    if organisation is None:
        raise NotFound
    if command.code != organisation.code:
        what = f"The code is permanent: documents are numbered with {organisation.code}."
        raise Refused(Blocker("code_permanent", what, _ADMINISTRATOR))
    _refuse_if_wrong(command)
    if _says_nothing_new(organisation, command):
        return ()
    return (OrganisationChanged(**_details(command)),)


def _details(command: OrganisationDetails) -> dict[str, Any]:
    details = {field: getattr(command, field) for field in OrganisationDetails.model_fields}
    return {**details, "kinds": tuple(dict.fromkeys(command.kinds))}


def _says_nothing_new(organisation: RegisteredOrganisation, command: OrganisationDetails) -> bool:
    return all(getattr(organisation, field) == value for field, value in _details(command).items())


def _refuse_if_wrong(command: OrganisationDetails) -> None:
    blockers = [*_wrong_with_name(command), *_wrong_with_tax_rules(command.tax_rules)]
    if blockers:
        raise Refused(*blockers)


def _wrong_with_name(command: OrganisationDetails) -> Iterator[Blocker]:
    if command.legal_name is None and command.trade_name is None:
        yield Blocker("no_name", "An organisation needs a legal or a trade name.", _ADMINISTRATOR)


def _wrong_with_tax_rules(rules: tuple[TaxRule, ...]) -> Iterator[Blocker]:
    """EN 16931: only standard and the islands' rates may be above zero (BR-Z-05, BR-E-05, …), the standard rate is
    (BR-S-05), and a reason is owed for an exemption and for nothing else (BR-E-10, BR-S-10, …)."""
    seen = set()
    for rule in rules:
        called = f"{rule.country} {rule.tax_class} from {rule.from_}"
        if (rule.country, rule.tax_class, rule.from_) in seen:
            yield Blocker("tax_rule_twice", f"There are two rules for {called}.", _ADMINISTRATOR)
        seen.add((rule.country, rule.tax_class, rule.from_))
        if rule.category not in ("S", "L", "M") and rule.rate > 0:
            yield Blocker("rate_not_zero", f"{called}: category {rule.category} has the rate 0.", _ADMINISTRATOR)
        if rule.category == "S" and rule.rate == 0:
            yield Blocker("rate_zero", f"{called}: the standard rate is above 0.", _ADMINISTRATOR)
        if rule.category in ("E", "AE", "K", "G", "O") and rule.exemption is None:
            what = f"{called}: category {rule.category} needs the reason of its exemption."
            yield Blocker("no_exemption_reason", what, _ADMINISTRATOR)
        if rule.category in ("S", "Z", "L", "M") and rule.exemption is not None:
            what = f"{called}: category {rule.category} is no exemption and has no reason for one."
            yield Blocker("not_exempt", what, _ADMINISTRATOR)


def _register_person(person: Person | None, command: RegisterPerson, context: Context) -> tuple[PersonEvent, ...]:
    if person is None:
        return (PersonRegistered(unsealed(command.contact, context.stream, "order"), command.language),)
    if person.registered_by == context.command:
        return ()
    raise Refused(Blocker("already_registered", "The person is registered; change the contact.", _ADMINISTRATOR))


def _change_contact(person: Person, command: ChangeContact, context: Context) -> tuple[PersonEvent, ...]:
    if person.contact_by == context.command:
        return ()
    _refuse_if_forgotten(person)
    return (ContactChanged(unsealed(command.contact, context.stream, "order"), command.language),)


def _grant_role(person: Person, command: GrantRole, context: Context) -> tuple[PersonEvent, ...]:
    if person.holds(command.role, command.organisation):
        return ()
    _refuse_if_forgotten(person)
    kind = _HELD_IN.get(command.role)
    if kind is None and command.organisation is not None:
        what = f"{command.role} is a role in the whole marketplace, not in an organisation."
        raise Refused(Blocker("whole_marketplace", what, _ADMINISTRATOR))
    if command.organisation is None:
        return (RoleGranted(command.role, None),)
    if kind is not None and (context.organisation is None or context.organisation.id != command.organisation):
        raise Refused(Blocker("unknown_organisation", "The organisation is not registered.", _ADMINISTRATOR))
    if kind is not None and context.organisation is not None and kind not in context.organisation.kinds:
        what = f"{context.organisation.name} is not registered as a {kind}."
        raise Refused(Blocker("wrong_kind", what, _ADMINISTRATOR))
    return (RoleGranted(command.role, command.organisation),)


def _withdraw_role(person: Person, command: WithdrawRole, context: Context) -> tuple[PersonEvent, ...]:
    if not person.holds(command.role, command.organisation):
        return ()
    if command.role == "administrator" and context.administrators <= 1:
        what = "This is the last administrator; name another one first."
        raise Refused(Blocker("last_administrator", what, _ADMINISTRATOR))
    return (RoleWithdrawn(command.role, command.organisation),)


def _forget(person: Person, command: ForgetPerson, context: Context) -> tuple[PersonEvent, ...]:
    purposes = tuple(purpose for purpose in dict.fromkeys(command.purposes) if purpose not in person.forgotten)
    until = context.documents_kept_until
    if "document" in purposes and until is not None and context.now.date() <= until:
        what = f"Tax law wants this person's documents kept until {until}; forget them for orders only."
        raise Refused(Blocker("retention", what, _ADMINISTRATOR))
    return (PersonForgotten(purposes),) if purposes else ()


def _refuse_if_forgotten(person: Person) -> None:
    if "order" in person.forgotten:
        raise Refused(Blocker("forgotten", "The person was forgotten; nothing can be kept for them any more."))
