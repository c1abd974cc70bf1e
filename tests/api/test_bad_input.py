"""Every row of the bad-input table: the status, the problem, and that nothing was done."""

import json
import threading
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.api.conftest import Atelier, Ledger

PROBLEM = "application/problem+json"


def check(answer: httpx2.Response, status: int, code: str) -> dict[str, object]:
    """The answer is this problem, in the standard's form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told: dict[str, object] = answer.json()
    assert told["code"] == code, told
    assert told["status"] == status
    assert str(told["type"]).startswith("urn:order-ledger:problem:")
    assert told["title"] and told["detail"]
    return told


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer " + "x" * 4000])
def test_no_or_a_bad_token(ledger: Ledger, header: str) -> None:
    answer = httpx2.post(f"{ledger.url}/v1/orders", headers={"Authorization": header} if header else {}, json={})

    check(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_that_has_ended(ledger: Ledger, atelier: Atelier) -> None:
    from datetime import timedelta

    token, _ = ledger.tokens.issue(atelier.consumer.person, timedelta(seconds=-1))

    check(httpx2.get(f"{ledger.url}/v1/me", headers={"Authorization": f"Bearer {token}"}), 401, "unauthenticated")


def test_a_role_that_may_not(atelier: Atelier) -> None:
    told = check(atelier.auditor.ask("/v1/orders", atelier.basket()), 403, "not_allowed")

    assert told["roles"] == ["consumer", "customer_service"]


def test_a_role_that_is_not_held(ledger: Ledger, atelier: Atelier) -> None:
    stranger = ledger.calling(atelier.consumer.person, "administrator")

    check(stranger.get("/v1/me"), 403, "not_allowed")


def test_several_roles_and_none_chosen(ledger: Ledger) -> None:
    person = ledger.person("double", ("consumer", None), ("auditor", None))
    token = ledger.tokens.issue(person)[0]

    told = check(httpx2.get(f"{ledger.url}/v1/me", headers={"Authorization": f"Bearer {token}"}), 400, "role_required")

    assert told["roles"] == ["auditor", "consumer"]


def test_another_persons_order_and_no_order_read_the_same_to_the_byte(ledger: Ledger, atelier: Atelier) -> None:
    order = atelier.placed()
    stranger = Atelier(ledger).consumer

    answers = [
        stranger.get(f"/v1/orders/{order}"),
        stranger.get(f"/v1/orders/{uuid4()}"),
        stranger.get("/v1/orders/no-id-at-all"),
        stranger.ask(f"/v1/orders/{order}/complete", {}),
        stranger.ask(f"/v1/orders/{uuid4()}/complete", {}),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_refused_by_a_decision(atelier: Atelier) -> None:
    order = atelier.placed()

    told = check(atelier.manufacturer.ask(f"/v1/orders/{order}/start-production", {"line": 1}), 409, "not_confirmed")

    assert told["blocked_by"][0]["who"] == ["ip_owner"]  # type: ignore[index]
    assert {each["name"] for each in told["allowed_commands"]} >= {"start-production", "add-note"}  # type: ignore[attr-defined]


def test_a_stale_version_names_the_events_missed(atelier: Atelier) -> None:
    order = atelier.placed()
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})

    told = check(
        atelier.ip_owner.ask(f"/v1/orders/{order}/hold", {"reason_code": "material"}, If_Match='"1"'), 412, "stale"
    )

    assert told["missed"] == [{"version": 2, "name": "OrderConfirmed"}]


def test_the_version_that_is_known_is_accepted(atelier: Atelier) -> None:
    order = atelier.placed()

    answer = atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {}, If_Match='"1"')

    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'


def test_no_idempotency_key(ledger: Ledger, atelier: Atelier) -> None:
    check(atelier.consumer.http.post("/v1/orders", json=atelier.basket()), 400, "idempotency_key_required")


@pytest.mark.parametrize("key", ["x" * 201, "tab\tin it"])
def test_a_key_that_is_none(atelier: Atelier, key: str) -> None:
    check(atelier.consumer.ask("/v1/orders", atelier.basket(), key=key), 422, "invalid")


def test_the_same_key_and_body_gives_the_first_answer_again(atelier: Atelier) -> None:
    first = atelier.consumer.ask("/v1/orders", atelier.basket(), key="once")
    atelier.ip_owner.ask(f"/v1/orders/{first.json()['order_id']}/confirm", {})

    again = atelier.consumer.ask("/v1/orders", atelier.basket(), key="once")

    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    for field in ("order_id", "number", "version", "position", "status", "events"):
        assert again.json()[field] == first.json()[field], field


def test_the_same_key_and_another_body(atelier: Atelier) -> None:
    atelier.consumer.ask("/v1/orders", atelier.basket(1), key="twice")

    check(atelier.consumer.ask("/v1/orders", atelier.basket(2), key="twice"), 422, "idempotency_key_reused")


def test_the_same_key_on_another_command_of_the_order(atelier: Atelier) -> None:
    order = atelier.placed()
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {}, key="same")

    answer = atelier.ip_owner.ask(f"/v1/orders/{order}/hold", {"reason_code": "material"}, key="same")

    check(answer, 422, "idempotency_key_reused")


def test_the_same_key_on_another_order_is_another_key(atelier: Atelier) -> None:
    for order in (atelier.placed(), atelier.placed()):
        assert atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {}, key="mine").status_code == 200


def test_a_retry_after_a_refusal_is_decided_anew(atelier: Atelier) -> None:
    order = atelier.placed()
    check(atelier.manufacturer.ask(f"/v1/orders/{order}/start-production", {"line": 1}, key="go"), 409, "not_confirmed")
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})

    answer = atelier.manufacturer.ask(f"/v1/orders/{order}/start-production", {"line": 1}, key="go")

    assert answer.status_code == 200


def test_twins_in_flight_are_one_order(atelier: Atelier) -> None:
    answers: list[httpx2.Response] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(atelier.consumer.ask("/v1/orders", atelier.basket(), key="twins"))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["order_id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"surprise": 1}, "/surprise", "extra_forbidden"),
        ({"lines": []}, "/lines", "too_short"),
        ({"lines": [{"sku": "ROTOR-200", "quantity": 0}]}, "/lines/0/quantity", "greater_than_equal"),
        ({"lines": [{"sku": "ROTOR-200", "quantity": 10**30}]}, "/lines/0/quantity", "less_than_equal"),
        ({"lines": [{"sku": "ROTOR-200", "quantity": "2"}]}, "/lines/0/quantity", "int_type"),
        ({"lines": [{"sku": "ROTOR-200", "quantity": 1.5}]}, "/lines/0/quantity", "int_type"),
        ({"lines": [{"sku": "A", "quantity": 1}] * 201}, "/lines", "too_long"),
        ({"contact": {"name": "nul\x00"}}, "/contact/name", "control_character"),
        ({"expected_total": {"amount": 200.0, "currency": "EUR"}}, "/expected_total/amount", "no_float"),
        ({"expected_total": {"amount": "200", "currency": "EUR"}}, "/expected_total", "money_exponent"),
        ({"expected_total": {"amount": "NaN", "currency": "EUR"}}, "/expected_total/amount", "finite_number"),
        ({"ship_to": {"country": "XX"}}, "/ship_to/country", "country"),
        ({"seller": "nobody"}, "/seller", "uuid_parsing"),
        ({"zone": "Mars/Olympus"}, "/zone", "time_zone_name"),
    ],
)
def test_malformed_fields_are_named_with_their_path(
    atelier: Atelier, change: dict[str, Any], path: str, code: str
) -> None:
    told = check(atelier.consumer.ask("/v1/orders", atelier.basket(**change)), 422, "invalid")

    assert (path, code) in [(each["path"], each["code"]) for each in told["violations"]]  # type: ignore[attr-defined]


def test_every_violation_is_named_at_once(atelier: Atelier) -> None:
    told = check(atelier.consumer.ask("/v1/orders", {"lines": [{"sku": "", "quantity": -1}]}), 422, "invalid")

    assert {each["path"] for each in told["violations"]} >= {  # type: ignore[attr-defined]
        "/seller",
        "/contact",
        "/ship_to",
        "/expected_total",
        "/lines/0/sku",
        "/lines/0/quantity",
    }


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"text"', b"nonsense", b"\xff\xfe{}", b'{"seller": "\xc3\x28"}', b'{"lines": [1e999]}', b"null"],
)
def test_what_is_no_json_object(atelier: Atelier, body: bytes) -> None:
    check(atelier.consumer.ask("/v1/orders", body), 422, "invalid")


def test_deep_json_is_refused(atelier: Atelier) -> None:
    check(atelier.consumer.ask("/v1/orders", b"[" * 15_000 + b"]" * 15_000), 422, "invalid")


def test_a_body_over_32_kb(atelier: Atelier) -> None:
    body = json.dumps(atelier.basket(buyer_reference="x" * 40_000)).encode()

    check(atelier.consumer.ask("/v1/orders", body), 413, "too_large")


def test_a_body_over_32_kb_that_does_not_say_so(atelier: Atelier) -> None:
    def chunks() -> object:
        for _ in range(50):
            yield b"x" * 1000

    answer = atelier.consumer.http.post("/v1/orders", content=chunks(), headers={"Idempotency-Key": "big"})  # type: ignore[arg-type]

    check(answer, 413, "too_large")


def test_a_role_that_may_not_is_told_so_before_anything_is_said_of_the_body(atelier: Atelier) -> None:
    check(atelier.auditor.ask("/v1/orders", b"{"), 403, "not_allowed")


def test_a_missing_key_is_told_before_anything_is_said_of_the_body(atelier: Atelier) -> None:
    check(atelier.consumer.http.post("/v1/orders", content=b"{"), 400, "idempotency_key_required")


@pytest.mark.parametrize("version", ["x", '"x"', "-1", "1.5", '"' + "9" * 40 + '"'])
def test_an_if_match_that_names_no_version(atelier: Atelier, version: str) -> None:
    order = atelier.placed()

    check(atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {}, If_Match=version), 422, "invalid")


@pytest.mark.parametrize(
    "query",
    [
        {"version": "x"},
        {"version": "0"},
        {"as_of": "yesterday"},
        {"as_of": "2026-01-01"},
        {"version": "1", "as_of": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_moment_that_is_none(atelier: Atelier, query: dict[str, str]) -> None:
    check(atelier.consumer.get(f"/v1/orders/{atelier.placed()}", **query), 422, "invalid")


def test_before_the_order_was_placed_there_is_none(atelier: Atelier) -> None:
    check(atelier.consumer.get(f"/v1/orders/{atelier.placed()}", as_of="2020-01-01T00:00:00Z"), 404, "not_found")


def test_a_path_that_is_none(ledger: Ledger) -> None:
    check(httpx2.get(f"{ledger.url}/v1/nothing"), 404, "not_found")


def test_a_method_that_is_none(atelier: Atelier) -> None:
    answer = atelier.consumer.http.request("DELETE", "/v1/orders")

    assert answer.status_code == 405
    assert answer.headers["content-type"] == PROBLEM


def test_customer_service_acts_for_a_consumer_and_owes_a_reason(atelier: Atelier) -> None:
    on_behalf = {"Ledger_On_Behalf_Of": str(atelier.consumer.person)}

    check(atelier.customer_service.ask("/v1/orders", atelier.basket(), **on_behalf), 422, "invalid")
    placed = atelier.customer_service.ask("/v1/orders", {**atelier.basket(), "reason": "Phoned in."}, **on_behalf)

    assert placed.status_code == 201
    order = placed.json()["order_id"]
    first = atelier.auditor.get(f"/v1/orders/{order}/timeline").json()["timeline"][0]
    assert first["by"]["role"] == "customer_service"
    assert first["by"]["on_behalf_of"] == str(atelier.consumer.person)
    assert first["reason"] == "Phoned in."
    assert atelier.consumer.get(f"/v1/orders/{order}").status_code == 200


def test_only_customer_service_acts_for_others(atelier: Atelier) -> None:
    on_behalf = {"Ledger_On_Behalf_Of": str(uuid4())}

    check(atelier.consumer.ask("/v1/orders", atelier.basket(), **on_behalf), 403, "not_allowed")


def test_on_behalf_of_nobody(atelier: Atelier) -> None:
    check(atelier.customer_service.ask("/v1/orders", atelier.basket(), Ledger_On_Behalf_Of="ada"), 422, "invalid")


def test_every_refusal_is_kept_for_the_auditor(ledger: Ledger, atelier: Atelier) -> None:
    order = atelier.placed()
    atelier.manufacturer.ask(f"/v1/orders/{order}/confirm", {})

    with ledger.journal.connection() as connection:
        row = connection.execute(
            "SELECT role, what, code FROM journal.access WHERE person = %s AND subject = %s",
            (atelier.manufacturer.person, order),
        ).fetchone()

    assert row == ("manufacturer", "confirm", "not_allowed")


def test_every_look_at_personal_data_is_kept_for_the_auditor(ledger: Ledger, atelier: Atelier) -> None:
    order = atelier.placed()
    assert atelier.auditor.get(f"/v1/orders/{order}").json()["ship_to"]["name"] == "Ada Lovelace"

    with ledger.journal.connection() as connection:
        row = connection.execute(
            "SELECT role, what, code FROM journal.access WHERE person = %s AND subject = %s",
            (atelier.auditor.person, order),
        ).fetchone()

    assert row == ("auditor", "read:order", None)
