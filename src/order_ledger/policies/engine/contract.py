"""What a policy says of itself: which entries it reads, what they ask of it, and how it answers.

The first half is pure: `tasks` says what an entry asks for. The second is run in one transaction, which also moves the
bookmark: `sit` is called once with all tasks of the transaction, so that it can lock what they need in one order, and
what it answers takes the tasks one by one.

A policy must hold to this:

- A task is decided on the streams as they stand now, not as they stood at the entry; done already, it does nothing.
- What it writes goes through the desk, and nothing leaves the house.
- It says no to entries of an import by itself; about an order placed by an import (`history`) it decides itself.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import Entry, Event, Kind
from order_ledger.policies.engine.desk import Desk, Task


class Sitting(Protocol):
    """A policy at work in one transaction."""

    def handle(self, task: Task) -> None:
        """Does the task, or nothing where there is nothing left of it. Raises `Refused`: it becomes a case."""

    def close(self) -> None:
        """Writes what it locked and changed. Called once, before the entries are appended."""


class Policy(Struct, frozen=True, kw_only=True):
    """Something that the ledger does by itself.

    `kinds` are the streams whose entries it reads, those of the events in `ignores` left out. `tasks` answers with a
    name for each thing that an entry asks for, given the state of its stream now: the same names whenever it is asked
    again. `waits_for` are the streams, beside the task's own, that can mend what a task of this state was refused for.
    `check` is called once when a process begins; it says in sentences what it mended.
    """

    name: str
    kinds: tuple[Kind, ...]
    ignores: frozenset[type[Event]] = frozenset()
    tasks: Callable[[Entry[Any], Any], Iterable[str]]
    sit: Callable[[Desk, Sequence[Task]], Sitting]
    waits_for: Callable[[Any], tuple[UUID, ...]] = lambda _: ()
    check: Callable[[Any], Iterable[str]] = lambda _: ()
