"""Two copies of a projection beside each other: compared where both stand at one position, and swapped there.

Comparing all rows takes seconds, in which both go on being followed. So it is done in one snapshot, the streams left
out that have entries between the two positions; and then, with both bookmarks locked and brought to one position, what
is left is compared: the streams that have entries since, and those that are or were parked. What has no entry since has
the rows that were compared.

Swapping renames two schemas. A reader waits for nothing: its next statement finds the other copy, at the same position.
"""

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import TupleRow

from order_ledger.faults import Fault
from order_ledger.following import installing, lag
from order_ledger.following.comparing import Comparison, Difference, compare, parked_in, touched
from order_ledger.following.contract import Projection
from order_ledger.following.installing import Copy
from order_ledger.following.live import Follower

_MOST_NAMED = 5
_PATIENCE_SECONDS = 1.0
_ALONE = 0x6F6C7262  # "olrb": the first half of a lock whose second says of which projection

_HOLDER = (
    "SELECT a.pid, a.backend_start FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND l.classid = %s::oid AND l.objid = %s::oid "
    "AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
)


class Refused(Fault):
    """It cannot be done as things stand; the message says why, and what to do."""


class Differing(Fault):
    """Two copies of one version are not the same; the message names the first rows."""

    def __init__(self, name: str, comparison: Comparison, position: int) -> None:
        self.comparison = comparison
        self.position = position
        named = "; ".join(map(_named, comparison.first[:_MOST_NAMED]))
        more = ", …" if comparison.differing > _MOST_NAMED else ""
        super().__init__(f"{comparison.differing} rows of {name} differ without a change of its version: {named}{more}")


def _named(row: Difference) -> str:
    key = ", ".join(f"{column} {value}" for column, value in row.key.items())
    how = f"only in {row.only_in}" if row.only_in else ", ".join(row.columns)
    return f"{row.table} {key} ({how})"


class Bookmark(NamedTuple):
    """How far one part of a copy has been folded."""

    part: int
    parts: int
    position: int


class Swapped(Struct, frozen=True):
    """Which copy is read now, and which is beside it; at which position they changed places, and what comparing
    them found."""

    version: int
    was: int
    side: str
    position: int
    comparison: Comparison


@contextmanager
def alone(url: str, name: str) -> Iterator[Connection[TupleRow]]:
    """A connection of the owner's that holds, until it is given back, the right to rebuild, compare, swap and drop
    copies of this projection. Raises `Refused` where another one holds it for longer than a moment."""
    key = (_ALONE, zlib.crc32(name.encode()) & 0x7FFFFFFF)
    with psycopg.connect(url, autocommit=True, application_name=f"order-ledger projections {name}") as connection:
        connection.isolation_level = IsolationLevel.READ_COMMITTED
        # Who was killed holds it until its server has noticed.
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while connection.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", key).fetchone() != (True,):
            if time.monotonic() > deadline:
                holder = connection.execute(_HOLDER, key).fetchone()
                since = f" since {holder[1]:%Y-%m-%d %H:%M:%S %Z} (database process {holder[0]})" if holder else ""
                raise Refused(
                    f"{name} is being rebuilt, compared or swapped by somebody else{since}: wait until that ends."
                )
            time.sleep(_PATIENCE_SECONDS / 20)
        try:
            yield connection
        finally:
            if not connection.broken:
                connection.execute("SELECT pg_advisory_unlock(%s::int, %s::int)", key)


def read_copy(connection: Connection[TupleRow], name: str) -> Copy:
    """The copy that is read. Raises `Refused` where there is none."""
    for copy in installing.copies(connection, name):
        if copy.read:
            return copy
    raise Refused(f"{name} is not installed: order-ledger migrate installs it.")


def choose_side(connection: Connection[TupleRow], name: str, version: int | None = None, *, back: bool = False) -> Copy:
    """The copy beside the one that is read: the only one, or that of this version. Raises `Refused`."""
    sides = [copy for copy in installing.copies(connection, name) if not copy.read]
    if version is not None:
        sides = [copy for copy in sides if copy.version == version]
    if back:
        sides = [copy for copy in sides if copy.was_read]
    if not sides:
        which = f" of version {version}" if version is not None else ""
        kind = "that was read before" if back else "beside the one that is read"
        raise Refused(f"There is no copy of {name}{which} {kind}. order-ledger projections rebuild {name} makes one.")
    if len(sides) > 1:
        versions = " or ".join(str(copy.version) for copy in sides)
        raise Refused(f"Several copies of {name} are there: choose one with --version {versions}.")
    return sides[0]


def drop(connection: Connection[TupleRow], name: str, version: int | None = None) -> Copy:
    """Drops a copy that is not read. Raises `Refused`."""
    side = choose_side(connection, name, version)
    with connection.transaction():
        installing.one_at_a_time(connection)
        installing.drop(connection, side.schema)
    return side


