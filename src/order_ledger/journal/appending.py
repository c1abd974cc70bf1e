"""Group commit: many commands in one autocommit statement, each accepted or refused by itself.

This is the pure half: what is sent, and what the answer means. `group_commit.py` and `journal.py` send it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from psycopg.errors import UniqueViolation

from order_ledger.journal.arrays import BytesArray, array, of_bytes, quoted
from order_ledger.journal.codec import Encoded

STATEMENT = "\n".join(
    line
    for line in (Path(__file__).parent / "append.sql").read_text().splitlines()
    if not line.lstrip().startswith("--")
)

PRIMARY_KEYS = frozenset({"entry_stream_version", "idempotency_key_scope_key"})
"""A violation of these is a race that the next snapshot decides; of any other constraint, a fault."""


class Key(Struct, frozen=True):
    """An idempotency key: where it counts, what it is bound to, and a keyed hash of the body."""

    scope: UUID
    key: str
    bound: bytes = b""
    body: bytes = b""


class Appending(Struct, frozen=True):
    """What one stream gets: entries that follow exactly `base`. None at all is an accepted no-op."""

    stream: UUID
    base: int
    entries: Sequence[Encoded]


class Proposal(Struct, frozen=True):
    """One command that was decided: it stands or falls whole."""

    command: UUID
    appendings: Sequence[Appending]
    key: Key | None = None

    @property
    def streams(self) -> list[UUID]:
        return [appending.stream for appending in self.appendings]


class Outcome(Struct, frozen=True):
    """What became of a proposal. `versions` and `positions` are of `streams`, which are in order of their ids.

    appended: it is in the journal. remembered: its key was used before, and this is what that led to.
    stale: a stream went on meanwhile; decide again.
    """

    outcome: Literal["appended", "remembered", "stale"]
    command: UUID | None = None
    bound: bytes = b""
    body: bytes = b""
    streams: tuple[UUID, ...] = ()
    versions: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()

    @property
    def position(self) -> int:
        return max(self.positions, default=0)


STALE = Outcome("stale")


def parameters(proposals: Sequence[Proposal]) -> dict[str, str | BytesArray]:
    """The batch as arrays."""
    bases = [(number, each) for number, proposal in enumerate(proposals) for each in proposal.appendings]
    entries = [(number, entry) for number, each in bases for entry in each.entries]
    return {
        "numbers": array(map(str, range(len(proposals)))),
        "scopes": array(p.key.scope.hex if p.key else "NULL" for p in proposals),
        "keys": array(quoted(p.key.key) if p.key else "NULL" for p in proposals),
        "commands": array(p.command.hex for p in proposals),
        "bounds": of_bytes(p.key.bound if p.key else None for p in proposals),
        "bodies": of_bytes(p.key.body if p.key else None for p in proposals),
        "base_numbers": array(str(number) for number, _ in bases),
        "base_streams": array(each.stream.hex for _, each in bases),
        "base_versions": array(str(each.base) for _, each in bases),
        "numbers_of_entries": array(str(number) for number, _ in entries),
        "streams": array(entry.stream.hex for _, entry in entries),
        "versions": array(str(entry.version) for _, entry in entries),
        "names": array(entry.name for _, entry in entries),
        "kinds": array(entry.kind for _, entry in entries),
        "recorded_ats": array(f'"{entry.recorded_at.isoformat()}"' for _, entry in entries),
        "hashes": of_bytes(entry.hash for _, entry in entries),
        "states": of_bytes(entry.state for _, entry in entries),
    }


def outcomes(rows: Iterable[tuple[Any, ...]], count: int) -> list[Outcome]:
    """What became of each of `count` proposals, from the rows that the statement answered."""
    found: list[Outcome | None] = [None] * count
    for number, outcome, command, bound, body, streams, versions, positions in rows:
        found[number] = (
            STALE
            if outcome == "stale"
            else Outcome(
                outcome,
                command,
                bytes(bound or b""),
                bytes(body or b""),
                tuple(streams),
                tuple(versions),
                tuple(positions),
            )
        )
    assert all(found), "every proposal is answered"
    return [outcome for outcome in found if outcome is not None]


def is_race(violation: UniqueViolation) -> bool:
    """Whether another batch won meanwhile: the same statement again then names the losers."""
    return violation.diag.constraint_name in PRIMARY_KEYS
