"""An order's whole history, step by step, as of any moment, by any of its names."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from order_ledger.audit.replay import replay
from order_ledger.entries import By, Cause, CommandRef, Event, Fact, Kind
from order_ledger.journal.contacts import remember_contact_now
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import OrderHeld
from order_ledger.values import unsealed
from tests import examples
from tests.commands import Ran

ONE, OTHER = examples.uuid(1), examples.uuid(2)
MASTER = bytes(range(32))
PLACED = replace(examples.BOOK_PLACED, number="261121-K7Q4M-9TXWB", reference="web-17")
MONDAY, TUESDAY, WEDNESDAY = (datetime(2026, 11, day, 9, tzinfo=UTC) for day in (16, 17, 18))


@pytest.fixture
def journal(ledger_url: str) -> Iterator[Journal]:
    with Journal(ledger_url, MasterKey(MASTER)) as journal:
        append(journal, ONE, examples.CONSUMER, PLACED, MONDAY)
        append(journal, ONE, examples.OWNER, examples.CONFIRMED, WEDNESDAY)
        append(journal, ONE, examples.SERVICE, OrderHeld(), TUESDAY, "payment", "She never paid before.")
        with journal.connection() as connection:
            remember_contact_now(connection, examples.ADA, examples.CONTACT)
        yield journal


def append(
    journal: Journal,
    stream: UUID,
    by: By,
    event: Event,
    at: datetime,
    reason_code: str | None = None,
    reason: str | None = None,
    kind: Kind = "order",
) -> None:
    sealed = unsealed(reason, examples.ADA) if reason is not None else None
    cause = Cause(by, "portal", CommandRef(stream, "example"), reason_code, sealed)
    _, head = journal.load(stream, kind)
    entries = journal.encode(kind, stream, head, [Fact(event, at)], cause)
    assert journal.append_one([entries], stream).outcome == "appended"


def ran(journal: Journal, *options: str) -> Ran:
    return Ran(journal.url, "audit", "replay", *options, LEDGER_MASTER_KEY=MASTER.hex())


def steps(journal: Journal, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ran(journal, *options, "--json").document["steps"]
    return found


def test_the_state_after_each_step(journal: Journal) -> None:
    entries, _ = journal.load(ONE, "order")
    told = replay(entries)  # type: ignore[arg-type]
    assert [(step.entry.version, step.order.state, step.order.held) for step in told] == [
        (1, "placed", False),
        (2, "confirmed", False),
        (3, "confirmed", True),
    ]


def test_who_did_what_in_which_role_and_when(journal: Journal) -> None:
    document = ran(journal, str(ONE), "--json").document
    assert (document["order_id"], document["number"], document["reference"]) == (str(ONE), PLACED.number, "web-17")
    placed, confirmed, held = document["steps"]
    assert (placed["name"], placed["at"], placed["through"]) == ("OrderPlaced", "2026-11-16T09:00:00Z", "portal")
    assert placed["by"] == {
        "person": str(examples.ADA), "role": "consumer", "organisation": None, "on_behalf_of": None,
        "name": "Ada Lovelace",
    }  # fmt: skip
    assert placed["data"]["ship_to"]["city"] == "Berlin" and placed["data"]["contact"]["email"] == "ada@example.com"
    assert (confirmed["by"]["role"], confirmed["by"]["name"]) == ("ip_owner", None)
    assert (held["reason_code"], held["reason"]) == ("payment", "She never paid before.")
    assert [each["after"]["state"] for each in document["steps"]] == ["placed", "confirmed", "confirmed"]
    assert held["after"]["held"] and held["recorded_at"] >= placed["recorded_at"] > placed["at"]


def test_what_was_erased_says_so(journal: Journal) -> None:
    with journal.connection() as connection:
        connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now()")
        connection.execute("DELETE FROM personal.contact")
    placed, _, held = steps(journal, str(ONE))
    assert placed["data"]["ship_to"] == placed["data"]["contact"] == held["reason"] == "erased"
    assert placed["by"]["name"] is None


def test_past_states(journal: Journal) -> None:
    def versions(*options: str) -> list[int]:
        return [step["version"] for step in steps(journal, str(ONE), *options)]

    recorded_at = steps(journal, str(ONE))[1]["recorded_at"]
    assert versions("--version", "2") == [1, 2]
    assert versions("--as-of", "2026-11-17T12:00:00+01:00") == [1, 3]
    assert versions("--as-of", "2026-11-16T08:59") == []
    assert versions("--as-recorded", recorded_at) == [1, 2]


def test_by_number_and_by_reference_without_a_read_model(journal: Journal) -> None:
    for called in (PLACED.number, "web-17", str(ONE)):
        assert len(steps(journal, called)) == 3


def test_by_reference_through_the_read_model_and_beyond_it(journal: Journal) -> None:
    assert Ran(journal.url, "report", "status", "--json").document["orders"] == 1
    assert len(steps(journal, "web-17")) == 3
    append(journal, OTHER, examples.CONSUMER, replace(PLACED, number="later", reference="web-18"), MONDAY)
    assert len(steps(journal, "web-18")) == 1


def test_refused_when_nothing_is_called_so(journal: Journal) -> None:
    for called in ("web-1", str(examples.uuid(99))):
        ran(journal, called).failed_saying(f"No order has the id, the number or the reference {called}.")


def test_refused_when_several_are_called_so(journal: Journal) -> None:
    append(journal, OTHER, examples.CONSUMER, replace(PLACED, number="another"), MONDAY)
    ran(journal, "web-17").failed_saying("Several orders are called web-17")


def test_refused_when_called_wrongly(journal: Journal) -> None:
    ran(journal, str(ONE), "--as-of", "yesterday").failed_saying("is no time", 2)
    ran(journal, str(ONE), "--as-of", "2026-11-16", "--version", "1").failed_saying("Give one of", 2)


def test_refused_with_another_master_key(journal: Journal) -> None:
    other = Ran(journal.url, "audit", "replay", str(ONE), LEDGER_MASTER_KEY="00" * 32)
    other.failed_saying("The master key is not the one")


def test_refused_when_a_box_was_altered(journal: Journal) -> None:
    with psycopg.connect(journal.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE journal.entry SET state = convert_to(regexp_replace(convert_from(state, 'UTF8'), "
            "'\"box\":\"....', '\"box\":\"AAAA'), 'UTF8') WHERE originator_version = 1"
        )
    ran(journal, str(ONE)).failed_saying("of version 1 of stream")


def test_who_looked_is_written_down(journal: Journal) -> None:
    steps(journal, str(ONE))
    with journal.connection() as connection:
        assert connection.execute("SELECT what, subject FROM journal.access").fetchall() == [("read:replay", ONE)]


def test_people_read_it_as_text(journal: Journal) -> None:
    told = ran(journal, "web-17")
    assert told.code == 0
    for words in ("1  OrderPlaced  → placed", "consumer, Ada Lovelace, through portal", "2026-11-16T09:00:00Z"):
        assert words in told.out
    for words in ("payment She never paid before.", "3 × BOOK, 21.00 EUR", "held yes", "Unter den Linden 1"):
        assert words in told.out
    assert "Nothing of this order" in ran(journal, "web-17", "--as-of", "2020-01-01").err
