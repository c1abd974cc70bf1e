"""What can be asked of organisations and persons. The body of a request is the command."""

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from order_ledger.parties.events import OrganisationKind, Preference, TaxRule
from order_ledger.values import Address, Contact, Country, Currency, Language, Purpose, Terms, Text, Zone

__all__ = [
    "ORGANISATION_COMMANDS",
    "PERSON_COMMANDS",
    "ChangeContact",
    "ChangeOrganisation",
    "ChoosePreferences",
    "ForgetPerson",
    "GrantRole",
    "GrantableRole",
    "OrganisationCommand",
    "OrganisationDetails",
    "PersonCommand",
    "RegisterOrganisation",
    "RegisterPerson",
    "WithdrawRole",
]

GrantableRole = Literal[
    "consumer",
    "ip_owner",
    "manufacturer",
    "warehouse",
    "customer_service",
    "auditor",
    "analyst",
    "administrator",
]
"""The roles that persons hold; in the others only the ledger itself and machines act."""


def _iban(value: str) -> str:
    """ISO 13616: the first four characters at the end, letters as 10 to 35, and the rest by 97 is 1."""
    if int("".join(str(int(character, 36)) for character in value[4:] + value[:4])) % 97 != 1:
        raise PydanticCustomError("iban", "The check digits of this IBAN are wrong.")
    return value


Identifier = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./-]*$")]
Iban = Annotated[str, Field(pattern="^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"), AfterValidator(_iban)]
Email = Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]
Phone = Annotated[str, Field(max_length=40, pattern=r"^[+0-9 ()./-]+$")]
Host = Annotated[str, Field(max_length=253, pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")]

_ORGANISATION = "0198c1c0-52f1-7b0a-8d3c-6a1e4f9b2d70"
_EXAMPLE: dict[str, Any] = {
    "code": "ACME",
    "kinds": ["seller", "manufacturer"],
    "legal_name": "Acme Pumpen GmbH",
    "trade_name": "Acme",
    "address": {"line1": "Werkstraße 7", "postcode": "10115", "city": "Berlin", "country": "DE"},
    "country": "DE",
    "vat_id": "DE123456789",
    "email": "orders@acme.example",
    "phone": "+49 30 123456",
    "iban": "DE89370400440532013000",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "language": "de-DE",
    "tax_rules": [
        {"country": "DE", "tax_class": "standard", "category": "S", "rate": "19.00", "from": "2007-01-01"},
        {
            "country": "CH",
            "tax_class": "standard",
            "category": "G",
            "rate": "0.00",
            "from": "2007-01-01",
            "exemption": "Export outside the EU",
        },
    ],
    "terms": {
        "pay": "prepaid",
        "due_days": 0,
        "method": "card",
        "invoice_at": "dispatch",
        "complete_after_days": 14,
    },
    "confirm_stock_orders": "ledger",
    "tracking_hosts": ["www.dhl.de"],
}
_CONTACT: dict[str, Any] = {
    "contact": {"name": "Ada Example", "email": "ada@mail.example", "phone": "+49 30 7654321"},
    "language": "en",
}


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]


class OrganisationDetails(_Command):
    """An organisation, whole."""

    code: Annotated[str, Field(pattern="^[A-Z0-9]{2,12}$")] = Field(
        description="Permanent: it is part of the number of every document."
    )
    kinds: Annotated[tuple[OrganisationKind, ...], Field(min_length=1, max_length=3)] = Field(
        description="What it does here."
    )
    legal_name: Text | None = Field(default=None, description="Without it no document can be issued.")
    trade_name: Text | None = Field(default=None, description="What people call it.")
    address: Address = Field(default=Address(), description="Where it is registered.")
    country: Country | None = Field(default=None, description="Without it no document can be issued.")
    vat_id: Identifier | None = Field(default=None, description="Its VAT id; documents need this or a legal id.")
    tax_number: Identifier | None = Field(default=None, description="Its number with the local tax office.")
    legal_id: Identifier | None = Field(default=None, description="Its number in a register of companies.")
    legal_scheme: Annotated[str, Field(pattern="^[0-9]{4}$")] | None = Field(
        default=None, description="Which register, by its ISO/IEC 6523 code."
    )
    email: Email | None = Field(default=None, description="Where it is written to.")
    phone: Phone | None = Field(default=None, description="Where it is called.")
    iban: Iban | None = Field(default=None, description="Where transfers go.")
    currency: Currency = Field(description="Its accounting currency, and that of all its prices.")
    zone: Zone = Field(description="The time zone of its days.")
    language: Language = Field(description="The language it is written to in.")
    tax_rules: Annotated[tuple[TaxRule, ...], Field(max_length=200)] = Field(
        default=(), description="What tax its goods bear, by country and class; the latest rule begun holds."
    )
    terms: Terms = Field(
        default=Terms("prepaid", 0, "card", "dispatch", 14), description="The terms that orders placed with it get."
    )
    confirm_stock_orders: Literal["ledger", "hand"] = Field(
        default="hand", description="Who confirms an order from stock once it is allocated."
    )
    tracking_hosts: Annotated[tuple[Host, ...], Field(max_length=100)] = Field(
        default=(), description="The hosts that its tracking links may lead to."
    )


class RegisterOrganisation(OrganisationDetails):
    """Let an organisation take part."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: ClassVar[str] = "register-organisation"


class ChangeOrganisation(OrganisationDetails):
    """Say how an organisation stands from now on, whole. What was issued before stays as it was."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: ClassVar[str] = "change-organisation"


class RegisterPerson(_Command):
    """Let a person be known."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CONTACT]})

    name: ClassVar[str] = "register-person"

    contact: Contact = Field(description="How to reach the person; kept sealed.")
    language: Language = Field(description="The language the person is written to in.")


class ChangeContact(_Command):
    """Say how a person is reached from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CONTACT]})

    name: ClassVar[str] = "change-contact"

    contact: Contact = Field(description="How to reach the person; kept sealed.")
    language: Language = Field(description="The language the person is written to in.")


