"""Reading the feed for as long as a process lives, whatever becomes of its connection; awake when something settled."""

import time
from collections.abc import Callable

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.journal.feed import CHANNEL

_POLL_SECONDS = 1.0
_SLICE_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0

Stopped = Callable[[], bool]
"""Whether the process is to end."""

Say = Callable[[str], None]
"""Takes what a person should know, a sentence at a time."""


def keep_at(work: Callable[[Callable[[], None]], None], stopped: Stopped, say: Say) -> None:
    """Does this work, which connects by itself, until stopped; begins it anew where its connection is lost.

    The pause before that grows until the work calls what it is given: then it is under way. Other errors are raised.
    """
    pause = _FIRST_PAUSE_SECONDS

    def under_way() -> None:
        nonlocal pause
        pause = _FIRST_PAUSE_SECONDS

    while not stopped():
        try:
            work(under_way)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            say(f"the database is away, trying again: {str(error).strip().splitlines()[0]}")
            deadline = time.monotonic() + pause
            while not stopped() and time.monotonic() < deadline:
                time.sleep(_SLICE_SECONDS)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def listen(connection: Connection[TupleRow]) -> None:
    """From now on `wait_for_news` wakes on this connection."""
    connection.execute(f"LISTEN {CHANNEL}")


def wait_for_news(connection: Connection[TupleRow], stopped: Stopped) -> None:
    """Until something settled, or long enough that it may have while nobody said so."""
    deadline = time.monotonic() + _POLL_SECONDS
    while not stopped() and time.monotonic() < deadline:
        if list(connection.notifies(timeout=_SLICE_SECONDS, stop_after=1)):
            return
