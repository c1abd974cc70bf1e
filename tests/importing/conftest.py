"""An empty ledger, and what it holds after an import."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from order_ledger.importing.running import Target
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import master_key


@pytest.fixture
def target(ledger_url: str, tmp_path: Path) -> Target:
    """An empty ledger of this test's own."""
    return Target(ledger_url, tmp_path / "home")


@pytest.fixture
def journal(target: Target) -> Iterator[Journal]:
    """The same ledger, to look at."""
    with Journal(target.url, master_key(target.home)) as journal:
        yield journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files to import go."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder
