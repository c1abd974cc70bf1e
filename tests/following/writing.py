"""Writes entries into a journal, events given as they are."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from order_ledger.entries import By, Cause, CommandRef, Event, Fact, Kind
from order_ledger.journal.appending import Appending, Proposal
from order_ledger.journal.codec import Encoded, Head, genesis
from order_ledger.journal.journal import Journal
from tests.following.histories import BY, START


class Writing:
    """Writes entries of many streams, in the order in which they are given. `at` is when those to come happened."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.codec = journal.codec
        self.heads: dict[UUID, Head] = {}
        self.at: datetime | None = START

    def write(self, stream: UUID, *events: Event, kind: Kind = "order") -> int:
        """Appends these; answers the position of the last."""
        return self.write_all([(stream, event) for event in events], kind)

    def write_all(self, events: Sequence[tuple[UUID, Event]], kind: Kind = "order") -> int:
        """The same for events of several streams, as one batch."""
        position = 0
        for batch in _batches(events, 500):
            bases = {stream: self._head(stream, kind) for stream in batch}
            proposals = [
                Proposal(uuid4(), (Appending(stream, bases[stream].version, self._encoded(stream, events, kind)),))
                for stream, events in batch.items()
            ]
            outcomes = self.journal.append(proposals)
            assert {outcome.outcome for outcome in outcomes} == {"appended"}
            position = max(position, *(outcome.position for outcome in outcomes))
        return position

    def write_at(self, stream: UUID, *happened: tuple[datetime | None, Event], kind: Kind = "order") -> int:
        """Appends these, each with the time at which it happened; answers the position of the last."""
        base = self._head(stream, kind)
        entries = self._encoded_facts(stream, [Fact(event, at) for at, event in happened], kind)
        outcome = self.journal.append([Proposal(uuid4(), (Appending(stream, base.version, entries),))])[0]
        assert outcome.outcome == "appended"
        return outcome.position

    def write_raw(self, stream: UUID, state: bytes, name: str) -> None:
        """Appends bytes as they are, such as a later version of the ledger may have written."""
        head = self._head(stream, "order")
        entry = Encoded(stream, head.version + 1, name, "order", START, os.urandom(32), state)
        self.journal.append_one([Appending(stream, head.version, [entry])], uuid4())
        self.heads[stream] = Head(head.version + 1, entry.hash, START)

    def _head(self, stream: UUID, kind: Kind) -> Head:
        return self.heads.get(stream) or Head(0, genesis(self.codec.ledger, kind, stream), None)

    def _encoded(self, stream: UUID, events: Sequence[Event], kind: Kind) -> list[Encoded]:
        return self._encoded_facts(stream, [Fact(event, self.at) for event in events], kind)

    def _encoded_facts(self, stream: UUID, facts: Sequence[Fact], kind: Kind) -> list[Encoded]:
        now = datetime.now(UTC)
        cause = Cause(By(BY.person, BY.role), "api", CommandRef(uuid4(), "given"), "other")
        entries = self.codec.encode(kind, stream, self._head(stream, kind), facts, cause, now, self.journal.keyring)
        self.heads[stream] = Head(entries[-1].version, entries[-1].hash, entries[-1].recorded_at)
        return entries


def _batches(events: Sequence[tuple[UUID, Event]], size: int) -> Iterator[Mapping[UUID, list[Event]]]:
    for start in range(0, len(events), size):
        batch: dict[UUID, list[Event]] = {}
        for stream, event in events[start : start + size]:
            batch.setdefault(stream, []).append(event)
        yield batch
