"""What people read: lists, searches, past states, timelines, stored bytes, and what happens live."""

import hashlib
import json
import threading
import time
from datetime import UTC, datetime

import httpx2
import pytest

from order_ledger.journal.codec import genesis
from tests.api.conftest import Atelier, Ledger


def written(answer: httpx2.Response) -> int:
    """The position to wait for."""
    assert answer.status_code in (200, 201), answer.text
    position: int = answer.json()["position"]
    return position


def test_you_read_your_own_writes(atelier: Atelier) -> None:
    placed = atelier.consumer.ask("/v1/orders", atelier.basket())

    listed = atelier.consumer.get("/v1/orders", wait_for=written(placed)).json()["orders"]

    assert [each["order_id"] for each in listed] == [placed.json()["order_id"]]
    assert listed[0]["status"] == "placed"
    assert listed[0]["reads"] == "Order received"


def test_a_list_holds_the_orders_of_the_party_that_asks(ledger: Ledger, atelier: Atelier) -> None:
    other = Atelier(ledger)
    position = max(written(each.consumer.ask("/v1/orders", each.basket())) for each in (atelier, other))

    for role in ("consumer", "ip_owner", "manufacturer"):
        listed = getattr(atelier, role).get("/v1/orders", wait_for=position).json()["orders"]
        assert len(listed) == 1, role
        assert listed[0]["seller"] == str(atelier.seller)
    everything = atelier.auditor.get("/v1/orders", wait_for=position, limit=200).json()["orders"]
    assert {str(atelier.seller), str(other.seller)} <= {each["seller"] for each in everything}


def test_amounts_are_spelt_with_the_decimals_of_their_currency(atelier: Atelier) -> None:
    order = atelier.placed()
    read = atelier.consumer.get(f"/v1/orders/{order}").json()
    assert [read[name] for name in ("total", "captured", "refunded", "refund_owed")] == ["200.00", *["0.00"] * 3]
    (listed,) = atelier.consumer.get("/v1/orders", wait_for=read["position"]).json()["orders"]
    assert (listed["total"], listed["refund_owed"]) == ("200.00", "0.00")


def test_makers_see_no_prices(atelier: Atelier) -> None:
    position = written(atelier.consumer.ask("/v1/orders", atelier.basket()))

    (listed,) = atelier.manufacturer.get("/v1/orders", wait_for=position).json()["orders"]
    shown = atelier.manufacturer.get(f"/v1/orders/{listed['order_id']}").json()

    for told in (listed, shown):
        assert not {"total", "net", "tax", "payments", "refunds"} & set(told)
    assert "unit_price" not in shown["lines"][0]
    assert "bill_to" not in shown and "ship_to" not in shown


def test_makers_see_where_it_goes_once_it_is_confirmed(atelier: Atelier) -> None:
    order = atelier.placed()
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})

    shown = atelier.manufacturer.get(f"/v1/orders/{order}").json()

    assert shown["ship_to"]["city"] == "Berlin"
    assert "contact" not in shown


def test_an_analyst_sees_amounts_and_no_person(atelier: Atelier) -> None:
    shown = atelier.analyst.get(f"/v1/orders/{atelier.placed()}").json()

    assert shown["total"] == "200.00"
    assert not {"contact", "ship_to", "bill_to", "phone", "payments"} & set(shown)
    assert shown["ship_to_country"] == "DE"


def test_pages_go_on_where_the_last_one_ended(atelier: Atelier) -> None:
    orders = [atelier.placed() for _ in range(5)]
    position = written(atelier.consumer.ask(f"/v1/orders/{orders[-1]}/add-note", {"text": "Please ring."}))
    found, cursor = [], None
    while True:
        page = atelier.consumer.get(
            "/v1/orders", limit=2, wait_for=position, **({"cursor": cursor} if cursor else {})
        ).json()
        found += [each["order_id"] for each in page["orders"]]
        cursor = page["cursor"]
        if cursor is None:
            break

    assert found == orders[::-1]


