"""A real PostgreSQL for every test that wants one, and no test skipped without saying why."""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

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
def _template(postgres_url: str) -> Iterator[str]:
    """An empty database to copy, which nobody connects to: a template in use cannot be copied."""
    name = f"ledger_test_{os.getpid()}_template"
    _administer(postgres_url, "CREATE DATABASE {}", name)
    yield name
    _administer(postgres_url, "DROP DATABASE {}", name)


@pytest.fixture
def database(postgres_url: str, _template: str) -> Iterator[str]:
    """The URL of an empty database of this test's own, gone after it with whoever is still connected."""
    name = f"ledger_test_{os.getpid()}_{next(_numbers)}"
    # Copied as files: the log of a database copied page by page would be most of what a test writes.
    _administer(postgres_url, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, _template)
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
