"""Orders of Olist's files become the lives they had, with the rules they broke."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from order_ledger.importing.olist import olist_id, open_files
from order_ledger.importing.reports import Report
from order_ledger.importing.running import Target
from order_ledger.journal.journal import Journal
from order_ledger.orders.events import OrderPlaced, PaymentRecorded
from order_ledger.values import money
from tests.importing.olist import history, imported, names, state
from tests.importing.sources import (
    APPROVED,
    ARRIVED,
    HANDED_OVER,
    PLACED,
    customer,
    item,
    order,
    payment,
    whole,
    write,
)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_life_in_its_order_each_step_with_its_own_time(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order()], [item()], [payment()], [customer()])
    report = imported(folder, target)
    assert (report.orders, report.events, report.unchanged, report.breaches, report.failed) == (1, 5, 0, [], [])
    assert [(type(entry.event).__name__, entry.at) for entry in history(journal)] == [
        ("OrderPlaced", moment(PLACED)),
        ("PaymentRecorded", None),
        ("OrderConfirmed", moment(APPROVED)),
        ("OrderShipped", moment(HANDED_OVER)),
        ("OrderDelivered", moment(ARRIVED)),
    ]
    assert state(journal).state == "delivered"


@pytest.mark.parametrize(
    ("status", "became", "times"),
    [
        ("created", "placed", {"approved": "", "handed_over": "", "arrived": ""}),
        ("approved", "confirmed", {"handed_over": "", "arrived": ""}),
        ("invoiced", "confirmed", {"handed_over": "", "arrived": ""}),
        ("processing", "confirmed", {"handed_over": "", "arrived": ""}),
        ("unavailable", "confirmed", {"handed_over": "", "arrived": ""}),
        ("shipped", "shipping", {"arrived": ""}),
        ("delivered", "delivered", {}),
        ("canceled", "cancelled", {"approved": "", "handed_over": "", "arrived": ""}),
    ],
)
@pytest.mark.parametrize("with_items", [True, False])
def test_what_each_status_becomes(
    folder: Path, target: Target, journal: Journal, status: str, became: str, times: dict[str, str], with_items: bool
) -> None:
    write(folder, [order(status=status, **times)], [item()] if with_items else None)
    report = imported(folder, target)
    assert state(journal).state == became
    assert [breach.code for breach in report.breaches] == ([] if with_items else ["no_lines"])
    assert state(journal).open_shortages == ((1,) if status == "unavailable" else ())


def test_who_and_where_from_is_in_every_entry(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order("o-0"), order()], [item()], [payment("o-0"), payment()])
    imported(folder, target)
    files = open_files(folder)
    placed, paid, *rest = history(journal)
    assert placed.source is not None and paid.source is not None and files.payments is not None
    assert (placed.by.role, placed.by.person, placed.through, placed.command.name) == (
        "unknown",
        None,
        "import",
        "place",
    )
    assert (placed.source.system, placed.source.row, placed.source.status) == ("olist", 2, "delivered")
    assert (placed.source.file_sha256, placed.source.batch) == (files.orders.sha256, files.batch)
    assert (paid.source.file_sha256, paid.source.row) == (files.payments.sha256, 2)
    assert len({entry.command.id for entry in (placed, paid, *rest)}) == 5


def test_lines_are_items_then_their_freight(folder: Path, target: Target, journal: Journal) -> None:
    products = [("p-1", "garden"), ("p-9", "toys")]
    items = [item(number="2", price="7.00", freight="0.00"), item(number="1")]
    write(folder, [order()], items, [payment()], [customer()], products)
    imported(folder, target)
    placed = history(journal)[0].event
    assert isinstance(placed, OrderPlaced)
    told = [
        (line.line, line.kind, line.sku, line.description, line.gross.amount, line.charge_for) for line in placed.lines
    ]
    assert told == [
        (1, "untracked", "p-1", "garden", Decimal("10.00"), None),
        (2, "untracked", "p-2", "p-2", Decimal("7.00"), None),
        (3, "charge", "freight", "Freight", Decimal("2.50"), 1),
    ]
    assert placed.total == money("19.50", "BRL") and placed.tax == money(0, "BRL")
    assert {line.tax_category for line in placed.lines} == {None} == {line.tax_rate for line in placed.lines}
    assert {line.seller for line in placed.lines} == {None}
    assert (placed.reference, placed.history, placed.seller.name) == ("o-1", True, "s-1")
    assert placed.consumer == olist_id("customer", "u-1")


def test_times_are_in_the_zone_that_is_given(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order()], [item()])
    imported(folder, target, "America/Sao_Paulo")
    placed = history(journal)[0]
    assert placed.at == datetime(2018, 3, 1, 13, 20, 30, tzinfo=UTC)
    assert placed.event.promised_by == datetime(2018, 3, 20, 3, tzinfo=UTC)
    assert placed.event.zone == "America/Sao_Paulo"
    assert placed.event.number.startswith("180301-")


@pytest.mark.parametrize(
    "text", ["2018-03-01T10+03:00", "2018-03-01T10:00+03:00", "20180301T070000", "2018-03-01 07:00:00Z"]
)
def test_a_time_with_its_own_offset_is_in_no_other_zone(
    folder: Path, target: Target, journal: Journal, text: str
) -> None:
    write(folder, [order(placed=text)], [item()])
    imported(folder, target)
    assert history(journal)[0].at == datetime(2018, 3, 1, 7, tzinfo=UTC)


def test_a_time_that_the_source_lacks_stays_unknown(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(placed="", approved="", handed_over="", arrived="", promised="")], [item()])
    report = imported(folder, target)
    assert [entry.at for entry in history(journal)] == [None] * 4
    assert state(journal).state == "delivered" and report.breaches == []
    assert state(journal).number.startswith("000000-")
    assert state(journal).promised_by is None


def test_sealed_values_open_with_the_keys(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order()], [item()], customers=[customer()])
    imported(folder, target)
    (placed, *_) = history(journal)
    with journal.connection() as connection:
        keys = journal.keyring.read(connection, [placed.event.ship_to.sealed])
    key = keys[placed.event.ship_to.sealed]
    assert key is not None
    address = key.open(placed.event.ship_to, journal.ledger, placed.stream, 1, "ship_to", dict)
    assert (address["postcode"], address["city"], address["region"], address["country"]) == (
        "01001", "sao paulo", "BR-SP", "BR",
    )  # fmt: skip


def test_payments_of_nothing_and_of_several_kinds(folder: Path, target: Target, journal: Journal) -> None:
    payments = [
        payment(number="2", value="12.5", method="voucher"),
        payment(value="0.00"),
        ("o-1", "3", "boleto", "", "1"),
    ]
    write(folder, [order()], [item()], payments)
    imported(folder, target)
    paid = [entry.event for entry in history(journal) if isinstance(entry.event, PaymentRecorded)]
    assert [(each.method, each.amount.amount, each.instalments, each.reference) for each in paid] == [
        ("card", Decimal("0.00"), 3, "o-1/1"),
        ("voucher", Decimal("12.50"), 3, "o-1/2"),
        ("boleto", Decimal("1.00"), None, "o-1/3"),
    ]


def test_no_refund_is_invented_for_a_cancelled_order(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(status="canceled", handed_over="", arrived="")], [item()], [payment()])
    imported(folder, target)
    assert names(journal) == ["OrderPlaced", "PaymentRecorded", "OrderConfirmed", "OrderCancelled"]


# What our rules would have refused


def breaches_of(report: Report) -> list[tuple[str, str]]:
    return [(breach.reference, breach.code) for breach in report.breaches]


def breaches_in(journal: Journal) -> dict[str, tuple[str, ...]]:
    return {type(entry.event).__name__: entry.breaches for entry in history(journal) if entry.breaches}


def test_handed_over_before_it_was_approved(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(handed_over="2018-03-01 23:00:00")], [item()])
    assert breaches_of(imported(folder, target)) == [("o-1", "earlier_than_previous")]
    assert breaches_in(journal) == {"OrderShipped": ("earlier_than_previous",)}
    assert state(journal).state == "delivered"


def test_cancelled_after_it_was_shipped(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(status="canceled", arrived="")], [item()])
    assert breaches_of(imported(folder, target)) == [("o-1", "already_shipped")]
    assert breaches_in(journal) == {"OrderCancelled": ("already_shipped",)}
    assert names(journal)[-2:] == ["OrderShipped", "OrderCancelled"] and state(journal).state == "cancelled"


def test_shipped_and_never_approved(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(status="canceled", approved="", arrived="")], [item()])
    assert ("o-1", "not_confirmed") in breaches_of(imported(folder, target))
    assert breaches_in(journal)["OrderShipped"] == ("not_confirmed",)


def test_of_several_sellers(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order()], [item(), item(number="2", seller="s-2")])
    assert breaches_of(imported(folder, target)) == [("o-1", "several_sellers")]
    placed = history(journal)[0].event
    sellers = [line.seller.name for line in placed.lines if line.seller]
    assert sellers == ["s-1", "s-2", "s-1", "s-2"] and placed.seller.name == "s-1"


def test_a_time_that_the_status_denies(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(status="shipped")], [item()])
    assert breaches_of(imported(folder, target)) == [("o-1", "status_contradicted")]
    assert breaches_in(journal) == {"OrderDelivered": ("status_contradicted",)}


def test_a_time_to_come(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(arrived="2999-01-01 00:00:00", status="delivered")], [item()])
    imported(folder, target)
    assert names(journal)[-1] == "OrderDelivered"
    assert breaches_in(journal) == {"OrderDelivered": ("in_the_future",)}


# Again, and dry


def test_a_second_run_adds_nothing(folder: Path, target: Target, journal: Journal) -> None:
    whole(folder, 3)
    assert imported(folder, target).events == 15
    again = imported(folder, target)
    assert (again.orders, again.events, again.unchanged) == (3, 0, 3)
    assert len(history(journal, "o-1")) == 5


def test_a_dry_run_decides_everything_and_writes_nothing(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(), order("o-2")], [item(), item("o-2"), item("o-2", "2", "s-2")])
    dry = imported(folder, target, dry_run=True)
    assert (dry.orders, dry.events, dry.unchanged, breaches_of(dry)) == (2, 8, 0, [("o-2", "several_sellers")])
    with journal.connection() as connection:
        for table in ("journal.entry", "journal.idempotency_key", "personal.key"):
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
    imported(folder, target)
    assert imported(folder, target, dry_run=True).unchanged == 2
