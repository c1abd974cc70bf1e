"""Measures and stock figures at the door: for whom, of what, and how bad input is answered."""

from typing import Any

import httpx2
import pytest

from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from tests.api.conftest import ROTOR, Atelier, Ledger

FULFILMENT, STOCK = "/v1/analytics/fulfilment", "/v1/stock"


def follow(ledger: Ledger, name: str, position: int) -> None:
    Follower(ledger.database, find(name)).catch_up(position)


def placed(atelier: Atelier) -> int:
    """Places an order, confirms it, and answers the position."""
    order = atelier.placed()
    answer = atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})
    position: int = answer.json()["position"]
    return position


def test_each_party_measures_its_own_orders(ledger: Ledger, atelier: Atelier) -> None:
    other = Atelier(ledger)
    position = max(placed(atelier), placed(other), placed(other))
    follow(ledger, "fulfilment", position)

    def told(who: Atelier, role: str, **query: Any) -> Any:
        answer = getattr(who, role).get(FULFILMENT, wait_for=position, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for role in ("ip_owner", "manufacturer"):
        assert [told(atelier, role)["orders"], told(other, role)["orders"]] == [1, 2]
    assert told(atelier, "warehouse")["orders"] == 0, "what is made to order it does not keep"
    for role in ("customer_service", "auditor", "analyst"):
        assert told(atelier, role)["orders"] >= 3
    measured = told(other, "ip_owner", group_by="item")
    assert measured["durations_hours"]["placed_to_confirmed"]["n"] == 2
    assert [(group["name"], group["orders"]) for group in measured["groups"]] == [("ROTOR-200, Rotor, 200 mm", 2)]
    assert measured["waiting"]["by_role"][0]["role"] == "manufacturer"
    assert measured["refunds"]["granted"] == 0
    assert told(other, "manufacturer")["refunds"] is None, "makers see no refunds"
    assert told(other, "ip_owner", **{"from": "2020-01-01", "to": "2021-01-01T00:00:00Z"})["orders"] == 0


@pytest.mark.parametrize(("path", "refused"), [(FULFILMENT, ("consumer",)), (STOCK, ("consumer", "manufacturer"))])
def test_who_may_not_is_told_who_may(atelier: Atelier, path: str, refused: tuple[str, ...]) -> None:
    for role in refused:
        answer = getattr(atelier, role).get(path)
        assert answer.status_code == 403
        assert "analyst" in answer.json()["roles"] and role not in answer.json()["roles"]
    assert atelier.analyst.http.get(path, headers={"Authorization": "Bearer none"}).status_code == 401


def test_whoever_acts_for_a_consumer_may_no_more_than_they(atelier: Atelier) -> None:
    for path in (FULFILMENT, STOCK):
        acting = {"Ledger-On-Behalf-Of": str(atelier.consumer.person)}
        assert atelier.customer_service.http.get(path, headers=acting).status_code == 403


def test_administrators_see_stock_and_no_measures(atelier: Atelier) -> None:
    assert atelier.administrator.get(STOCK).status_code == 200
    assert atelier.administrator.get(FULFILMENT).status_code == 403


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (FULFILMENT, {"from": "yesterday"}),
        (FULFILMENT, {"to": "2026-13-01"}),
        (FULFILMENT, {"group_by": "colour"}),
        (FULFILMENT, {"surprise": "1"}),
        (FULFILMENT, {"wait_for": "soon"}),
        (FULFILMENT, {"organisation": "mine"}),
        (STOCK, {"limit": "0"}),
        (STOCK, {"limit": "201"}),
        (STOCK, {"cursor": "???"}),
        (STOCK, {"surprise": "1"}),
    ],
)
def test_a_query_that_is_none(atelier: Atelier, path: str, query: dict[str, str]) -> None:
    answer = atelier.ip_owner.get(path, **query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["violations"][0]["path"] == f"?{next(iter(query))}"


def test_a_read_model_that_nobody_follows_is_said_so(atelier: Atelier) -> None:
    answer = atelier.analyst.get(FULFILMENT, wait_for=10**15)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "order-ledger follow fulfilment" in answer.json()["detail"]


def test_stock_figures_are_those_of_the_seller_and_of_the_warehouse(ledger: Ledger, atelier: Atelier) -> None:
    other = Atelier(ledger)
    for each in (atelier, other):
        for sku in ("STOOL-1", "STOOL-2"):
            stool = {
                **{name: value for name, value in ROTOR.items() if name not in ("steps", "plan")},
                "sku": sku, "kind": "from_stock", "seller": str(each.seller), "warehouse": str(each.seller),
            }  # fmt: skip
            item = each.ip_owner.ask("/v1/items", stool).json()["item_id"]
    received = other.warehouse.ask(f"/v1/stock/{item}/receive-stock", {"quantity": 7, "reference": "DN-1"})
    follow(ledger, "stock", received.json()["position"])

    def told(who: Atelier, role: str, **query: Any) -> Any:
        answer: httpx2.Response = getattr(who, role).get(STOCK, wait_for=received.json()["position"], **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for role in ("ip_owner", "warehouse"):
        assert sorted(each["on_hand"] for each in told(atelier, role)["items"]) == [0, 0]
        (full,) = [each for each in told(other, role)["items"] if each["on_hand"]]
        assert (full["item_id"], full["available"], full["backordered"]) == (item, 7, 0)
    assert len(told(other, "auditor", limit=200)["items"]) >= 4
    first = told(other, "ip_owner", limit=1)
    second = told(other, "ip_owner", limit=1, cursor=first["cursor"])
    assert second["cursor"] is None
    assert {page["items"][0]["sku"] for page in (first, second)} == {"STOOL-1", "STOOL-2"}


def test_whoever_acts_for_several_organisations_says_for_which(ledger: Ledger, atelier: Atelier) -> None:
    other = Atelier(ledger)
    ledger.person("both", ("ip_owner", atelier.seller), ("ip_owner", other.seller))
    both = ledger.caller("both", "ip_owner")
    for path in (FULFILMENT, STOCK):
        assert both.get(path).json()["violations"][0]["path"] == "?organisation"
        assert both.get(path, organisation=str(other.seller)).status_code == 200


def test_the_openapi_document_shows_an_answer(ledger: Ledger) -> None:
    paths = httpx2.get(f"{ledger.url}/openapi.json").json()["paths"]
    for path in (FULFILMENT, STOCK):
        assert "position" in paths[path]["get"]["responses"]["200"]["content"]["application/json"]["example"]
