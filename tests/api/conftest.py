"""A whole ledger for the tests of the door: a database, the settler, the door and order_status as real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from psycopg import sql

from order_ledger.accounts import Tokens
from order_ledger.administration import Administration
from order_ledger.following import installing
from order_ledger.following.projections import find, names
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import master_key
from order_ledger.parties.commands import GrantableRole, RegisterOrganisation
from order_ledger.values import Contact
from tests.conftest import make_url

SELLER = {
    "code": "ATELIER",
    "kinds": ["seller", "manufacturer", "warehouse"],
    "legal_name": "Atelier Nord GmbH",
    "country": "DE",
    "vat_id": "DE123456789",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "language": "en",
    "tax_rules": [{"country": "DE", "tax_class": "standard", "category": "S", "rate": "19.00", "from": "2020-01-01"}],
    "terms": {
        "pay": "on_invoice",
        "due_days": 14,
        "method": "transfer",
        "invoice_at": "dispatch",
        "complete_after_days": 14,
    },
    "confirm_stock_orders": "ledger",
    "tracking_hosts": ["track.example.com"],
}

ROTOR = {
    "sku": "ROTOR-200",
    "description": "Rotor, 200 mm",
    "kind": "made_to_order",
    "unit": "C62",
    "unit_price": "100.00",
    "currency": "EUR",
    "tax_included": True,
    "tax_class": "standard",
    "lead_days": 10,
    "steps": [{"step": "fabrication", "name": "Fabrication"}, {"step": "post-processing", "name": "Post-processing"}],
    "plan": [
        {"item": "first-article", "name": "First article", "after_step": "fabrication", "required": True},
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

SHIP_TO = {
    "name": "Ada Lovelace",
    "line1": "Unter den Linden 1",
    "postcode": "10117",
    "city": "Berlin",
    "country": "DE",
}


class Caller:
    """One person in one role, at the door."""

    def __init__(self, url: str, token: str, role: str, person: UUID) -> None:
        self.person = person
        self.role = role
        self.http = httpx2.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}", "Ledger-Role": role}, timeout=30
        )

    def ask(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> httpx2.Response:
        """A command, under a key of its own unless one is given."""
        sent = {
            "Idempotency-Key": key or str(uuid4()),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        return self.http.post(path, content=content, headers={**sent, "Content-Type": "application/json"})

    def get(self, path: str, **query: Any) -> httpx2.Response:
        return self.http.get(path, params=query)


class Ledger:
    """The running ledger, and the people that the tests know."""

    def __init__(self, url: str, database: str, home: Path) -> None:
        self.url = url
        self.database = database
        self.home = home
        self.journal = Journal(database, master_key(home))
        self.tokens = Tokens(self.journal.master.derive(b"tokens"))
        self.administration = Administration(self.journal)
        self.people: dict[str, UUID] = {}
        self.callers: dict[tuple[str, str], Caller] = {}
        self.opened: list[Caller] = []

    def person(self, name: str, *roles: tuple[GrantableRole, UUID | None]) -> UUID:
        """A person with these roles."""
        person = self.administration.register_person(
            Contact(name=name.capitalize(), email=f"{name}@example.com"), roles
        )
        self.people[name] = person
        return person

    def caller(self, name: str, role: str) -> Caller:
        """That person in this role."""
        if (name, role) not in self.callers:
            person = self.people[name]
            self.callers[name, role] = self.calling(person, role)
        return self.callers[name, role]

    def calling(self, person: UUID, role: str) -> Caller:
        """Any person in any role, held or not."""
        caller = Caller(self.url, self.tokens.issue(person)[0], role, person)
        self.opened.append(caller)
        return caller

    def close(self) -> None:
        for caller in self.opened:
            caller.http.close()
        self.journal.close()


class Atelier:
    """A seller that makes and keeps what it sells, with one person for each role."""

    ROLES: tuple[GrantableRole, ...] = ("ip_owner", "manufacturer", "warehouse")
    MARKETPLACE: tuple[GrantableRole, ...] = ("consumer", "customer_service", "auditor", "analyst", "administrator")

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        code = f"A{uuid4().hex[:8].upper()}"
        self.seller = ledger.administration.register_organisation(
            RegisterOrganisation.model_validate_json(json.dumps({**SELLER, "code": code}))
        )
        self.name = uuid4().hex[:6]
        for role in self.ROLES:
            ledger.person(f"{role}-{self.name}", (role, self.seller))
        for role in self.MARKETPLACE:
            ledger.person(f"{role}-{self.name}", (role, None))
        listed = self.ip_owner.ask("/v1/items", {**ROTOR, "seller": str(self.seller), "manufacturer": str(self.seller)})
        assert listed.status_code == 201, listed.text
        self.item: str = listed.json()["item_id"]

    def __getattr__(self, role: str) -> Caller:
        if role not in (*self.ROLES, *self.MARKETPLACE):
            raise AttributeError(role)
        return self.ledger.caller(f"{role}-{self.name}", role)

    def basket(self, quantity: int = 2, **changes: Any) -> dict[str, Any]:
        """What `place` is asked for."""
        return {
            "seller": str(self.seller),
            "lines": [{"sku": "ROTOR-200", "quantity": quantity}],
            "contact": {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+49 30 1234567"},
            "ship_to": SHIP_TO,
            "expected_total": {"amount": f"{100 * quantity}.00", "currency": "EUR"},
            **changes,
        }

    def placed(self, quantity: int = 2) -> str:
        """A new order's id."""
        answer = self.consumer.ask("/v1/orders", self.basket(quantity))
        assert answer.status_code == 201, answer.text
        order_id: str = answer.json()["order_id"]
        return order_id


@pytest.fixture(scope="session")
def ledger(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    name = f"ledger_door_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    database, home = make_url(postgres_url, name), tmp_path_factory.mktemp("door")
    migrate(database)
    with psycopg.connect(database, autocommit=True) as connection:
        for each in names():
            installing.install(connection, find(each))
    port = free_port()
    environment = {
        **os.environ,
        "LEDGER_DATABASE_URL": database,
        "LEDGER_HOME": str(home),
        "LEDGER_PORT": str(port),
        "LEDGER_LOG_LEVEL": "warning",
    }
    master_key(home)
    processes = [
        subprocess.Popen([sys.executable, "-m", "order_ledger", *command], env=environment)
        for command in (["serve"], ["settle"], ["follow", "order_status"])
    ]
    running = Ledger(f"http://127.0.0.1:{port}", database, home)
    try:
        await_answer(f"{running.url}/healthz", processes[0])
        yield running
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(20) for process in processes]
        running.close()
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    assert all(code in (0, 143, -15) for code in codes), f"the processes ended with {codes}"


@pytest.fixture
def atelier(ledger: Ledger) -> Atelier:
    return Atelier(ledger)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_answer(url: str, process: "subprocess.Popen[bytes]", seconds: float = 30) -> None:
    """Waits until the door answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, "the door ended before it answered"
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"nothing answered at {url}")
