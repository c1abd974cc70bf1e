"""Open cases: what a policy should have done and was refused. Kept until it is done."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Kind
from order_ledger.policies.engine.desk import Task

READ = "read"
"""The task of a stream that cannot be read, or of which the policy failed to tell what it asks for: once that is
mended, what was asked from that entry on is answered."""

_LONGEST = 2_000


class Case(Struct, frozen=True):
    """A task that was refused: a stable code, a sentence, and the roles that can mend it."""

    policy: str
    kind: Kind
    stream: UUID
    version: int
    task: str
    code: str
    what: str
    who: list[str]
    opened_at: datetime
    tried_at: datetime
    tries: int


class Refusal(Struct, frozen=True):
    """Why a task was not done, and the streams whose next entries have it tried again."""

    task: Task
    code: str
    what: str
    who: tuple[str, ...]
    waits_for: tuple[UUID, ...]


def due(connection: Connection[TupleRow], policy: str, most: int) -> list[Task]:
    """Cases that something happened to which may have mended them, the oldest first."""
    rows = connection.execute(
        "SELECT kind, stream, version, task FROM policies.open_case WHERE policy = %s AND due "
        "ORDER BY opened_at, stream, version, task LIMIT %s",
        (policy, most),
        prepare=True,
    )
    return [Task(*row) for row in rows]


def waiting_to_be_read(connection: Connection[TupleRow], policy: str, streams: Iterable[UUID]) -> set[UUID]:
    """Those of the streams that wait until they can be read."""
    rows = connection.execute(
        "SELECT stream FROM policies.open_case WHERE policy = %s AND task = %s AND stream = ANY(%s)",
        (policy, READ, list(streams)),
        prepare=True,
    )
    return {stream for (stream,) in rows}


def went_on(connection: Connection[TupleRow], policy: str, streams: Iterable[UUID]) -> None:
    """These streams have new entries: what waits for them is due again."""
    ids = list(set(streams))
    if ids:
        connection.execute(
            "UPDATE policies.open_case SET due = true "
            "WHERE policy = %s AND NOT due AND (stream = ANY(%s) OR waits_for && %s)",
            (policy, ids, ids),
            prepare=True,
        )


def opened(connection: Connection[TupleRow], policy: str, refusals: Sequence[Refusal], now: datetime) -> None:
    """Opens a case for each, or notes on the one that is open that it was tried in vain."""
    for refusal in refusals:
        connection.execute(
            "INSERT INTO policies.open_case AS c "
            "(policy, kind, stream, version, task, code, what, who, waits_for, opened_at, tried_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (policy, stream, version, task) DO UPDATE SET code = EXCLUDED.code, what = EXCLUDED.what, "
            "who = EXCLUDED.who, waits_for = EXCLUDED.waits_for, tried_at = EXCLUDED.tried_at, tries = c.tries + 1, "
            "due = false",
            (
                policy, refusal.task.kind, refusal.task.stream, refusal.task.version, refusal.task.what, refusal.code,
                refusal.what.replace("\0", "")[:_LONGEST], list(refusal.who), list(refusal.waits_for), now, now,
            ),
        )  # fmt: skip


def closed(connection: Connection[TupleRow], policy: str, tasks: Sequence[Task]) -> None:
    """These are done."""
    if tasks:
        connection.execute(
            "DELETE FROM policies.open_case c "
            "USING unnest(%s::uuid[], %s::bigint[], %s::text[]) AS t (stream, version, task) "
            "WHERE c.policy = %s AND c.stream = t.stream AND c.version = t.version AND c.task = t.task",
            ([task.stream for task in tasks], [task.version for task in tasks], [task.what for task in tasks], policy),
            prepare=True,
        )


def try_all_again(connection: Connection[TupleRow], policy: str) -> int:
    """Makes every open case of a policy due; answers how many they are."""
    return connection.execute("UPDATE policies.open_case SET due = true WHERE policy = %s", (policy,)).rowcount


def open_cases(connection: Connection[TupleRow], policy: str | None = None, most: int = 1_000) -> list[Case]:
    """What is open, the oldest first."""
    rows = connection.execute(
        "SELECT policy, kind, stream, version, task, code, what, who, opened_at, tried_at, tries "
        "FROM policies.open_case WHERE %s::text IS NULL OR policy = %s "
        "ORDER BY opened_at, stream, version, task LIMIT %s",
        (policy, policy, most),
    )
    return [Case(*row) for row in rows]
