"""What a person's commands come to, outcome by outcome."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pydantic import ValidationError

from order_ledger.parties.commands import (
    PERSON_COMMANDS,
    ChangeContact,
    ChoosePreferences,
    ForgetPerson,
    GrantableRole,
    GrantRole,
    RegisterPerson,
    WithdrawRole,
)
from order_ledger.parties.decisions import Context, decide_person
from order_ledger.parties.events import (
    ContactChanged,
    PersonForgotten,
    PersonRegistered,
    Preference,
    PreferencesChosen,
    RoleGranted,
    RoleWithdrawn,
)
from order_ledger.parties.person import evolve
from order_ledger.refusals import NotFound
from order_ledger.values import Contact, Sealed, unsealed
from tests.examples import NOW
from tests.parties.test_organisations import ORGANISATION, state
from tests.scenario import Stream, command_id

SOMEBODY = UUID("0198c1d5-6c2f-7e84-b0a9-4d1f8e7c3b52")
PERSON = Stream("person", SOMEBODY, evolve, decide_person, Context, stream=SOMEBODY)
given = PERSON.given

ADA, ADA_MOVED = Contact(name="Ada", email="ada@mail.example"), Contact(name="Ada", email="ada@other.example")
REGISTERED = PersonRegistered(unsealed(ADA, PERSON.id), "en")
MOVED = ContactChanged(unsealed(ADA_MOVED, PERSON.id), "de")
BY_TEXT = PreferencesChosen((Preference("shipped", "sms"),))
MAKER = RoleGranted("manufacturer", ORGANISATION.id)
NO_MAKER = RoleWithdrawn("manufacturer", ORGANISATION.id)
ADMINISTRATOR = RoleGranted("administrator", None)
FORGOTTEN = PersonForgotten(("order",))

WORKSHOP = state(kinds=("manufacturer",))


def grant(role: GrantableRole = "manufacturer", organisation: UUID | None = ORGANISATION.id) -> GrantRole:
    return GrantRole(role=role, organisation=organisation)


def withdraw(role: GrantableRole = "manufacturer", organisation: UUID | None = ORGANISATION.id) -> WithdrawRole:
    return WithdrawRole(role=role, organisation=organisation)


def forget(*purposes: Any) -> ForgetPerson:
    return ForgetPerson(purposes=purposes)


def test_registered() -> None:
    given().when(RegisterPerson(contact=ADA, language="en")).then(REGISTERED)


def test_registration_ignored_when_retried() -> None:
    given(REGISTERED).when(RegisterPerson(contact=ADA, language="en"), command=command_id(1)).then_nothing()


def test_registration_ignored_when_retried_after_the_contact_changed() -> None:
    given(REGISTERED, MOVED).when(RegisterPerson(contact=ADA, language="en"), command=command_id(1)).then_nothing()


def test_registration_refused_when_registered() -> None:
    given(REGISTERED).when(RegisterPerson(contact=ADA, language="en")).then_refused_for(
        "already_registered", who=("administrator",)
    )


def test_contact_changed() -> None:
    given(REGISTERED).when(ChangeContact(contact=ADA_MOVED, language="de")).then(MOVED)


def test_contact_change_ignored_when_retried() -> None:
    given(REGISTERED, MOVED).when(ChangeContact(contact=ADA_MOVED, language="de"), command=command_id(2)).then_nothing()


def test_contact_change_refused_when_forgotten() -> None:
    given(REGISTERED, FORGOTTEN).when(ChangeContact(contact=ADA, language="en")).then_refused_for("forgotten", who=())


def test_preferences_chosen() -> None:
    command = ChoosePreferences(channels=(Preference("shipped", "sms"),))
    given(REGISTERED).when(command).then(BY_TEXT)


def test_preferences_taken_back() -> None:
    given(REGISTERED, BY_TEXT).when(ChoosePreferences(channels=())).then(PreferencesChosen(()))


def test_preferences_ignored_when_retried() -> None:
    given(REGISTERED, BY_TEXT).when(ChoosePreferences(channels=(Preference("shipped", "sms"),))).then_nothing()


def test_role_granted_in_an_organisation() -> None:
    given(REGISTERED).when(grant(), organisation=WORKSHOP).then(MAKER)


def test_role_granted_in_the_whole_marketplace() -> None:
    given(REGISTERED).when(grant("administrator", None)).then(ADMINISTRATOR)


def test_role_granted_again_after_it_was_withdrawn() -> None:
    given(REGISTERED, MAKER, NO_MAKER).when(grant(), organisation=WORKSHOP).then(MAKER)


def test_grant_ignored_when_held() -> None:
    given(REGISTERED, MAKER).when(grant(), organisation=WORKSHOP).then_nothing()


def test_a_role_of_an_organisation_granted_in_the_whole_marketplace() -> None:
    given(REGISTERED).when(grant("manufacturer", None)).then(RoleGranted("manufacturer", None))


@pytest.mark.parametrize("role", ["consumer", "customer_service", "auditor", "analyst", "administrator"])
def test_grant_refused_in_an_organisation(role: GrantableRole) -> None:
    given(REGISTERED).when(grant(role), organisation=WORKSHOP).then_refused_for(
        "whole_marketplace", who=("administrator",)
    )


def test_grant_refused_in_an_organisation_that_is_not_registered() -> None:
    given(REGISTERED).when(grant()).then_refused_for("unknown_organisation", who=("administrator",))
    given(REGISTERED).when(grant(organisation=UUID(int=9)), organisation=WORKSHOP).then_refused_for(
        "unknown_organisation"
    )


@pytest.mark.parametrize("role", ["ip_owner", "warehouse"])
def test_grant_refused_in_an_organisation_of_another_kind(role: GrantableRole) -> None:
    given(REGISTERED).when(grant(role), organisation=WORKSHOP).then_refused_for(
        "wrong_kind", saying="Acme", who=("administrator",)
    )


def test_grant_refused_when_forgotten() -> None:
    given(REGISTERED, FORGOTTEN).when(grant(), organisation=WORKSHOP).then_refused_for("forgotten")


def test_role_withdrawn() -> None:
    given(REGISTERED, MAKER).when(withdraw()).then(NO_MAKER)


def test_withdrawal_ignored_when_not_held() -> None:
    given(REGISTERED, MAKER, NO_MAKER).when(withdraw()).then_nothing()
    given(REGISTERED, MAKER).when(withdraw(organisation=UUID(int=9))).then_nothing()


def test_an_administrator_withdrawn_while_there_is_another() -> None:
    given(REGISTERED, ADMINISTRATOR).when(withdraw("administrator", None), administrators=2).then(
        RoleWithdrawn("administrator", None)
    )


def test_withdrawal_of_the_last_administrator_refused() -> None:
    given(REGISTERED, ADMINISTRATOR).when(withdraw("administrator", None), administrators=1).then_refused_for(
        "last_administrator", who=("administrator",)
    )


def test_forgotten() -> None:
    given(REGISTERED).when(forget("order")).then(FORGOTTEN)


def test_forgotten_for_both_once_tax_law_lets_go() -> None:
    given(REGISTERED).when(forget("order", "document")).then(PersonForgotten(("order", "document")))
    given(REGISTERED).when(forget("document"), documents_kept_until=date(2026, 11, 20)).then(
        PersonForgotten(("document",))
    )


def test_forgetting_what_is_left() -> None:
    given(REGISTERED, FORGOTTEN).when(forget("order", "document")).then(PersonForgotten(("document",)))


def test_forgetting_ignored_when_forgotten() -> None:
    given(REGISTERED, FORGOTTEN).when(forget("order")).then_nothing()


def test_forgetting_documents_refused_while_tax_law_wants_them_kept() -> None:
    given(REGISTERED).when(forget("order", "document"), documents_kept_until=NOW.date()).then_refused_for(
        "retention", saying="2026-11-21", who=("administrator",)
    )


def test_orders_may_be_forgotten_while_documents_are_kept() -> None:
    given(REGISTERED).when(forget("order"), documents_kept_until=date(2036, 12, 31)).then(FORGOTTEN)


@pytest.mark.parametrize(
    "command",
    [
        ChangeContact(contact=ADA, language="en"),
        ChoosePreferences(channels=()),
        grant(),
        withdraw(),
        forget("order"),
    ],
    ids=lambda command: command.name,
)
def test_a_person_never_registered_is_not_found(command: Any) -> None:
    with pytest.raises(NotFound):
        given().when(command).decided()


@pytest.mark.parametrize(
    "event",
    [
        PersonRegistered(Sealed("key", "box"), "en"),
        ContactChanged(Sealed("key", "box"), "de"),
        BY_TEXT,
        MAKER,
        FORGOTTEN,
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_is_read_as_it_was_written(event: Any) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event


def test_what_a_history_comes_to() -> None:
    given(REGISTERED, MOVED, BY_TEXT, MAKER, ADMINISTRATOR, NO_MAKER, FORGOTTEN).comes_to(
        id=PERSON.id,
        contact=MOVED.contact,
        language="de",
        roles=frozenset({("administrator", None)}),
        preferences=(Preference("shipped", "sms"),),
        forgotten=frozenset({"order"}),
        registered_by=command_id(1),
        contact_by=command_id(2),
    )


@pytest.mark.parametrize("command", PERSON_COMMANDS, ids=lambda command: command.name)
def test_the_example_of_a_command_is_one(command: type[Any]) -> None:
    (example,) = command.model_json_schema()["examples"]
    assert command.model_validate_json(command.model_validate(example).model_dump_json()) == command(**example)


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (GrantRole, {"role": "ledger"}),
        (GrantRole, {"role": "carrier"}),
        (ForgetPerson, {"purposes": []}),
        (ForgetPerson, {"purposes": ["everything"]}),
        (RegisterPerson, {"contact": {"email": "nobody"}, "language": "en"}),
        (RegisterPerson, {"contact": {"nickname": "A"}, "language": "en"}),
        (
            ChoosePreferences,
            {"channels": [{"topic": "shipped", "channel": "sms"}, {"topic": "shipped", "channel": "email"}]},
        ),
    ],
)
def test_a_malformed_command_is_none(command: type[Any], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        command.model_validate(body)
