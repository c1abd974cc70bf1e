"""An organisation as its entries leave it."""

from datetime import date
from typing import Literal, assert_never
from uuid import UUID

import msgspec

from order_ledger.entries import Entry
from order_ledger.parties.events import (
    OrganisationChanged,
    OrganisationEvent,
    OrganisationKind,
    OrganisationRegistered,
    TaxRule,
)
from order_ledger.values import Address, Country, Currency, Language, Organisation, Terms, Zone

__all__ = ["RegisteredOrganisation", "evolve"]


class RegisteredOrganisation(msgspec.Struct, frozen=True):
    """An organisation as it stands today."""

    id: UUID
    code: str
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

    @property
    def name(self) -> str:
        """What people call it: the trade name, else the legal one, else its code."""
        return self.trade_name or self.legal_name or self.code

    @property
    def named(self) -> Organisation:
        """The organisation as other entries name it."""
        return Organisation(self.id, self.name)

    def tax_rule(self, country: str, tax_class: str, on: date) -> TaxRule | None:
        """The rule in force on this day for goods of this class sent there, or None where none is."""
        latest: TaxRule | None = None
        for rule in self.tax_rules:
            applies = rule.country == country and rule.tax_class == tax_class and rule.from_ <= on
            if applies and (latest is None or rule.from_ > latest.from_):
                latest = rule
        return latest


def evolve(organisation: RegisteredOrganisation | None, entry: Entry[OrganisationEvent]) -> RegisteredOrganisation:
    """The organisation after this entry. Refuses nothing: what is recorded has happened."""
    match entry.event:
        case OrganisationRegistered() | OrganisationChanged() as event:
            return RegisteredOrganisation(id=entry.stream, **msgspec.structs.asdict(event))
        case _ as never:
            assert_never(never)
