"""given(*events).when(command).then(*events), for the streams of items, stock and parties.

Nothing here knows a kind of stream: `Stream` is told how its events are folded and how its commands are decided.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid5

from order_ledger.entries import By, CommandRef, Entry, Event, Kind
from order_ledger.refusals import Refused

NOW = datetime(2026, 11, 21, 20, 15, 3, tzinfo=UTC)
BY = By(UUID("0198c000-0000-7000-8000-000000000001"), "administrator")

State = TypeVar("State")


def command_id(number: int) -> UUID:
    """The id of the command that caused the entry of this version; the one that is tried has none of these."""
    return uuid5(UUID(int=0), str(number))


class Stream(Generic[State]):
    """A kind of stream, and one of its streams."""

    def __init__(
        self,
        kind: Kind,
        stream: UUID,
        evolve: Callable[[State | None, Any], State],
        decide: Callable[[State | None, Any, Any], tuple[Event, ...]],
        context: Callable[..., Any],
    ) -> None:
        self.kind = kind
        self.id = stream
        self.evolve = evolve
        self.decide = decide
        self.context = context

    def given(self, *events: Event) -> "Given[State]":
        return Given(self, events)

    def state(self, *events: Event) -> State | None:
        """What these events come to, each caused by a command of its own."""
        state: State | None = None
        for version, event in enumerate(events, 1):
            state = self.evolve(state, self.entry(event, version))
        return state

    def entry(self, event: Event, version: int, command: UUID | None = None) -> Entry[Any]:
        at = NOW - timedelta(days=1) + timedelta(minutes=version)
        cause = CommandRef(command or command_id(version), "given")
        return Entry(self.kind, self.id, version, event, at, at, BY, "api", cause)


class Given(Generic[State]):
    """A history."""

    def __init__(self, stream: Stream[State], events: tuple[Event, ...]) -> None:
        self.stream = stream
        self.events = events

    def when(self, command: object, /, **context: Any) -> "When":
        """The command is tried now, with what else the decision may know."""
        known = {"now": NOW, "by": BY, "command": command_id(0), "stream": self.stream.id, **context}
        state = self.stream.state(*self.events)
        return When(lambda: self.stream.decide(state, command, self.stream.context(**known)))

    def comes_to(self, **fields: object) -> None:
        """The state has these fields."""
        state = self.stream.state(*self.events)
        assert {name: getattr(state, name) for name in fields} == fields


class When:
    """A command that was tried."""

    def __init__(self, decided: Callable[[], tuple[Event, ...]]) -> None:
        self.decided = decided

    def then(self, *events: Event) -> None:
        assert events, "say then_nothing() where nothing happens"
        assert self.decided() == events

    def then_nothing(self) -> None:
        assert self.decided() == ()

    def then_refused(self, *codes: str, saying: str = "", who: tuple[str, ...] | None = None) -> None:
        """Refused for exactly these reasons, in this order."""
        try:
            events = self.decided()
        except Refused as refused:
            assert tuple(blocker.code for blocker in refused.blocked_by) == codes
            assert saying in str(refused)
            if who is not None:
                assert all(blocker.who == who for blocker in refused.blocked_by)
        else:
            raise AssertionError(f"not refused, but {events}")
