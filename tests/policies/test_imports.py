"""An import of other people's orders: every policy looks at all of it, and does nothing."""

from pathlib import Path

import psycopg
import pytest

from order_ledger.importing.olist import open_files
from order_ledger.importing.running import Target, import_files
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import master_key
from order_ledger.policies.engine import cases, status
from order_ledger.policies.engine.finding import find, names
from order_ledger.policies.engine.running import Runner
from tests.importing.sources import customer, item, order, payment, whole, write


@pytest.mark.parametrize("name", names())
def test_a_policy_answers_nothing_of_an_import(name: str, ledger_url: str, tmp_path: Path) -> None:
    home, folder, again = tmp_path / "home", tmp_path / "one", tmp_path / "two"
    folder.mkdir()
    again.mkdir()
    imported = import_files(open_files(whole(folder, 12), "UTC"), Target(ledger_url, home), jobs=1)
    several = write(
        again,
        [order("o-x", "canceled"), order("o-y", "shipped", arrived=""), order("o-z", "unavailable")],
        [item("o-x"), item("o-x", "2", "s-2"), item("o-y")],
        [payment("o-x"), payment("o-y"), payment("o-y", "2", "3.00", "voucher")],
        [customer()],
    )
    import_files(open_files(several, "UTC"), Target(ledger_url, home), jobs=1)
    assert imported.orders == 12
    with Journal(ledger_url, master_key(home)) as journal, psycopg.connect(ledger_url, autocommit=True) as connection:
        before = _entries(connection)
        runner = Runner(journal, find(name))
        runner.prepare(connection, begin_at=1)
        runner.catch_up(connection)
        (stand,) = status.status(connection)
        assert (stand.position, stand.lag_events) == (stand.settled, 0)
        assert cases.open_cases(connection) == []
        assert _entries(connection) == before > 60


def _entries(connection: "psycopg.Connection[tuple[object, ...]]") -> int:
    row = connection.execute("SELECT count(*) FROM journal.entry").fetchone()
    assert row is not None
    return int(str(row[0]))
