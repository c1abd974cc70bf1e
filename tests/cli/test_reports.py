"""The reports but that of states, and the list of policies, as people and scripts call them."""

import csv
import io
import json

import pytest

from order_ledger.items.item import item_id, stock_id
from order_ledger.orders.events import OrderConfirmed
from order_ledger.policies.engine.finding import names as policies
from order_ledger.stock.events import StockReceived
from tests.cli.test_read_models import ORDER, writing
from tests.commands import Ran
from tests.examples import BOOK_PLACED, CONFIRMED, paid, shipped
from tests.following.histories import SELLER, START, placed
from tests.following.writing import Writing
from tests.policies.conftest import journal, shop
from tests.policies.shop import Shop
from tests.projections.test_stock import LISTED

__all__ = ["journal", "shop", "writing"]


def test_report_fulfilment_in_every_form(writing: Writing) -> None:
    url = writing.journal.url
    position = writing.write_at(ORDER, (START, placed()), (START, OrderConfirmed(None)))

    document = Ran(url, "report", "fulfilment", "--json", "--group-by", "item").document

    assert (document["orders"], document["position"]) == (1, position)
    assert document["durations_hours"]["placed_to_confirmed"] == {
        "n": 1, "mean": 0.0, "median": 0.0, "p90": 0.0, "p95": 0.0,
    }  # fmt: skip
    assert document["by_placed_month"] == {"2026-11": {"orders": 1, "delivered": 0, "on_time_instant": 0}}
    assert {group["name"] for group in document["groups"]} == {"SKU-1, Stool no. 1", "SKU-2, Stool no. 2"}

    rows = list(csv.DictReader(io.StringIO(Ran(url, "report", "fulfilment", "--format", "csv").out)))
    assert (rows[0]["group"], rows[0]["measure"], rows[0]["n"]) == ("all", "orders", "1")
    assert next(row["mean h"] for row in rows if row["measure"] == "placed to confirmed") == "0.0"

    table = Ran(url, "report", "fulfilment", "--from", "2026-11-21", "--to", "2026-11-22T00:00:00+01:00").out
    assert f"all, at position {position}" in table
    assert "placed to confirmed" in table and "waiting now" in table and "by item" not in table
    grouped = Ran(url, "report", "fulfilment", "--group-by", "item").out
    assert [row.split() for row in grouped.splitlines() if row.startswith("SKU-1")] == [
        ["SKU-1,", "Stool", "no.", "1", "1", "0", "–", "–", "–", "–", "–"]
    ]


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_time_that_is_none_is_bad_usage(database: str, option: str) -> None:
    Ran(database, "report", "fulfilment", option, "2026-11-21T10:00:00").failed_saying("a time with its offset", code=2)


def test_report_stock_in_every_form(writing: Writing) -> None:
    url = writing.journal.url
    writing.write(item_id(SELLER.id, "STOOL"), LISTED, kind="item")
    position = writing.write(stock_id(SELLER.id, "STOOL"), StockReceived(4, "DN-1"), kind="stock")

    document = Ran(url, "report", "stock", "--json").document
    (found,) = document["items"]
    assert (document["position"], found["sku"], found["available"], found["backordered"]) == (position, "STOOL", 4, 0)
    (row,) = csv.DictReader(io.StringIO(Ran(url, "report", "stock", "--format", "csv").out))
    assert (row["sku"], row["on_hand"], row["reserved"]) == ("STOOL", "4", "0")
    assert "STOOL" in Ran(url, "report", "stock").out


def test_report_documents_in_every_form(shop: Shop) -> None:
    url = shop.journal.url
    order = shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"), shipped((1, 3)))
    shop.issues()
    (receipt, invoice) = shop.numbers(order)
    ran = Ran(url, "report", "documents", "--json")
    assert (ran.document["holds"], ran.document["orders"], ran.document["documents"]) == (True, 1, 2)
    assert [each["series"] for each in ran.document["series"]] == [invoice[:-7], receipt[:-7]]
    assert "nobody runs issue_documents" in ran.err
    assert Ran(url, "report", "documents", "--format", "csv").out.splitlines() == [
        "code,what,order,number,currency,expected,found"
    ]
    assert invoice[:-7] in Ran(url, "report", "documents").out


def test_report_documents_of_the_past(shop: Shop) -> None:
    order = shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"), shipped((1, 3)))
    shop.issues()
    positions = [entry.position for entry in shop.journal.load(order, "order")[0]]

    def report(*options: str) -> tuple[int, int, bool]:
        told = json.loads(Ran(shop.journal.url, "report", "documents", "--json", *options).out)
        return told["orders"], told["documents"], told["holds"]

    assert report("--position", str(positions[-1])) == (1, 2, True)
    assert report("--position", str(positions[1])) == (1, 0, True)
    assert report("--position", str(positions[2])) == (1, 0, False), "what was paid had no receipt yet"
    assert report("--as-of", "2020-01-01") == (0, 0, True)


def test_report_documents_fails_where_anything_does_not_hold(shop: Shop) -> None:
    shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"))
    ran = Ran(shop.journal.url, "report", "documents", "--format", "csv")
    assert ran.code == 1 and "1 things do not hold" in ran.err
    (row,) = csv.DictReader(io.StringIO(ran.out))
    assert (row["code"], row["order"], row["expected"], row["found"]) == (
        "receipt_missing", BOOK_PLACED.number, "21.00", "0",
    )  # fmt: skip


def test_policies_list_and_retry(shop: Shop) -> None:
    url = shop.journal.url
    assert Ran(url, "policies", "list", "--json").document["never_ran"] == list(policies())
    shop.changes(vat_id=None)
    order = shop.ordered(BOOK_PLACED, CONFIRMED, paid("21.00"))
    shop.issues()
    document = Ran(url, "policies", "list", "--json").document
    (found,) = document["policies"]
    assert (found["name"], found["lag_events"], found["open_cases"], found["running"]) == (
        "issue_documents", 0, 1, False,
    )  # fmt: skip
    (case,) = document["open_cases"]
    assert (case["stream"], case["code"], case["who"]) == (str(order), "seller_incomplete", ["administrator"])
    table = Ran(url, "policies", "list").out
    assert "issue_documents" in table and "BR-CO-26" in table
    assert Ran(url, "policies", "retry", "issue_documents").err == "to be tried again: 1\n"
    Ran(url, "policies", "retry", "nothing").failed_saying("There is no policy nothing.")
