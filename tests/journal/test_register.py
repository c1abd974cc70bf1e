"""The register: what is found by a heading and a number, and that one index finds it."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from order_ledger.documents.numbers import FIND
from order_ledger.items.events import ItemListed
from order_ledger.orders.events import CreditNoteIssued, InvoiceIssued, ReceiptIssued
from order_ledger.parties.events import OrganisationRegistered, PersonRegistered, RoleGranted, RoleWithdrawn
from tests.journal.golden_entries import FOLDER

DOCUMENTS = (InvoiceIssued, CreditNoteIssued, ReceiptIssued)
OTHERS = (ItemListed, OrganisationRegistered, PersonRegistered, RoleGranted, RoleWithdrawn)


@pytest.fixture
def connection(ledger_url: str) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        yield connection


def insert(connection: Connection[TupleRow], state: bytes) -> int:
    entry = json.loads(state)
    row = connection.execute(
        "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
        "VALUES (%s, %s, %s, %s, %s, now(), %s) RETURNING notification_id",
        (uuid4(), entry["version"], entry["name"], state, entry["kind"], sha256(state).digest()),
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_documents_stand_under_their_series_and_others_under_their_own_name(connection: Connection[TupleRow]) -> None:
    states = [file.read_bytes() for file in sorted(FOLDER.glob("*.json"))]
    positions = {json.loads(state)["name"]: (insert(connection, state), json.loads(state)["data"]) for state in states}
    named = [(event.__name__, *positions[event.__name__]) for event in DOCUMENTS]
    expected = {(name, data["series"], data["sequence"], position) for name, position, data in named}
    for event in OTHERS:
        position, _ = positions[event.__name__]
        expected.add((event.__name__, event.__name__, position, position))
    found = connection.execute("SELECT name, heading, number, position FROM journal.register").fetchall()
    assert set(found) == expected and len(found) == len(expected)


def test_no_number_is_used_twice_in_a_series(connection: Connection[TupleRow]) -> None:
    state = (FOLDER / "ReceiptIssued.1.json").read_bytes()
    insert(connection, state)
    with pytest.raises(UniqueViolation, match="entry_register"):
        insert(connection, state)


@pytest.mark.parametrize(
    "question",
    [
        FIND,
        "SELECT stream FROM journal.register WHERE heading = %s AND number > %s ORDER BY number LIMIT 9",
        "SELECT state FROM journal.register WHERE heading IN ('RoleGranted', %s) AND number > %s ORDER BY number",
    ],
)
def test_one_index_finds_it_in_a_plan_for_any_value(connection: Connection[TupleRow], question: LiteralString) -> None:
    connection.execute(
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off"
    )
    statement = question.replace("%s", "$1", 1).replace("%s", "$2")
    connection.execute(f"PREPARE question (text, bigint) AS {statement}".encode())
    plan = "\n".join(line for (line,) in connection.execute("EXPLAIN EXECUTE question ('RoleWithdrawn', 1)"))
    assert "using entry_register" in plan and re.search(r"Index Cond: \(+journal\.heading.*journal\.number", plan), plan
