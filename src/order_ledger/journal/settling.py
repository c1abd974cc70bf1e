"""Saying how far the feed is final, to all who read it."""

import time
from collections.abc import Callable

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.journal.feed import CHANNEL, check_primary, settled
from order_ledger.journal.tailing import Say, Stopped, keep_at

_SETTLER = 0x6F6C2D736574  # "ol-set", in a range that no position's lock has


class Settler:
    """Says, one for the whole ledger, how far the feed is final: in a row, and to all who listen."""

    def __init__(self, url: str, *, busy_ms: int = 5, idle_ms: int = 40) -> None:
        self._url = url
        self._busy_seconds = busy_ms / 1000
        self._idle_seconds = idle_ms / 1000

    def run(self, stopped: Stopped, say: Say = lambda _: None) -> None:
        """Until stopped. A lost connection is made again, after a pause that grows; a second settler waits for the
        first to end. Raises `OnReplica`."""

        def settle(under_way: Callable[[], None]) -> None:
            with psycopg.connect(self._url, autocommit=True, application_name="order-ledger settler") as connection:
                check_primary(connection)
                under_way()
                self._settle(connection, stopped)

        keep_at(settle, stopped, say)

    def _settle(self, connection: Connection[TupleRow], stopped: Stopped) -> None:
        connection.execute("SET synchronous_commit = off")  # it is a hint: a crash may lose it
        while not self._elected(connection):
            if stopped():
                return
            time.sleep(0.5)
        told, idle = 0, 0
        while not stopped():
            position = self._highest_settled(connection, told)
            if position > told:
                with connection.transaction():
                    connection.execute("UPDATE journal.settled SET position = %s, at = clock_timestamp()", (position,))
                    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(position)))
                told, idle = position, 0
            else:
                idle += 1
            time.sleep(self._busy_seconds if idle < 20 else self._idle_seconds)

    @staticmethod
    def _elected(connection: Connection[TupleRow]) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_SETTLER,)).fetchone()
        return row is not None and bool(row[0])

    @staticmethod
    def _highest_settled(connection: Connection[TupleRow], told: int) -> int:
        # A position that exists: after a crash the sequence may issue the numbers above it again.
        final = settled(connection)
        if final <= told:
            return told
        row = connection.execute(
            "SELECT max(notification_id) FROM journal.entry WHERE notification_id <= %s", (final,)
        ).fetchone()
        return told if row is None or row[0] is None else int(row[0])
