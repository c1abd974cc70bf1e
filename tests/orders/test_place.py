"""Placing an order: what is frozen into it, and what it is refused for."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from order_ledger.orders.commands import Place, WantedLine
from order_ledger.orders.events import OrderPlaced
from order_ledger.values import Address, Contact, unsealed
from tests.examples import (
    ADA,
    BERLIN,
    CONSUMER,
    CONTACT,
    FOR_CONSUMER,
    HAMBURG,
    LEDGER,
    LISTINGS,
    NOW,
    ON_INVOICE,
    OTHER_SELLER,
    SELLER,
    STOCK_PLACED,
    VIENNA,
    WORKS,
    eur,
    item,
    line,
    seller,
)
from tests.orders.streams import given

VALVES = (WantedLine("VALVE", 3),)


def place(*lines: WantedLine, **changed: Any) -> Place:
    known: dict[str, Any] = {
        "seller": SELLER.id,
        "lines": lines or VALVES,
        "contact": CONTACT,
        "ship_to": BERLIN,
        "expected_total": eur("30.00"),
    }
    return Place(**{**known, **changed})


def the_order(command: Place, **context: Any) -> OrderPlaced:
    (event,) = given().when(command, by=CONSUMER, **context).events
    assert isinstance(event, OrderPlaced)
    return event


def test_placed() -> None:
    order = the_order(place())
    assert order.lines == (line(1, "VALVE", 3),)
    assert (order.net, order.tax, order.total) == (eur("25.21"), eur("4.79"), eur("30.00"))
    assert order.seller == SELLER
    assert order.terms == ON_INVOICE
    assert order.promised_by == NOW + timedelta(days=3)
    assert order.history is False
    assert order.reference is None


def test_the_slowest_item_gives_the_promise() -> None:
    order = the_order(place(WantedLine("VALVE", 3), WantedLine("ROTOR", 1), expected_total=eur("149.00")))
    assert order.promised_by == NOW + timedelta(days=10)


def test_steps_plan_and_maker_are_frozen_into_the_line() -> None:
    order = the_order(place(WantedLine("ROTOR", 2), expected_total=eur("238.00")))
    assert order.lines == (line(1, "ROTOR", 2),)
    assert order.lines[0].manufacturer == WORKS


def test_contact_and_addresses_are_sealed_under_the_consumers_key() -> None:
    order = the_order(place(bill_to=HAMBURG))
    assert order.contact == unsealed(CONTACT, ADA, "order")
    assert order.ship_to == unsealed(BERLIN, ADA, "order")
    assert order.bill_to == unsealed(HAMBURG, ADA, "order")
    assert (order.bill_to_country, order.ship_to_country) == ("DE", "DE")


def test_zone_and_language_are_the_sellers_unless_chosen() -> None:
    assert (the_order(place()).zone, the_order(place()).language) == ("Europe/Berlin", "de")
    chosen = the_order(place(zone="Europe/Vienna", language="en"))
    assert (chosen.zone, chosen.language) == ("Europe/Vienna", "en")


def test_tax_follows_the_country_that_it_goes_to() -> None:
    order = the_order(place(ship_to=VIENNA))
    assert (order.lines[0].tax_rate, order.tax, order.total) == (Decimal("20.00"), eur("5.00"), eur("30.00"))


def test_net_prices_are_taxed_together() -> None:
    listings = {"VALVE": item("VALVE", tax_included=False, unit_price=Decimal("0.1234"))}
    order = the_order(place(WantedLine("VALVE", 10), expected_total=eur("1.46")), listings=listings)
    assert (order.net, order.tax, order.total) == (eur("1.23"), eur("0.23"), eur("1.46"))


def test_a_charge_belongs_to_its_line() -> None:
    order = the_order(place(*VALVES, WantedLine("FREIGHT", 1, charge_for=1), expected_total=eur("35.95")))
    assert order.lines[1].charge_for == 1
    assert order.lines[1].kind == "charge"


def test_the_number_reads_aloud_and_is_the_orders_own() -> None:
    first = the_order(place())
    assert first.number.startswith("261121-")
    assert the_order(place()).number == first.number
    assert not set(first.number) & set("01ILOU") - set("01261121")
    assert not set(first.number[7:]) & set("01ILOU")


def test_customer_service_places_for_a_consumer() -> None:
    (event,) = given().when(place(reason="Ordered by phone."), by=FOR_CONSUMER).events
    assert isinstance(event, OrderPlaced)
    assert event.consumer == ADA


def test_ignored_when_retried() -> None:
    given(STOCK_PLACED).when(place(), by=CONSUMER).then_nothing()


def test_refused_for_a_consumer_without_a_reason() -> None:
    given().when(place(), by=FOR_CONSUMER).then_refused("reason_required")


def test_refused_from_nobody() -> None:
    given().when(place(), by=LEDGER).then_refused("no_consumer")


def test_refused_without_its_seller() -> None:
    given().when(place(), by=CONSUMER, seller=None).then_refused("unknown_seller")
    given().when(place(seller=OTHER_SELLER.id), by=CONSUMER).then_refused("unknown_seller")
    given().when(place(), by=CONSUMER, seller=seller(kinds=("manufacturer",))).then_refused("unknown_seller")


def test_refused_for_an_item_that_is_not_the_sellers() -> None:
    given().when(place(WantedLine("NOTHING", 1)), by=CONSUMER).then_refused("unknown_item", line=1, item="NOTHING")


def test_refused_for_an_item_no_longer_offered() -> None:
    listings = {"VALVE": item("VALVE", listed=False)}
    given().when(place(), by=CONSUMER, listings=listings).then_refused("not_listed", line=1, item="VALVE")


def test_refused_for_a_basket_of_several_sellers_with_the_split() -> None:
    listings = {**LISTINGS, "NUT": replace(item("BOOK"), sku="NUT", seller=OTHER_SELLER)}
    basket = place(*VALVES, WantedLine("NUT", 1), expected_total=eur("37.00"))
    given().when(basket, by=CONSUMER, listings=listings).then_refused_for("several_sellers")
    given().when(place(WantedLine("VALVE", 3, seller=OTHER_SELLER.id), *VALVES), by=CONSUMER).then_refused(
        "several_sellers"
    )


def test_refused_in_another_currency() -> None:
    listings = {"VALVE": item("VALVE", currency="USD")}
    given().when(place(), by=CONSUMER, listings=listings).then_refused("wrong_currency", line=1)


def test_refused_where_the_tax_is_not_known() -> None:
    paris = replace(BERLIN, country="FR")
    given().when(place(ship_to=paris), by=CONSUMER).then_refused_for("tax_unknown")


def test_refused_where_the_total_changed() -> None:
    given().when(place(expected_total=eur("29.99")), by=CONSUMER).then_refused_for("total_changed")


def test_refused_without_goods() -> None:
    charge = place(WantedLine("FREIGHT", 1), expected_total=eur("5.95"))
    given().when(charge, by=CONSUMER).then_refused_for("no_goods")


def test_refused_where_what_is_charged_for_is_no_line_of_goods() -> None:
    for charged in (WantedLine("FREIGHT", 1, charge_for=2), WantedLine("FREIGHT", 1, charge_for=9)):
        given().when(place(*VALVES, charged), by=CONSUMER).then_refused("wrong_charge", line=2)
    given().when(place(*VALVES, WantedLine("BOOK", 1, charge_for=1)), by=CONSUMER).then_refused("wrong_charge", line=2)


def test_refused_without_a_name() -> None:
    nameless = Contact(email="ada@example.com")
    given().when(place(contact=nameless), by=CONSUMER).then_refused_for("contact_incomplete")


def test_refused_without_a_whole_address() -> None:
    nowhere = Address(name="Ada Lovelace", country="DE")
    given().when(place(ship_to=nowhere), by=CONSUMER).then_refused_for("address_incomplete")
    given().when(place(bill_to=nowhere), by=CONSUMER).then_refused_for("address_incomplete")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    wrong = place(WantedLine("NOTHING", 1), contact=Contact(), ship_to=Address(country="DE"))
    given().when(wrong, by=CONSUMER).then_refused_for("unknown_item", "contact_incomplete", "address_incomplete")
