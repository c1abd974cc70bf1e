"""Orders of Olist's files become the lives they had, with the rules they broke."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from order_ledger.audit.replay import replay
from order_ledger.entries import Entry
from order_ledger.importing.olist import CUSTOMERS, ITEMS, ORDERS, PAYMENTS, olist_id, open_files
from order_ledger.importing.reports import Report
from order_ledger.importing.running import Target, import_files
from order_ledger.importing.tables import BadSource
from order_ledger.journal.journal import Journal
from order_ledger.orders.events import OrderPlaced, PaymentRecorded
from order_ledger.orders.order import Order
from order_ledger.values import money
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
    write_file,
)
from tests.waiting import until


def imported(folder: Path, target: Target, zone: str = "UTC", **how: Any) -> Report:
    return import_files(open_files(folder, zone), target, **{"jobs": 1, **how})


def history(journal: Journal, own: str = "o-1") -> list[Entry[Any]]:
    return journal.load(olist_id("order", own), "order")[0]


def names(journal: Journal, own: str = "o-1") -> list[str]:
    return [type(entry.event).__name__ for entry in history(journal, own)]


def state(journal: Journal, own: str = "o-1") -> Order:
    return replay(history(journal, own))[-1].order


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


# What cannot be read


def failures(report: Report) -> list[tuple[str, int | None, str]]:
    return [(failure.file, failure.row, failure.code) for failure in report.failed]


BAD_ROWS = [
    (ORDERS.name, 1, "bad_date", {"orders": [order(approved="02/03/2018")]}),
    (ORDERS.name, 1, "bad_date", {"orders": [order(placed="0001-01-01 00:00:00+14:00")]}),
    (ORDERS.name, 1, "unknown_status", {"orders": [order(status="lost")]}),
    (ORDERS.name, 1, "missing", {"orders": [order("")]}),
    (ORDERS.name, 1, "bad_text", {"orders": [order("o\x00")]}),
    (ORDERS.name, 1, "bad_row", {"orders": [order()[:-1]]}),
    (ITEMS.name, 1, "bad_number", {"items": [item(price="ten")]}),
    (ITEMS.name, 1, "bad_number", {"items": [item(price="-1.00")]}),
    (ITEMS.name, 1, "bad_number", {"items": [item(freight="1e3")]}),
    (ITEMS.name, 1, "bad_number", {"items": [item(number="0")]}),
    (ITEMS.name, 1, "bad_row", {"items": [item()[:-1]]}),
    (ITEMS.name, 2, "repeated", {"items": [item(), item()]}),
    (ITEMS.name, 1, "bad_text", {"items": [("o-1", "1", "p" * 65, "s", "", "1.00", "1.00")]}),
    (PAYMENTS.name, 1, "bad_number", {"payments": [payment(value="1.005")]}),
    (PAYMENTS.name, 1, "bad_code", {"payments": [payment(method="Credit Card")]}),
    (PAYMENTS.name, 2, "repeated", {"payments": [payment(), payment(value="1.00")]}),
    ("olist_customers_dataset.csv", 1, "bad_code", {"customers": [("c-1", "u-1", "1", "x", "São Paulo")]}),
]


@pytest.mark.parametrize(("file", "row", "code", "rows"), BAD_ROWS)
def test_a_bad_row_is_named_and_its_order_left_out_whole(
    folder: Path, target: Target, journal: Journal, file: str, row: int, code: str, rows: dict[str, Any]
) -> None:
    rows = {"orders": [order()], **rows}
    write(folder, **{**rows, "orders": [*rows["orders"], order("o-2", customer="c-2")]})
    report = imported(folder, target)
    assert failures(report) == [(file, row, code)]
    assert (report.orders, len(history(journal)), len(history(journal, "o-2"))) == (1, 0, 4)


def test_an_order_that_stands_there_twice(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(), order(status="shipped")])
    report = imported(folder, target)
    assert failures(report) == [(ORDERS.name, 2, "repeated")] and report.orders == 1
    assert state(journal).state == "delivered"


def test_rows_of_no_order_are_reported(folder: Path, target: Target) -> None:
    write(folder, [order()], [item("o-9")], [payment("o-8")])
    report = imported(folder, target)
    assert failures(report) == [(ITEMS.name, 1, "unknown_order"), (PAYMENTS.name, 1, "unknown_order")]
    assert [failure.reference for failure in report.failed] == ["o-9", "o-8"] and report.orders == 1


def test_an_order_too_large_for_an_entry(folder: Path, target: Target, journal: Journal) -> None:
    write(folder, [order(), order("o-2")], [item(number=str(number)) for number in range(1, 200)])
    report = imported(folder, target)
    assert failures(report) == [(ORDERS.name, 1, "too_large")]
    assert (report.orders, names(journal), len(history(journal, "o-2"))) == (1, [], 4)


def test_an_order_of_a_person_who_was_forgotten(folder: Path, target: Target, journal: Journal) -> None:
    whole(folder, 2)
    consumer = olist_id("customer", "u-o-1")
    with journal.connection() as connection:
        journal.keyring.make(connection, [(consumer, "order")])
        connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now() WHERE person = %s", (consumer,))
    report = imported(folder, target)
    assert failures(report) == [(ORDERS.name, 2, "person_forgotten")]
    assert (report.orders, names(journal, "o-1"), len(history(journal, "o-0"))) == (1, [], 5)


def test_an_order_that_another_import_brings_meanwhile(folder: Path, target: Target, journal: Journal) -> None:
    whole(folder, 5)
    with psycopg.connect(target.url) as other, ThreadPoolExecutor(1) as threads:
        other.execute(
            "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
            "VALUES (%s, 1, 'OrderPlaced', '', 'order', now(), sha256(''))",
            (olist_id("order", "o-3"),),
        )
        importing = threads.submit(imported, folder, target)
        with psycopg.connect(target.url, autocommit=True) as watching:
            until(lambda: watching.execute(WAITING).fetchone() == (1,))
        other.commit()
        report = importing.result(timeout=30)
    assert (report.orders, report.events, report.unchanged) == (5, 20, 1)
    assert [len(history(journal, f"o-{number}")) for number in (0, 1, 2, 4)] == [5] * 4


WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE application_name = 'order-ledger import' AND wait_event_type = 'Lock' AND datname = current_database()"
)


# Files


def test_byte_order_mark_line_ends_and_line_breaks_in_quotes(folder: Path, target: Target, journal: Journal) -> None:
    whole(folder)
    path = folder / "olist_customers_dataset.csv"
    rows = ",".join(CUSTOMERS.columns) + '\r\n\r\nc-o-0,u-1,1,"a\nb",SP\r\n'
    path.write_bytes(rows.encode("utf-8-sig"))
    report = imported(folder, target)
    assert [(failure.row, failure.code) for failure in report.failed] == [(1, "bad_text")]
    path.write_bytes(rows.replace("\nb", ", b").encode("utf-8-sig"))
    assert imported(folder, target).failed == []
    assert history(journal, "o-0")[0].event.consumer == olist_id("customer", "u-1")


def test_files_are_known_by_their_columns_too(folder: Path, target: Target) -> None:
    whole(folder)
    (folder / ORDERS.name).rename(folder / "orders.csv")
    assert imported(folder, target).events == 5


@pytest.fixture
def unreadable(folder: Path) -> Iterator[Path]:
    whole(folder)
    yield folder


def test_refused_without_orders(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match=r"olist_orders_dataset\.csv: is not in"):
        open_files(tmp_path)


def test_refused_when_a_column_is_missing(unreadable: Path) -> None:
    write_file(unreadable, ITEMS, [], [column for column in ITEMS.columns if column != "price"])
    with pytest.raises(BadSource, match=r"olist_order_items_dataset\.csv: the header lacks price"):
        open_files(unreadable)


def test_refused_when_two_files_would_do(unreadable: Path) -> None:
    first = (unreadable / ORDERS.name).rename(unreadable / "a.csv")
    (unreadable / "b.csv").write_bytes(first.read_bytes())
    with pytest.raises(BadSource, match=r"both a\.csv and b\.csv"):
        open_files(unreadable)


@pytest.mark.parametrize("rows", [b"\xff\xfe", b"o-1,c-1,\xff"])
def test_refused_when_it_is_not_text(unreadable: Path, target: Target, rows: bytes) -> None:
    header = ",".join(ORDERS.columns).encode() + b"\n" if rows != b"\xff\xfe" else b""
    (unreadable / ORDERS.name).write_bytes(header + rows)
    with pytest.raises(BadSource, match="olist_orders_dataset"):
        imported(unreadable, target)
