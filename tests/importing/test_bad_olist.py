"""Rows and files of Olist that cannot be read: named, and nothing else is lost by them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from order_ledger.importing.olist import CUSTOMERS, ITEMS, ORDERS, PAYMENTS, olist_id, open_files
from order_ledger.importing.reports import Report
from order_ledger.importing.running import Target
from order_ledger.importing.tables import BadSource
from order_ledger.journal.journal import Journal
from tests.importing.olist import history, imported, names, state
from tests.importing.sources import (
    item,
    order,
    payment,
    whole,
    write,
    write_file,
)
from tests.waiting import until


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
