"""A journal to follow, and entries to write into it."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.following import rebuilding
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from tests.following.writing import Writing


@pytest.fixture
def journal(ledger_url: str) -> Iterator[Journal]:
    journal = Journal(ledger_url, MasterKey(os.urandom(32)))
    yield journal
    journal.close()


@pytest.fixture
def writing(journal: Journal) -> Writing:
    return Writing(journal)


@pytest.fixture
def connection(journal: Journal) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(journal.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def many_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small journals are cut as large ones are."""
    monkeypatch.setattr(rebuilding, "ENTRIES_A_RANGE", 25)
