"""given(*events).when(command, by=...).then(*events), for any kind of stream.

A `Stream` is told how its events are folded and how its commands are decided; it knows nothing else. Outcomes can be
gone on from: `then` and its likes return the history as it is after them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid5

import pytest
from msgspec import Struct

from order_ledger.entries import By, CommandRef, Entry, Event, Kind
from order_ledger.refusals import Refused
from tests.examples import LEDGER, NOW

State = TypeVar("State")


class Happened(Struct, frozen=True):
    """An event with what is known of its happening, where it matters."""

    event: Event
    at: datetime | None
    by: By = LEDGER
    reason_code: str | None = None


def at(days: float, event: Event, by: By = LEDGER, reason_code: str | None = None) -> Happened:
    """The event so many days before now."""
    return Happened(event, NOW - timedelta(days=days), by, reason_code)


class Stream(Generic[State]):
    """A kind of stream, and one of its streams."""

    def __init__(
        self,
        kind: Kind,
        id: UUID,
        evolve: Callable[[State | None, Any], State],
        decide: Callable[[State | None, Any, Any], tuple[Event, ...]],
        context: Callable[..., Any],
        **known: Any,
    ) -> None:
        """`context` makes what a decision may know from `now`, `by`, `command`, and what else is `known`."""
        self.kind = kind
        self.id = id
        self.evolve = evolve
        self.decide = decide
        self.context = context
        self.known = known

    def given(self, *events: Event | Happened) -> "History[State]":
        """A history."""
        return History(self, events)

    def entry(self, happened: Event | Happened, version: int, command: UUID | None = None) -> Entry[Any]:
        """The event as an entry; unless it says otherwise it happened a moment ago, by a command of its own."""
        if not isinstance(happened, Happened):
            happened = Happened(happened, NOW - timedelta(hours=1) + timedelta(seconds=version))
        recorded_at = happened.at if happened.at is not None else NOW - timedelta(hours=1)
        return Entry(
            self.kind,
            self.id,
            version,
            happened.event,
            happened.at,
            recorded_at,
            happened.by,
            "api",
            CommandRef(command or command_id(version), "given"),
            happened.reason_code,
        )


class History(Generic[State]):
    """What happened to one stream so far."""

    def __init__(self, stream: Stream[State], events: tuple[Event | Happened, ...]) -> None:
        self.stream = stream
        self.events = events

    @property
    def state(self) -> State:
        """What the events come to."""
        state: State | None = None
        for version, event in enumerate(self.events, 1):
            state = self.stream.evolve(state, self.stream.entry(event, version))
        assert state is not None, "nothing happened"
        return state

    def when(self, command: object, /, by: By = LEDGER, now: datetime = NOW, **known: Any) -> "Outcome[State]":
        """The command is tried, now, by this person or role."""
        context = self.stream.context(**{"now": now, "by": by, "command": COMMAND, **self.stream.known, **known})
        state = self.state if self.events else None
        return Outcome(self, lambda: self.stream.decide(state, command, context))

    def comes_to(self, **derived: object) -> "History[State]":
        """These properties of the state are so."""
        state = self.state
        assert {name: getattr(state, name) for name in derived} == derived
        return self


COMMAND = UUID("01932f0c-0000-7000-8000-00000000c0de")
"""The id of the command that is tried."""


def command_id(version: int) -> UUID:
    """The id of the command that caused the entry of this version."""
    return uuid5(UUID(int=0), str(version))


def made(label: str) -> UUID:
    """The id that the command which is tried derives for this."""
    return uuid5(COMMAND, label)


class Outcome(Generic[State]):
    """What a command comes to."""

    def __init__(self, history: History[State], decide: Callable[[], tuple[Event, ...]]) -> None:
        self.history = history
        self.decided = decide

    @property
    def events(self) -> tuple[Event, ...]:
        """What it makes happen."""
        return self.decided()

    def then(self, *events: Event) -> History[State]:
        """Exactly this happens."""
        assert events, "say then_nothing() where nothing happens"
        assert self.events == events
        return self.happens()

    def happens(self) -> History[State]:
        """Something happens, which is looked at later."""
        decided = self.events
        assert decided, "nothing happened"
        return History(self.history.stream, (*self.history.events, *decided))

    def then_nothing(self) -> History[State]:
        """It is a retry: the ledger has it."""
        assert self.events == ()
        return self.history

    def then_refused(self, code: str, line: int | None = None, item: str | None = None) -> None:
        """It is refused for this, among other things; for that line, and that item, where named."""
        with pytest.raises(Refused) as refused:
            self.decided()
        found = [(blocker.code, blocker.line, blocker.item) for blocker in refused.value.blocked_by]
        assert any(
            code == known and line in (None, of_line) and item in (None, of_item) for known, of_line, of_item in found
        ), f"refused for {found}"

    def then_refused_for(self, *codes: str, saying: str = "", who: tuple[str, ...] | None = None) -> None:
        """It is refused for exactly these things, in this order; in these words, and for these to mend."""
        with pytest.raises(Refused) as refused:
            self.decided()
        assert tuple(blocker.code for blocker in refused.value.blocked_by) == codes
        assert saying in str(refused.value)
        assert who is None or all(blocker.who == who for blocker in refused.value.blocked_by)
