"""Two copies of a read model: followed, compared, swapped forth and back, and dropped."""

import threading
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.following import installing, lag
from order_ledger.following.live import Follower
from order_ledger.following.parking import retry
from order_ledger.following.projections import find
from order_ledger.following.rebuilding import compare_copies, rebuild
from order_ledger.following.swapping import Differing, Pair, Refused, choose_side, drop
from order_ledger.journal.journal import Journal
from tests.following.comparing import differing_bytes
from tests.following.copies import ORDERS, faulty, forgetful, kept, parked_rows, schemas, swap
from tests.following.histories import placed, question
from tests.following.toys import tally_projection
from tests.following.writing import Writing
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("many_ranges")


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


def _followers(connection: Connection[TupleRow]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name LIKE 'order-ledger follow%' AND datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])
