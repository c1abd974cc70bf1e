"""What a policy has before it while it decides: streams as they stand, sealed values, and what it adds.

Everything that is read is read in the policy's transaction. What it adds is kept here, and appended all together as the
transaction's last statement.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid5

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Answer, By, Cause, CommandRef, Entry, Event, Fact, Kind
from order_ledger.journal.appending import Appending, Key, Proposal
from order_ledger.journal.codec import Encoded, Head, Unreadable, genesis
from order_ledger.journal.evolves import EVOLVES
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import SealingKey
from order_ledger.values import Sealed

_TAIL = """
    SELECT e.originator_id, e.state, e.hash, e.notification_id
    FROM unnest(%s::uuid[], %s::bigint[]) AS wanted (stream, version)
    JOIN journal.entry e ON e.originator_id = wanted.stream AND e.originator_version > wanted.version
    ORDER BY e.originator_id, e.originator_version
"""
_NAMED = """
    SELECT state, notification_id FROM journal.entry
    WHERE originator_id = %s AND topic = ANY(%s) ORDER BY originator_version
"""

_FROM = """
    SELECT state, notification_id FROM journal.entry
    WHERE originator_id = %s AND originator_version >= %s ORDER BY originator_version
"""

LEDGER = By(None, "ledger")

T = TypeVar("T")


class Task(Struct, frozen=True, order=True):
    """One thing that the entry of this version asks of a policy, by a name that tells it from the others."""

    kind: Kind
    stream: UUID
    version: int
    what: str

    def key(self, policy: str) -> str:
        """What the task is called wherever it is remembered that it was done."""
        return f"{policy}/{self.version}/{self.what}"

    def command(self, policy: str) -> UUID:
        """The id of the command that answers it, the same whenever it is tried."""
        return uuid5(self.stream, self.key(policy))


class Known(Struct, frozen=True):
    """A stream as it stands: its state, and what the next entry must follow."""

    kind: Kind
    state: Any
    head: Head


Kept = OrderedDict[UUID, Known]
"""Streams as they stood when they were last looked at, those looked at last at the end."""


class Desk:
    """One transaction's desk."""

    def __init__(
        self, connection: Connection[TupleRow], journal: Journal, policy: str, now: datetime, kept: Kept
    ) -> None:
        self.connection = connection
        self.now = now
        self._journal = journal
        self._policy = policy
        self._kept = kept
        self._unreadable: dict[UUID, Exception] = {}
        self._base: dict[UUID, Known] = {}
        self._known: dict[UUID, Known] = {}
        self._added: dict[UUID, list[Encoded]] = {}
        self._by: dict[Task, dict[UUID, int]] = {}
        self._before: dict[UUID, tuple[Known, int]] = {}
        self._keys: dict[str, SealingKey | None] = {}

    # Looking

    def load(self, streams: Iterable[tuple[Kind, UUID]]) -> None:
        """Brings these streams up to date, in one question. One that cannot be read stands in no other's way."""
        wanted = {stream: kind for kind, stream in streams if not self._is_known(stream)}
        if not wanted:
            return
        codec = self._journal.codec
        known = {
            stream: self._kept.get(stream) or Known(kind, None, Head(0, genesis(codec.ledger, kind, stream), None))
            for stream, kind in wanted.items()
        }
        sought = (list(known), [each.head.version for each in known.values()])
        for stream, state, digest, position in self.connection.execute(_TAIL, sought, prepare=True, binary=True):
            if stream in self._unreadable:
                continue
            before = known[stream]
            try:
                entry = codec.decode(state, position)
                if entry.kind == before.kind:
                    after = EVOLVES[before.kind](before.state, entry)
                    known[stream] = Known(before.kind, after, Head(entry.version, bytes(digest), entry.recorded_at))
            except Exception as error:
                self._unreadable[stream] = error
                del known[stream]
        self._base |= known
        self._known |= known

    def _is_known(self, stream: UUID) -> bool:
        return stream in self._base or stream in self._unreadable

    def is_readable(self, kind: Kind, stream: UUID) -> bool:
        """Whether every entry of the stream can be read here."""
        self.load([(kind, stream)])
        return stream not in self._unreadable

    def state(self, kind: Kind, stream: UUID) -> Any:
        """The stream's state now, with what was added to it here; None for one that has not begun. Raises
        `Unreadable`."""
        if not self.is_readable(kind, stream):
            raise Unreadable(f"the {kind} {stream}: {self.why_unreadable(stream)}") from self._unreadable[stream]
        return self._known[stream].state

    def why_unreadable(self, stream: UUID) -> str:
        """What was wrong with the first entry of the stream that cannot be read."""
        error = self._unreadable[stream]
        return str(error) if isinstance(error, Unreadable) else f"{type(error).__name__}: {error}"

    def entries_from(self, stream: UUID, version: int) -> list[Entry[Any]]:
        """The stream's entries from this version on, as the journal has them. Raises `Unreadable`."""
        rows = self.connection.execute(_FROM, (stream, version), prepare=True, binary=True)
        return [self._journal.codec.decode(state, position) for state, position in rows]

    def entries(self, stream: UUID, *events: type[Event]) -> list[Entry[Any]]:
        """The stream's entries of these events, in order, with those that were added here."""
        names = [event.__name__ for event in events]
        rows = self.connection.execute(_NAMED, (stream, names), prepare=True, binary=True)
        found = [self._journal.codec.decode(state, position) for state, position in rows]
        added = [one.entry for one in self._added.get(stream, ()) if one.entry is not None]
        return found + [entry for entry in added if isinstance(entry.event, events)]

    def opened(self, entry: Entry[Any], field: str, form: type[T]) -> T | None:
        """The value that is sealed in this field; None where its key was destroyed. Raises `CannotOpen`."""
        sealed: Sealed[T] = getattr(entry.event, field)
        if sealed.sealed not in self._keys:  # a person's values are sealed with one key: it is asked for once here
            self._keys |= self._journal.keyring.read(self.connection, [sealed.sealed])
        if (key := self._keys[sealed.sealed]) is None:
            return None
        return key.open(sealed, self._journal.ledger, entry.stream, entry.version, field, form)

    # Adding

    def append(self, task: Task, kind: Kind, stream: UUID, events: Sequence[Event], command: str) -> None:
        """These happen now, in answer to the task. Keys that they are sealed with are made, and committed, first.

        Raises `PersonErased`, and `Invalid` for an entry that is too large.
        """
        if not events:
            return
        self.load([(kind, stream)])
        known = self._known[stream]
        cause = Cause(
            LEDGER,
            "policy",
            CommandRef(task.command(self._policy), command),
            answers=Answer(task.stream, task.version),
        )
        facts = [Fact(event, self.now) for event in events]
        made = self._journal.encode(kind, stream, known.head, facts, cause, self.now).entries
        added = self._added.setdefault(stream, [])
        self._before.setdefault(stream, (known, len(added)))
        state = known.state
        for one in made:
            assert one.entry is not None, "what was just encoded is there"
            state = EVOLVES[kind](state, one.entry)
        added += made
        self._known[stream] = Known(kind, state, Head(made[-1].version, made[-1].hash, made[-1].recorded_at))
        self._by.setdefault(task, {})[stream] = self._base[stream].head.version

    def begin(self) -> None:
        """From here on, `undo` goes back to here."""
        self._before.clear()

    def undo(self, task: Task) -> None:
        """As if the task had not been begun."""
        for stream, (known, added) in self._before.items():
            self._known[stream] = known
            del self._added[stream][added:]
        self._by.pop(task, None)

    def proposals(self) -> list[Proposal]:
        """What is to be appended: a command for each task that made something happen, each under a key of its own.

        All entries of a stream go with the first task that added to it. That is no harm, since they stand or fall
        together here.
        """
        left = {stream: added for stream, added in self._added.items() if added}
        return [
            Proposal(
                task.command(self._policy),
                tuple(Appending(stream, base, left.pop(stream, ())) for stream, base in streams.items()),
                Key(task.stream, task.key(self._policy), b"policy"),
            )
            for task, streams in self._by.items()
        ]

    @property
    def tasks(self) -> list[Task]:
        """The tasks that made something happen, in the order of `proposals`."""
        return list(self._by)

    def keep(self, *, committed: bool, most: int) -> None:
        """Keeps in memory what is known now, or, where nothing was committed, what was known before."""
        for stream, known in (self._known if committed else self._base).items():
            self._kept[stream] = known
            self._kept.move_to_end(stream)
        while len(self._kept) > most:
            self._kept.popitem(last=False)
