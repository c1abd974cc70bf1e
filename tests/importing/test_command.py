"""`order-ledger import`, as people and scripts call it, ended in the middle and begun again."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from order_ledger.importing.olist import ITEMS, PAYMENTS, open_files
from order_ledger.importing.reports import Interrupted
from order_ledger.importing.running import Target, import_files
from tests.commands import Ran
from tests.importing.sources import order, whole, write, write_file
from tests.waiting import until

EVENTS = "SELECT count(*), count(DISTINCT originator_id) FROM journal.entry"


@pytest.fixture
def home(tmp_path: Path) -> str:
    return str(tmp_path / "home")


def test_two_processes_import_all_of_it_and_again_nothing(database: str, folder: Path, home: str) -> None:
    whole(folder, 40)
    write_file(folder, PAYMENTS, [("o-9999", "1", "voucher", "1", "1.00")])
    first = Ran(database, "import", "olist", str(folder), "--json", LEDGER_HOME=home)
    assert first.code == 1
    report = json.loads(first.out)
    assert list(report) == ["orders", "events", "unchanged", "breaches", "failed"]
    assert (report["orders"], report["events"], report["unchanged"]) == (40, 160, 0)
    what = "no order has this id"
    assert report["failed"] == [
        {"file": PAYMENTS.name, "row": 1, "code": "unknown_order", "what": what, "reference": "o-9999"}
    ]
    write_file(folder, PAYMENTS, [])
    again = Ran(database, "import", "olist", str(folder), "--json", LEDGER_HOME=home).document
    assert again == {"orders": 40, "events": 0, "unchanged": 40, "breaches": [], "failed": []}


def test_a_breach_is_listed_with_the_order(database: str, folder: Path, home: str) -> None:
    write(folder, [order(handed_over="2018-03-01 23:00:00")])
    done = Ran(database, "import", "olist", str(folder), "--json", "--jobs", "1", LEDGER_HOME=home).document
    assert [(each["reference"], each["code"]) for each in done["breaches"]] == [
        ("o-1", "earlier_than_previous"),
        ("o-1", "no_lines"),
    ]
    assert {len(each["order_id"]) for each in done["breaches"]} == {36}


def test_people_read_a_table_and_what_failed(database: str, folder: Path, home: str) -> None:
    write(folder, [order(), order("o-2", "lost")])
    done = Ran(database, "import", "olist", str(folder), "--dry-run", LEDGER_HOME=home)
    assert done.code == 1
    assert "no_lines" in done.out and "Nothing was written" in done.err
    assert "olist_orders_dataset.csv, row 2: order_status 'lost' is none of" in done.err


def test_refused_for_a_header_that_lacks_a_column(database: str, folder: Path, home: str) -> None:
    whole(folder)
    write_file(folder, ITEMS, [], ITEMS.columns[:-1])
    Ran(database, "import", "olist", str(folder), LEDGER_HOME=home).failed_saying(
        "olist_order_items_dataset.csv: the header lacks freight_value"
    )
    as_json = Ran(database, "import", "olist", str(folder), "--json", LEDGER_HOME=home)
    assert as_json.code == 1 and json.loads(as_json.out)["failed"][0]["code"] == "missing_column"


def test_refused_when_called_wrongly(database: str, folder: Path, home: str) -> None:
    whole(folder)
    Ran(database, "import", "olist", str(folder / "nowhere"), LEDGER_HOME=home).failed_saying("does not exist", 2)
    Ran(database, "import", "olist", str(folder), "--timezone", "Mars/Olympus", LEDGER_HOME=home).failed_saying(
        "Mars/Olympus is no time zone", 2
    )


def test_refused_with_another_master_key(database: str, folder: Path, tmp_path: Path) -> None:
    whole(folder, 2)
    assert Ran(database, "import", "olist", str(folder), LEDGER_HOME=str(tmp_path / "a")).code == 0
    for jobs in ("1", "2"):
        Ran(database, "import", "olist", str(folder), "--jobs", jobs, LEDGER_HOME=str(tmp_path / "b")).failed_saying(
            "The master key is not the one"
        )


def test_killed_in_the_middle_it_completes_when_run_again(ledger_url: str, folder: Path, home: str) -> None:
    whole(folder, 6_000)
    killed = start(ledger_url, folder, home)
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        deadline = time.monotonic() + 60
        while (some := connection.execute(EVENTS).fetchone()) == (0, 0):
            assert time.monotonic() < deadline and killed.poll() is None, "nothing was imported in time"
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        until_nobody_imports(connection)
        some = connection.execute(EVENTS).fetchone()
        assert some is not None and 0 < some[1] < 6_000, "it was to be killed in the middle"
        assert some[0] == 5 * some[1], "every order is there whole, or not at all"
        done = Ran(ledger_url, "import", "olist", str(folder), "--json", LEDGER_HOME=home).document
        assert (done["orders"], done["unchanged"], done["events"]) == (6_000, some[1], 5 * (6_000 - some[1]))
        assert connection.execute(EVENTS).fetchone() == (30_000, 6_000)
    assert Ran(ledger_url, "audit", "verify", "--json", LEDGER_HOME=home).document == {
        "entries": 30_000, "orders": 6_000, "broken": []
    }  # fmt: skip


def test_says_so_when_the_database_goes_away(ledger_url: str, folder: Path, home: str) -> None:
    whole(folder, 6_000)
    importing = start(ledger_url, folder, home)
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        ended = 0
        while importing.poll() is None and not ended:
            (ended,) = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'order-ledger import' AND datname = current_database()"
            ).fetchone() or (0,)
    _, said = importing.communicate(timeout=60)
    assert importing.returncode == 1 and "Run the import again" in said


def test_a_process_that_is_killed_is_noticed(ledger_url: str, folder: Path, tmp_path: Path) -> None:
    whole(folder, 3_000)

    def kill_one(done: int, orders: int) -> None:
        # Those that the import started, and no process of another test.
        killed = multiprocessing.active_children()[0]
        assert killed.pid is not None
        os.kill(killed.pid, signal.SIGKILL)

    with pytest.raises(Interrupted, match="ended early"):
        import_files(open_files(folder), Target(ledger_url, tmp_path), jobs=2, told=kill_one)


def start(database: str, folder: Path, home: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "LEDGER_DATABASE_URL": database, "LEDGER_HOME": home}
    command = [sys.executable, "-m", "order_ledger", "import", "olist", str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until_nobody_imports(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    """The processes of an import that was killed end by themselves."""
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'order-ledger import' AND datname = current_database()"
    )
    until(lambda: connection.execute(query).fetchone() == (0,))
