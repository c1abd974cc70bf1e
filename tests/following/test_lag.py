"""How far each follower is, and waiting until one is far enough."""

import asyncio
import threading
import time
from pathlib import Path

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from order_ledger.following import installing, lag
from order_ledger.following.live import Follower
from order_ledger.journal.journal import Journal
from tests.following.histories import an_id, placed, question
from tests.following.toys import tally_projection
from tests.following.writing import Writing

ORDER = an_id("order")


def test_reached(writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path) -> None:
    position = writing.write(ORDER, placed())
    Follower(journal.url, tally_projection(tmp_path)).catch_up(position)
    assert lag.wait_for(connection, "tally", position) == "reached"


def test_nobody_follows(writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path) -> None:
    installing.install(connection, tally_projection(tmp_path))
    position = writing.write(ORDER, placed())
    began = time.monotonic()
    assert lag.wait_for(connection, "tally", position, 20) == "nobody_follows"
    assert time.monotonic() - began < 10


def test_nobody_follows_what_was_never_installed(connection: Connection[TupleRow], journal: Journal) -> None:
    assert lag.wait_for(connection, "tally", 1, 20) == "nobody_follows"

    async def wait() -> lag.Waited:
        async with await AsyncConnection.connect(journal.url, autocommit=True) as own:
            return await lag.wait_for_async(own, "tally", 1, 20)

    assert asyncio.run(wait()) == "nobody_follows"


def test_late_where_the_follower_does_not_get_there(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    installing.install(connection, tally_projection(tmp_path))
    position = writing.write(ORDER, placed())
    with psycopg.connect(journal.url, autocommit=True) as idle:
        lag.announce(idle, "tally", 1, 1)
        assert lag.wait_for(connection, "tally", position, 0.1) == "late"
    assert lag.wait_for(connection, "tally", 0, 0) == "reached"


def test_the_least_part_counts(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    position = writing.write(ORDER, placed())
    Follower(journal.url, tally_projection(tmp_path), part=1, parts=2).catch_up(position)
    with psycopg.connect(journal.url, autocommit=True) as idle:
        lag.announce(idle, "tally", 1, 1)
        assert lag.wait_for(connection, "tally", position, 0.1) == "nobody_follows"
        lag.announce(idle, "tally", 1, 2)
        assert lag.wait_for(connection, "tally", position, 0.1) == "late"


def test_waiting_without_standing_still(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    follower = Follower(journal.url, tally_projection(tmp_path))
    position = writing.write(ORDER, placed())
    installing.install(connection, follower.projection)

    async def wait(seconds: float) -> lag.Waited:
        async with await AsyncConnection.connect(journal.url, autocommit=True) as own:
            return await lag.wait_for_async(own, "tally", position, seconds)

    assert asyncio.run(wait(5)) == "nobody_follows"
    lag.announce(connection, "tally", 1, 1)
    assert asyncio.run(wait(0.1)) == "late"
    catching_up = threading.Timer(0.2, follower.catch_up, (position,))
    catching_up.start()
    assert asyncio.run(wait(30)) == "reached"
    catching_up.join()


def test_status_says_how_far_and_how_far_behind(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    first = writing.write(ORDER, placed())
    Follower(journal.url, tally_projection(tmp_path)).catch_up(first)
    last = writing.write(ORDER, question(1, None), question(2, None))
    time.sleep(0.05)
    (status,) = lag.status(connection)
    assert (status.name, status.version, status.current, status.part, status.parts) == ("tally", 1, True, 1, 1)
    assert (status.position, status.settled, status.lag_events, status.parked) == (first, last, 2, 0)
    assert 0.05 <= status.lag_seconds < 60
    assert not status.followed


def test_status_of_one_that_is_up_to_date_and_followed(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    Follower(journal.url, tally_projection(tmp_path)).catch_up(writing.write(ORDER, placed()))
    with psycopg.connect(journal.url, autocommit=True) as following:
        lag.announce(following, "tally", 1, 1)
        (status,) = lag.status(connection)
    assert (status.lag_events, status.lag_seconds, status.followed) == (0, 0.0, True)


def test_status_counts_what_is_parked(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    writing.write_raw(ORDER, b"{}", "OrderTeleported")
    Follower(journal.url, tally_projection(tmp_path)).catch_up(1)
    (status,) = lag.status(connection)
    assert status.parked == 1


def test_status_of_a_ledger_without_read_models(connection: Connection[TupleRow], journal: Journal) -> None:
    assert lag.status(connection) == []


def test_announcing_holds_nothing_of_the_feed_back(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    installing.install(connection, tally_projection(tmp_path))
    lag.announce(connection, "tally", 1, 1)
    position = writing.write(ORDER, placed())
    assert lag.settled_end(connection) == position
