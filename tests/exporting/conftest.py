"""A journal to give out."""

import os
from collections.abc import Iterator

import pytest

from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import MasterKey
from tests.exporting.histories import fill
from tests.following.writing import Writing


@pytest.fixture
def filled(database: str) -> Iterator[Writing]:
    """A ledger with something of everything in it."""
    migrate(database)
    with Journal(database, MasterKey(os.urandom(32))) as journal:
        writing = Writing(journal)
        fill(writing)
        yield writing
