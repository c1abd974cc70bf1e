"""An order from the first click to the refund, over HTTP: each step by the right role, and refused to every other."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.conftest import Atelier, Caller

EVERYBODY = (
    "consumer",
    "ip_owner",
    "manufacturer",
    "warehouse",
    "customer_service",
    "auditor",
    "analyst",
    "administrator",
)
LINK = "https://track.example.com/p/1Z999"
WRONG_LINK = "https://track.example.com/p/1Z998"
EVIDENCE = {"sha256": "a" * 64, "media_type": "image/jpeg", "size": 12345, "title": "The dent"}


class Story:
    """One order, and who did what to it."""

    def __init__(self, atelier: Atelier) -> None:
        self.atelier = atelier
        self.order = atelier.placed(2)
        self.status = "placed"
        self.told: list[str] = []

    def step(self, command: str, body: dict[str, Any], *roles: str) -> dict[str, Any]:
        """Refused to every role that may not, then done by the first that may."""
        path = f"/v1/orders/{self.order}/{command}"
        for role in EVERYBODY:
            if role not in roles:
                refused = getattr(self.atelier, role).ask(path, body)
                assert refused.status_code in (403, 404), (command, role, refused.text)
                if refused.status_code == 403:
                    assert set(roles) <= set(refused.json()["roles"]), refused.text
        answer = getattr(self.atelier, roles[0]).ask(path, body)
        assert answer.status_code == 200, (command, answer.text)
        told: dict[str, Any] = answer.json()
        self.status = told["status"]
        self.told += [event["name"] for event in told["events"]]
        return told

    def blocked(self, command: str, body: dict[str, Any], role: str) -> list[str]:
        """What stands in the way."""
        caller: Caller = getattr(self.atelier, role)
        answer = caller.ask(f"/v1/orders/{self.order}/{command}", body)
        assert answer.status_code == 409, answer.text
        return [each["code"] for each in answer.json()["blocked_by"]]


def test_made_to_order_from_placed_to_refunded(atelier: Atelier) -> None:
    story = Story(atelier)

    story.step("confirm", {}, "ip_owner")
    assert story.status == "confirmed"
    story.step("start-production", {"line": 1}, "manufacturer")
    assert story.status == "in_production"

    assert "step_missing" in story.blocked("complete-step", {"line": 1, "step": "post-processing"}, "manufacturer")
    story.step("complete-step", {"line": 1, "step": "fabrication"}, "manufacturer")
    story.step("complete-inspection-item", {"line": 1, "item": "first-article", "passed": True}, "manufacturer")
    story.step("complete-step", {"line": 1, "step": "post-processing"}, "manufacturer")

    # An item fails, the step is done again, and every item after it is pending again.
    failed = {"line": 1, "item": "diameter", "passed": False, "reading": "201.2", "evidence": [EVIDENCE]}
    story.step("complete-inspection-item", failed, "manufacturer")
    assert story.blocked("complete-production", {"line": 1}, "manufacturer")
    story.step("complete-step", {"line": 1, "step": "post-processing", "rework_for": "diameter"}, "manufacturer")
    outside = {"line": 1, "item": "diameter", "passed": True, "reading": "201.0"}
    assert story.blocked("complete-inspection-item", outside, "manufacturer")
    story.step(
        "complete-inspection-item", {"line": 1, "item": "diameter", "passed": True, "reading": "200.1"}, "manufacturer"
    )
    story.step("complete-production", {"line": 1}, "manufacturer")
    assert story.status == "ready_to_ship"

    parcel = {
        "lines": [{"line": 1, "quantity": 2}],
        "carrier": "ups",
        "tracking_number": "1Z998",
        "tracking_url": WRONG_LINK,
    }
    refused = atelier.manufacturer.ask(
        f"/v1/orders/{story.order}/ship", {**parcel, "tracking_url": "https://elsewhere.example.org/x"}
    )
    assert refused.status_code == 409
    story.step("ship", parcel, "manufacturer", "warehouse")
    assert story.status == "shipping"
    shown = atelier.consumer.get(f"/v1/orders/{story.order}").json()
    shipment = shown["shipments"][0]["shipment"]
    assert shown["shipments"][0]["tracking_url"] == WRONG_LINK

    corrected = {
        "shipment": shipment,
        "carrier": "ups",
        "tracking_number": "1Z999",
        "tracking_url": LINK,
        "reason_code": "typo",
    }
    story.step("correct-tracking", corrected, "manufacturer", "warehouse", "customer_service")
    shown = atelier.consumer.get(f"/v1/orders/{story.order}").json()
    assert shown["shipments"][0]["tracking_url"] == LINK

    story.step("deliver", {"shipment": shipment}, "consumer", "customer_service")
    assert story.status == "delivered"

    paid = {
        "kind": "captured",
        "amount": {"amount": "200.00", "currency": "EUR"},
        "method": "transfer",
        "provider": "bank",
        "reference": f"payment-{story.order}",
    }
    story.step("record-payment", paid, "customer_service")
    story.step("complete", {}, "consumer")
    assert story.status == "completed"

    wanted = {"lines": [{"line": 1, "quantity": 1, "reason": "not_as_described"}], "wanted": "refund"}
    story.step("request-return", wanted, "consumer", "customer_service")
    rma = atelier.consumer.get(f"/v1/orders/{story.order}").json()["returns"][0]["rma"]
    send_by = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
    approved = {"rma": rma, "send_to": str(atelier.seller), "send_by": send_by, "postage": "seller"}
    story.step("approve-return", approved, "ip_owner", "customer_service")
    sent = {
        "rma": rma,
        "carrier": "ups",
        "tracking_number": "1Z777",
        "tracking_url": "https://track.example.com/p/1Z777",
    }
    story.step("ship-return", sent, "consumer", "customer_service")
    back = {"rma": rma, "lines": [{"line": 1, "quantity": 1, "condition": "resellable"}]}
    story.step("receive-return", back, "manufacturer", "warehouse")
    story.step(
        "resolve-return", {"rma": rma, "lines": [{"line": 1, "quantity": 1, "how": "refund"}]}, "customer_service"
    )
    owed = atelier.consumer.get(f"/v1/orders/{story.order}").json()
    assert owed["refund_owed"] == "100.00"
    refunded = {
        "kind": "refunded",
        "amount": {"amount": "100.00", "currency": "EUR"},
        "method": "transfer",
        "provider": "bank",
        "reference": f"refund-{story.order}",
        "refund": owed["refunds"][0]["refund"],
    }
    story.step("record-payment", refunded, "customer_service")

    done = atelier.consumer.get(f"/v1/orders/{story.order}").json()
    assert (done["refund_owed"], done["refunded"], done["payment"], done["return"]) == (
        "0.00",
        "100.00",
        "partly_refunded",
        "resolved",
    )
    timeline = atelier.auditor.get(f"/v1/orders/{story.order}/timeline").json()["timeline"]
    assert [row["name"] for row in timeline] == ["OrderPlaced", *story.told]
    assert [row["version"] for row in timeline] == list(range(1, len(timeline) + 1))
    by = {row["name"]: row["by"]["role"] for row in timeline}
    assert by["OrderConfirmed"] == "ip_owner"
    assert by["InspectionItemCompleted"] == "manufacturer"
    assert by["OrderCompleted"] == "consumer"
    assert by["RefundGranted"] == "customer_service"


def test_every_past_version_of_the_order_can_be_read(atelier: Atelier) -> None:
    order = atelier.placed(1)
    atelier.ip_owner.ask(f"/v1/orders/{order}/confirm", {})
    atelier.manufacturer.ask(f"/v1/orders/{order}/start-production", {"line": 1})

    states = [atelier.consumer.get(f"/v1/orders/{order}", version=n).json()["status"] for n in (1, 2, 3)]

    assert states == ["placed", "confirmed", "in_production"]
