"""A real PostgreSQL for every test that wants one, and no test skipped without saying why."""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from order_ledger.journal.migrations import migrate
from order_ledger.postgres import server_for
from order_ledger.settings import Settings

# What a shell runs in the background begins with Ctrl-C ignored, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = count(1)
_LONGEST = ("tests/test_readme.py", "tests/orders/test_state_machine.py", "tests/api/test_schema.py")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server for this session: the one in LEDGER_DATABASE_URL, or one of our own in a new home."""
    configured = Settings()
    if configured.database_url is not None:
        with server_for(configured) as url:
            yield url
        return
    # Not pytest's own folder: that one is closed to the user whom a server started by root runs as.
    home = Path(tempfile.mkdtemp(prefix="order-ledger-tests-"))
    home.chmod(0o711)
    try:
        with server_for(configured.model_copy(update={"home": home})) as url:
            yield url
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def _empty_ledger(postgres_url: str) -> Iterator[str]:
    """An empty ledger to copy, which nobody is connected to: a template in use cannot be copied."""
    name = f"ledger_test_{os.getpid()}_template"
    _administer(postgres_url, "CREATE DATABASE {}", name)
    migrate(make_url(postgres_url, name))
    yield name
    _administer(postgres_url, "DROP DATABASE {}", name)


@pytest.fixture
def ledger_url(postgres_url: str, _empty_ledger: str) -> Iterator[str]:
    """The URL of a database of this test's own that holds an empty ledger, gone after it with whoever is connected."""
    with _own_database(postgres_url, _empty_ledger) as url:
        yield url


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """The same of a database that holds nothing yet."""
    with _own_database(postgres_url, "template0") as url:
        yield url


@contextmanager
def _own_database(postgres_url: str, template: str) -> Iterator[str]:
    name = f"ledger_test_{os.getpid()}_{next(_numbers)}"
    _administer(postgres_url, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield make_url(postgres_url, name)
    _administer(postgres_url, "DROP DATABASE {} WITH (FORCE)", name)


def make_url(url: str, database: str) -> str:
    """Name another database of the same server."""
    if "://" not in url:
        return make_conninfo(url, dbname=database)
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _administer(url: str, statement: LiteralString, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of files that are run beside each other the longest come first: none of them is left to run alone."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where the truth is told, under CI=true, a test may be left out only with a reason."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail") and not _reason(report):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped without a reason."
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not _reason(report):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped without a reason."
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What pytest.skip or the mark was given; pytest itself says 'Skipped' or 'unconditional skip' for nothing."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = text.removeprefix("Skipped").removeprefix(":").strip()
    return "" if reason in ("unconditional skip", "<Skipped instance>") else reason
