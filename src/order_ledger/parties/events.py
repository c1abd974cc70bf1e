"""What happened to organisations and persons. A name or a field here is permanent once recorded."""

from datetime import date
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from order_ledger.entries import Event, Role
from order_ledger.values import (
    Address,
    Code,
    Contact,
    Country,
    Currency,
    Language,
    Purpose,
    Rate,
    Sealed,
    Terms,
    Text,
    Value,
    Zone,
)

__all__ = [
    "ORGANISATION_EVENTS",
    "PERSON_EVENTS",
    "Channel",
    "ContactChanged",
    "OrganisationChanged",
    "OrganisationEvent",
    "OrganisationKind",
    "OrganisationRegistered",
    "PersonEvent",
    "PersonForgotten",
    "PersonRegistered",
    "Preference",
    "PreferencesChosen",
    "RoleGranted",
    "RoleWithdrawn",
    "TaxCategory",
    "TaxRule",
]

OrganisationKind = Literal["seller", "manufacturer", "warehouse"]
"""What an organisation does here; one may do several of these."""

TaxCategory = Literal["S", "Z", "E", "AE", "K", "G", "O", "L", "M"]
"""UNCL 5305, as far as EN 16931 uses it."""

Channel = Literal["email", "sms"]
"""How a person is written to."""


class TaxRule(Value, frozen=True, rename={"from_": "from"}):
    """What is charged on goods of a tax class sent to a country, from a day on until a later rule takes over."""

    country: Country
    tax_class: Code
    category: TaxCategory
    rate: Rate
    from_: date
    exemption: Text | None = None


class Preference(Value, frozen=True):
    """On which channel a person wants to hear about a topic."""

    topic: Code
    channel: Channel


class _Organisation(Event, frozen=True):
    """An organisation, whole. `code` is permanent: it is part of every document's number.

    `terms` are frozen into each order placed. With `confirm_stock_orders` at `ledger` an order from stock is
    confirmed by the ledger itself. `tracking_hosts` are the hosts that a tracking link may lead to.
    """

    code: Annotated[str, Field(pattern="^[A-Z0-9]{2,12}$")]
    kinds: tuple[OrganisationKind, ...]
    legal_name: str | None
    trade_name: str | None
    address: Address
    country: Country | None
    vat_id: str | None
    tax_number: str | None
    legal_id: str | None
    legal_scheme: str | None
    email: str | None
    phone: str | None
    iban: str | None
    currency: Currency
    zone: Zone
    language: Language
    tax_rules: tuple[TaxRule, ...]
    terms: Terms
    confirm_stock_orders: Literal["ledger", "hand"]
    tracking_hosts: tuple[str, ...]


class OrganisationRegistered(_Organisation, frozen=True):
    """An organisation takes part from now on."""


class OrganisationChanged(_Organisation, frozen=True):
    """The organisation stands like this from now on, whole again. What was issued before stays as it was."""


class PersonRegistered(Event, frozen=True):
    """A person is known from now on, and is written to in this language (BCP 47)."""

    contact: Sealed[Contact]
    language: Language


class ContactChanged(Event, frozen=True):
    """The person is reached like this from now on."""

    contact: Sealed[Contact]
    language: Language


class PreferencesChosen(Event, frozen=True):
    """On which channel the person wants to hear about what, whole again."""

    channels: tuple[Preference, ...]


class RoleGranted(Event, frozen=True):
    """The person may act in this role, in this organisation; None is the whole marketplace."""

    role: Role
    organisation: UUID | None


class RoleWithdrawn(Event, frozen=True):
    """The person may no longer act in this role, in this organisation; None is the whole marketplace."""

    role: Role
    organisation: UUID | None


class PersonForgotten(Event, frozen=True):
    """The person's keys for these purposes were destroyed; what they sealed can never be read again."""

    purposes: tuple[Purpose, ...]


ORGANISATION_EVENTS = (OrganisationRegistered, OrganisationChanged)
OrganisationEvent: TypeAlias = OrganisationRegistered | OrganisationChanged

PERSON_EVENTS = (PersonRegistered, ContactChanged, PreferencesChosen, RoleGranted, RoleWithdrawn, PersonForgotten)
PersonEvent: TypeAlias = (
    PersonRegistered | ContactChanged | PreferencesChosen | RoleGranted | RoleWithdrawn | PersonForgotten
)