def test_orders_are_found_by_number_and_by_state(atelier: Atelier) -> None:
    first, second = atelier.placed(), atelier.placed()
    position = written(atelier.ip_owner.ask(f"/v1/orders/{second}/confirm", {}))
    number = atelier.consumer.get(f"/v1/orders/{first}").json()["number"]

    by_number = atelier.consumer.get("/v1/orders", q=number, wait_for=position).json()["orders"]
    confirmed = atelier.consumer.get("/v1/orders", status="confirmed", wait_for=position).json()["orders"]

    assert [each["order_id"] for each in by_number] == [first]
    assert [each["order_id"] for each in confirmed] == [second]


def test_what_waits_for_a_role(atelier: Atelier) -> None:
    order = atelier.placed()
    position = written(atelier.consumer.ask(f"/v1/orders/{order}/add-note", {"text": "Please ring."}))

    waiting = atelier.ip_owner.get("/v1/orders", role_queue="ip_owner", wait_for=position).json()["orders"]
    assert [each["order_id"] for each in waiting] == [order]

    position = written(atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {}))
    assert atelier.ip_owner.get("/v1/orders", role_queue="ip_owner", wait_for=position).json()["orders"] == []
    waiting = atelier.manufacturer.get("/v1/orders", role_queue="manufacturer", wait_for=position).json()["orders"]
    assert [each["order_id"] for each in waiting] == [order]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "lost"},
        {"role_queue": "king"},
        {"limit": "0"},
        {"limit": "1000"},
        {"cursor": "???"},
        {"placed_after": "then"},
        {"surprise": "1"},
        {"wait_for": "soon"},
        {"q": "x" * 201},
    ],
)
def test_a_query_that_is_none(atelier: Atelier, query: dict[str, str]) -> None:
    answer = atelier.consumer.get("/v1/orders", **query)

    assert answer.status_code == 422
    assert answer.json()["violations"][0]["path"] == f"?{next(iter(query))}"


def test_a_parameter_that_there_is_not_is_told_and_not_passed_over(atelier: Atelier) -> None:
    """Who misspells `as_of` must not take today's order for that of the past."""
    order = atelier.placed()

    for path in (f"/v1/orders/{order}", f"/v1/orders/{order}/timeline", "/v1/items", "/v1/me"):
        answer = atelier.consumer.get(path, asof="2026-11-21T20:15:03Z")
        assert answer.status_code == 422, path
        assert answer.json()["violations"][0]["path"] == "?asof"


def test_a_list_of_items_is_not_asked_for_so(atelier: Atelier) -> None:
    queries: list[dict[str, str]] = [{"limit": "201"}, {"limit": "x"}, {"cursor": "???"}, {"seller": "atelier"}]
    for query in queries:
        answer = atelier.consumer.get("/v1/items", **query)
        assert answer.status_code == 422, query
        assert answer.json()["violations"][0]["path"] == f"?{next(iter(query))}"


def test_waiting_for_what_never_comes_is_bounded(atelier: Atelier) -> None:
    started = time.monotonic()

    answer = atelier.consumer.get("/v1/orders", wait_for=10**15)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert time.monotonic() - started < 15


def test_the_order_as_of_a_moment(atelier: Atelier) -> None:
    order = atelier.placed()
    before = datetime.now(UTC).isoformat()
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})

    for word in ("as_of", "as_recorded"):
        told = atelier.consumer.get(f"/v1/orders/{order}", **{word: before}).json()
        assert (told["status"], told["version"]) == ("placed", 1)
        assert "allowed_commands" not in told


def test_what_happened_earlier_than_it_was_recorded(atelier: Atelier) -> None:
    order = atelier.placed()
    confirmed = atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})
    assert confirmed.status_code == 200
    between = datetime.now(UTC).isoformat()
    started = atelier.manufacturer.ask(f"/v1/orders/{order}/start-production", {"line": 1, "at": between})
    assert started.status_code == 200

    assert atelier.consumer.get(f"/v1/orders/{order}", as_of=between).json()["status"] == "in_production"
    assert atelier.consumer.get(f"/v1/orders/{order}", as_recorded=between).json()["status"] == "confirmed"


