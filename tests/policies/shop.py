"""A seller and its orders in a real journal, written as events, and the policy that issues their documents."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import By, Cause, CommandRef, Entry, Event, Fact, Kind, Source, Through
from order_ledger.journal.appending import Key
from order_ledger.journal.journal import Journal
from order_ledger.orders.events import CreditNoteIssued, InvoiceIssued, OrderEvent, ReceiptIssued
from order_ledger.orders.evolving import fold
from order_ledger.orders.order import Order
from order_ledger.parties.events import OrganisationChanged, OrganisationRegistered
from order_ledger.policies.engine.cases import Case, open_cases
from order_ledger.policies.engine.finding import find
from order_ledger.policies.engine.running import Runner
from tests.examples import ADA, SELLER, seller

Document = InvoiceIssued | CreditNoteIssued | ReceiptIssued
DOCUMENTS = (InvoiceIssued, CreditNoteIssued, ReceiptIssued)
IMPORTED = Source("olist", UUID(int=1), None, 1, None, None)


class Shop:
    """Writes what happens, and reads what the policy made of it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def happens(
        self, stream: UUID, *events: Event, kind: Kind = "order", at: datetime | None = None, through: Through = "api"
    ) -> int:
        """These happen, at this time or now; answers the position of the last."""
        command, now = uuid4(), datetime.now(UTC)
        cause = Cause(By(ADA, "consumer"), through, CommandRef(command, "given"))
        if through == "import":
            cause = msgspec.structs.replace(cause, source=IMPORTED)
        _, head = self.journal.load(stream, kind)
        appending = self.journal.encode(kind, stream, head, [Fact(event, at or now) for event in events], cause)
        outcome = self.journal.append_one([appending], command, Key(stream, str(command)))
        assert outcome.outcome == "appended"
        return outcome.position

    def ordered(self, *events: Event, **how: Any) -> UUID:
        """A new order of which all this happened; its id."""
        order = uuid4()
        self.happens(order, *events, **how)
        return order

    def registers(self, **changed: Any) -> None:
        """The seller takes part."""
        self.happens(SELLER.id, OrganisationRegistered(**_details(changed)), kind="organisation")

    def changes(self, **changed: Any) -> None:
        """The seller stands like this from now on."""
        self.happens(SELLER.id, OrganisationChanged(**_details(changed)), kind="organisation")

    def entries(self, order: UUID) -> list[Entry[OrderEvent]]:
        return self.journal.load(order, "order")[0]  # type: ignore[return-value]

    def order(self, order: UUID) -> Order:
        return fold(self.entries(order))

    def issued(self, *orders: UUID) -> list[Document]:
        """The documents of these orders, in the order in which they were issued."""
        found = [entry for order in orders for entry in self.entries(order) if isinstance(entry.event, DOCUMENTS)]
        found.sort(key=lambda entry: entry.position)
        return [entry.event for entry in found]  # type: ignore[misc]

    def numbers(self, *orders: UUID) -> list[str]:
        return [document.number for document in self.issued(*orders)]

    def runner(self, **how: Any) -> Runner:
        """The policy, as a process would run it."""
        return Runner(self.journal, find("issue_documents"), **how)

    @contextmanager
    def running(self, begin_at: int | None = 1, **how: Any) -> Iterator[tuple[Runner, Connection[TupleRow]]]:
        """The policy and its connection, ready to answer."""
        runner = self.runner(**how)
        with runner.connect() as connection:
            runner.prepare(connection, begin_at)
            yield runner, connection

    def issues(self, **how: Any) -> None:
        """The policy answers everything there is."""
        with self.running(None if self.knows_the_policy() else 1, **how) as (runner, connection):
            runner.catch_up(connection)

    def knows_the_policy(self) -> bool:
        with self.connected() as connection:
            return connection.execute("SELECT FROM policies.bookmark").fetchone() is not None

    def cases(self) -> list[Case]:
        with self.connected() as connection:
            return open_cases(connection)

    @contextmanager
    def connected(self) -> Iterator[Connection[TupleRow]]:
        with psycopg.connect(self.journal.url, autocommit=True) as connection:
            yield connection


def gapless(documents: Sequence[Document]) -> bool:
    """Whether every series counts from 1 without a gap, and its days never go back."""
    series: dict[str, list[Document]] = {}
    for document in documents:
        series.setdefault(document.series, []).append(document)
    return all(
        [each.sequence for each in found] == list(range(1, len(found) + 1))
        and [each.issued_on for each in found] == sorted(each.issued_on for each in found)
        and all(each.number == f"{each.series}-{each.sequence:06}" for each in found)
        for found in series.values()
    )


def _details(changed: dict[str, Any]) -> dict[str, Any]:
    known = msgspec.structs.asdict(seller(**changed))
    del known["id"]
    return known
