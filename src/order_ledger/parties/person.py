"""A person as their entries leave them."""

from typing import assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import Entry, Role
from order_ledger.parties.events import (
    ContactChanged,
    PersonEvent,
    PersonForgotten,
    PersonRegistered,
    Preference,
    PreferencesChosen,
    RoleGranted,
    RoleWithdrawn,
)
from order_ledger.values import Contact, Language, Purpose, Sealed

__all__ = ["Person", "evolve"]


class Person(Struct, frozen=True):
    """A person: the roles they hold, how they are written to, and the purposes they were forgotten for.

    A role is held in an organisation; None is the whole marketplace. `contact` reads as erased once `order` is
    among `forgotten`. `registered_by` and `contact_by` are the commands that registered the person and that gave
    the contact: by them a retry is recognised, since what is sealed cannot be compared.
    """

    id: UUID
    contact: Sealed[Contact] | None = None
    language: Language | None = None
    roles: frozenset[tuple[Role, UUID | None]] = frozenset()
    preferences: tuple[Preference, ...] = ()
    forgotten: frozenset[Purpose] = frozenset()
    registered_by: UUID | None = None
    contact_by: UUID | None = None

    def holds(self, role: Role, organisation: UUID | None = None) -> bool:
        """Whether the person may act in this role, in this organisation."""
        return (role, organisation) in self.roles


def evolve(person: Person | None, entry: Entry[PersonEvent]) -> Person:
    """The person after this entry. Refuses nothing: what is recorded has happened."""
    person = person or Person(entry.stream)
    match entry.event:
        case PersonRegistered(contact=contact, language=language):
            by = entry.command.id
            return replace(person, contact=contact, language=language, registered_by=by, contact_by=by)
        case ContactChanged(contact=contact, language=language):
            return replace(person, contact=contact, language=language, contact_by=entry.command.id)
        case PreferencesChosen(channels=channels):
            return replace(person, preferences=channels)
        case RoleGranted(role=role, organisation=organisation):
            return replace(person, roles=person.roles | {(role, organisation)})
        case RoleWithdrawn(role=role, organisation=organisation):
            return replace(person, roles=person.roles - {(role, organisation)})
        case PersonForgotten(purposes=purposes):
            return replace(person, forgotten=person.forgotten | set(purposes))
        case _ as never:
            assert_never(never)
