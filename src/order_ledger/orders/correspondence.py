"""What the parties tell each other about an order: promises revised, problems, notes, questions and messages."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import Role
from order_ledger.orders.events import ProblemKind, ProblemOutcome
from order_ledger.values import Money, Units

__all__ = ["Note", "NotificationState", "Problem", "Revision"]

NotificationState = Literal["sent", "failed", "given_up"]


class Revision(Struct, frozen=True):
    """A revised promise, and what the consumer made of it."""

    revision: int
    promised_by: datetime | None
    promised_before: datetime | None
    compensation: Money | None
    answer_by: datetime | None
    answer: Literal["accepted", "declined"] | None = None


class Problem(Struct, frozen=True):
    """Something wrong that was reported, and what was done about it."""

    problem: int
    kind: ProblemKind
    shipment: UUID | None
    lines: tuple[Units, ...]
    how: ProblemOutcome | None = None
    resolved: tuple[Units, ...] = ()


class Note(Struct, frozen=True):
    """A note, or a question that waits for a role."""

    note: int
    about: str
    audience: str
    for_role: Role | None
    by_role: Role
    answered: bool = False
