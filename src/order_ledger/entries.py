"""What the journal keeps: an event, and everything that is known about its happening.

The journal writes and reads the bytes; decisions and projections only ever see these.
"""

from datetime import datetime
from typing import ClassVar, Generic, Literal, TypeVar
from uuid import UUID

from msgspec import Struct

from order_ledger.values import Sealed

Kind = Literal["order", "item", "stock", "organisation", "person"]
"""The kinds of stream."""

Role = Literal[
    "consumer",
    "ip_owner",
    "manufacturer",
    "warehouse",
    "customer_service",
    "auditor",
    "analyst",
    "administrator",
    "ledger",
    "carrier",
    "payment_provider",
    "unknown",
]
"""In which role somebody acts. `ledger` is the ledger itself; `unknown` is what an import does not say."""

Through = Literal["api", "portal", "cli", "policy", "carrier", "payment_provider", "import"]
"""The door a command came through."""


class Event(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that happened. Its class name and its fields are permanent once recorded."""

    schema: ClassVar[int] = 1


class By(Struct, frozen=True, forbid_unknown_fields=True):
    """Who did it, in which role, for which organisation, and for whom."""

    person: UUID | None
    role: Role
    organisation: UUID | None = None
    on_behalf_of: UUID | None = None


class CommandRef(Struct, frozen=True, forbid_unknown_fields=True):
    """The command that caused an entry."""

    id: UUID
    name: str


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """The entry that a policy answered."""

    stream: UUID
    version: int


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an imported entry came from. `row` counts from 1, the header not counted."""

    system: str
    batch: UUID
    file_sha256: str | None
    row: int | None
    status: str | None
    imported_by: UUID | None


class Cause(Struct, frozen=True):
    """What the entries of one command have in common."""

    by: By
    through: Through
    command: CommandRef
    reason_code: str | None = None
    reason: Sealed[str] | None = None
    answers: Answer | None = None
    source: Source | None = None


class Fact(Struct, frozen=True):
    """An event on its way into the journal. `at` is when it happened, None where an import's source does not say.

    `breaches` are the codes of the rules that imported history broke.
    """

    event: Event
    at: datetime | None
    breaches: tuple[str, ...] = ()


E = TypeVar("E", bound=Event, covariant=True)


class Entry(Struct, Generic[E], frozen=True):
    """One entry of a stream, as it was recorded. Versions count from 1 without a gap."""

    kind: Kind
    stream: UUID
    version: int
    event: E
    at: datetime | None
    recorded_at: datetime
    by: By
    through: Through
    command: CommandRef
    reason_code: str | None = None
    reason: Sealed[str] | None = None
    answers: Answer | None = None
    breaches: tuple[str, ...] = ()
    source: Source | None = None
    position: int = 0
