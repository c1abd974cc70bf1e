"""What an organisation's commands come to, outcome by outcome."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pydantic import ValidationError

from order_ledger.parties.commands import ORGANISATION_COMMANDS, ChangeOrganisation, RegisterOrganisation
from order_ledger.parties.decisions import Context, decide_organisation
from order_ledger.parties.events import OrganisationChanged, OrganisationRegistered, TaxCategory, TaxRule
from order_ledger.parties.organisation import RegisteredOrganisation, evolve
from order_ledger.refusals import NotFound
from order_ledger.values import Address, Organisation, Terms
from tests.scenario import Stream

ACME = UUID("0198c1c0-52f1-7b0a-8d3c-6a1e4f9b2d70")
ORGANISATION = Stream("organisation", ACME, evolve, decide_organisation, Context, stream=ACME)
given = ORGANISATION.given


def rule(
    category: TaxCategory = "S",
    rate: str = "19.00",
    exemption: str | None = None,
    since: date = date(2021, 1, 1),
    country: str = "DE",
    tax_class: str = "standard",
) -> TaxRule:
    return TaxRule(country, tax_class, category, Decimal(rate), since, exemption)


DETAILS: dict[str, Any] = {
    "code": "ACME",
    "kinds": ("seller", "manufacturer"),
    "legal_name": "Acme Pumpen GmbH",
    "trade_name": "Acme",
    "address": Address(city="Berlin", country="DE"),
    "country": "DE",
    "vat_id": "DE123456789",
    "tax_number": None,
    "legal_id": None,
    "legal_scheme": None,
    "email": "orders@acme.example",
    "phone": None,
    "iban": "DE89370400440532013000",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "language": "de-DE",
    "tax_rules": (rule(),),
    "terms": Terms("prepaid", 0, "card", "dispatch", 14),
    "confirm_stock_orders": "ledger",
    "tracking_hosts": ("www.dhl.de",),
}
REGISTERED = OrganisationRegistered(**DETAILS)
RENAMED = OrganisationChanged(**(DETAILS | {"trade_name": "Acme Pumps"}))


def register(**changes: Any) -> RegisterOrganisation:
    return RegisterOrganisation(**(DETAILS | changes))


def change(**changes: Any) -> ChangeOrganisation:
    return ChangeOrganisation(**(DETAILS | changes))


def test_registered() -> None:
    given().when(register()).then(REGISTERED)


def test_a_kind_said_twice_is_one() -> None:
    given().when(register(kinds=("seller", "manufacturer", "seller"))).then(REGISTERED)


def test_registration_ignored_when_retried() -> None:
    given(REGISTERED).when(register()).then_nothing()


def test_registration_refused_when_registered_otherwise() -> None:
    given(REGISTERED).when(register(trade_name="Other")).then_refused_for("already_registered", who=("administrator",))


def test_registration_refused_when_the_code_is_taken() -> None:
    given().when(register(), code_taken=True).then_refused_for("code_taken", saying="ACME", who=("administrator",))


def test_changed() -> None:
    given(REGISTERED).when(change(trade_name="Acme Pumps")).then(RENAMED)


def test_change_ignored_when_it_changes_nothing() -> None:
    given(REGISTERED, RENAMED).when(change(trade_name="Acme Pumps")).then_nothing()


def test_change_refused_when_the_code_differs() -> None:
    given(REGISTERED).when(change(code="ACME2")).then_refused_for(
        "code_permanent", saying="numbered with ACME", who=("administrator",)
    )


def test_an_organisation_never_registered_is_not_found() -> None:
    with pytest.raises(NotFound):
        given().when(change()).decided()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"legal_name": None, "trade_name": None}, "no_name"),
    ({"tax_rules": (rule(), rule(rate="7.00"))}, "tax_rule_twice"),
    ({"tax_rules": (rule("Z", "7.00"),)}, "rate_not_zero"),
    ({"tax_rules": (rule("G", "7.00", "Export"),)}, "rate_not_zero"),
    ({"tax_rules": (rule("S", "0.00"),)}, "rate_zero"),
    *[({"tax_rules": (rule(category, "0.00"),)}, "no_exemption_reason") for category in ("E", "AE", "K", "G", "O")],
    *[({"tax_rules": (rule(category, "7.00", "Why"),)}, "not_exempt") for category in ("S", "L", "M")],
    ({"tax_rules": (rule("Z", "0.00", "Why"),)}, "not_exempt"),
]


@pytest.mark.parametrize(("changes", "code"), WRONG)
def test_registration_refused(changes: dict[str, Any], code: str) -> None:
    given().when(register(**changes)).then_refused_for(code, who=("administrator",))


@pytest.mark.parametrize(("changes", "code"), WRONG)
def test_change_refused(changes: dict[str, Any], code: str) -> None:
    given(REGISTERED).when(change(**changes)).then_refused_for(code, who=("administrator",))


def test_sane_tax_rules_are_taken() -> None:
    rules = (
        rule(),
        rule(since=date(2026, 1, 1)),
        rule(tax_class="books", rate="7.00"),
        rule("G", "0.00", "Export", country="CH"),
        rule("Z", "0.00", country="MT"),
        rule("L", "0.00", country="ES"),
    )
    given(REGISTERED).when(change(tax_rules=rules)).then(OrganisationChanged(**(DETAILS | {"tax_rules": rules})))


def state(**changes: Any) -> RegisteredOrganisation:
    return given(OrganisationRegistered(**(DETAILS | changes))).state


def test_the_latest_rule_begun_holds() -> None:
    rules = (rule(rate="16.00", since=date(2020, 7, 1)), rule(since=date(2007, 1, 1)), rule(since=date(2021, 1, 1)))
    organisation = state(tax_rules=rules)
    found = {
        day: organisation.tax_rule("DE", "standard", day)
        for day in (date(2006, 12, 31), date(2007, 1, 1), date(2020, 6, 30), date(2020, 7, 1), date(2021, 1, 1))
    }
    assert list(found.values()) == [None, rules[1], rules[1], rules[0], rules[2]]
    assert organisation.tax_rule("AT", "standard", date(2021, 1, 1)) is None
    assert organisation.tax_rule("DE", "books", date(2021, 1, 1)) is None


def test_an_organisation_is_called_by_its_trade_name_or_else_its_legal_one_or_else_its_code() -> None:
    assert state().named == Organisation(ORGANISATION.id, "Acme")
    assert state(trade_name=None).name == "Acme Pumpen GmbH"
    assert state(trade_name=None, legal_name=None).name == "ACME"


def test_a_change_replaces_the_whole() -> None:
    given(REGISTERED, RENAMED).comes_to(id=ORGANISATION.id, trade_name="Acme Pumps", code="ACME")


@pytest.mark.parametrize("event", [REGISTERED, RENAMED], ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was_written(event: Any) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event


def test_a_tax_rule_is_written_with_the_day_it_holds_from() -> None:
    assert msgspec.to_builtins(rule())["from"] == "2021-01-01"


@pytest.mark.parametrize("command", ORGANISATION_COMMANDS, ids=lambda command: command.name)
def test_the_example_of_a_command_is_one(command: type[Any]) -> None:
    (example,) = command.model_json_schema()["examples"]
    assert command.model_validate_json(command.model_validate(example).model_dump_json()) == command(**example)


def test_the_example_can_be_registered() -> None:
    (example,) = RegisterOrganisation.model_json_schema()["examples"]
    (event,) = given().when(RegisterOrganisation.model_validate(example)).decided()
    assert isinstance(event, OrganisationRegistered)
    assert event.tax_rules[0].from_ == date(2007, 1, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code", "acme"),
        ("code", "A"),
        ("code", "ABCDEFGHIJKLM"),
        ("code", "AC-ME"),
        ("code", "ACME\n"),
        ("kinds", []),
        ("kinds", ["carrier"]),
        ("iban", "DE88370400440532013000"),
        ("zone", "Europe/Bonn"),
        ("language", "German"),
        ("tracking_hosts", ["https://www.dhl.de"]),
        ("tracking_hosts", ["localhost"]),
        ("tax_rules", [{"country": "DE", "tax_class": "a", "category": "S", "rate": "19", "from_": "2020-01-01"}]),
        ("colour", "red"),
    ],
)
def test_a_malformed_organisation_is_no_command(field: str, value: object) -> None:
    (example,) = RegisterOrganisation.model_json_schema()["examples"]
    with pytest.raises(ValidationError):
        RegisterOrganisation.model_validate(example | {field: value})
