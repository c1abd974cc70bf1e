"""What every import says: how far it is, what it did, and that it was interrupted."""

from collections.abc import Callable

from msgspec import Struct

from order_ledger.faults import Fault
from order_ledger.importing.tables import Failure

Told = Callable[[int, int], None]
"""Hears how many orders, or lines of a file, are done, of how many."""

AGAIN = "Run the import again: what is recorded stays, the rest follows."


class Interrupted(Fault):
    """An import ended early, and says why. What it had committed stays, and running it again completes it."""


class Breach(Struct, frozen=True):
    """A rule of ours that an imported order broke."""

    order_id: str
    reference: str
    code: str


class Report(Struct):
    """What an import did. `orders` are those of the source that are in the ledger now; of a dry run, those that would
    be. `unchanged` counts what was there before: orders of a file of orders, lines of a file of commands."""

    orders: int = 0
    events: int = 0
    unchanged: int = 0
    breaches: list[Breach] = []
    failed: list[Failure] = []

    def add(self, other: "Report") -> None:
        """Counts another part in."""
        self.orders += other.orders
        self.events += other.events
        self.unchanged += other.unchanged
        self.breaches.extend(other.breaches)
        self.failed.extend(other.failed)

    def sorted(self) -> "Report":
        """In an order that does not depend on which process came first."""
        breaches = sorted(self.breaches, key=lambda breach: (breach.reference, breach.code))
        failed = sorted(self.failed, key=lambda failure: (failure.file, failure.row or 0, failure.code))
        return Report(self.orders, self.events, self.unchanged, breaches, failed)
