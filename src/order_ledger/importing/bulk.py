"""Many orders in one transaction, each whole or not at all.

An order that is there already is left as it is: so an import that was interrupted completes when it is run again,
and nothing is recorded twice, whoever else imports the same orders meanwhile.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct
from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from order_ledger.importing.history import Life
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
    """What became of some orders: events appended, orders that were there already, orders that could not be."""

    events: int = 0
    unchanged: int = 0
    failed: tuple[tuple[UUID, Failure], ...] = ()


class BulkWriter:
    """Appends whole lives. The connection is in autocommit."""

    def __init__(self, connection: Connection[TupleRow], codec: Codec, keyring: Keyring, file: str) -> None:
        self._connection = connection
        self._codec = codec
        self._keyring = keyring
        self._file = file

    def write(self, lives: Sequence[Life]) -> Recorded:
        """Appends those that are not there yet, in one transaction."""
        new = self.new(lives)
        unchanged = len(lives) - len(new)
        new, failed = self._with_keys(new)
        encoded: dict[UUID, list[Encoded]] = {}
        recorded_at = datetime.now(UTC)
        for life in new:
            try:
                encoded[life.stream] = self._encoded(life, recorded_at)
            except Invalid as error:
                failed.append((life.stream, self._failure(life, "too_large", error.violations[0].what)))
        events, there = self._append(encoded)
        return Recorded(events, unchanged + there, tuple(failed))

    def new(self, lives: Sequence[Life]) -> list[Life]:
        """Those that are not there yet."""
        ids = "{" + ",".join(str(life.stream) for life in lives) + "}"
        rows = self._connection.execute(_THERE, (ids,), prepare=True, binary=True).fetchall()
        there = {stream for (stream,) in rows}
        return [life for life in lives if life.stream not in there]

    def _with_keys(self, lives: list[Life]) -> tuple[list[Life], list[tuple[UUID, Failure]]]:
        """Makes the keys that the entries are sealed with; those of a person who was forgotten are not made again."""
        failed: list[tuple[UUID, Failure]] = []
        while True:
            names: list[KeyName] = [(life.consumer, "order") for life in lives]
            try:
                self._keyring.make(self._connection, names)
                return lives, failed
            except PersonErased as erased:
                gone = [life for life in lives if life.consumer == erased.person]
                failed += [(life.stream, self._failure(life, "person_forgotten", str(erased))) for life in gone]
                lives = [life for life in lives if life.consumer != erased.person]

    def _encoded(self, life: Life, recorded_at: datetime) -> list[Encoded]:
        stream, codec = life.stream, self._codec
        head = Head(0, genesis(codec.ledger, "order", stream), None)
        entries: list[Encoded] = []
        for cause, facts in life.steps:
            entries += codec.encode("order", stream, head, facts, cause, recorded_at, self._keyring)
            head = Head(entries[-1].version, entries[-1].hash, recorded_at)
        return entries

    def _append(self, encoded: dict[UUID, list[Encoded]]) -> tuple[int, int]:
        """How many events were appended, and how many orders were there when it came to it."""
        in_order = sorted(encoded)
        try:
            with self._connection.transaction():
                copy_in(self._connection, (entry for stream in in_order for entry in encoded[stream]))
        except UniqueViolation:
            return self._append_one_by_one(encoded, in_order)
        return sum(map(len, encoded.values())), 0

    def _append_one_by_one(self, encoded: dict[UUID, list[Encoded]], in_order: list[UUID]) -> tuple[int, int]:
        """Another import is appending the same orders: each stands or falls by itself."""
        events = there = 0
        for first in range(0, len(in_order), _COMMANDS_A_BATCH):
            streams = in_order[first : first + _COMMANDS_A_BATCH]
            proposals = [Proposal(stream, (Appending(stream, 0, encoded[stream]),)) for stream in streams]
            for stream, outcome in zip(streams, append(self._connection, proposals), strict=True):
                if outcome.outcome == "appended":
                    events += len(encoded[stream])
                else:
                    there += 1
        return events, there

    def _failure(self, life: Life, code: str, what: str) -> Failure:
        row = life.steps[0][0].source
        return Failure(self._file, row.row if row is not None else None, code, what, life.reference)
