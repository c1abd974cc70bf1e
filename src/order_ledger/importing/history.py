"""The life of an imported order, decided step by step: what happened, and which of our rules it broke. Pure.

A source is believed: what we would have refused is recorded all the same, with the codes of the rules that it broke.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID, SafeUUID

from msgspec import Struct

from order_ledger.entries import By, Cause, CommandRef, Entry, Fact, Source
from order_ledger.orders.commands import OrderCommand
from order_ledger.orders.decisions import Context, record
from order_ledger.orders.events import OrderEvent
from order_ledger.orders.evolving import evolve
from order_ledger.orders.order import Order

EARLIER_THAN_PREVIOUS = "earlier_than_previous"
"""The breach of a step that happened before the step that it follows."""

IN_THE_FUTURE = "in_the_future"
"""The breach of a step that is yet to happen, by the clock of the ledger."""

NOBODY_KNOWN = By(None, "unknown")

_UNSAID = frozenset(("tracking_missing",))
"""What a source does not say is unknown; it breaks no rule."""


class Step(Struct, frozen=True):
    """One step of a life: what was done, when (None: the source does not say), and where the source says so.

    `breaches` are what the source itself gets wrong about it.
    """

    command: OrderCommand
    at: datetime | None
    source: Source
    breaches: tuple[str, ...] = ()


class Life(Struct, frozen=True):
    """Everything that happened to an order, ready to be encoded. `breaches` names each broken rule once."""

    steps: Sequence[tuple[Cause, Sequence[Fact]]]
    breaches: tuple[str, ...]
    events: int


class Draft(Struct, frozen=True):
    """An order as its source has it, in the row it has it in. It is decided when it is wanted: whole lives, kept by the
    thousand, would not fit into a processor's cache.
    """

    stream: UUID
    reference: str
    consumer: UUID
    row: int
    decide: Callable[[], Life]


def live(stream: UUID, steps: Iterable[Step], now: datetime) -> Life:
    """Decides every step on what the steps before it left."""
    order: Order | None = None
    happened: datetime | None = None
    told: list[tuple[Cause, Sequence[Fact]]] = []
    all_breaches: list[str] = []
    version = 0
    waiting: list[Entry[OrderEvent]] = []
    for number, step in enumerate(steps, 1):
        for entry in waiting:  # what the last step leaves, nobody decides on
            order = evolve(order, entry)
        at, command = step.at, CommandRef(_step_id(stream, number), step.command.name)
        context = Context(now=now, by=NOBODY_KNOWN, command=command.id, order_id=stream)
        events, found = record(order, step.command, context)
        assert events, "a step that happens makes something happen"
        breaches = _breaches(found, at, happened, now) + step.breaches
        happened = at or happened
        all_breaches += breaches
        cause = Cause(NOBODY_KNOWN, "import", command, source=step.source)
        waiting, facts = [], []
        for event in events:
            version += 1
            waiting.append(Entry("order", stream, version, event, at, now, cause.by, cause.through, command))
            facts.append(Fact(event, at, breaches))
        told.append((cause, facts))
    return Life(told, tuple(dict.fromkeys(all_breaches)), version)


def _breaches(found: Iterable[str], at: datetime | None, happened: datetime | None, now: datetime) -> tuple[str, ...]:
    """What is wrong with a step, by our rules and by when it happened."""
    breaches = tuple([code for code in found if code not in _UNSAID]) if found else ()
    if at is not None and happened is not None and at < happened:
        breaches = (*breaches, EARLIER_THAN_PREVIOUS)
    if at is not None and at > now:
        breaches = (*breaches, IN_THE_FUTURE)
    return breaches


def _step_id(stream: UUID, number: int) -> UUID:
    """The id of a step's command: the order's own, which is drawn at random, with the step's number at its end."""
    return unchecked_uuid(stream.int & ~0xFFFF | number)


def unchecked_uuid(number: int) -> UUID:
    """The UUID of these 128 bits: what `UUID(int=number)` makes, without its looking at what else might be given."""
    made = _new(UUID)
    _set(made, "int", number)
    _set(made, "is_safe", _UNKNOWN_SAFETY)
    return made


_new, _set, _UNKNOWN_SAFETY = object.__new__, object.__setattr__, SafeUUID.unknown
