"""Importing Olist's files in a test, and what became of their orders."""

from pathlib import Path
from typing import Any

from order_ledger.audit.replay import replay
from order_ledger.entries import Entry
from order_ledger.importing.olist import olist_id, open_files
from order_ledger.importing.reports import Report
from order_ledger.importing.running import Target, import_files
from order_ledger.journal.journal import Journal
from order_ledger.orders.order import Order


def imported(folder: Path, target: Target, zone: str = "UTC", **how: Any) -> Report:
    return import_files(open_files(folder, zone), target, **{"jobs": 1, **how})


def history(journal: Journal, own: str = "o-1") -> list[Entry[Any]]:
    return journal.load(olist_id("order", own), "order")[0]


def names(journal: Journal, own: str = "o-1") -> list[str]:
    return [type(entry.event).__name__ for entry in history(journal, own)]


def state(journal: Journal, own: str = "o-1") -> Order:
    return replay(history(journal, own))[-1].order
