"""Entries leave as they are, and come into an empty ledger as they are."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from order_ledger.audit.verify import verify
from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.exporting.jsonl import NotALine, export_entries
from order_ledger.importing.entries import BadEntry, NotEmpty, import_entries
from order_ledger.journal.codec import Codec
from order_ledger.journal.copying import CopiedEntry, copy_in
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import inspect, migrate
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import OrderHeld, OrderReleased
from tests import examples
from tests.commands import Ran
from tests.conftest import make_url

ROWS = (
    "SELECT originator_id, originator_version, topic, kind, recorded_at, hash, state "
    "FROM journal.entry ORDER BY notification_id"
)


@pytest.fixture
def journal(ledger_url: str) -> Iterator[Journal]:
    """Two orders, whose entries take turns."""
    with Journal(ledger_url, MasterKey(bytes(range(32)))) as journal:
        for event in (examples.BOOK_PLACED, OrderHeld(), OrderReleased()):
            for stream in (examples.uuid(1), examples.uuid(2)):
                cause = Cause(By(None, "ledger"), "policy", CommandRef(stream, "example"))
                _, head = journal.load(stream, "order")
                entries = journal.encode("order", stream, head, [Fact(event, examples.NOW)], cause)
                assert journal.append_one([entries], stream).outcome == "appended"
        yield journal


@pytest.fixture
def empty(database: str) -> Iterator[str]:
    """A second ledger, with an id of its own and nothing in it."""
    name = f"ledger_test_{os.getpid()}_second"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        url = make_url(database, name)
        migrate(url)
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def exported(journal: Journal, tmp_path: Path) -> Path:
    path = tmp_path / "entries.jsonl"
    with journal.connection() as connection:
        assert export_entries(connection, path) == 6
    return path


def rows(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(ROWS).fetchall()


def taken_in(url: str, path: Path) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        return import_entries(connection, path)


def test_every_entry_is_a_line_of_its_exact_bytes(journal: Journal, exported: Path) -> None:
    assert exported.read_bytes().split(b"\n") == [*(row[6] for row in rows(journal.url)), b""]
    assert [json.loads(line)["version"] for line in exported.read_text().splitlines()] == [1, 1, 2, 2, 3, 3]
    assert list(exported.parent.iterdir()) == [exported]


def test_what_is_not_settled_is_left_out(journal: Journal, tmp_path: Path) -> None:
    with psycopg.connect(journal.url) as other, journal.connection() as connection:
        cause = Cause(By(None, "ledger"), "policy", CommandRef(examples.uuid(3), "example"))
        _, head = journal.load(examples.uuid(3), "order")
        copy_in(other, journal.encode("order", examples.uuid(3), head, [Fact(OrderHeld(), None)], cause).entries)
        assert export_entries(connection, tmp_path / "some") == 6


def test_a_second_ledger_becomes_the_first_to_the_byte(journal: Journal, empty: str, exported: Path) -> None:
    taken_in(empty, exported)
    assert rows(empty) == rows(journal.url)
    with psycopg.connect(empty, autocommit=True) as connection:
        assert inspect(connection) == journal.ledger
        found = verify(connection, Codec(journal.ledger, EVENTS, UPCASTERS))
        assert (found.entries, found.orders, found.broken) == (6, 2, [])
        assert export_entries(connection, exported.with_name("again")) == 6
    assert exported.with_name("again").read_bytes() == exported.read_bytes()
    with psycopg.connect(empty) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("UPDATE journal.ledger SET id = gen_random_uuid()")


def test_refused_where_there_is_a_history(journal: Journal, exported: Path) -> None:
    before = rows(journal.url)
    with pytest.raises(NotEmpty):
        taken_in(journal.url, exported)
    assert rows(journal.url) == before


def changed(lines: list[bytes], line: int, old: bytes, new: bytes) -> list[bytes]:
    assert old in lines[line]
    return [*lines[:line], lines[line].replace(old, new), *lines[line + 1 :]]


@pytest.mark.parametrize(
    ("line", "old", "new", "reason"),
    [
        (0, b'"number"', b'"nummer"', "line 1: OrderPlaced 1"),
        (0, b'"ledger":"', b'"ledger":"x', "line 1: it is no entry of a ledger"),
        (2, b'"through":"policy"', b'"through":"portal"', "line 5: it does not follow version 2"),
        (2, b'"version":2', b'"version":3', "line 3: it is version 3 of stream .* of which 2 comes next"),
        (3, b'"recorded_at":"20', b'"recorded_at":"19', "line 4: it was recorded before the entry before it"),
        (5, b"OrderReleased", b"OrderVanished", "line 6: event OrderVanished"),
        (5, b"{", b"[", "line 6: "),
        (5, b'"data":{}', b'"data":{}' + b" " * 65_536, "line 6: an entry is at most 65,535 bytes"),
    ],
)
def test_refused_whole_when_a_line_is_not_as_it_was(
    empty: str, exported: Path, line: int, old: bytes, new: bytes, reason: str
) -> None:
    exported.write_bytes(b"\n".join(changed(exported.read_bytes().split(b"\n"), line, old, new)))
    with pytest.raises(BadEntry, match=reason):
        taken_in(empty, exported)
    assert rows(empty) == []


def test_refused_when_a_line_is_of_another_ledger(journal: Journal, empty: str, exported: Path) -> None:
    other = str(examples.uuid(8)).encode()
    lines = changed(exported.read_bytes().split(b"\n"), 5, str(journal.ledger).encode(), other)
    exported.write_bytes(b"\n".join(lines))
    with pytest.raises(BadEntry, match=f"line 6: it is of ledger {examples.uuid(8)}"):
        taken_in(empty, exported)


def test_refused_when_a_line_is_missing(empty: str, exported: Path) -> None:
    lines = exported.read_bytes().splitlines(keepends=True)
    exported.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(BadEntry, match="line 4: it is version 3"):
        taken_in(empty, exported)


def test_refused_when_an_entry_is_no_line(journal: Journal, tmp_path: Path) -> None:
    foreign = CopiedEntry(UUID(int=7), 1, "OrderHeld", "order", examples.NOW, bytes(32), b"{\n}")
    with journal.connection() as connection:
        copy_in(connection, [foreign])
        with pytest.raises(NotALine, match="version 1 of stream"):
            export_entries(connection, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_commands(journal: Journal, empty: str, tmp_path: Path) -> None:
    path = str(tmp_path / "entries.jsonl")
    assert Ran(journal.url, "export", "jsonl", path, "--json").document == {"entries": 6, "path": path}
    again = Ran(journal.url, "import", "jsonl", "--entries", path, LEDGER_HOME=str(tmp_path))
    again.failed_saying("go into an empty ledger only")
    done = Ran(empty, "import", "jsonl", "--entries", path, "--json", LEDGER_HOME=str(tmp_path))
    assert done.document == {"orders": 2, "events": 6, "unchanged": 0, "breaches": [], "failed": []}
    assert "without the keys they were sealed with" in done.err
    assert Ran(empty, "audit", "verify", "--json").document["broken"] == []
    told = Ran(empty, "audit", "replay", str(examples.uuid(1)), "--json", LEDGER_HOME=str(tmp_path)).document
    assert told["steps"][0]["data"]["contact"] == "erased"
    Ran(empty, "import", "jsonl", "--entries", "--dry-run", path).failed_saying("no dry run", 2)
