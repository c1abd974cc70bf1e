"""An empty ledger, and a shop in it."""

from collections.abc import Iterator

import pytest

from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from tests.policies.shop import Shop

MASTER = MasterKey(bytes(range(32)))


@pytest.fixture
def journal(ledger_url: str) -> Iterator[Journal]:
    with Journal(ledger_url, MASTER) as journal:
        yield journal


@pytest.fixture
def shop(journal: Journal) -> Shop:
    """A seller whose details are complete."""
    shop = Shop(journal)
    shop.registers()
    return shop
