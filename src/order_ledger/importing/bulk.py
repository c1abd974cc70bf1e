"""Many orders in one transaction, each whole or not at all.

An order that is there already is left as it is: so an import that was interrupted completes when it is run again,
and nothing is recorded twice, whoever else imports the same orders meanwhile.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID

from msgspec import Struct
from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from order_ledger.importing.history import Draft, Life
from order_ledger.importing.tables import Failure
from order_ledger.journal.appending import Appending, Proposal
from order_ledger.journal.arrays import array
from order_ledger.journal.codec import Codec, Encoded, Head, genesis
from order_ledger.journal.copying import copy_in
from order_ledger.journal.journal import append
from order_ledger.journal.keys import KeyName, Keyring, PersonErased
from order_ledger.refusals import Invalid

ORDERS_A_TRANSACTION = 1000

_THERE = "SELECT originator_id FROM journal.entry WHERE originator_id = ANY(%s::uuid[]) AND originator_version = 1"
_COMMANDS_A_BATCH = 50


class Recorded(Struct):
    """What became of some orders: events appended, orders that were there already, orders that could not be recorded,
    and which rules the others broke.
    """

    events: int = 0
    unchanged: int = 0
    failed: list[Failure] = []
    breaches: list[tuple[Draft, str]] = []


class BulkWriter:
    """Appends whole lives. The connection is in autocommit."""

    def __init__(self, connection: Connection[TupleRow], codec: Codec, keyring: Keyring, file: str) -> None:
        self._connection = connection
        self._codec = codec
        self._keyring = keyring
        self._file = file

    def write(self, drafts: Sequence[Draft], *, dry_run: bool = False) -> Recorded:
        """Decides them all, and appends those that are not there yet, in one transaction. A dry run appends none."""
        there = self._there(drafts)
        if dry_run:
            return _decided(drafts, there)
        recorded = Recorded(unchanged=len(there))
        drafts = self._with_keys(drafts, there, recorded.failed)
        drafts = sorted(drafts, key=lambda draft: draft.stream.int)  # in one order, or two imports could deadlock
        # Encoded before the first is sent: the feed waits for the transaction, and where processes are as many as
        # cores, a server that takes in one order while the next is decided only takes the core away.
        encoded = list(self._encoded(drafts, there, recorded))
        try:
            with self._connection.transaction():
                copy_in(self._connection, chain.from_iterable(encoded))
        except UniqueViolation:
            self._append_one_by_one(encoded, recorded)
        return recorded

    def _there(self, drafts: Sequence[Draft]) -> set[UUID]:
        """Those that are there already."""
        ids = array(str(draft.stream) for draft in drafts)
        return {stream for (stream,) in self._connection.execute(_THERE, (ids,), prepare=True, binary=True)}

    def _with_keys(self, drafts: Sequence[Draft], there: set[UUID], failed: list[Failure]) -> Sequence[Draft]:
        """Makes the keys that entries are sealed with; those of a person who was forgotten are not made again."""
        while True:
            names: list[KeyName] = [(draft.consumer, "order") for draft in drafts if draft.stream not in there]
            try:
                self._keyring.make(self._connection, names)
                return drafts
            except PersonErased as erased:
                gone = [draft for draft in drafts if draft.consumer == erased.person and draft.stream not in there]
                failed += [self._failure(draft, "person_forgotten", str(erased)) for draft in gone]
                drafts = [draft for draft in drafts if draft not in gone]

    def _encoded(
        self, drafts: Iterable[Draft], there: Container[UUID], recorded: Recorded
    ) -> Iterator[Sequence[Encoded]]:
        """The entries of each order that is not there yet, counted as recorded. Each order is encoded as soon as it is
        decided, while a processor's cache holds all that it is made of."""
        now = datetime.now(UTC)
        for draft in drafts:
            life = draft.decide()
            if draft.stream not in there:
                try:
                    entries = self._entries(draft.stream, life, now)
                except Invalid as error:
                    recorded.failed.append(self._failure(draft, "too_large", error.violations[0].what))
                    continue
                recorded.events += len(entries)
                yield entries
            recorded.breaches += [(draft, code) for code in life.breaches]

    def _entries(self, stream: UUID, life: Life, recorded_at: datetime) -> list[Encoded]:
        codec = self._codec
        head = Head(0, genesis(codec.ledger, "order", stream), None)
        entries: list[Encoded] = []
        for cause, facts in life.steps:
            entries += codec.encode("order", stream, head, facts, cause, recorded_at, self._keyring)
            head = Head(entries[-1].version, entries[-1].hash, recorded_at)
        return entries

    def _append_one_by_one(self, orders: Sequence[Sequence[Encoded]], recorded: Recorded) -> None:
        """Another import is appending the same orders: each stands or falls by itself."""
        for first in range(0, len(orders), _COMMANDS_A_BATCH):
            batch = orders[first : first + _COMMANDS_A_BATCH]
            streams = [entries[0].stream for entries in batch]
            proposals = [
                Proposal(stream, (Appending(stream, 0, entries),))
                for stream, entries in zip(streams, batch, strict=True)
            ]
            for entries, outcome in zip(batch, append(self._connection, proposals), strict=True):
                if outcome.outcome != "appended":
                    recorded.events -= len(entries)
                    recorded.unchanged += 1

    def _failure(self, draft: Draft, code: str, what: str) -> Failure:
        return Failure(self._file, draft.row, code, what, draft.reference)


def _decided(drafts: Iterable[Draft], there: Collection[UUID]) -> Recorded:
    """What would be recorded of these orders."""
    recorded = Recorded(unchanged=len(there))
    for draft in drafts:
        life = draft.decide()
        if draft.stream not in there:
            recorded.events += life.events
        recorded.breaches += [(draft, code) for code in life.breaches]
    return recorded