class ChoosePreferences(_Command):
    """Say on which channel a person wants to hear about what, whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"channels": [{"topic": "shipped", "channel": "sms"}]}]})

    name: ClassVar[str] = "choose-preferences"

    channels: Annotated[tuple[Preference, ...], Field(max_length=100)] = Field(
        description="One channel per topic; the others stay as they come."
    )

    @model_validator(mode="after")
    def _one_channel_per_topic(self) -> Self:
        if len({preference.topic for preference in self.channels}) < len(self.channels):
            raise PydanticCustomError("topic_twice", "Choose one channel per topic.")
        return self


class GrantRole(_Command):
    """Let a person act in a role."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "manufacturer", "organisation": _ORGANISATION}]})

    name: ClassVar[str] = "grant-role"

    role: GrantableRole = Field(description="The role.")
    organisation: UUID | None = Field(default=None, description="In which organisation; none is the whole marketplace.")


class WithdrawRole(_Command):
    """Let a person no longer act in a role."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "manufacturer", "organisation": _ORGANISATION}]})

    name: ClassVar[str] = "withdraw-role"

    role: GrantableRole = Field(description="The role.")
    organisation: UUID | None = Field(default=None, description="In which organisation; none is the whole marketplace.")


class ForgetPerson(_Command):
    """Destroy a person's keys, so that what they sealed can never be read again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"purposes": ["order"]}]})

    name: ClassVar[str] = "forget-person"

    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=2)] = Field(
        description="What the keys are for; `document` only once tax law lets go."
    )


ORGANISATION_COMMANDS = (RegisterOrganisation, ChangeOrganisation)
OrganisationCommand: TypeAlias = RegisterOrganisation | ChangeOrganisation

PERSON_COMMANDS = (RegisterPerson, ChangeContact, ChoosePreferences, GrantRole, WithdrawRole, ForgetPerson)
PersonCommand: TypeAlias = RegisterPerson | ChangeContact | ChoosePreferences | GrantRole | WithdrawRole | ForgetPerson
