"""A read model made anew beside the one that is read comes to the same rows, and takes its place."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Entry
from order_ledger.following import Projection, installing, lag, rebuilding
from order_ledger.following.asking import Moment, build_view
from order_ledger.following.building import Cut
from order_ledger.following.jobs import Interrupted, build_ranges
from order_ledger.following.keeping import keep
from order_ledger.following.live import Follower
from order_ledger.following.parking import parked_streams, retry
from order_ledger.following.projections import find
from order_ledger.following.ranges import cut
from order_ledger.following.rebuilding import compare_copies, rebuild
from order_ledger.following.swapping import Differing, Pair, Refused, Swapped, alone, choose_side, drop
from order_ledger.journal.journal import Journal
from order_ledger.orders.events import NoteAdded
from tests.following import toys
from tests.following.comparing import differing_bytes
from tests.following.histories import START, an_id, placed, question
from tests.following.test_live import _until as until
from tests.following.test_live import interleaved, tallies
from tests.following.toys import Tally, tally_projection
from tests.following.writing import Writing

ORDERS = [an_id(f"order {number}") for number in range(40)]


@pytest.fixture(autouse=True)
def _many_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small journals are cut as large ones are."""
    monkeypatch.setattr(rebuilding, "ENTRIES_A_RANGE", 25)


def faulty(tally: Tally | None, entry: Entry[Any]) -> Tally:
    """It cannot take the note numbered 13."""
    if isinstance(entry.event, NoteAdded) and entry.event.note == 13:
        raise ValueError("thirteen")
    return toys.fold(tally, entry)


def forgetful(tally: Tally | None, entry: Entry[Any]) -> Tally:
    """It takes the note numbered 7 for an 8."""
    folded = toys.fold(tally, entry)
    return Tally(folded.stream, folded.versions, 8) if folded.note == 7 else folded


@contextmanager
def kept(url: str, projection: Projection, part: int = 1, parts: int = 1) -> Iterator[None]:
    """Both copies are followed, as `order-ledger follow` does it."""
    stop = threading.Event()
    thread = threading.Thread(
        target=keep, args=(url, projection), kwargs={"part": part, "parts": parts, "stopped": stop.is_set}
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def schemas(connection: Connection[TupleRow], name: str) -> list[str]:
    rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ^@ %s ORDER BY 1", (name,))
    return [schema for (schema,) in rows.fetchall()]


def swap(url: str, projection: Projection, **given: Any) -> Swapped:
    with alone(url, projection.name) as connection:
        back = given.pop("back", False)
        return Pair(url, connection, projection, choose_side(connection, projection.name, back=back)).swap(**given)


def parked_rows(connection: Connection[TupleRow], schema: str) -> list[Any]:
    return connection.execute(f"SELECT * FROM {schema}.parked ORDER BY stream".encode()).fetchall()


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
    writing: Writing, connection: Connection[TupleRow], journal: Journal
) -> None:
    """A rebuild takes entries in by the dozen, one a line; what others wrote may be laid out otherwise."""
    notes = [question(number % 3, None) for number in range(1, 70)]
    writing.write(ORDERS[0], placed(), *notes)
    (last,) = connection.execute("SELECT state FROM journal.entry WHERE originator_version = 70").fetchone() or (b"",)
    laid_out = json.dumps(json.loads(bytes(last)) | {"version": 71}, indent=1).encode()
    writing.write_raw(ORDERS[0], laid_out, "NoteAdded")
    position = writing.write(ORDERS[0], *notes)
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


