"""Keeping every copy of one version up to date: the one that is read and, while there is one, the one beside it."""

import threading
import time
from collections.abc import Callable

import psycopg

from order_ledger.following import installing
from order_ledger.following.contract import Projection
from order_ledger.following.installing import CannotFollow, NoSide
from order_ledger.following.live import Follower

_LOOK_SECONDS = 1.0
_SLICE_SECONDS = 0.1


def keep(
    url: str,
    projection: Projection,
    *,
    part: int = 1,
    parts: int = 1,
    stopped: Callable[[], bool],
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Follows one part of both copies until stopped. What stops either of them stops this.

    The side has a thread and a connection of its own: it is there for as long as somebody compares or may want to
    swap back, and costs nothing while it is not. Raises `CannotFollow`, and `Unfit` where the database is.
    """
    failed: list[BaseException] = []

    def ended() -> bool:
        return stopped() or bool(failed)

    def keep_side() -> None:
        try:
            _keep_side(url, Follower(url, projection, part=part, parts=parts, side=True), ended, say)
        except BaseException as error:
            failed.append(error)

    beside = threading.Thread(target=keep_side, name=f"the side of {projection.name}")
    beside.start()
    try:
        Follower(url, projection, part=part, parts=parts).run(ended, say)
    except BaseException as error:
        failed.append(error)
    beside.join()
    if failed:
        raise failed[0]


def _keep_side(url: str, follower: Follower, stopped: Callable[[], bool], say: Callable[[str], None]) -> None:
    while _wait_for_side(url, follower.projection, stopped):
        try:
            follower.run(stopped, say)
        except NoSide:
            continue  # it was dropped
        except CannotFollow as error:
            # Nobody reads it: that is no reason to stop following the copy that is read.
            say(f"beside the copy that is read: {error}")
            _wait(_LOOK_SECONDS * 10, stopped)


def _wait_for_side(url: str, projection: Projection, stopped: Callable[[], bool]) -> bool:
    """Whether there is a side; only when stopped there is none."""
    while not stopped():
        try:
            with psycopg.connect(url, autocommit=True, application_name="order-ledger look") as connection:
                while not stopped():
                    if installing.has_side(connection, projection):
                        return True
                    _wait(_LOOK_SECONDS, stopped)
        except (psycopg.errors.UndefinedTable, psycopg.OperationalError, psycopg.InterfaceError):
            _wait(_LOOK_SECONDS, stopped)  # while a database is away, who follows the other copy says so
    return False


def _wait(seconds: float, stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not stopped() and time.monotonic() < deadline:
        time.sleep(_SLICE_SECONDS)
