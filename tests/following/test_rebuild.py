"""A read model made anew beside the one that is read comes to the same rows."""

import json
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.following import building, installing, lag
from order_ledger.following.asking import Moment, build_view
from order_ledger.following.building import Cut
from order_ledger.following.jobs import Interrupted, build_ranges
from order_ledger.following.live import Follower
from order_ledger.following.parking import parked_streams
from order_ledger.following.projections import find
from order_ledger.following.ranges import cut
from order_ledger.following.rebuilding import rebuild
from order_ledger.following.swapping import Refused, alone
from order_ledger.journal.journal import Journal
from tests.following.comparing import differing_bytes
from tests.following.copies import ORDERS, faulty, parked_rows, schemas
from tests.following.histories import START, an_id, placed, question
from tests.following.test_live import interleaved, tallies
from tests.following.toys import tally_projection
from tests.following.writing import Writing
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("many_ranges")


@pytest.mark.parametrize("name", ["order_status", "fulfilment"])
def test_a_rebuild_is_the_fold_of_all_entries_and_takes_the_place_of_what_was_read(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, name: str
) -> None:
    projection = find(name)
    position = writing.write_all(interleaved(Random(5), ORDERS))
    Follower(journal.url, projection).catch_up(position)
    done = rebuild(journal.url, projection)
    assert (done.folded_to, done.position, done.swapped, done.side) == (position, position, True, f"{name}__1")
    assert done.comparison is not None and done.comparison.equal and done.comparison.rows >= len(ORDERS)
    assert schemas(connection, name) == [name, f"{name}__1"]
    assert differing_bytes(connection, projection, journal.codec) == 0
    assert differing_bytes(connection, projection, journal.codec, f"{name}__1") == 0


