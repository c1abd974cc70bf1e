"""A journal to give out."""

import os
from collections.abc import Iterator

import pytest

from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from tests.exporting.histories import fill
from tests.following.writing import Writing


@pytest.fixture
def filled(ledger_url: str) -> Iterator[Writing]:
    """A ledger with something of everything in it."""
    with Journal(ledger_url, MasterKey(os.urandom(32))) as journal:
        writing = Writing(journal)
        fill(writing)
        yield writing
