"""The commands of read models, as people and scripts call them: what is on stdout, on stderr, and the exit code."""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from order_ledger.following.projections import names
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import OrderCancelled
from order_ledger.orders.order import STATES
from tests.commands import Ran
from tests.following.histories import an_id, placed
from tests.following.writing import Writing

ORDER = an_id("order")


@pytest.fixture
def writing(ledger_url: str) -> Iterator[Writing]:
    journal = Journal(ledger_url, MasterKey(os.urandom(32)))
    yield Writing(journal)
    journal.close()


def test_report_status_follows_by_itself_where_nobody_does(writing: Writing) -> None:
    url = writing.journal.url
    writing.write(ORDER, placed("A-1"))
    position = writing.write(an_id("another"), placed("A-2"), OrderCancelled())
    ran = Ran(url, "report", "status", "--json")
    assert ran.document == {
        "orders": 2,
        "states": {**dict.fromkeys(STATES, 0), "placed": 1, "cancelled": 1},
        "position": position,
    }
    assert ran.err == f"nobody follows order_status: following it up to position {position}\n"


def test_report_status_in_other_forms(writing: Writing) -> None:
    url = writing.journal.url
    writing.write(ORDER, placed("A-1"))
    assert Ran(url, "report", "status", "--format", "json").document["orders"] == 1
    rows = list(csv.reader(io.StringIO(Ran(url, "report", "status", "--format", "csv").out)))
    assert rows[:2] == [["state", "orders"], ["placed", "1"]]
    assert len(rows) == 1 + len(STATES)
    table = Ran(url, "report", "status").out.splitlines()
    assert table[0].split() == ["state", "orders"]
    assert table[-1].split() == ["all", "1"]


def test_report_status_of_a_database_without_anything(database: str) -> None:
    assert Ran(database, "report", "status", "--json").document["orders"] == 0


def test_report_status_follows_every_part(writing: Writing) -> None:
    url = writing.journal.url
    orders = [an_id(f"order {number}") for number in range(12)]
    writing.write_all([(order, placed()) for order in orders])
    assert Ran(url, "report", "status", "--json").document["orders"] == 12
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE order_status.bookmark SET parts = 2")
        connection.execute("INSERT INTO order_status.bookmark SELECT 2, 2, position FROM order_status.bookmark")
    position = writing.write_all([(order, OrderCancelled()) for order in orders])
    counts = Ran(url, "report", "status", "--json").document
    assert (counts["states"]["cancelled"], counts["position"]) == (12, position)


def test_migrate_makes_everything_once(database: str) -> None:
    ran = Ran(database, "migrate", "--json")
    assert ran.document["projections"]["order_status"] == "order_status"
    again = Ran(database, "migrate")
    assert (again.code, again.out) == (0, "")
    assert ran.document["ledger"] in again.err


def test_projections_list(writing: Writing) -> None:
    url = writing.journal.url
    writing.write(ORDER, placed())
    assert Ran(url, "projections", "list", "--json").document["not_installed"] == list(names())
    Ran(url, "report", "status")
    document = Ran(url, "projections", "list", "--json").document
    (found,) = document["projections"]
    assert {name: found[name] for name in ("name", "version", "part", "parts", "position", "parked", "followed")} == {
        "name": "order_status", "version": 1, "part": 1, "parts": 1, "position": 1, "parked": 0, "followed": False,
    }  # fmt: skip
    assert document["not_installed"] == [name for name in names() if name != "order_status"]
    heading, row, *_ = Ran(url, "projections", "list").out.splitlines()
    assert heading.split()[0] == "name"
    assert row.split()[:4] == ["order_status", "1", "yes", "1/1"]


def test_what_is_parked_is_listed_and_retried(writing: Writing) -> None:
    url = writing.journal.url
    writing.write_raw(ORDER, b"{}", "OrderTeleported")
    assert Ran(url, "report", "status", "--json").document["orders"] == 0
    (parked,) = Ran(url, "projections", "list", "--json").document["parked"]["order_status"]
    assert (parked["stream"], parked["name"]) == (str(ORDER), "OrderTeleported")
    assert "OrderTeleported" in Ran(url, "projections", "list").out
    ran = Ran(url, "projections", "retry", "order_status", "--json")
    assert json.loads(ran.out)["failing"][0]["stream"] == str(ORDER)
    assert (ran.code, "cannot be read" in ran.err) == (1, True)