def test_a_long_stream_and_an_entry_of_several_lines(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild takes entries in by the hundred, one a line; what others wrote may be laid out otherwise."""
    monkeypatch.setattr(building, "_ENTRIES_AT_ONCE", 30)
    notes = [question(number % 3, None) for number in range(1, 70)]
    writing.write(ORDERS[0], placed(), *notes)
    (last,) = connection.execute("SELECT state FROM journal.entry WHERE originator_version = 70").fetchone() or (b"",)
    laid_out = json.dumps(json.loads(bytes(last)) | {"version": 71}, indent=1).encode()
    writing.write_raw(ORDERS[0], laid_out, "NoteAdded")
    writing.write(ORDERS[0], *notes)
    position = writing.write(ORDERS[1], placed(), notes[0])
    Follower(journal.url, find("order_status")).catch_up(position)
    done = rebuild(journal.url, find("order_status"))
    assert done.comparison is not None and done.comparison.equal and not done.comparison.parked
    assert differing_bytes(connection, find("order_status"), journal.codec) == 0
    view = build_view(journal.url, find("order_status"), Moment(as_of=START))
    assert differing_bytes(connection, find("order_status"), journal.codec, view.schema) == 0


def test_where_nobody_followed_there_is_nothing_to_compare_with(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    position = writing.write(ORDERS[0], placed())
    done = rebuild(journal.url, projection)
    assert (done.position, done.swapped, done.side, done.comparison) == (position, True, None, None)
    assert schemas(connection, "tally") == ["tally"]
    assert tallies(connection) == {ORDERS[0]: 1}


def test_an_empty_journal(connection: Connection[TupleRow], journal: Journal, tmp_path: Path) -> None:
    assert rebuild(journal.url, tally_projection(tmp_path)).position == 0
    assert tallies(connection) == {}


def indexes(connection: Connection[TupleRow]) -> list[Any]:
    return connection.execute(
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'order_status' ORDER BY 1, 2"
    ).fetchall()


def test_the_indexes_are_those_of_the_schema(
    writing: Writing, connection: Connection[TupleRow], journal: Journal
) -> None:
    """Made when the rows are there, and the same in the end."""
    installing.install(connection, find("order_status"))
    before = indexes(connection)
    Follower(journal.url, find("order_status")).catch_up(writing.write(ORDERS[0], placed()))
    assert rebuild(journal.url, find("order_status")).swapped
    assert indexes(connection) == before


def test_the_planner_knows_what_rows_are_found_by_and_autovacuum_makes_the_rest(
    writing: Writing, connection: Connection[TupleRow], journal: Journal
) -> None:
    writing.write(ORDERS[0], placed())
    rebuild(journal.url, find("order_status"))
    known = connection.execute(
        "SELECT attname::text FROM pg_stats WHERE schemaname = 'order_status' AND tablename = 'orders' ORDER BY 1"
    )
    assert [column for (column,) in known] == ["listed_at", "order_id", "state"]

    def changed() -> int:
        row = connection.execute(
            "SELECT n_mod_since_analyze FROM pg_stat_all_tables WHERE relid = 'order_status.orders'::regclass"
        ).fetchone()
        return row[0] if row else 0

    until(lambda: changed() == 1)


def test_a_rebuild_that_died_between_two_indexes_makes_the_others(
    writing: Writing, connection: Connection[TupleRow], journal: Journal
) -> None:
    projection, building = find("order_status"), "order_status__1_new.building"
    installing.install(connection, projection)
    before = indexes(connection)
    Follower(journal.url, projection).catch_up(writing.write(ORDERS[0], placed()))

    def dies(phase: str, done: int, of: int) -> None:
        if phase == "index":
            raise psycopg.OperationalError("the server is gone")

    with pytest.raises(psycopg.OperationalError):
        rebuild(journal.url, projection, told=dies)
    row = connection.execute(f"SELECT indexes[1], cardinality(indexes) FROM {building}".encode()).fetchone()
    assert row is not None and row[1] > 1, "there are indexes to be made"
    with connection.transaction():
        connection.execute(row[0].encode())
        connection.execute(f"UPDATE {building} SET indexes = indexes[2:]".encode())
    done = rebuild(journal.url, projection)
    assert done.resumed and done.swapped
    assert indexes(connection) == before


def test_a_second_rebuild_at_once_is_refused(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    with alone(journal.url, "tally"), pytest.raises(Refused, match="is being rebuilt, compared or swapped"):
        rebuild(journal.url, projection)
    rebuild(journal.url, projection)


def test_a_cancelled_rebuild_leaves_nothing(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    Follower(journal.url, projection).catch_up(writing.write_all([(order, placed()) for order in ORDERS]))
    for moment in ("fold", "index", "follow", "compare"):

        def told(phase: str, done: int, of: int, moment: str = moment) -> None:
            if phase == moment:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rebuild(journal.url, projection, told=told)
        assert schemas(connection, "tally") == ["tally"]


def test_one_that_died_goes_on_with_what_is_left(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """Up to the position it was begun for; what came since is followed."""
    projection = tally_projection(tmp_path)
    begun_for = writing.write_all([(order, placed()) for order in ORDERS])
    Follower(journal.url, projection).catch_up(begun_for)

    def die(phase: str, done: int, of: int) -> None:
        raise Interrupted("as if killed")

    with pytest.raises(Interrupted):
        rebuild(journal.url, projection, told=die)
    row = connection.execute("SELECT count(*) FILTER (WHERE done), count(*) FROM tally__1_new.range").fetchone()
    assert row is not None and 0 < row[0] < row[1]
    assert installing.aside(connection) == ["tally__1_new"]
    position = writing.write(ORDERS[0], question(1, None))
    done = rebuild(journal.url, projection)
    assert (done.resumed, done.folded_to, done.position) == (True, begun_for, position)
    assert done.comparison is not None and done.comparison.equal
    assert schemas(connection, "tally") == ["tally", "tally__1"]


def test_a_program_before_the_one_that_is_read_rebuilds_nothing(
    connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    installing.install(connection, tally_projection(tmp_path, 2))
    with pytest.raises(Refused, match="run the program that came with version 2"):
        rebuild(journal.url, tally_projection(tmp_path))


def test_another_program_begins_anew(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    writing.write_all([(order, placed()) for order in ORDERS])

    def die(phase: str, done: int, of: int) -> None:
        raise Interrupted("as if killed")

    with pytest.raises(Interrupted):
        rebuild(journal.url, projection, told=die)
    connection.execute("UPDATE tally__1_new.building SET program = 'another'")
    assert not rebuild(journal.url, projection).resumed
    assert tallies(connection) == dict.fromkeys(ORDERS, 1)


def test_a_fold_that_fails_parks_the_same_streams_at_the_same_entries(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path, fold=faulty)
    random = Random(13)
    follower = Follower(journal.url, projection, batch=7)
    for _ in range(3):
        writing.write_all([(order, question(random.randint(1, 60), None)) for order in ORDERS])
        writing.write_all([(order, question(13, None)) for order in random.sample(ORDERS, 2)])
        follower.catch_up(lag.settled_end(connection))
    writing.write_raw(ORDERS[-1], b"{}", "OrderTeleported")
    follower.catch_up(lag.settled_end(connection))
    before = parked_rows(connection, "tally")
    assert len(before) > 3
    done = rebuild(journal.url, projection)
    assert done.comparison is not None and done.comparison.equal
    assert parked_rows(connection, "tally") == parked_rows(connection, "tally__1") == before
    assert {each.stream for each in done.comparison.parked} == {row[0] for row in before}


def test_a_fold_that_fails_on_one_event_in_a_thousand(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """The orders it fails on wait, all others go on; a mended fold reads them all."""
    projection = tally_projection(tmp_path, fold=faulty)
    orders = [an_id(f"one of many {number}") for number in range(200)]
    random = Random(1000)
    notes = [(random.choice(orders), question(13 if number % 1000 == 999 else 14, None)) for number in range(6_000)]
    failing = {order for order, note in notes if note.note == 13}
    follower = Follower(journal.url, projection, batch=999)
    for first in range(0, len(notes), 2_000):
        follower.catch_up(writing.write_all(notes[first : first + 2_000]))
    found = tallies(connection)
    assert {row[0] for row in parked_rows(connection, "tally")} == failing and len(failing) > 3
    assert {order for order in orders if found.get(order) == sum(told == order for told, _ in notes)} == (
        set(orders) - failing
    )
    done = rebuild(journal.url, projection)
    assert done.comparison is not None and done.comparison.equal
    assert {each.stream for each in done.comparison.parked} == failing
    mended = rebuild(journal.url, tally_projection(tmp_path))
    assert mended.comparison is not None and set(mended.comparison.put_back) == failing
    assert sum(tallies(connection).values()) == len(notes)


def test_rows_that_the_database_refuses_park_their_stream(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """Live they were refused from some batch on; here the whole life is one. Both are listed, and nothing differs."""
    projection = tally_projection(tmp_path)
    writing.write_all([(order, placed()) for order in ORDERS])
    Follower(journal.url, projection).catch_up(writing.write(ORDERS[0], question(1, None)))
    Follower(journal.url, projection).catch_up(writing.write(ORDERS[0], question(1000, None)))
    done = rebuild(journal.url, projection)
    assert done.comparison is not None and done.comparison.equal
    (parked,) = parked_streams(connection, "tally")
    assert (parked.stream, parked.version, parked.name) == (ORDERS[0], 1, "OrderPlaced")
    assert parked.error.startswith("CheckViolation")
    assert tallies(connection) == dict.fromkeys(ORDERS[1:], 1)


def test_a_mended_fold_puts_back_what_was_parked(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    writing.write(ORDERS[0], placed(), question(13, None))
    position = writing.write(ORDERS[1], placed())
    Follower(journal.url, tally_projection(tmp_path, fold=faulty)).catch_up(position)
    done = rebuild(journal.url, tally_projection(tmp_path))
    assert done.comparison is not None and done.comparison.put_back == [ORDERS[0]]
    assert tallies(connection) == {ORDERS[0]: 2, ORDERS[1]: 1}


def test_every_stream_is_in_one_range(connection: Connection[TupleRow], writing: Writing) -> None:
    writing.write_all([(order, placed()) for order in ORDERS])
    for count in (1, 3, 200):
        ranges = cut(connection, len(ORDERS), count)
        assert ranges[0][0] == UUID(int=0)
        assert ranges[-1][1] == UUID(int=(1 << 128) - 1)
        assert all(a[1].int + 1 == b[0].int for a, b in pairwise(ranges))
    assert len(cut(connection, len(ORDERS), 4)) == 4


def test_a_process_that_fails_says_why_and_that_it_goes_on(ledger_url: str, tmp_path: Path) -> None:
    """Its own words reach the one that started it, and the other processes are ended."""
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        installing.install(connection, find("order_status"))
    with pytest.raises(Interrupted, match=r'"range" does not exist.* Rebuild again: it goes on'):
        build_ranges(ledger_url, find("order_status"), "order_status", Cut(until=0), 2, lambda done, of: None)
