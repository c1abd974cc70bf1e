"""What is done before anybody can log in: persons with their roles and accounts, from the command line.

It goes through the same decisions as the door does; only the way in differs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from order_ledger.accounts import add_account, new_password
from order_ledger.entries import By, Cause, CommandRef, Entry, Event, Fact, Kind
from order_ledger.identifiers import uuid7
from order_ledger.journal.appending import Key
from order_ledger.journal.contacts import remember_contact_now
from order_ledger.journal.evolves import EVOLVES
from order_ledger.journal.journal import Journal
from order_ledger.parties.commands import (
    GrantableRole,
    GrantRole,
    OrganisationCommand,
    PersonCommand,
    RegisterOrganisation,
    RegisterPerson,
    WithdrawRole,
)
from order_ledger.parties.decisions import Context, decide_organisation, decide_person
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.parties.person import Person
from order_ledger.refusals import Contended
from order_ledger.values import Contact

EVERY_ROLE: tuple[GrantableRole, ...] = (
    "consumer",
    "ip_owner",
    "manufacturer",
    "warehouse",
    "customer_service",
    "auditor",
    "analyst",
    "administrator",
)
_MOST_TRIES = 10
_DECIDES: Mapping[Kind, Callable[[Any, Any, Context], Sequence[Event]]] = {
    "organisation": decide_organisation,
    "person": decide_person,
}


class Administration:
    """Commands on organisations and persons by the administrator at the machine itself."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def register_organisation(self, command: RegisterOrganisation) -> UUID:
        """A new organisation's id; raises `Refused`."""
        stream = uuid7()
        codes = {state.code for state in self.organisations()}
        self._do("organisation", stream, command, code_taken=command.code in codes)
        return stream

    def organisations(self) -> list[RegisteredOrganisation]:
        """Every organisation, in the order of registering."""
        with self._journal.connection() as connection:
            rows = connection.execute(
                "SELECT stream FROM journal.register WHERE heading = 'OrganisationRegistered' ORDER BY number"
            ).fetchall()
        states = (self._state("organisation", stream) for (stream,) in rows)
        return [state for state in states if isinstance(state, RegisteredOrganisation)]

    def register_person(
        self, contact: Contact, roles: Sequence[tuple[GrantableRole, UUID | None]], *, language: str = "en"
    ) -> UUID:
        """A new person with these roles: their id. Raises `Refused`."""
        return self._register(uuid7(), contact, roles, language)

    def add_person(
        self,
        login: str,
        contact: Contact,
        roles: Sequence[tuple[GrantableRole, UUID | None]],
        *,
        language: str = "en",
        password: str | None = None,
    ) -> tuple[UUID, str]:
        """The same with an account: their id and the password. Raises `Refused`, `LoginTaken`."""
        stream, password = uuid7(), password or new_password()
        with self._journal.connection() as connection:
            add_account(connection, login, password, stream)
        return self._register(stream, contact, roles, language), password

    def _register(
        self, stream: UUID, contact: Contact, roles: Sequence[tuple[GrantableRole, UUID | None]], language: str
    ) -> UUID:
        with self._journal.connection() as connection:
            remember_contact_now(connection, stream, contact)
        self._do("person", stream, RegisterPerson(contact=contact, language=language))
        for role, where in roles:
            self.grant(stream, role, where)
        return stream

    def grant(self, person_id: UUID, role: GrantableRole, where: UUID | None) -> None:
        """Gives a role; raises `Refused`."""
        registered = self._state("organisation", where) if where is not None else None
        self._do("person", person_id, GrantRole(role=role, organisation=where), organisation=registered)

    def withdraw(self, person_id: UUID, role: GrantableRole, where: UUID | None, administrators: int) -> None:
        """Takes a role back; raises `Refused`."""
        self._do("person", person_id, WithdrawRole(role=role, organisation=where), administrators=administrators)

    def person_of(self, login: str) -> UUID | None:
        """Whose account this is."""
        with self._journal.connection() as connection:
            row = connection.execute("SELECT person FROM personal.account WHERE login = %s", (login,)).fetchone()
        return row[0] if row else None

    def accounts(self) -> list[tuple[str, UUID, Person | None]]:
        """Every account: its login, person, and what they hold."""
        with self._journal.connection() as connection:
            rows = connection.execute("SELECT login, person FROM personal.account ORDER BY login").fetchall()
        return [(login, person_id, self._state("person", person_id)) for login, person_id in rows]

    def _state(self, kind: Kind, stream: UUID) -> Any:
        return self._folded(kind, self._journal.load(stream, kind)[0])

    @staticmethod
    def _folded(kind: Kind, entries: Iterable[Entry[Any]]) -> Any:
        state: Any = None
        for entry in entries:
            state = EVOLVES[kind](state, entry)
        return state

    def _do(self, kind: Kind, stream: UUID, command: OrganisationCommand | PersonCommand, **known: Any) -> None:
        identity, by = uuid7(), By(None, "administrator")
        for _ in range(_MOST_TRIES):
            entries, head = self._journal.load(stream, kind)
            now = datetime.now(UTC)
            context = Context(now=now, by=by, command=identity, stream=stream, **known)
            made = _DECIDES[kind](self._folded(kind, entries), command, context)
            cause = Cause(by, "cli", CommandRef(identity, command.name))
            appending = self._journal.encode(kind, stream, head, [Fact(event, now) for event in made], cause)
            if self._journal.append_one([appending], identity, Key(stream, str(identity))).outcome == "appended":
                return
        raise Contended()
