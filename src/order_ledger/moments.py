"""The history of one stream as of a moment of its past. Two times, three words, used everywhere:

as of T          what had happened by T
as recorded T    what was known by T
version N        the first N entries (of a whole journal: position N)
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from order_ledger.entries import Entry, Event

E = TypeVar("E", bound=Event)


def until_version(entries: Sequence[Entry[E]], version: int) -> list[Entry[E]]:
    """The first `version` entries."""
    return [entry for entry in entries if entry.version <= version]


def as_of(entries: Iterable[Entry[E]], moment: datetime) -> list[Entry[E]]:
    """What had happened by this moment, in order of versions.

    An entry that does not say when it happened counts as its predecessor. An entry that happened later is skipped,
    and what follows it in the stream may still count: so entries may be missing in the middle.
    """
    kept, happened = [], True
    for entry in entries:
        if happened := has_happened(entry.at, happened, moment):
            kept.append(entry)
    return kept


def has_happened(at: datetime | None, before: bool, moment: datetime) -> bool:
    """Whether an entry had happened by this moment: where it does not say when it did, if the one `before` it had.
    A first entry that does not say had happened always."""
    return before if at is None else at <= moment


def as_recorded(entries: Iterable[Entry[E]], moment: datetime) -> list[Entry[E]]:
    """What was known by this moment: entries recorded by then."""
    return [entry for entry in entries if entry.recorded_at <= moment]
