"""The journal is walked, and the first bad entry of every broken stream is named."""

import hashlib
from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from order_ledger.audit.verify import Verified, verify
from order_ledger.entries import By, Cause, CommandRef, Event, Fact, Kind
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import OrderCancelled
from order_ledger.stock.events import StockReceived
from tests import examples
from tests.commands import Ran

ONE, OTHER, STOCK = examples.uuid(1), examples.uuid(2), examples.uuid(3)
HISTORY = (examples.BOOK_PLACED, examples.CONFIRMED, OrderCancelled())


@pytest.fixture
def journal(ledger_url: str) -> Iterator[Journal]:
    with Journal(ledger_url, MasterKey(bytes(range(32)))) as journal:
        append(journal, "order", ONE, *HISTORY)
        append(journal, "order", OTHER, *HISTORY)
        append(journal, "stock", STOCK, StockReceived(5, "first"))
        yield journal


def append(journal: Journal, kind: Kind, stream: UUID, *events: Event) -> None:
    cause = Cause(By(None, "ledger"), "policy", CommandRef(stream, "example"))
    _, head = journal.load(stream, kind)
    entries = journal.encode(kind, stream, head, [Fact(event, examples.NOW) for event in events], cause)
    assert journal.append_one([entries], stream).outcome == "appended"


def verified(journal: Journal) -> Verified:
    with psycopg.connect(journal.url, autocommit=True) as connection:
        return verify(connection, journal.codec)


def tamper(journal: Journal, statement: LiteralString, **given: Any) -> None:
    """As somebody who may do anything with the database, its triggers included."""
    with psycopg.connect(journal.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement, {"one": ONE, **given}).rowcount == 1


def broken(journal: Journal) -> list[tuple[UUID, int, str]]:
    return [(each.order_id, each.version, each.reason) for each in verified(journal).broken]


def state_of(journal: Journal, version: int) -> bytes:
    with journal.connection() as connection:
        query = "SELECT state FROM journal.entry WHERE originator_id = %s AND originator_version = %s"
        row = connection.execute(query, (ONE, version), binary=True).fetchone()
    assert row is not None
    return bytes(row[0])


def test_all_is_as_it_was_written(journal: Journal) -> None:
    assert verified(journal) == Verified(7, 2, [])


def test_an_empty_journal(ledger_url: str) -> None:
    with Journal(ledger_url, MasterKey(bytes(range(32)))) as journal:
        assert verified(journal) == Verified(0, 0, [])


def test_bytes_that_were_altered(journal: Journal) -> None:
    altered = state_of(journal, 2).replace(b'"ledger"', b'"lodger"', 1)
    tamper(
        journal,
        "UPDATE journal.entry SET state = %(state)s WHERE originator_id = %(one)s AND originator_version = 2",
        state=altered,
    )
    assert broken(journal) == [(ONE, 2, "its bytes do not have its hash")]


def test_bytes_that_were_altered_and_their_hash_with_them(journal: Journal) -> None:
    altered = state_of(journal, 2).replace(b'"through":"policy"', b'"through":"portal"')
    tamper(
        journal,
        "UPDATE journal.entry SET state = %(state)s, hash = %(hash)s "
        "WHERE originator_id = %(one)s AND originator_version = 2",
        state=altered,
        hash=hashlib.sha256(altered).digest(),
    )
    assert broken(journal) == [(ONE, 3, "it does not follow the entry before it")]


def test_an_entry_of_the_middle_that_was_removed(journal: Journal) -> None:
    tamper(journal, "DELETE FROM journal.entry WHERE originator_id = %(one)s AND originator_version = 2")
    assert broken(journal) == [(ONE, 2, "it is missing: version 3 comes next")]


def test_a_first_entry_that_was_removed(journal: Journal) -> None:
    tamper(journal, "DELETE FROM journal.entry WHERE originator_id = %(one)s AND originator_version = 1")
    assert broken(journal) == [(ONE, 1, "it is missing: version 2 comes next")]


