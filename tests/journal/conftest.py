"""A journal for every test that wants one."""

from collections.abc import Iterator

import pytest

from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey

MASTER = MasterKey(bytes(range(32)))


@pytest.fixture
def journal(ledger_url: str) -> Iterator[Journal]:
    with Journal(ledger_url, MASTER) as journal:
        yield journal
