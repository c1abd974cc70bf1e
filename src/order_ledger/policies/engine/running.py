"""Running a policy: every entry of the feed answered once.

One transaction locks the bookmark, reads a batch of the feed (or takes cases that are due), decides, writes cases and
bookmark, and appends what follows as its last statement, since from there on the feed waits for it. Whatever interrupts
it leaves all of that undone. Where another appended to one of the streams meanwhile, the transaction is rolled back and
the batch halved, down to one. Two processes of one policy take turns.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import cast, get_args
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection, IsolationLevel
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from order_ledger.entries import Entry, Event, Kind
from order_ledger.faults import Fault
from order_ledger.following import lag
from order_ledger.journal import feed
from order_ledger.journal.appending import is_race
from order_ledger.journal.codec import Unreadable
from order_ledger.journal.feed import FeedRow, Wanted
from order_ledger.journal.journal import Journal, append
from order_ledger.journal.tailing import Say, Stopped, keep_at, listen, wait_for_news
from order_ledger.policies.engine import cases, status
from order_ledger.policies.engine.cases import Refusal
from order_ledger.policies.engine.contract import Policy, Sitting
from order_ledger.policies.engine.desk import Desk, Kept, Task
from order_ledger.refusals import Refused

LARGEST_BATCH = 256
_ADMINISTRATOR = ("administrator",)
_MOST_STREAMS_KEPT = 10_000
_TURN_SECONDS = 0.005


class CannotAnswer(Fault):
    """This policy must not go on from where it stands; the message says what to do."""


class Advance(Struct, frozen=True):
    """What one transaction did: where the bookmark is, how many entries were looked at, tasks done and refused.

    `again` says that nothing was done, because another got in between.
    """

    position: int
    scanned: int = 0
    done: int = 0
    refused: int = 0
    again: bool = False


class _Conflict(Exception):
    """Another appended meanwhile; `remembered` are tasks that turned out to have been done before."""

    def __init__(self, remembered: Sequence[Task] = ()) -> None:
        self.remembered = remembered


def begin(connection: Connection[TupleRow], policy: str, begin_at: int | None = None) -> bool:
    """Lets a policy that is new here begin: at the settled end, or with the entry at this position. Answers whether it
    was new. Before anybody can ask for anything, a policy that begins misses nothing."""
    first = lag.settled_end(connection) if begin_at is None else max(begin_at - 1, 0)
    made = connection.execute(
        "INSERT INTO policies.bookmark (policy, position) VALUES (%s, %s) ON CONFLICT DO NOTHING", (policy, first)
    )
    return made.rowcount == 1


class Runner:
    """One policy in one process. `reached` is told of each step of a transaction, as it is taken."""

    def __init__(
        self,
        journal: Journal,
        policy: Policy,
        *,
        batch: int = LARGEST_BATCH,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        reached: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.policy = policy
        self._journal = journal
        self._largest = self._batch = batch
        self._clock = clock
        self._reached = reached
        self._wanted = Wanted(policy.kinds, tuple(sorted(event.__name__ for event in policy.ignores)))
        self._kept: Kept = Kept()
        self._done_before: set[Task] = set()

    def connect(self) -> Connection[TupleRow]:
        """A connection to work on."""
        return psycopg.connect(
            self._journal.url, autocommit=True, application_name=f"order-ledger policy {self.policy.name}"
        )

    def prepare(self, connection: Connection[TupleRow], begin_at: int | None = None) -> list[str]:
        """Makes the bookmark where there is none: at the settled end, or before the position to begin at.

        Lets the policy check what it keeps. Answers what a person should know; raises `CannotAnswer`.
        """
        connection.isolation_level = IsolationLevel.READ_COMMITTED
        feed.check_primary(connection)
        said = []
        name = self.policy.name
        with connection.transaction():
            is_new = begin(connection, name, begin_at)
            position = self._lock(connection)
            if is_new:
                said.append(f"{name} is new here, and answers what comes after position {position}")
            elif begin_at is not None and begin_at - 1 > position:
                raise CannotAnswer(f"{name} stands at {position}: beginning at {begin_at} would skip entries.")
            elif begin_at is not None and begin_at - 1 < position:
                first = max(begin_at - 1, 0)
                connection.execute("UPDATE policies.bookmark SET position = %s WHERE policy = %s", (first, name))
                said.append(f"{name} goes back from position {position} to {first}; what it did stays done")
            said += self.policy.check(connection)
        return said

    def run(self, stopped: Stopped, say: Say = lambda _: None, begin_at: int | None = None) -> None:
        """Until stopped. A lost connection is made again, after a pause that grows. Raises `CannotAnswer`."""

        def answer(under_way: Callable[[], None]) -> None:
            nonlocal begin_at
            with self.connect() as connection:
                for sentence in self.prepare(connection, begin_at):
                    say(sentence)
                begin_at = None
                under_way()
                self._answer(connection, stopped, say)

        keep_at(answer, stopped, say)

    def catch_up(self, connection: Connection[TupleRow], until: int | None = None) -> int:
        """Answers all that is final, its own entries included, or all up to this position; where the bookmark is
        then."""
        while True:
            advance = self.advance(connection)
            if until is not None and advance.position >= until:
                return advance.position
            if not advance.again and advance.scanned == 0 and not advance.done and not advance.refused:
                if until is None and advance.position >= lag.settled_end(connection):
                    return advance.position
                time.sleep(_TURN_SECONDS)

    def advance(self, connection: Connection[TupleRow]) -> Advance:
        """One transaction. Where another got in between, nothing is done, and the next one tries half as much."""
        desk: Desk | None = None
        try:
            with connection.transaction():
                position = self._lock(connection)
                desk = Desk(connection, self._journal, self.policy.name, self._clock(), self._kept)
                advance = self._transact(connection, desk, position)
        except _Conflict as conflict:
            assert desk is not None
            desk.keep(committed=False, most=_MOST_STREAMS_KEPT)
            self._done_before.update(conflict.remembered)
            self._batch = max(self._batch // 2, 1)
            return Advance(position, again=True)
        except BaseException:
            self._kept.clear()
            raise
        self._reached("committed")
        desk.keep(committed=True, most=_MOST_STREAMS_KEPT)
        self._done_before.clear()
        self._batch = min(self._batch * 2, self._largest)
        return advance

    def _lock(self, connection: Connection[TupleRow]) -> int:
        row = connection.execute(
            "SELECT position FROM policies.bookmark WHERE policy = %s FOR UPDATE", (self.policy.name,), prepare=True
        ).fetchone()
        assert row is not None, "prepared"
        return int(row[0])

    def _transact(self, connection: Connection[TupleRow], desk: Desk, position: int) -> Advance:
        name = self.policy.name
        scanned = 0
        if due := cases.due(connection, name, self._batch):
            tasks, read, unreadable = self._due(desk, due)
        else:
            scan = feed.scan(connection, position, self._batch, self._wanted)
            (tasks, unreadable), read = self._asked(connection, desk, scan.rows), []
            position, scanned = scan.position, scan.scanned
        done, refused = self._handle(desk, tasks)
        cases.opened(connection, name, [*unreadable, *refused], desk.now)
        cases.closed(connection, name, [*read, *done])
        if scanned:
            connection.execute(
                "UPDATE policies.bookmark SET position = %s WHERE policy = %s", (position, name), prepare=True
            )
        self._reached("decided")
        self._append(connection, desk)
        self._reached("appended")
        return Advance(position, scanned, len(read) + len(done), len(unreadable) + len(refused))

    def _asked(
        self, connection: Connection[TupleRow], desk: Desk, rows: Sequence[FeedRow]
    ) -> tuple[list[Task], list[Refusal]]:
        """What these entries ask for. A stream that cannot be read, or of which the policy fails to tell what it asks
        for, waits from that entry on, as one case."""
        streams = {row.stream: _kind_of(row) for row in rows}
        cases.went_on(connection, self.policy.name, streams)
        desk.load((kind, stream) for stream, kind in streams.items())
        waiting = cases.waiting_to_be_read(connection, self.policy.name, streams)
        tasks, unread = dict[Task, None](), list[Refusal]()
        for row in rows:
            if row.stream in waiting:
                continue
            reading = Task(streams[row.stream], row.stream, row.version, cases.READ)
            refusal = self._unreadable(desk, reading)
            if refusal is None:
                refusal = self._ask(desk, reading, [self._journal.codec.decode(row.state, row.position)], tasks)
            if refusal is not None:
                unread.append(refusal)
                waiting.add(row.stream)
        return list(tasks), unread

    def _due(self, desk: Desk, due: Sequence[Task]) -> tuple[list[Task], list[Task], list[Refusal]]:
        """What is to be tried again; of streams that can be read now, all that was asked while they waited."""
        desk.load((task.kind, task.stream) for task in due)
        tasks, read, unread = dict[Task, None](), list[Task](), list[Refusal]()
        for task in due:
            refusal = self._unreadable(desk, task)
            if refusal is None and task.what == cases.READ:
                refusal = self._ask(desk, task, desk.entries_from(task.stream, task.version), tasks)
                if refusal is None:
                    read.append(task)
            elif refusal is None:
                tasks[task] = None
            if refusal is not None:
                unread.append(refusal)
        return list(tasks), read, unread

    @staticmethod
    def _unreadable(desk: Desk, task: Task) -> Refusal | None:
        if desk.is_readable(task.kind, task.stream):
            return None
        return Refusal(task, "unreadable", desk.why_unreadable(task.stream), _ADMINISTRATOR, ())

    def _ask(
        self, desk: Desk, reading: Task, entries: Iterable[Entry[Event]], tasks: dict[Task, None]
    ) -> Refusal | None:
        """Adds what these entries of one stream ask for; those of an import ask for nothing. Where the policy fails on
        one of them, nothing is added."""
        state = desk.state(reading.kind, reading.stream)
        try:
            asked = [
                Task(reading.kind, reading.stream, entry.version, what)
                for entry in entries
                if entry.through != "import" and type(entry.event) not in self.policy.ignores
                for what in self.policy.tasks(entry, state)
            ]
        except Exception as error:
            return _fault(reading, error)
        tasks.update(dict.fromkeys(asked))
        return None

    def _handle(self, desk: Desk, tasks: Sequence[Task]) -> tuple[list[Task], list[Refusal]]:
        done, refused = list[Task](), list[Refusal]()
        sitting: Sitting | None = None
        # In the order in which entries of one append stand in the journal: what is numbered then grows with positions.
        for task in sorted(tasks, key=lambda task: task.stream):
            if task in self._done_before:
                done.append(task)
                continue
            if sitting is None:
                sitting = self.policy.sit(desk, tasks)
            desk.begin()
            try:
                sitting.handle(task)
            except psycopg.Error:
                raise
            except Exception as error:
                desk.undo(task)
                refused.append(self._refusal(desk, task, error))
            else:
                done.append(task)
        if sitting is not None:
            sitting.close()
        return done, refused

    def _refusal(self, desk: Desk, task: Task, error: Exception) -> Refusal:
        state = desk.state(task.kind, task.stream)
        waits_for = self.policy.waits_for(state) if state is not None else ()
        if isinstance(error, Unreadable):
            return Refusal(task, "unreadable", str(error), _ADMINISTRATOR, waits_for)
        if isinstance(error, Refused):
            who = tuple(dict.fromkeys(role for blocker in error.blocked_by for role in blocker.who))
            return Refusal(task, error.code, str(error), who or _ADMINISTRATOR, waits_for)
        return _fault(task, error, waits_for)

    def _append(self, connection: Connection[TupleRow], desk: Desk) -> None:
        proposals = desk.proposals()
        if not proposals:
            return
        try:
            outcomes = append(connection, proposals)
        except UniqueViolation as violation:
            if is_race(violation):
                raise _Conflict from violation
            raise
        if any(outcome.outcome != "appended" for outcome in outcomes):
            pairs = zip(desk.tasks, outcomes, strict=True)
            raise _Conflict([task for task, outcome in pairs if outcome.outcome == "remembered"])

    def _answer(self, connection: Connection[TupleRow], stopped: Stopped, say: Say) -> None:
        status.announce(connection, self.policy.name)
        listen(connection)
        while not stopped():
            advance = self.advance(connection)
            if advance.refused:
                say(f"{advance.refused} were refused: order-ledger policies list says which, and who can mend it")
            if advance.again:
                time.sleep(_TURN_SECONDS)
            elif not advance.scanned and not advance.done and not advance.refused:
                wait_for_news(connection, stopped)


def _fault(task: Task, error: Exception, waits_for: tuple[UUID, ...] = ()) -> Refusal:
    """A fault of ours, or of what is stored, concerns this stream alone: the others go on."""
    return Refusal(task, "fault", f"{type(error).__name__}: {error}", _ADMINISTRATOR, waits_for)


def _kind_of(row: FeedRow) -> Kind:
    """As the row says it, where the bytes cannot be read."""
    assert row.kind in get_args(Kind), "only such rows are wanted"
    return cast(Kind, row.kind)
