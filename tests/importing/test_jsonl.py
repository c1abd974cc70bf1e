"""Histories in our own words are decided anew, line by line."""

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from order_ledger.entries import By, Cause, CommandRef, Event, Fact, Kind
from order_ledger.importing.jsonl import import_commands
from order_ledger.importing.reports import Interrupted, Report
from order_ledger.items.events import ItemListed
from order_ledger.journal.journal import Journal
from order_ledger.orders.events import OrderPlaced
from order_ledger.parties.events import OrganisationRegistered
from tests import examples
from tests.audit.test_verify import verified
from tests.commands import Ran
from tests.journal.away import away

ORDER = examples.uuid(1)
PLACE = {
    "seller": str(examples.SELLER.id),
    "lines": [{"sku": "BOOK", "quantity": 3}],
    "contact": {"name": "Ada Lovelace"},
    "ship_to": {"line1": "Unter den Linden 1", "city": "Berlin", "country": "DE"},
    "expected_total": {"amount": "21.00", "currency": "EUR"},
}
CONSUMER = {"person": str(examples.ADA), "role": "consumer"}
OWNER = {"person": str(examples.uuid(13)), "role": "ip_owner", "organisation": str(examples.SELLER.id)}


def line(command: str, by: Any, data: Any = None, **more: Any) -> dict[str, Any]:
    return {"stream": str(ORDER), "command": command, "by": by, "data": data or {}, **more}


PLACED = line("place", CONSUMER, PLACE, at="2026-01-05T10:00:00Z")
CONFIRMED = line("confirm", OWNER, at="2026-01-06T10:00:00+01:00")


@pytest.fixture
def shop(journal: Journal) -> Journal:
    """A ledger with a seller and what it sells."""
    registered = {name: value for name, value in msgspec.structs.asdict(examples.seller()).items() if name != "id"}
    append(journal, "organisation", examples.SELLER.id, OrganisationRegistered(**registered))
    listed = msgspec.structs.asdict(examples.LISTINGS["BOOK"])
    stream = listed.pop("id")
    del listed["listed"]
    append(journal, "item", stream, ItemListed(**listed))
    return journal


def append(journal: Journal, kind: Kind, stream: UUID, event: Event) -> None:
    cause = Cause(By(None, "administrator"), "cli", CommandRef(stream, "example"))
    _, head = journal.load(stream, kind)
    entries = journal.encode(kind, stream, head, [Fact(event, examples.NOW)], cause)
    assert journal.append_one([entries], stream).outcome == "appended"


def imported(journal: Journal, folder: Path, *lines: Any, **how: Any) -> Report:
    path = folder / "history.jsonl"
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return import_commands(journal, path, **how)


def failures(done: Report) -> list[tuple[int | None, str]]:
    return [(failure.row, failure.code) for failure in done.failed]


def test_each_line_is_decided_as_of_when_it_happened(shop: Journal, folder: Path) -> None:
    done = imported(shop, folder, PLACED, "", CONFIRMED)
    assert (done.orders, done.events, done.unchanged, done.failed) == (1, 2, 0, [])
    placed, confirmed = shop.load(ORDER, "order")[0]
    assert (placed.at, confirmed.at) == (datetime(2026, 1, 5, 10, tzinfo=UTC), datetime(2026, 1, 6, 9, tzinfo=UTC))
    assert (placed.through, placed.by.role, confirmed.by.role) == ("import", "consumer", "ip_owner")
    assert isinstance(placed.event, OrderPlaced)
    assert placed.event.number.startswith("260105-") and placed.event.history
    assert verified(shop).broken == []


def test_the_same_line_again_changes_nothing(shop: Journal, folder: Path) -> None:
    imported(shop, folder, PLACED, CONFIRMED)
    again = imported(shop, folder, PLACED, CONFIRMED)
    assert (again.orders, again.events, again.unchanged, again.failed) == (1, 0, 2, [])


def test_the_same_lines_again_change_nothing_though_the_order_went_on(shop: Journal, folder: Path) -> None:
    hold, reject = (
        line("hold", OWNER, {"reason_code": "payment"}),
        line("reject", OWNER, {"reason_code": "cannot_make"}),
    )
    first = imported(shop, folder, PLACED, hold, reject)
    assert (first.events, first.failed) == (3, [])
    again = imported(shop, folder, PLACED, hold, reject)
    assert (again.orders, again.events, again.unchanged, again.failed) == (1, 0, 3, [])


def test_lines_of_one_order_are_taken_in_their_order_beside_those_of_others(shop: Journal, folder: Path) -> None:
    turns = [("hold", {"reason_code": "payment"}), ("release", {"reason": "Paid."})] * 20
    orders = [str(examples.uuid(number)) for number in range(50, 58)]
    lines = [{**PLACED, "stream": order} for order in orders]
    lines += [
        line(command, OWNER, data, stream=order, key=f"{turn}")
        for turn, (command, data) in enumerate(turns)
        for order in orders
    ]
    heard: list[tuple[int, int]] = []
    done = imported(shop, folder, *lines, told=lambda done, of: heard.append((done, of)))
    assert (done.orders, done.events, done.failed) == (8, len(lines), [])
    assert heard == [(number, len(lines)) for number in range(1, len(lines) + 1)]
    assert verified(shop).broken == []


