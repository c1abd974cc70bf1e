"""Logging in, parties, health, metrics, and the OpenAPI document."""

import json
from uuid import uuid4

import httpx2
import pytest

from order_ledger.values import Contact
from tests.api.conftest import SELLER, Atelier, Ledger


def test_logging_in(ledger: Ledger) -> None:
    login = f"ada-{uuid4()}"
    person, password = ledger.administration.add_person(login, Contact(name="Ada"), [("consumer", None)])

    answer = httpx2.post(f"{ledger.url}/v1/token", json={"login": login, "password": password})

    told = answer.json()
    assert (answer.status_code, told["person_id"], told["roles"]) == (200, str(person), ["consumer"])
    me = httpx2.get(f"{ledger.url}/v1/me", headers={"Authorization": f"Bearer {told['token']}"})
    assert me.json()["role"] == "consumer"


@pytest.mark.parametrize("login", ["nobody", "known"])
def test_a_wrong_password_and_a_wrong_login_are_told_alike(ledger: Ledger, login: str) -> None:
    name = f"{login}-{uuid4()}"
    if login == "known":
        ledger.administration.add_person(name, Contact(name="Ada"), [("consumer", None)])

    answer = httpx2.post(f"{ledger.url}/v1/token", json={"login": name, "password": "wrong"})

    assert answer.status_code == 401
    assert answer.json()["detail"] == "The login or the password is wrong."


@pytest.mark.parametrize("body", [b"", b"{}", b'{"login": 1}', b"[1]"])
def test_a_log_in_that_is_none(ledger: Ledger, body: bytes) -> None:
    assert httpx2.post(f"{ledger.url}/v1/token", content=body).status_code == 422


def test_a_new_organisation_and_its_people(ledger: Ledger, atelier: Atelier) -> None:
    admin = atelier.administrator
    code = f"B{uuid4().hex[:8].upper()}"
    registered = admin.ask("/v1/organisations", {**SELLER, "code": code})
    assert registered.status_code == 201, registered.text
    organisation = registered.json()["organisation_id"]
    person = admin.ask("/v1/persons", {"contact": {"name": "Grace"}, "language": "en"}).json()["person_id"]
    granted = admin.ask(f"/v1/persons/{person}/grant-role", {"role": "ip_owner", "organisation": organisation})
    assert granted.status_code == 200, granted.text
    from uuid import UUID

    owner = ledger.calling(UUID(person), "ip_owner")
    assert owner.get(f"/v1/organisations/{organisation}").json()["code"] == code
    assert owner.get(f"/v1/organisations/{atelier.seller}").status_code == 404
    assert owner.get(f"/v1/persons/{person}").json()["contact"]["name"] == "Grace"
    withdrawn = admin.ask(f"/v1/persons/{person}/withdraw-role", {"role": "ip_owner", "organisation": organisation})
    assert withdrawn.status_code == 200
    assert owner.get("/v1/me").status_code == 403


def test_a_code_is_taken_once(atelier: Atelier) -> None:
    body = {**SELLER, "code": f"C{uuid4().hex[:8].upper()}"}
    assert atelier.administrator.ask("/v1/organisations", body).status_code == 201

    assert atelier.administrator.ask("/v1/organisations", body).json()["code"] == "code_taken"


def test_health_needs_no_log_in(ledger: Ledger) -> None:
    assert httpx2.get(f"{ledger.url}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{ledger.url}/readyz").json() == {"ready": True}


def test_readiness_in_detail(atelier: Atelier) -> None:
    told = atelier.administrator.get("/readyz").json()

    (follower,) = [each for each in told["followers"] if each["name"] == "order_status"]
    assert follower["parked"] == 0
    assert told["ready"] is True


def test_metrics_count_requests_by_route(atelier: Atelier) -> None:
    atelier.placed()

    text = atelier.auditor.get("/metrics").text

    assert 'order_ledger_requests_total{method="POST",route="/v1/orders",status="201"}' in text
    labels = '{part="1",projection="order_status",read="yes",version="1"}'
    for gauge in ("lag_events", "lag_seconds", "parked"):
        assert f"order_ledger_follower_{gauge}{labels}" in text
    assert atelier.consumer.get("/metrics").status_code == 403


def test_the_openapi_document_names_every_command_with_an_example(ledger: Ledger) -> None:
    from order_ledger.orders.commands import COMMANDS

    document = httpx2.get(f"{ledger.url}/openapi.json").json()

    for name in COMMANDS:
        path = "/v1/orders" if name == "place" else f"/v1/orders/{{order_id}}/{name}"
        operation = document["paths"][path]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert schema["examples"], name
        assert {"401", "403", "404", "409", "422"} <= set(operation["responses"])
    assert json.dumps(document).count("#/$defs/") == 0


def test_every_example_in_the_openapi_document_is_well_formed(ledger: Ledger) -> None:
    from order_ledger.orders.commands import COMMANDS

    for command in COMMANDS.values():
        for example in command.model_config.get("json_schema_extra", {}).get("examples", []):  # type: ignore[union-attr]
            command.model_validate_json(json.dumps(example))
