"""A projection as of a moment of the past, in a schema of its own. What is followed is not touched.

Three words, used everywhere (`order_ledger.moments` decides about each entry):

as of T          what had happened by T, as far as the ledger has been told until now
as recorded T    what the ledger had been told by T
position N       the journal up to its N-th position
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from order_ledger import moments
from order_ledger.entries import Entry
from order_ledger.following import installing, lag
from order_ledger.following.building import Builder, Cut
from order_ledger.following.collecting import without_collecting
from order_ledger.following.contract import Projection
from order_ledger.following.jobs import build_ranges
from order_ledger.following.ranges import cut
from order_ledger.following.rebuilding import ENTRIES_A_RANGE, Told, finish, fresh_schema, make_indexes
from order_ledger.following.swapping import alone
from order_ledger.journal.codec import Codec
from order_ledger.journal.database_roles import as_role, grant_read_model
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS

_AT = "SELECT coalesce(max(notification_id), 0) FROM journal.entry WHERE notification_id <= %s"


class Moment(Struct, frozen=True, kw_only=True):
    """A moment of the past, in one of three ways."""

    as_of: datetime | None = None
    as_recorded: datetime | None = None
    position: int | None = None

    @property
    def name(self) -> str:
        """What a schema is called that holds it, after the projection's name."""
        if self.position is not None:
            return f"position_{self.position}"
        word, time = ("as_of", self.as_of) if self.as_of is not None else ("as_recorded", self.as_recorded)
        assert time is not None, "it is one of three"
        return f"{word}_{time.astimezone(UTC):%Y%m%dt%H%M%S_%f}"

    @property
    def until(self) -> int:
        """The last position that it may be of."""
        return self.position if self.position is not None else sys.maxsize

    def of(self, entries: Sequence[Entry[Any]]) -> list[Entry[Any]]:
        """What of the entries of one stream, in order of versions, belongs to it."""
        if self.as_of is not None:
            return moments.as_of(entries, self.as_of)
        if self.as_recorded is not None:
            return moments.as_recorded(entries, self.as_recorded)
        return [entry for entry in entries if entry.position <= self.until]


class View(Struct, frozen=True):
    """A projection as of a moment: the schema that it is in, and the position of the journal that it was made of."""

    name: str
    version: int
    schema: str
    position: int


def build_view(
    url: str,
    projection: Projection,
    moment: Moment,
    *,
    jobs: int = 1,
    told: Told = lambda phase, done, of: None,
) -> View:
    """Makes the schema that holds this moment, anew if it is there: what had happened by then may have been recorded
    since. It stays until it is dropped. Cancelled or failed, it leaves nothing behind. Raises `Interrupted`."""
    schema = view_name(projection.name, moment)
    with alone(url, projection.name) as connection:
        cut_at = _cut(connection, moment)
        try:
            fresh_schema(connection, projection, schema, cut_at, jobs)
            build_ranges(url, projection, schema, cut_at, jobs, lambda done, of: told("fold", done, of))
            told("index", 0, 0)
            make_indexes(url, projection, schema, jobs)
            with connection.transaction():
                finish(connection, schema, 1, cut_at.until)
                grant_read_model(connection, schema)
        except BaseException:
            with connection.transaction():
                installing.drop(connection, schema)
            raise
    return View(projection.name, projection.version, schema, cut_at.until)


def drop_view(connection: Connection[TupleRow], name: str, moment: Moment) -> str | None:
    """Drops the schema that holds this moment; answers its name, or None where there was none."""
    schema = view_name(name, moment)
    there = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (schema,)).fetchone() == (True,)
    with connection.transaction():
        installing.drop(connection, schema)
    return schema if there else None


def view_name(name: str, moment: Moment) -> str:
    """The schema that holds a projection as of a moment."""
    return f"{name}__{moment.name}"


@contextmanager
def asked_of(
    url: str, connection: Connection[TupleRow], projections: Sequence[Projection], moment: Moment
) -> Iterator[None]:
    """Within it, what this connection reads by the projections' names is how they were at the moment.

    It is one transaction that is never committed: nobody else sees it, and whatever ends it, nothing of it stays. The
    names change places at its end only, since a swap, and who begins to follow, wait for that. The connection is the
    owner's, in autocommit.
    """
    with connection.transaction(force_rollback=True):
        cut_at = _cut(connection, moment)
        made = [(each.name, _build_here(url, connection, each, cut_at)) for each in projections]
        for name, schema in sorted(made):
            if connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (name,)).fetchone() == (True,):
                installing.rename(connection, name, f"{schema}_now")
            installing.rename(connection, schema, name)
        connection.execute("SET LOCAL search_path TO DEFAULT")
        yield


def _build_here(url: str, connection: Connection[TupleRow], projection: Projection, cut_at: Cut) -> str:
    schema = f"{projection.name}__asked_{connection.info.backend_pid}"
    installing.create(connection, projection, schema)
    connection.execute("INSERT INTO bookmark (part, parts, position) VALUES (1, 1, %s)", (cut_at.until,))
    reading = psycopg.connect(
        as_role(url, "order_ledger_follower"), autocommit=True, application_name=f"order-ledger ask {projection.name}"
    )
    with reading:
        codec = Codec(inspect(reading), EVENTS, UPCASTERS)
        builder = Builder(reading, connection, projection, codec, cut_at)
        for streams in cut(reading, cut_at.until, max(1, cut_at.until // ENTRIES_A_RANGE)):
            with without_collecting():
                builder.build(streams)
    for table in projection.tables:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table.name)))
    return schema


def _cut(connection: Connection[TupleRow], moment: Moment) -> Cut:
    """Everything that is final now or, of a position, up to it: the highest that exists."""
    end = lag.settled_end(connection)
    if moment.position is not None:
        row = connection.execute(_AT, (min(moment.position, end),)).fetchone()
        assert row is not None
        end = int(row[0])
    return Cut(until=end, happened_by=moment.as_of, recorded_by=moment.as_recorded)
