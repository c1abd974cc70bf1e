"""Commands as they come in: their names, their examples, and what they are not."""

import json
from typing import get_args

import pytest
from pydantic import ValidationError

from order_ledger.orders.commands import COMMANDS, Cancel, OrderCommand, Place, RecordHistory, RevisePromise, Ship
from order_ledger.orders.decisions import allowed_commands
from order_ledger.rights.checks import commands_of
from tests.examples import CONSUMER, FOR_CONSUMER, MADE_PLACED, MAKER, SERVICE
from tests.orders.streams import context, given


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_one(name: str) -> None:
    schema = COMMANDS[name].model_json_schema()
    assert schema["examples"]
    for example in schema["examples"]:
        assert COMMANDS[name].model_validate_json(json.dumps(example)) == COMMANDS[name].model_validate(example)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_field_of_a_command_says_what_it_is(name: str) -> None:
    schema = COMMANDS[name].model_json_schema()
    assert schema["description"]
    for field, meaning in schema["properties"].items():
        assert meaning.get("description"), f"{name}.{field}"


def test_every_command_but_the_import_is_asked_by_name() -> None:
    assert set(COMMANDS.values()) == set(get_args(OrderCommand)) - {RecordHistory}
    assert RecordHistory.name == Place.name == "place"


@pytest.mark.parametrize("unknown", [{"status": "shipped"}, {"reason_code": "whim"}])
def test_what_is_not_a_field_or_a_code_is_refused(unknown: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Cancel.model_validate({"reason_code": "changed_mind", **unknown})


def test_two_hundred_lines_and_no_more() -> None:
    parcel = {
        "carrier": "dhl",
        "tracking_number": "1",
        "tracking_url": "https://a.example/1",
        "lines": [{"line": number, "quantity": 1} for number in range(1, 202)],
    }
    with pytest.raises(ValidationError):
        Ship.model_validate(parcel)
    assert len(Ship.model_validate({**parcel, "lines": parcel["lines"][:200]}).lines) == 200


def test_that_a_promise_is_not_known_is_said_and_not_left_out() -> None:
    with pytest.raises(ValidationError):
        RevisePromise.model_validate({"reason_code": "material"})
    assert RevisePromise.model_validate({"promised_by": None, "reason_code": "material"}).promised_by is None


def test_everybody_sees_the_commands_of_their_role() -> None:
    order = given(MADE_PLACED).state
    for by in (CONSUMER, MAKER, SERVICE):
        shown = [allowed.name for allowed in allowed_commands(order, by, context(by))]
        assert set(shown) == set(commands_of(by.role)) - {"place"}


def test_who_acts_for_a_consumer_sees_the_consumers() -> None:
    order = given(MADE_PLACED).state
    shown = allowed_commands(order, FOR_CONSUMER, context(FOR_CONSUMER))
    assert shown == allowed_commands(order, CONSUMER, context(CONSUMER))
    assert "complete" in [allowed.name for allowed in shown]
