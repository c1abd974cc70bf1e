"""Place over HTTP, 64 clients, 2 processes at the door, on a server with fsync on, everything on.

Ours (token, decision, idempotency, sealing, group commit) against the same route with a transaction for each command,
and against a bare FastAPI route that does one INSERT and nothing else. `wrk` sends; the sides take turns.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import psycopg
import uvicorn
from fastapi import FastAPI, Request
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from benches._harness import arguments, report, row, server, server_version, shuffled_rounds
from order_ledger.accounts import Tokens
from order_ledger.administration import Administration
from order_ledger.api.app import create_app
from order_ledger.api.dispatch import Dispatch
from order_ledger.api.serving import server_config
from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.identifiers import uuid7
from order_ledger.items.commands import ListItem
from order_ledger.items.decisions import Context, decide
from order_ledger.items.item import item_id
from order_ledger.journal import group_commit, writer
from order_ledger.journal.appending import STATEMENT, Outcome, Proposal, is_race, outcomes, parameters
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import MasterKey
from order_ledger.parties.commands import RegisterOrganisation
from order_ledger.values import Contact, Organisation

CLIENTS = 64
WORKERS = 2
MASTER = MasterKey(bytes(range(32)))

SELLER = {
    "code": "ATELIER", "kinds": ["seller", "warehouse"], "legal_name": "Atelier Nord GmbH", "country": "DE",
    "vat_id": "DE123456789", "currency": "EUR", "zone": "Europe/Berlin", "language": "en",
    "tax_rules": [{"country": "DE", "tax_class": "standard", "category": "S", "rate": "19.00", "from": "2020-01-01"}],
    "terms": {
        "pay": "on_invoice", "due_days": 14, "method": "transfer", "invoice_at": "dispatch", "complete_after_days": 14,
    },
    "confirm_stock_orders": "hand", "tracking_hosts": ["track.example.com"],
}  # fmt: skip

LUA = """
local body = [[%(body)s]]
local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer %(token)s"}
local prefix
local count = 0
function setup(thread) thread:set("id", tostring(thread.addr) .. tostring(thread)) end
function init(args) prefix = args[1] .. tostring(id):gsub("[^%%w]", "") end
function request()
  count = count + 1
  headers["Idempotency-Key"] = prefix .. "-" .. count
  return wrk.format("POST", "%(path)s", headers, body)
end
local bad = 0
function response(status) if status ~= 201 then bad = bad + 1; if bad < 3 then print("status", status) end end end
"""


class TransactionEach(group_commit.GroupCommit):
    """The same statement, for each command a transaction of its own on one of several connections."""

    def __init__(self, url: str, **_: object) -> None:
        super().__init__(url)
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            url, min_size=16, max_size=16, open=False, kwargs={"autocommit": True}
        )

    async def __aenter__(self) -> "TransactionEach":
        await self._pool.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._pool.close()

    async def append(self, proposal: Proposal) -> Outcome:
        sent = parameters([proposal])
        while True:
            try:
                async with self._pool.connection() as connection:
                    cursor = await connection.execute(STATEMENT, sent, prepare=True)
                    return outcomes(await cursor.fetchall(), 1)[0]
            except UniqueViolation as violation:
                if not is_race(violation):
                    raise


def ours(url: str) -> Dispatch:
    return create_app(url, MASTER)


def transaction_each(url: str) -> Dispatch:
    setattr(writer, "GroupCommit", TransactionEach)  # noqa: B010 - the name is the writer's own import
    return create_app(url, MASTER)


def bare(url: str) -> FastAPI:
    with psycopg.connect(url) as connection:  # the very bytes of an order: what is stored is the same on both sides
        found = connection.execute("SELECT state FROM journal.entry WHERE topic = 'OrderPlaced' LIMIT 1").fetchone()
    assert found is not None, "our side goes first"
    state = bytes(found[0])
    pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
        url, min_size=16, max_size=16, open=False, kwargs={"autocommit": True}
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await pool.open()
        yield
        await pool.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/bare", status_code=201)
    async def insert(request: Request) -> dict[str, int]:
        await request.body()
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO bare.entry (originator_id, originator_version, topic, state) "
                "VALUES (%s, 1, 'OrderPlaced', %s)",
                (uuid7(), state),
                prepare=True,
            )
        return {"version": 1}

    return app


@contextmanager
def door(make: Callable[[str], Dispatch | FastAPI], url: str) -> Iterator[str]:
    """The application in two forked processes on one socket."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    workers = []
    for _ in range(WORKERS):
        worker = os.fork()
        if worker == 0:
            try:
                config = server_config(make(url), "warning")
                uvicorn.Server(config).run(sockets=[listening])
            finally:
                os._exit(0)
        workers.append(worker)
    at = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        _await_answer(at)
        yield at
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        for worker in workers:
            os.waitpid(worker, 0)
        listening.close()