class Pair:
    """The copy that is read and one beside it. The connection is the owner's, in autocommit, and `alone`.

    A copy of another version than this program's is looked at as it stands: who could bring it forward is the program
    that it came with.
    """

    def __init__(self, url: str, connection: Connection[TupleRow], projection: Projection, side: Copy) -> None:
        self._url = url
        self._connection = connection
        self._projection = projection
        self.read = read_copy(connection, projection.name)
        self.side = side
        self.one_version = self.read.version == side.version
        if self.one_version and side.version != projection.version:
            raise Refused(
                f"Both copies are of version {side.version}, and this program has version {projection.version} of "
                f"{projection.name}: run the program that came with version {side.version}."
            )

    def catch_up(self) -> None:
        """Folds into both what is final now."""
        end = lag.settled_end(self._connection)
        for copy in self._ours():
            for mark in self._bookmarks(copy):
                if mark.position < end:
                    self._follower(copy, mark).catch_up(end)

    def compare(self) -> tuple[Comparison, int]:
        """What differs, and up to which position both were compared. Followers wait only while that is compared which
        changed since the snapshot."""
        self.catch_up()
        found, compared_at, unsure = self._compare_in_snapshot()
        if self.one_version:
            with self._connection.transaction():
                compared_at = self._bring_together()
                self._compare_what_is_left(found, unsure, compared_at)
        return found, compared_at

    def swap(self, *, differing: bool = False) -> Swapped:
        """Lets the side be read, and what was read be the side. Copies of one version must not differ, unless they may.
        Nobody's time goes back. Raises `Differing` and `Refused`."""
        self.catch_up()
        found, compared_at, unsure = self._compare_in_snapshot()
        differing = differing or not self.one_version
        if not (found.equal or differing):
            raise Differing(self._projection.name, found, compared_at)
        with self._connection.transaction():
            position = self._bring_together()
            if self.one_version:
                self._compare_what_is_left(found, unsure, position)
                if not (found.equal or differing):
                    raise Differing(self._projection.name, found, position)
            return self._exchange(position, found)

    def _compare_in_snapshot(self) -> tuple[Comparison, int, "_Unsure"]:
        connection = self._connection
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            with connection.transaction():
                positions = [mark.position for copy in (self.read, self.side) for mark in self._bookmarks(copy)]
                low, high = min(positions), max(positions)
                left_out = touched(connection, low, high, self._parked())
                found = compare(connection, self.read.schema, self.side.schema, but=left_out)
                return found, low, _Unsure(low, frozenset(left_out))
        finally:
            connection.isolation_level = IsolationLevel.READ_COMMITTED

    def _compare_what_is_left(self, found: Comparison, unsure: "_Unsure", position: int) -> None:
        left = touched(self._connection, unsure.since, position, unsure.left_out | self._parked())
        found.add(compare(self._connection, self.read.schema, self.side.schema, only=left))

    def _parked(self) -> set[UUID]:
        return {*parked_in(self._connection, self.read.schema), *parked_in(self._connection, self.side.schema)}

    def _bring_together(self) -> int:
        """Locks all bookmarks of both until the transaction ends, and brings what we can follow to the furthest of
        them; answers that position. Raises `Refused` where the side would stay behind."""
        installing.one_at_a_time(self._connection)
        marks = {copy: self._bookmarks(copy, lock=True) for copy in (self.read, self.side)}
        furthest = max(mark.position for each in marks.values() for mark in each)
        for copy in self._ours():
            for mark in marks[copy]:
                self._advance(copy, mark, furthest)
        stand = [mark.position for mark in self._bookmarks(self.side)]
        behind = min(stand) < max(mark.position for mark in self._bookmarks(self.read))
        if behind:
            raise Refused(
                f"Version {self.side.version} of {self._projection.name} stands at position {min(stand)}, behind the "
                f"one that is read, and this program has version {self._projection.version}: let the program that came "
                "with it follow it first."
            )
        return furthest

    def _advance(self, copy: Copy, mark: Bookmark, position: int) -> None:
        follower, stands = self._follower(copy, mark), mark.position
        if stands < position:
            follower.enter(self._connection, copy.schema)
        while stands < position:
            stands = follower.advance(self._connection, position).position

    def _exchange(self, position: int, found: Comparison) -> Swapped:
        connection, read, side = self._connection, self.read, self.side
        if self.one_version:
            # Who follows the one part or the other goes on with it, whichever copy is read.
            installing.divide(connection, side.schema, self._bookmarks(read)[0].parts)
        aside = f"{self._projection.name}__{read.version}"
        if aside != side.schema:
            installing.drop(connection, aside)  # a copy of the version that was read, from before: there is one place
        installing.rename(connection, read.schema, between := f"{read.schema}__swapping")
        installing.rename(connection, side.schema, read.schema)
        installing.rename(connection, between, aside)
        installing.note_that_it_was_read(connection, aside)
        return Swapped(side.version, read.version, aside, position, found)

    def _ours(self) -> list[Copy]:
        return [copy for copy in (self.read, self.side) if copy.version == self._projection.version]

    def _follower(self, copy: Copy, mark: Bookmark) -> Follower:
        beside = self.one_version and not copy.read
        return Follower(self._url, self._projection, part=mark.part, parts=mark.parts, side=beside)

    def _bookmarks(self, copy: Copy, *, lock: bool = False) -> list[Bookmark]:
        query = sql.SQL("SELECT part, parts, position FROM {} ORDER BY part" + (" FOR UPDATE" if lock else "")).format(
            sql.Identifier(copy.schema, "bookmark")
        )
        return [Bookmark(*row) for row in self._connection.execute(query).fetchall()]


class _Unsure(NamedTuple):
    """What a comparison in a snapshot leaves to compare: streams with entries since, and these."""

    since: int
    left_out: frozenset[UUID]