def test_an_import_that_was_interrupted_goes_on_when_it_is_run_again(shop: Journal, folder: Path) -> None:
    orders = [str(examples.uuid(number)) for number in range(100, 120)]
    lines = [{**PLACED, "stream": order} for order in orders]
    lines += [line("hold", OWNER, {"reason_code": "payment"}, stream=order) for order in orders]
    with ExitStack() as stack, pytest.raises(Interrupted, match="Run the import again"):
        imported(shop, folder, *lines, told=lambda done, _: done == 10 and stack.enter_context(away(shop.url)))
    done = imported(shop, folder, *lines)
    assert (done.orders, done.events + done.unchanged, done.failed) == (20, 40, [])
    assert verified(shop).broken == []


def test_without_a_stream_the_key_says_which_order_is_placed(shop: Journal, folder: Path) -> None:
    one, other = ({**PLACED, "stream": None, "key": key} for key in ("a-1", "a-2"))
    done = imported(shop, folder, one, other, one)
    assert (done.orders, done.events, done.unchanged) == (2, 2, 1)


def test_a_line_that_is_refused_is_named_and_the_others_go_on(shop: Journal, folder: Path) -> None:
    dear = {**PLACED, "data": {**PLACE, "expected_total": {"amount": "1.00", "currency": "EUR"}}}
    hold = line("hold", OWNER, {"reason_code": "payment"})
    done = imported(shop, folder, dear, PLACED, line("reject", OWNER, {"reason_code": "other"}), hold)
    assert failures(done) == [(1, "total_changed"), (3, "reason_required")]
    assert [type(entry.event).__name__ for entry in shop.load(ORDER, "order")[0]] == ["OrderPlaced", "OrderHeld"]


def test_who_has_no_part_in_an_order_does_nothing_about_it(shop: Journal, folder: Path) -> None:
    stranger = {"person": str(examples.uuid(99)), "role": "consumer"}
    other = {**OWNER, "organisation": str(examples.uuid(98))}
    nobody = {"person": None, "role": "unknown"}
    cancel = {"reason_code": "changed_mind"}
    lines = [PLACED, line("cancel", stranger, cancel), line("confirm", other), line("confirm", nobody)]
    done = imported(shop, folder, *lines)
    assert failures(done) == [(2, "not_theirs"), (3, "not_theirs")]
    assert "consumer" in done.failed[0].what and "ip_owner" in done.failed[1].what
    assert [entry.by.role for entry in shop.load(ORDER, "order")[0]] == ["consumer", "unknown"]


BAD_LINES = [
    ("no JSON", "bad_line"),
    ('{"command": "confirm"}', "bad_line"),
    ({**PLACED, "other": 1}, "bad_line"),
    ({**PLACED, "at": "2026-01-05T10:00:00"}, "bad_line"),
    ({**PLACED, "at": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, "in_the_future"),
    ({**PLACED, "command": "vanish"}, "unknown_command"),
    ({**PLACED, "data": {**PLACE, "lines": []}}, "invalid"),
    ({**CONFIRMED, "stream": None}, "no_stream"),
    (CONFIRMED, "not_found"),
    (line("confirm", CONSUMER), "not_allowed"),
    ("x" * 70_000, "too_large"),
    (
        line(
            "resolve-return",
            {"person": str(examples.uuid(16)), "role": "customer_service"},
            {"rma": "R1", "lines": [{"line": 1, "quantity": 1, "how": "exchange"}]},
        ),
        "not_here",
    ),
]


@pytest.mark.parametrize(("bad", "code"), BAD_LINES)
def test_a_line_that_cannot_be_meant(shop: Journal, folder: Path, bad: Any, code: str) -> None:
    good = {**PLACED, "stream": str(examples.uuid(2))}
    done = imported(shop, folder, bad, good)
    assert failures(done) == [(1, code)]
    assert (done.orders, done.events) == (1, 1)


def test_a_key_that_stands_for_another_line(shop: Journal, folder: Path) -> None:
    hold, release = (
        line(command, OWNER, {"reason_code": "payment"} if command == "hold" else {"reason": "Paid."}, key="k-1")
        for command in ("hold", "release")
    )
    assert failures(imported(shop, folder, PLACED, hold, release)) == [(3, "idempotency_key_reused")]


def test_a_person_who_was_forgotten(shop: Journal, folder: Path) -> None:
    with shop.connection() as connection:
        shop.keyring.make(connection, [(examples.ADA, "order")])
        connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now()")
    with Journal(shop.url, shop.master) as fresh:
        assert failures(imported(fresh, folder, PLACED)) == [(1, "person_forgotten")]


def test_a_dry_run_writes_nothing(shop: Journal, folder: Path) -> None:
    done = imported(shop, folder, PLACED, dry_run=True)
    assert (done.orders, done.events) == (1, 1)
    assert shop.load(ORDER, "order")[0] == []


def test_the_command(shop: Journal, folder: Path, tmp_path: Path) -> None:
    path = folder / "history.jsonl"
    path.write_text("\n".join(map(json.dumps, (PLACED, CONFIRMED, CONFIRMED | {"key": "once more", "by": CONSUMER}))))
    done = Ran(shop.url, "import", "jsonl", str(path), "--json", LEDGER_HOME=str(tmp_path / "home"))
    assert done.code == 1
    assert json.loads(done.out) == {
        "orders": 1,
        "events": 2,
        "unchanged": 0,
        "breaches": [],
        "failed": [
            {
                "file": "history.jsonl",
                "row": 3,
                "code": "not_allowed",
                "what": "Only ip_owner may do this.",
                "reference": None,
            }
        ],
    }
