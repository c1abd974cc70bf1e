"""Sending the goods elsewhere."""

from datetime import date
from decimal import Decimal

from msgspec.structs import replace

from order_ledger.orders.commands import ChangeAddress
from order_ledger.orders.events import AddressChanged, OrderCancelled
from order_ledger.parties.events import TaxRule
from order_ledger.values import Address, unsealed
from tests.examples import (
    ADA,
    BOOK_CONFIRMED,
    BOOK_PLACED,
    CONFIRMED,
    CONSUMER,
    FOR_CONSUMER,
    HAMBURG,
    MADE_PLACED,
    ON_ITS_WAY,
    SERVICE,
    VIENNA,
    line,
    placed,
    seller,
    shipped,
)
from tests.orders.streams import given

TO_HAMBURG = ChangeAddress(ship_to=HAMBURG)
CHANGED = AddressChanged(unsealed(HAMBURG, ADA), "DE", None, "Europe/Berlin")


def test_changed() -> None:
    history = given(MADE_PLACED).when(TO_HAMBURG, by=CONSUMER).then(CHANGED)
    history.comes_to(ship_to=unsealed(HAMBURG, ADA), ship_to_country="DE", zone="Europe/Berlin")


def test_changed_by_customer_service_until_it_ships() -> None:
    given(MADE_PLACED, CONFIRMED).when(TO_HAMBURG, by=SERVICE).then(CHANGED)
    given(*BOOK_CONFIRMED, shipped((1, 1))).when(TO_HAMBURG, by=SERVICE).then(CHANGED)


def test_changed_to_another_country_of_the_same_tax() -> None:
    rules = tuple(
        TaxRule(country, "standard", "S", Decimal("19.00"), date(2020, 1, 1), None) for country in ("DE", "AT")
    )
    to_vienna = ChangeAddress(ship_to=VIENNA, zone="Europe/Vienna")
    given(MADE_PLACED).when(to_vienna, by=CONSUMER, seller=seller(tax_rules=rules)).then(
        AddressChanged(unsealed(VIENNA, ADA), "AT", None, "Europe/Vienna")
    )


def test_refused_to_the_consumer_once_confirmed() -> None:
    given(MADE_PLACED, CONFIRMED).when(TO_HAMBURG, by=CONSUMER).then_refused_for("already_confirmed")


def test_refused_to_customer_service_for_the_consumer_once_confirmed() -> None:
    for_ada = ChangeAddress(ship_to=HAMBURG, reason="She moved.")
    given(MADE_PLACED, CONFIRMED).when(for_ada, by=FOR_CONSUMER).then_refused_for("already_confirmed")
    given(MADE_PLACED).when(for_ada, by=FOR_CONSUMER).then(CHANGED)
    given(MADE_PLACED).when(TO_HAMBURG, by=FOR_CONSUMER).then_refused_for("reason_required")


def test_refused_once_all_is_shipped() -> None:
    given(*ON_ITS_WAY).when(TO_HAMBURG, by=SERVICE).then_refused_for("already_shipped")


def test_refused_once_cancelled() -> None:
    given(BOOK_PLACED, OrderCancelled()).when(TO_HAMBURG, by=SERVICE).then_refused_for("ended")


def test_refused_where_the_tax_changes() -> None:
    given(MADE_PLACED).when(ChangeAddress(ship_to=VIENNA), by=CONSUMER).then_refused("tax_changes", line=1)


def test_refused_where_the_tax_is_not_known() -> None:
    unlisted = placed(replace(line(1, "BOOK"), sku="GONE"))
    given(unlisted).when(ChangeAddress(ship_to=VIENNA), by=CONSUMER).then_refused("tax_changes", line=1)


def test_refused_to_half_an_address() -> None:
    given(MADE_PLACED).when(ChangeAddress(ship_to=Address(country="DE")), by=CONSUMER).then_refused_for(
        "address_incomplete"
    )