def test_stored_bytes_are_the_entries_chained_by_hash(ledger: Ledger, atelier: Atelier) -> None:
    order = atelier.placed()
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})

    lines = atelier.auditor.get(f"/v1/orders/{order}/events").content.splitlines()

    from base64 import urlsafe_b64encode
    from uuid import UUID

    digest = genesis(ledger.journal.ledger, "order", UUID(order))
    for number, line in enumerate(lines, 1):
        entry = json.loads(line)
        assert (entry["version"], entry["previous"]) == (number, urlsafe_b64encode(digest).decode().rstrip("="))
        digest = hashlib.sha256(line).digest()
    assert b"Lovelace" not in b"".join(lines)


def test_only_an_auditor_reads_the_stored_bytes(atelier: Atelier) -> None:
    order = atelier.placed()

    for role in ("consumer", "ip_owner", "manufacturer", "warehouse", "customer_service", "analyst", "administrator"):
        assert getattr(atelier, role).get(f"/v1/orders/{order}/events").status_code == 403


def test_a_consumer_does_not_read_staff_notes(atelier: Atelier) -> None:
    order = atelier.placed()
    atelier.ip_owner.ask(f"/v1/orders/{order}/add-note", {"text": "A difficult one.", "audience": "staff"})
    atelier.ip_owner.ask(f"/v1/orders/{order}/add-note", {"text": "Thank you!", "audience": "everyone"})

    def texts(role: str) -> list[str]:
        timeline = getattr(atelier, role).get(f"/v1/orders/{order}/timeline").json()["timeline"]
        return [row["text"] for row in timeline if row["name"] == "NoteAdded"]

    assert texts("consumer") == ["Thank you!"]
    assert texts("customer_service") == ["A difficult one.", "Thank you!"]


def test_what_happens_is_told_live(atelier: Atelier) -> None:
    order = atelier.placed()
    told: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        with atelier.consumer.http.stream("GET", f"/v1/orders/{order}/stream") as answer:
            for line in answer.iter_lines():
                listening.set()
                if line.startswith("event: "):
                    told.append(line.removeprefix("event: "))
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert listening.wait(10)
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})
    thread.join(10)

    assert told == ["OrderConfirmed"]


def test_a_stream_goes_on_after_the_last_event_that_arrived(atelier: Atelier) -> None:
    order = atelier.placed()
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})

    with atelier.consumer.http.stream("GET", f"/v1/orders/{order}/stream", headers={"Last-Event-ID": "1"}) as answer:
        told = next(line for line in answer.iter_lines() if line.startswith("data: "))

    assert json.loads(told.removeprefix("data: "))["status"] == "confirmed"


def test_the_catalogue_and_the_stock(atelier: Atelier) -> None:
    lamp = {
        "sku": "LAMP",
        "seller": str(atelier.seller),
        "warehouse": str(atelier.seller),
        "description": "Lamp",
        "kind": "from_stock",
        "unit": "C62",
        "unit_price": "40.00",
        "currency": "EUR",
        "tax_included": True,
        "tax_class": "standard",
        "lead_days": 2,
    }
    item = atelier.ip_owner.ask("/v1/items", lamp).json()["item_id"]
    received = atelier.warehouse.ask(f"/v1/stock/{item}/receive-stock", {"quantity": 7, "reference": "DN-1"})
    assert received.status_code == 200, received.text

    stock = atelier.warehouse.get(f"/v1/stock/{item}").json()
    listed = atelier.consumer.get("/v1/items", seller=str(atelier.seller), limit=200).json()["items"]

    assert (stock["on_hand"], stock["reserved"], stock["available"]) == (7, 0, 7)
    assert {each["sku"] for each in listed} == {"ROTOR-200", "LAMP"}
    assert atelier.consumer.get(f"/v1/stock/{item}").status_code == 403
    dearer = atelier.ip_owner.ask(f"/v1/items/{item}/change-price", {"unit_price": "45.00", "tax_included": True})
    assert dearer.json()["unit_price"] == "45.00"
    assert atelier.ip_owner.ask(f"/v1/items/{item}/delist", {}).json()["listed"] is False


def test_a_price_that_changed_meanwhile_is_refused_at_placing(atelier: Atelier) -> None:
    atelier.ip_owner.ask(f"/v1/items/{atelier.item}/change-price", {"unit_price": "120.00", "tax_included": True})

    answer = atelier.consumer.ask("/v1/orders", atelier.basket(2))

    assert answer.status_code == 409
    assert answer.json()["code"] == "total_changed"