def test_a_stream_is_put_back(writing: Writing) -> None:
    url = writing.journal.url
    writing.write(ORDER, placed())
    Ran(url, "report", "status")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM order_status.orders")
        connection.execute(
            "INSERT INTO order_status.parked VALUES (%s, 'order', 1, 1, 'OrderPlaced', 'it was', 1, 1)", (ORDER,)
        )
    ran = Ran(url, "projections", "retry", "order_status", "--stream", str(ORDER), "--json")
    assert ran.document == {"put_back": [str(ORDER)], "failing": []}
    assert Ran(url, "report", "status", "--json").document["orders"] == 1


def test_settings_says_what_is_set_and_where_and_no_secret(tmp_path: Path) -> None:
    ran = Ran("postgresql://ada:hush@nowhere/ledger", "settings", "--json", LEDGER_PORT="9000")
    found = {each["name"]: each for each in ran.document["settings"]}
    assert (found["LEDGER_PORT"]["value"], found["LEDGER_PORT"]["from"]) == (9000, "environment")
    assert (found["LEDGER_HOST"]["value"], found["LEDGER_HOST"]["from"]) == ("127.0.0.1", "default")
    assert found["LEDGER_DATABASE_URL"]["from"] == "environment"
    assert "hush" not in ran.out
    table = Ran("postgresql://ada:hush@nowhere/ledger", "settings", LEDGER_PORT="")
    assert "LEDGER_PORT" in table.out
    assert "hush" not in table.out


def test_an_unknown_read_model(database: str) -> None:
    Ran(database, "follow", "nothing").failed_saying("There is no projection nothing. There are: ")
    Ran(database, "projections", "retry", "nothing").failed_saying("There is no projection nothing.")


@pytest.mark.parametrize("part", ["0/2", "3/2", "x", "1/65", "1", "-1/2", "²/3"])
def test_a_part_that_there_is_not(database: str, part: str) -> None:
    Ran(database, "follow", "order_status", "--part", part).failed_saying("is not a part such as 2/4", code=2)


def test_a_database_that_is_away() -> None:
    Ran("postgresql://127.0.0.1:1/nothing", "report", "status").failed_saying("does not answer")


def test_a_database_without_a_ledger(database: str) -> None:
    Ran(database, "projections", "list").failed_saying("Run: order-ledger migrate")


def test_a_setting_that_cannot_be() -> None:
    Ran(None, "settings", LEDGER_PORT="many").failed_saying("LEDGER_PORT: ")


def test_bad_usage() -> None:
    Ran(None, "nosuch").failed_saying("No such command", code=2)
    Ran(None, "report", "status", "--format", "xml").failed_saying("xml", code=2)
    Ran(None, "projections", "retry", "order_status", "--stream", "x").failed_saying("x", code=2)


@pytest.mark.parametrize(
    ("command", "saying"),
    [
        (("follow",), "Keep a read model up to date"),
        (("settle",), "how far the journal is final"),
        (("migrate",), "Doing it again changes nothing"),
        (("settings",), "Secrets are not shown"),
        (("projections", "retry"), "put them back"),
        (("report", "status"), "How many orders are in each state"),
    ],
)
def test_help_says_what_a_command_does(command: tuple[str, ...], saying: str) -> None:
    ran = Ran(None, *command, "--help")
    assert ran.code == 0
    assert saying in " ".join(ran.out.split())


def test_help_is_as_wide_as_the_terminal() -> None:
    assert "a time that the files do not give stays unknown" in Ran(None, "import", "olist", "--help").out
    assert "the door, and every projection and policy a process" in Ran(None, "up", "--help").out


def test_version() -> None:
    ran = Ran(None, "--version")
    assert (ran.code, ran.out.strip()) == (0, "0.1.0")
