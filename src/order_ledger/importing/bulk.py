"""Many orders in one transaction, each whole or not at all.

An order that is there already is left as it is: so an import that was interrupted completes when it is run again,
and nothing is recorded twice, whoever else imports the same orders meanwhile.
"""

from collections.abc import Sequence
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
from order_ledger.journal.codec import Codec, Encoded, Head, genesis
from order_ledger.journal.copying import copy_in
from order_ledger.journal.journal import append
from order_ledger.journal.keys import KeyName, Keyring, PersonErased
from order_ledger.refusals import Invalid

ORDERS_A_TRANSACTION = 1000

_THERE = "SELECT originator_id FROM journal.entry WHERE originator_id = ANY(%s::uuid[]) AND originator_version = 1"
_COMMANDS_A_BATCH = 50


class Recorded(Struct, frozen=True):
    """What became of some orders: events appended, orders that were there already, orders that could not be recorded,
    and which rules the others broke.
    """

    events: int
    unchanged: int
    failed: list[Failure]
    breaches: list[tuple[Draft, str]]


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
        failed: list[Failure] = []
        kept = drafts if dry_run else self._with_keys(drafts, there, failed)
        breaches: list[tuple[Draft, str]] = []
        encoded: dict[UUID, list[Encoded]] = {}
        events, now = 0, datetime.now(UTC)
        for draft in sorted(kept, key=lambda each: each.stream.int):  # in one order, or two imports could deadlock
            life = draft.decide()
            if draft.stream not in there:
                events += life.events
                if not dry_run:
                    try:
                        encoded[draft.stream] = self._encoded(draft, life, now)
                    except Invalid as error:
                        failed.append(self._failure(draft, "too_large", error.violations[0].what))
                        continue
            breaches += [(draft, code) for code in life.breaches]
        if dry_run:
            return Recorded(events, len(there), failed, breaches)
        events, overtaken = self._append(encoded)
        return Recorded(events, len(there) + overtaken, failed, breaches)

    def _there(self, drafts: Sequence[Draft]) -> set[UUID]:
        """Those that are there already."""
        ids = "{" + ",".join(str(draft.stream) for draft in drafts) + "}"
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

    def _encoded(self, draft: Draft, life: Life, recorded_at: datetime) -> list[Encoded]:
        stream, codec = draft.stream, self._codec
        head = Head(0, genesis(codec.ledger, "order", stream), None)
        entries: list[Encoded] = []
        for cause, facts in life.steps:
            entries += codec.encode("order", stream, head, facts, cause, recorded_at, self._keyring)
            head = Head(entries[-1].version, entries[-1].hash, recorded_at)
        return entries

    def _append(self, encoded: dict[UUID, list[Encoded]]) -> tuple[int, int]:
        """How many events were appended, and how many orders were there when it came to it."""
        try:
            with self._connection.transaction():
                copy_in(self._connection, chain.from_iterable(encoded.values()))
        except UniqueViolation:
            return self._append_one_by_one(encoded)
        return sum(map(len, encoded.values())), 0

    def _append_one_by_one(self, encoded: dict[UUID, list[Encoded]]) -> tuple[int, int]:
        """Another import is appending the same orders: each stands or falls by itself."""
        events = there = 0
        in_order = list(encoded)
        for first in range(0, len(in_order), _COMMANDS_A_BATCH):
            streams = in_order[first : first + _COMMANDS_A_BATCH]
            proposals = [Proposal(stream, (Appending(stream, 0, encoded[stream]),)) for stream in streams]
            for stream, outcome in zip(streams, append(self._connection, proposals), strict=True):
                if outcome.outcome == "appended":
                    events += len(encoded[stream])
                else:
                    there += 1
        return events, there

    def _failure(self, draft: Draft, code: str, what: str) -> Failure:
        return Failure(self._file, draft.row, code, what, draft.reference)
