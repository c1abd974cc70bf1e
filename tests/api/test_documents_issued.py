"""The whole way, by real processes: an order placed at the door, shipped in two parcels, partly returned and refunded,
gets its documents from the policy, and they are read at the door."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from order_ledger.journal.sealing import master_key
from tests.api.conftest import ROTOR, Atelier, Ledger
from tests.waiting import until

BOOK = {name: value for name, value in ROTOR.items() if name not in ("steps", "plan")} | {
    "sku": "BOOK",
    "description": "Book",
    "kind": "untracked",
    "unit_price": "7.00",
}
EUR = {"currency": "EUR"}


@contextmanager
def running(ledger: Ledger, *commands: list[str]) -> Iterator[None]:
    """These commands as processes, for as long as this lasts."""
    home = ledger.home
    environment = {**os.environ, "LEDGER_DATABASE_URL": ledger.database, "LEDGER_HOME": str(home)}
    assert master_key(home) is not None
    with ExitStack() as ended:
        for command in commands:
            process = subprocess.Popen([sys.executable, "-m", "order_ledger", *command], env=environment)
            ended.callback(process.wait, 20)
            ended.callback(process.terminate)
        yield


class Life:
    """One order's life at the door."""

    def __init__(self, atelier: Atelier) -> None:
        self.atelier = atelier
        seller = str(atelier.seller)
        answer = atelier.ip_owner.ask("/v1/items", {**BOOK, "seller": seller, "manufacturer": seller})
        assert answer.status_code == 201, answer.text
        total = {"amount": "35.00", **EUR}
        basket = atelier.basket(lines=[{"sku": "BOOK", "quantity": 5}], expected_total=total)
        self.order = self.told(atelier.consumer.ask("/v1/orders", basket))["order_id"]

    @staticmethod
    def told(answer: Any) -> Any:
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def ask(self, role: str, command: str, body: Any) -> Any:
        return self.told(getattr(self.atelier, role).ask(f"/v1/orders/{self.order}/{command}", body))

    def parcel(self, quantity: int, number: str) -> None:
        link = f"https://track.example.com/{number}"
        self.ask("manufacturer", "ship", {"lines": [{"line": 1, "quantity": quantity}], "carrier": "dhl",
                                          "tracking_number": number, "tracking_url": link})  # fmt: skip
        shipments = self.told(self.atelier.consumer.get(f"/v1/orders/{self.order}"))["shipments"]
        self.ask("consumer", "deliver", {"shipment": shipments[-1]["shipment"], "proof": "consumer"})

    def money(self, kind: str, amount: str, **more: Any) -> None:
        self.ask("customer_service", "record-payment", {
            "kind": kind, "amount": {"amount": amount, **EUR}, "method": "card", "provider": "acme-pay",
            "reference": f"{kind}-{self.order}", **more,
        })  # fmt: skip

    def give_back(self) -> None:
        lines = [{"line": 1, "quantity": 1, "reason": "changed_mind"}]
        self.ask("consumer", "request-return", {"lines": lines, "wanted": "refund"})
        (rma,) = [each["rma"] for each in self.told(self.atelier.consumer.get(f"/v1/orders/{self.order}"))["returns"]]
        self.ask("ip_owner", "approve-return", {"rma": rma, "postage": "seller"})
        counted = [{"line": 1, "quantity": 1, "condition": "resellable"}]
        self.ask("manufacturer", "receive-return", {"rma": rma, "lines": counted})
        how = [{"line": 1, "quantity": 1, "how": "refund"}]
        self.ask("customer_service", "resolve-return", {"rma": rma, "lines": how})

    def documents(self) -> list[Any]:
        answer = self.atelier.consumer.get(f"/v1/orders/{self.order}/documents")
        found: list[Any] = self.told(answer)["documents"]
        return sorted(found, key=lambda each: (each["kind"], each["number"]))


def test_an_order_s_life_on_paper(ledger: Ledger, atelier: Atelier) -> None:
    with running(ledger, ["policy", "issue_documents", "--from", "1"], ["follow", "invoices"]):
        life = Life(atelier)
        life.ask("ip_owner", "confirm", {})
        life.money("captured", "35.00")
        life.parcel(2, "1")
        life.parcel(3, "2")
        life.give_back()
        life.money("refunded", "7.00", refund=1)
        until(lambda: len(life.documents()) == 5)
        followed = atelier.administrator.get("/readyz").json()["policies"]
        metrics = atelier.auditor.get("/metrics").text
    documents = life.documents()
    assert sorted((each["kind"], each["gross"]) for each in documents) == [
        ("credit_note", "7.00"), ("invoice", "14.00"), ("invoice", "21.00"), ("receipt", "35.00"), ("receipt", "7.00"),
    ]  # fmt: skip
    (note,) = [each for each in documents if each["kind"] == "credit_note"]
    assert note["invoice"] in {each["number"] for each in documents if each["kind"] == "invoice"}
    assert sum(float(each["open"]) for each in documents if each["kind"] == "invoice") == 0
    for each in documents:
        assert atelier.consumer.get(f"/v1/documents/{each['number']}.pdf").content.startswith(b"%PDF-1.7")
    assert [(each["name"], each["running"]) for each in followed] == [("issue_documents", True)]
    assert 'order_ledger_policy_open_cases{policy="issue_documents"}' in metrics
    timeline = life.told(atelier.auditor.get(f"/v1/orders/{life.order}/timeline"))["timeline"]
    by_policy = [each for each in timeline if each["through"] == "policy"]
    assert len(by_policy) == 5 and {each["by"]["role"] for each in by_policy} == {"ledger"}