def test_both_copies_are_followed_through_swaps_and_a_reader_never_sees_less(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """Rebuilt, swapped back and swapped again while entries come: no error, no empty answer, no time that goes back."""
    projection = tally_projection(tmp_path)
    Follower(journal.url, projection).catch_up(writing.write_all([(order, placed()) for order in ORDERS]))
    stop, seen, failed = threading.Event(), list[tuple[int, int]](), list[BaseException]()

    def read() -> None:
        try:
            with psycopg.connect(journal.url, autocommit=True) as own:
                while not stop.is_set():
                    row = own.execute(
                        "SELECT (SELECT position FROM tally.bookmark), (SELECT sum(entries) FROM tally.tally)"
                    ).fetchone()
                    assert row is not None
                    seen.append((int(row[0]), int(row[1])))
        except BaseException as error:
            failed.append(error)

    def write() -> None:
        random = Random(3)
        while not stop.is_set():
            writing.write_all([(order, question(random.randint(1, 9), None)) for order in random.sample(ORDERS, 5)])

    threads = [threading.Thread(target=each) for each in (read, write)]
    with kept(journal.url, projection):
        for thread in threads:
            thread.start()
        try:
            assert rebuild(journal.url, projection).swapped
            for _ in range(3):
                assert swap(journal.url, projection, back=True).side == "tally__1"
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        end = lag.settled_end(connection)
        until(lambda: [each.position for each in lag.status(connection)] == [end, end])
    assert failed == []
    assert all(entries >= len(ORDERS) for _, entries in seen)
    assert seen == sorted(seen)
    assert len({position for position, _ in seen}) > 3
    for schema in ("tally", "tally__1"):
        assert differing_bytes(connection, projection, journal.codec, schema) == 0


def test_in_parts(writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path) -> None:
    """Which stand at different positions: the new copy is divided alike, and each part goes on in both."""
    projection = tally_projection(tmp_path)
    position = writing.write_all([(order, placed()) for order in ORDERS])
    Follower(journal.url, projection, part=1, parts=3).catch_up(position)
    done = rebuild(journal.url, projection)
    assert done.comparison is not None and done.comparison.equal and done.swapped
    end = writing.write_all([(order, question(1, None)) for order in ORDERS])
    with kept(journal.url, projection, 1, 3), kept(journal.url, projection, 2, 3), kept(journal.url, projection, 3, 3):
        until(lambda: [each.position for each in lag.status(connection)] == [end] * 6)
    for schema in ("tally", "tally__1"):
        assert differing_bytes(connection, projection, journal.codec, schema) == 0


def test_a_copy_that_is_swapped_in_gets_the_parts_of_the_one_that_was_read(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    Follower(journal.url, projection).catch_up(position := writing.write_all([(order, placed()) for order in ORDERS]))
    rebuild(journal.url, projection)
    Follower(journal.url, projection, part=2, parts=2).catch_up(position)
    assert [each.parts for each in lag.status(connection)] == [2, 2, 1]
    swap(journal.url, projection)
    assert {each.parts for each in lag.status(connection) if each.current} == {2}


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


def test_a_fold_that_fails_where_it_did_not_is_a_difference(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    Follower(journal.url, tally_projection(tmp_path)).catch_up(writing.write(ORDERS[0], placed(), question(13, None)))
    with pytest.raises(Differing, match=rf"1 rows of tally differ .*: parked stream {ORDERS[0]} \(only in tally__1\)"):
        rebuild(journal.url, tally_projection(tmp_path, fold=faulty))


def test_a_rebuild_that_differs_without_a_new_version_names_the_rows_and_swaps_nothing(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    writing.write_all([(order, question(number, None)) for number, order in enumerate(ORDERS)])
    Follower(journal.url, projection).catch_up(writing.write(ORDERS[3], question(7, None)))
    changed = tally_projection(tmp_path, fold=forgetful)
    with pytest.raises(Differing) as raised:
        rebuild(journal.url, changed)
    named = {(row.table, row.key["stream"], row.columns) for row in raised.value.comparison.first}
    assert named == {("tally", str(order), ("note",)) for order in (ORDERS[3], ORDERS[7])}
    assert str(ORDERS[7]) in str(raised.value)
    # Both are kept for looking, and the one that was read still is.
    assert schemas(connection, "tally") == ["tally", "tally__1"]
    assert connection.execute("SELECT count(*) FROM tally.tally WHERE note = 8").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM tally__1.tally WHERE note = 8").fetchone() == (3,)
    compared = compare_copies(journal.url, changed)
    assert compared.comparison is not None and compared.comparison.differing == 2
    with pytest.raises(Differing):
        swap(journal.url, changed)
    # Whoever finds the new one right says so.
    assert swap(journal.url, changed, differing=True).side == "tally__1"
    assert connection.execute("SELECT count(*) FROM tally.tally WHERE note = 8").fetchone() == (3,)


@pytest.mark.parametrize(
    ("statement", "table", "columns", "only_in"),
    [
        ("UPDATE order_status.orders SET net = net::numeric(20, 5)", "orders", ("net",), None),
        ("UPDATE order_status.orders SET reference = ''", "orders", ("reference",), None),
        ("DELETE FROM order_status.term", "term", (), "order_status__1"),
        ("INSERT INTO order_status.term SELECT order_id, 'x' FROM order_status.orders", "term", (), "order_status"),
    ],
)
def test_a_byte_is_a_difference(
    writing: Writing, connection: Connection[TupleRow], journal: Journal,
    statement: str, table: str, columns: tuple[str, ...], only_in: str | None,
) -> None:  # fmt: skip
    """1.0 and 1.00 are equal, and not the same."""
    Follower(journal.url, find("order_status")).catch_up(writing.write(ORDERS[0], placed()))
    connection.execute(statement.encode())
    with pytest.raises(Differing) as raised:
        rebuild(journal.url, find("order_status"))
    (row,) = raised.value.comparison.first
    assert (row.table, row.columns, row.only_in) == (table, columns, only_in)


def test_what_changes_after_the_snapshot_is_compared_under_the_lock(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """An entry that comes meanwhile is folded otherwise by whoever follows the new copy: it is seen before the swap."""
    projection = tally_projection(tmp_path)
    Follower(journal.url, projection).catch_up(writing.write_all([(order, placed()) for order in ORDERS]))
    rebuild(journal.url, projection)
    compare_in_snapshot = Pair._compare_in_snapshot

    def and_then(pair: Pair) -> Any:
        found = compare_in_snapshot(pair)
        assert found[0].equal
        position = writing.write(ORDERS[0], question(7, None))
        Follower(journal.url, tally_projection(tmp_path, fold=forgetful), side=True).catch_up(position)
        return found

    monkeypatch.setattr(Pair, "_compare_in_snapshot", and_then)
    with pytest.raises(Differing) as raised:
        swap(journal.url, projection)
    assert [row.key for row in raised.value.comparison.first] == [{"stream": str(ORDERS[0])}]
    # Nothing was swapped, and nothing was brought together either: it was one transaction.
    assert connection.execute("SELECT count(*) FROM tally.tally WHERE note IS NOT NULL").fetchone() == (0,)


def test_a_new_version_may_differ_and_is_swapped_in(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    position = writing.write(ORDERS[0], question(7, None))
    Follower(journal.url, tally_projection(tmp_path)).catch_up(position)
    second = tally_projection(tmp_path, 2, fold=forgetful)
    done = rebuild(journal.url, second)
    assert (done.version, done.swapped, done.side, done.same_version) == (2, True, "tally__1", False)
    assert done.comparison is not None and done.comparison.differing == 1
    assert installing.versions(connection, "tally") == {2: "tally", 1: "tally__1"}
    # Back is possible as long as that takes nobody's time back.
    assert swap(journal.url, second, back=True).version == 1
    Follower(journal.url, second).catch_up(writing.write(ORDERS[0], question(1, None)))
    swap(journal.url, second)
    with pytest.raises(Refused, match="Version 1 of tally stands at position 1, behind the one that is read"):
        swap(journal.url, second, back=True)


def test_of_the_version_that_was_read_one_copy_stays(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    first, second = tally_projection(tmp_path), tally_projection(tmp_path, 2)
    Follower(journal.url, first).catch_up(writing.write(ORDERS[0], placed()))
    assert rebuild(journal.url, first).side == "tally__1"
    with pytest.raises(Refused, match="Both copies are of version 1, and this program has version 2"):
        swap(journal.url, second)
    assert rebuild(journal.url, second).side == "tally__1"
    assert schemas(connection, "tally") == ["tally", "tally__1"]
    assert installing.versions(connection, "tally") == {2: "tally", 1: "tally__1"}


def test_other_tables_of_another_version_are_not_compared(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    Follower(journal.url, tally_projection(tmp_path)).catch_up(writing.write(ORDERS[0], placed()))
    connection.execute("CREATE TABLE tally.other (stream uuid PRIMARY KEY)")
    connection.execute("ALTER TABLE tally.tally ADD COLUMN more text")
    done = rebuild(journal.url, tally_projection(tmp_path, 2))
    assert done.comparison is not None and done.comparison.not_compared == ["other", "tally.more"]


def test_compared_with_a_fresh_rebuild_where_there_is_no_other_copy(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    Follower(journal.url, projection).catch_up(writing.write(ORDERS[0], placed()))
    done = compare_copies(journal.url, projection)
    assert done.comparison is not None and done.comparison.equal and not done.swapped
    assert schemas(connection, "tally") == ["tally"]


def test_what_is_not_read_is_dropped_and_nothing_else(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    Follower(journal.url, projection).catch_up(writing.write(ORDERS[0], placed()))
    with kept(journal.url, projection):
        rebuild(journal.url, projection)
        until(lambda: _followers(connection) == 2)
        assert drop(connection, "tally").schema == "tally__1"
        position = writing.write(ORDERS[0], question(1, None))
        until(lambda: [each.position for each in lag.status(connection)] == [position])
    assert schemas(connection, "tally") == ["tally"]
    with pytest.raises(Refused, match="There is no copy of tally beside the one that is read"):
        drop(connection, "tally")


def test_which_of_several_copies_is_meant_must_be_said(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    for version in (1, 2, 3):
        installing.install(connection, tally_projection(tmp_path, version))
    with pytest.raises(Refused, match="choose one with --version 2 or 3"):
        choose_side(connection, "tally")
    assert choose_side(connection, "tally", 3).schema == "tally__3"
    with pytest.raises(Refused, match="that was read before"):
        choose_side(connection, "tally", back=True)


def test_a_retry_puts_a_stream_back_in_both_copies(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path, fold=faulty)
    Follower(journal.url, projection).catch_up(writing.write(ORDERS[0], placed(), question(13, None)))
    rebuild(journal.url, projection)
    mended = tally_projection(tmp_path)
    assert retry(connection, mended) == ([ORDERS[0]], [])
    for schema in ("tally", "tally__1"):
        assert parked_rows(connection, schema) == []
        assert differing_bytes(connection, mended, journal.codec, schema) == 0


def test_every_stream_is_in_one_range(connection: Connection[TupleRow], writing: Writing) -> None:
    writing.write_all([(order, placed()) for order in ORDERS])
    for count in (1, 3, 200):
        ranges = cut(connection, len(ORDERS), count)
        assert ranges[0][0] == UUID(int=0)
        assert ranges[-1][1] == UUID(int=(1 << 128) - 1)
        assert all(a[1].int + 1 == b[0].int for a, b in pairwise(ranges))
    assert len(cut(connection, len(ORDERS), 4)) == 4


def _followers(connection: Connection[TupleRow]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name LIKE 'order-ledger follow%' AND datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_process_that_fails_says_why_and_that_it_goes_on(ledger_url: str, tmp_path: Path) -> None:
    """Its own words reach the one that started it, and the other processes are ended."""
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        installing.install(connection, find("order_status"))
    with pytest.raises(Interrupted, match=r'"range" does not exist.* Rebuild again: it goes on'):
        build_ranges(ledger_url, find("order_status"), "order_status", Cut(until=0), 2, lambda done, of: None)