def test_a_removed_entry_whose_place_was_closed(journal: Journal) -> None:
    tamper(journal, "DELETE FROM journal.entry WHERE originator_id = %(one)s AND originator_version = 2")
    tamper(
        journal,
        "UPDATE journal.entry SET originator_version = 2 WHERE originator_id = %(one)s AND originator_version = 3",
    )
    assert broken(journal) == [(ONE, 2, "its columns say another thing than its bytes: originator_version")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("topic", "'OrderRejected'"),
        ("kind", "'item'"),
        ("recorded_at", "recorded_at + interval '1 second'"),
        ("hash", "sha256('')"),
    ],
)
def test_a_column_that_was_altered(journal: Journal, column: LiteralString, value: LiteralString) -> None:
    tamper(
        journal,
        f"UPDATE journal.entry SET {column} = {value} WHERE originator_id = %(one)s AND originator_version = 3",
    )
    ((stream, version, reason),) = broken(journal)
    assert (stream, version) == (ONE, 3)
    assert column in reason


def test_an_order_that_was_moved_to_another_id(journal: Journal) -> None:
    moved = examples.uuid(9)
    tamper(
        journal,
        "UPDATE journal.entry SET originator_id = %(moved)s WHERE originator_id = %(one)s AND originator_version = 1",
        moved=moved,
    )
    assert broken(journal) == [
        (ONE, 1, "it is missing: version 2 comes next"),
        (moved, 1, "its columns say another thing than its bytes: originator_id"),
    ]


def forge(journal: Journal, version: int, old: bytes, new: bytes) -> None:
    """Alters the last entry with its hash and its columns, so that nothing but its words is wrong."""
    altered = state_of(journal, version).replace(old, new)
    assert altered != state_of(journal, version)
    tamper(
        journal,
        "UPDATE journal.entry SET state = %(state)s, hash = %(hash)s, "
        "topic = convert_from(%(state)s, 'UTF8')::json ->> 'name', "
        "recorded_at = (convert_from(%(state)s, 'UTF8')::json ->> 'recorded_at')::timestamptz "
        "WHERE originator_id = %(one)s AND originator_version = %(version)s",
        state=altered,
        hash=hashlib.sha256(altered).digest(),
        version=version,
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"format":1', b'"format":9', "format 9 is not known"),
        (b'"name":"OrderCancelled"', b'"name":"OrderVanished"', "OrderVanished"),
        (b'"schema":1', b'"schema":7', "schema 7 is not known"),
        (b'"data":{}', b'"data":{"x":1}', "x"),
        (b'"recorded_at":"20', b'"recorded_at":"19', "it was recorded before the entry before it"),
    ],
)
def test_words_that_nobody_wrote(journal: Journal, old: bytes, new: bytes, reason: str) -> None:
    forge(journal, 3, old, new)
    ((stream, version, said),) = broken(journal)
    assert (stream, version) == (ONE, 3) and reason in said


def test_an_entry_of_another_ledger(journal: Journal) -> None:
    forge(journal, 3, str(journal.ledger).encode(), str(examples.uuid(8)).encode())
    assert broken(journal) == [(ONE, 3, f"it is of another ledger, {examples.uuid(8)}")]


def test_a_first_entry_that_begins_nothing(journal: Journal) -> None:
    state = state_of(journal, 1)
    previous = state[state.index(b'"previous":"') + 12 :][:43]
    forge(journal, 1, previous, b"A" * 43)
    assert broken(journal) == [(ONE, 1, "it does not begin the stream it is in")]


def test_what_is_no_order_is_walked_too(journal: Journal) -> None:
    tamper(journal, "UPDATE journal.entry SET hash = sha256('') WHERE originator_id = %(stock)s", stock=STOCK)
    assert broken(journal) == [(STOCK, 1, "its bytes do not have its hash")]


def test_an_end_that_was_cut_off_does_not_show(journal: Journal) -> None:
    tamper(journal, "DELETE FROM journal.entry WHERE originator_id = %(one)s AND originator_version = 3")
    assert verified(journal) == Verified(6, 2, [])


def test_the_command_names_what_is_broken(journal: Journal) -> None:
    assert Ran(journal.url, "audit", "verify", "--json").document == {"entries": 7, "orders": 2, "broken": []}
    tamper(journal, "DELETE FROM journal.entry WHERE originator_id = %(one)s AND originator_version = 2")
    told = Ran(journal.url, "audit", "verify", "--json")
    reason = "it is missing: version 3 comes next"
    assert told.code == 1
    assert told.out.strip() == (
        f'{{"entries":6,"orders":2,"broken":[{{"order_id":"{ONE}","version":2,"reason":"{reason}"}}]}}'
    )
    table = Ran(journal.url, "audit", "verify")
    assert table.code == 1 and reason in table.out and str(ONE) in table.out