def _await_answer(at: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{at}/openapi.json", timeout=5).read()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {at}")


def wrk(at: str, script: str, seconds: int, run: list[int]) -> float:
    """Requests a second; every answer but 201 is an error."""
    binary = shutil.which("wrk") or sys.exit("wrk was not found: install it (Debian's package wrk).")
    run[0] += 1
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = [binary, "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "-s", file.name, at, "--", f"run{run[0]}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "status" in done.stdout:
        raise RuntimeError(done.stdout)
    line = next(line for line in done.stdout.splitlines() if line.startswith("Requests/sec"))
    return float(line.split()[1])


def furnish(url: str) -> tuple[str, str]:
    """A seller with an item, and a consumer: the consumer's token, and the body of an order."""
    with Journal(url, MASTER) as journal:
        administration = Administration(journal)
        seller = administration.register_organisation(RegisterOrganisation.model_validate_json(json.dumps(SELLER)))
        person, _ = administration.add_person(f"ada-{seller}", Contact(name="Ada"), [("consumer", None)])
        named = Organisation(seller, "Atelier Nord GmbH")
        command = ListItem.model_validate_json(
            json.dumps(
                {
                    "sku": "ROTOR", "seller": str(seller), "description": "Rotor", "kind": "from_stock", "unit": "C62",
                    "unit_price": "100.00", "currency": "EUR", "tax_included": True, "tax_class": "standard",
                    "lead_days": 3, "warehouse": str(seller),
                }
            )
        )  # fmt: skip
        stream, identity, by = item_id(seller, "ROTOR"), uuid7(), By(None, "administrator")
        now = datetime.now(UTC)
        context = Context(
            now=now, by=by, command=identity, stream=stream, seller=named, seller_currency="EUR", warehouse=named
        )
        _, head = journal.load(stream, "item")
        facts = [Fact(event, now) for event in decide(None, command, context)]
        appending = journal.encode("item", stream, head, facts, Cause(by, "cli", CommandRef(identity, "list")))
        journal.append_one([appending], identity)
    address = {
        "name": "Ada Lovelace",
        "line1": "Unter den Linden 1",
        "postcode": "10117",
        "city": "Berlin",
        "country": "DE",
    }
    body = {
        "seller": str(seller), "lines": [{"sku": "ROTOR", "quantity": 2}], "ship_to": address,
        "contact": {"name": "Ada Lovelace", "email": "ada@example.com"},
        "expected_total": {"amount": "200.00", "currency": "EUR"},
    }  # fmt: skip
    return Tokens(MASTER.derive(b"tokens")).issue(person)[0], json.dumps(body)


def main() -> None:
    given = arguments(__doc__ or "", rounds=9, seconds=5)
    with server() as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS bare CASCADE")
            connection.execute("CREATE SCHEMA bare")
            connection.execute(
                "CREATE TABLE bare.entry (originator_id uuid, originator_version bigint, topic text, state bytea, "
                "id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (originator_id, originator_version))"
            )
        token, body = furnish(url)
        place = LUA % {"body": body, "token": token, "path": "/v1/orders"}
        insert = LUA % {"body": body, "token": token, "path": "/bare"}
        run = [0]
        with door(ours, url) as at:
            wrk(at, place, 1, run)
        with door(ours, url) as at, door(transaction_each, url) as each_at, door(bare, url) as bare_at:
            sides: dict[str, Callable[[], float]] = {
                "ours": lambda: wrk(at, place, given.seconds, run),
                "a transaction each": lambda: wrk(each_at, place, given.seconds, run),
                "bare": lambda: wrk(bare_at, insert, given.seconds, run),
            }
            for side in sides.values():
                side()
            found = shuffled_rounds(sides, given.rounds)
        rows = [
            row("place over HTTP", found["ours"], "a transaction each", found["a transaction each"], 2, "orders/s"),
            row("place over HTTP", found["ours"], "a bare route, one INSERT", found["bare"], 1.1, "orders/s"),
        ]
        report("http", rows, given.json, postgresql=server_version(url), clients=CLIENTS, workers=WORKERS)


if __name__ == "__main__":
    main()
