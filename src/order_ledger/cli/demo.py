"""`demo`: a seller, its items, its people and a few orders, made through the door like anything else."""

import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx2
import typer

from order_ledger.accounts import Tokens
from order_ledger.administration import Administration
from order_ledger.cli.answers import AsJson, Failed, answer_json, answer_rows, say
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import master_key
from order_ledger.parties.commands import GrantableRole, RegisterOrganisation
from order_ledger.postgres import server_for
from order_ledger.settings import Settings
from order_ledger.values import Contact

_PAUSE_SECONDS = 0.1

SELLER = {
    "code": "DEMO",
    "kinds": ["seller", "manufacturer", "warehouse"],
    "legal_name": "Atelier Nord GmbH",
    "trade_name": "Atelier Nord",
    "address": {"line1": "Werkstrasse 7", "postcode": "20095", "city": "Hamburg", "country": "DE"},
    "country": "DE",
    "vat_id": "DE123456789",
    "email": "office@atelier-nord.example",
    "iban": "DE02120300000000202051",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "language": "en",
    "tax_rules": [
        {"country": country, "tax_class": "standard", "category": "S", "rate": "19.00", "from": "2020-01-01"}
        for country in ("DE", "FR", "NL")
    ],
    "terms": {
        "pay": "on_invoice",
        "due_days": 14,
        "method": "transfer",
        "invoice_at": "dispatch",
        "complete_after_days": 14,
    },
    "confirm_stock_orders": "hand",
    "tracking_hosts": ["track.example.com"],
}

ROTOR = {
    "sku": "ROTOR-200",
    "description": "Rotor, 200 mm",
    "kind": "made_to_order",
    "unit_price": "100.00",
    "lead_days": 10,
    "steps": [{"step": "fabrication", "name": "Fabrication"}, {"step": "post-processing", "name": "Post-processing"}],
    "plan": [
        {"item": "surface", "name": "Surface without cracks", "after_step": "fabrication", "required": True},
        {
            "item": "diameter",
            "name": "Diameter",
            "after_step": "post-processing",
            "required": True,
            "unit": "MMT",
            "low": "199.5",
            "high": "200.5",
            "shown": True,
        },
    ],
    "return_days": 30,
    "warranty_days": 730,
}

PEOPLE: dict[str, tuple[GrantableRole, bool]] = {
    "ada": ("consumer", False),
    "ivo": ("ip_owner", True),
    "mara": ("manufacturer", True),
    "wim": ("warehouse", True),
    "cora": ("customer_service", False),
    "audrey": ("auditor", False),
    "ana": ("analyst", False),
}

MADE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ivo", "confirm", {}),
    ("mara", "start-production", {"line": 1}),
    ("mara", "complete-step", {"line": 1, "step": "fabrication"}),
    ("mara", "complete-inspection-item", {"line": 1, "item": "surface", "passed": True}),
    ("mara", "complete-step", {"line": 1, "step": "post-processing"}),
    ("mara", "complete-inspection-item", {"line": 1, "item": "diameter", "passed": False, "reading": "201.2"}),
    ("mara", "complete-step", {"line": 1, "step": "post-processing", "rework_for": "diameter"}),
    ("mara", "complete-inspection-item", {"line": 1, "item": "diameter", "passed": True, "reading": "200.1"}),
    ("mara", "complete-production", {"line": 1}),
    (
        "mara",
        "ship",
        {
            "lines": [{"line": 1, "quantity": 2}],
            "carrier": "ups",
            "tracking_number": "1Z999",
            "tracking_url": "https://track.example.com/p/1Z999",
        },
    ),
    ("ada", "complete", {}),
)
"""What happens to the first order; each later order gets a few steps less."""


def is_there(journal: Journal) -> bool:
    """Whether the demo was filled in."""
    return any(each.code == SELLER["code"] for each in Administration(journal).organisations())


def demo(
    wait: Annotated[float, typer.Option(help="Seconds to wait for the door to open.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Fill the running ledger with a seller, an item, people in every role, and orders in several states.

    It may be run once. The people log in with the tokens that `order-ledger accounts token` gives.
    """
    settings = Settings()
    with server_for(settings) as url:
        migrate(url)
        with Journal(url, master_key(settings.home, settings.secret_master_key)) as journal:
            if is_there(journal):
                raise Failed("The demo is here already.")
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            with httpx2.Client(base_url=f"http://{host}:{settings.port}", timeout=30) as http:
                _await_door(http, wait)
                orders = _fill(Administration(journal), Tokens(journal.master.derive(b"tokens")), http)
    if as_json:
        answer_json({"orders": orders})
        return
    say(f"Atelier Nord sells ROTOR-200; {', '.join(f'{name} is {role}' for name, (role, _) in PEOPLE.items())}.")
    answer_rows(["order", "number", "status"], [[each["order_id"], each["number"], each["status"]] for each in orders])


def _fill(administration: Administration, tokens: Tokens, http: httpx2.Client) -> list[dict[str, Any]]:
    seller = administration.register_organisation(RegisterOrganisation.model_validate_json(json.dumps(SELLER)))
    people: dict[str, UUID] = {}
    for name, (role, belongs) in PEOPLE.items():
        contact = Contact(name=name.capitalize(), email=f"{name}@example.com")
        people[name], _ = administration.add_person(name, contact, [(role, seller if belongs else None)])

    def ask(who: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {tokens.issue(people[who])[0]}", "Idempotency-Key": str(uuid4())}
        answer = http.post(path, json=body, headers=headers)
        if answer.status_code not in (200, 201):
            raise Failed(f"{path}: {answer.json()['detail']}")
        told: dict[str, Any] = answer.json()
        return told

    of_item = {"seller": str(seller), "manufacturer": str(seller), "currency": "EUR", "tax_included": True}
    ask("ivo", "/v1/items", {**ROTOR, **of_item, "tax_class": "standard"})
    orders: list[dict[str, Any]] = []
    for steps in (len(MADE), 10, 5, 1, 0):
        basket = {
            "seller": str(seller),
            "lines": [{"sku": "ROTOR-200", "quantity": 2}],
            "contact": {"name": "Ada Lovelace", "email": "ada@example.com"},
            "ship_to": {
                "name": "Ada Lovelace",
                "line1": "Unter den Linden 1",
                "postcode": "10117",
                "city": "Berlin",
                "country": "DE",
            },
            "expected_total": {"amount": "200.00", "currency": "EUR"},
            "purchase_order": f"PO-{datetime.now(UTC):%Y}-{len(orders) + 1}",
        }
        order = ask("ada", "/v1/orders", basket)
        for who, command, body in MADE[:steps]:
            order = ask(who, f"/v1/orders/{order['order_id']}/{command}", body)
        orders.append({name: order[name] for name in ("order_id", "number", "status")})
    return orders


def _await_door(http: httpx2.Client, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            http.get("/healthz")
        except httpx2.TransportError:
            if time.monotonic() >= deadline:
                raise Failed(f"No door answers at {http.base_url}. Start it: order-ledger up") from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return
