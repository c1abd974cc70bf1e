"""Following live: rows are always what a fold of all entries would have them be, and nothing counts twice."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import TupleRow

from order_ledger.entries import Event
from order_ledger.following import Projection, installing, lag
from order_ledger.following.installing import CannotFollow
from order_ledger.following.live import Follower
from order_ledger.following.projections import UnknownProjection, find, names
from order_ledger.journal.feed import part_of
from order_ledger.journal.journal import Journal
from order_ledger.journal.settling import Settler
from order_ledger.orders.events import TrackingChecked
from tests.following.comparing import differing_bytes
from tests.following.histories import LINK, SHIPMENTS, an_id, placed, question, random_history
from tests.following.toys import SCHEMA, tally_projection
from tests.following.writing import Writing
from tests.waiting import until

ORDERS = [an_id(f"order {number}") for number in range(40)]
CHECKED = TrackingChecked(shipment=SHIPMENTS[0], tracking_url=LINK, reachable=True, host_allowed=True, http_status=200)


@contextmanager
def following(*followers: Follower) -> Iterator[None]:
    """The followers run, each in a thread, and are stopped."""
    stop = threading.Event()
    threads = [threading.Thread(target=follower.run, args=(stop.is_set,)) for follower in followers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def interleaved(random: Random, orders: list[UUID]) -> list[tuple[UUID, Event]]:
    """Random histories of these orders, shuffled into each other."""
    histories = {order: list[Event](random_history(random)) for order in orders}
    found: list[tuple[UUID, Event]] = []
    while histories:
        order = random.choice(list(histories))
        found.append((order, histories[order].pop(0)))
        if not histories[order]:
            del histories[order]
    return found


def tallies(connection: Connection[TupleRow], schema: str = "tally") -> dict[UUID, int]:
    rows = connection.execute(sql.SQL("SELECT stream, entries FROM {}.tally").format(sql.Identifier(schema)))
    return dict(rows.fetchall())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_live_is_the_fold_of_all_entries(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, seed: int
) -> None:
    """In batches of any size, begun anew at any moment."""
    random, projection = Random(seed), find("order_status")
    events = interleaved(random, ORDERS)
    follower = Follower(journal.url, projection, batch=7)
    while events:
        size = random.randint(1, 60)
        writing.write_all(events[:size])
        del events[:size]
        if random.random() < 0.3:
            follower = Follower(journal.url, projection, batch=random.randint(1, 40))
        with psycopg.connect(journal.url, autocommit=True) as own:
            follower.prepare(own)
            for _ in range(random.randint(0, 3)):
                follower.advance(own)
    follower.catch_up(lag.settled_end(connection))
    assert connection.execute("SELECT count(*) FROM order_status.orders").fetchone() == (len(ORDERS),)
    assert differing_bytes(connection, projection, journal.codec) == 0


def test_another_row_is_a_difference(writing: Writing, connection: Connection[TupleRow], journal: Journal) -> None:
    """The comparison that the other tests rest on sees a single byte."""
    writing.write(ORDERS[0], placed())
    Follower(journal.url, find("order_status")).catch_up(1)
    connection.execute("UPDATE order_status.orders SET number = 'A-2'")
    assert differing_bytes(connection, find("order_status"), journal.codec) == 1


def test_the_bookmark_moves_over_what_is_not_read(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    position = writing.write(ORDERS[0], placed(), CHECKED, CHECKED)
    assert Follower(journal.url, tally_projection(tmp_path)).catch_up(position) == position
    assert tallies(connection) == {ORDERS[0]: 1}


def test_the_bookmark_stands_on_a_position_that_exists(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """Numbers drawn in vain are no place to stand: after a crash they may be drawn again."""
    position = writing.write(ORDERS[0], placed())
    connection.execute("SELECT nextval('journal.entry_notification_id_seq')")
    follower = Follower(journal.url, tally_projection(tmp_path))
    assert follower.catch_up(position) == position
    follower.prepare(connection)
    assert follower.advance(connection).position == position
    assert lag.status(connection)[0].lag_events == 0


def test_what_is_not_final_is_not_folded(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    follower = Follower(journal.url, tally_projection(tmp_path))
    follower.prepare(connection)
    with psycopg.connect(journal.url) as late:
        late.execute(
            "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
            "VALUES (gen_random_uuid(), 1, 'X', '', 'order', now(), sha256(''))"
        )
        position = writing.write(ORDERS[0], placed())
        assert follower.advance(connection).folded == 0
        late.rollback()
    assert follower.advance(connection).position == position


def test_where_transactions_are_serializable_by_default_nothing_is_lost(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """The follower says itself that each of its statements must see what is there."""
    name = connection.info.dbname
    connection.execute(
        sql.SQL("ALTER DATABASE {} SET default_transaction_isolation TO 'serializable'").format(sql.Identifier(name))
    )
    with psycopg.connect(journal.url, autocommit=True) as own:
        follower = Follower(journal.url, tally_projection(tmp_path))
        follower.prepare(own)
        assert own.isolation_level == IsolationLevel.READ_COMMITTED
        writing.write(ORDERS[0], placed())
        assert follower.advance(own).folded == 1


def test_interrupted_between_writing_and_committing_nothing_has_happened(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    writing.write(ORDERS[0], placed())
    follower = Follower(journal.url, tally_projection(tmp_path))
    with psycopg.connect(journal.url, autocommit=True) as own:
        follower.prepare(own)
        with pytest.raises(ZeroDivisionError), own.transaction():
            follower.advance(own)
            raise ZeroDivisionError
        assert tallies(connection) == {}
        # What it remembers of the batch did not happen either.
        writing.write(ORDERS[0], question(1, None))
        follower.advance(own)
    assert tallies(connection) == {ORDERS[0]: 2}


def test_two_followers_of_one_part_take_turns(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    with following(*(Follower(journal.url, projection, batch=3) for _ in range(2))):
        for number in range(10):
            position = writing.write_all([(order, question(number, None)) for order in ORDERS[:9]])
        assert lag.wait_for(connection, "tally", position, 30) != "late"
        until(lambda: lag.wait_for(connection, "tally", position, 30) == "reached")
    assert tallies(connection) == dict.fromkeys(ORDERS[:9], 10)
    assert differing_bytes(connection, projection, journal.codec) == 0


def test_each_of_several_parts_folds_its_own_streams(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    position = writing.write_all([(order, question(1, None)) for order in ORDERS])
    for part in (1, 2, 3):
        Follower(journal.url, projection, part=part, parts=3).catch_up(position)
        mine = {order for order in ORDERS if part_of(order, 3) <= part}
        assert set(tallies(connection)) == mine
    assert set(tallies(connection).values()) == {1}


def test_a_part_that_there_is_not(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(CannotFollow, match="no part 3 of 2"):
        Follower(journal.url, tally_projection(tmp_path), part=3, parts=2)


def test_the_number_of_parts_changes_only_where_all_stand_at_one_position(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    position = writing.write_all([(order, placed()) for order in ORDERS])
    Follower(journal.url, projection, part=1, parts=2).catch_up(position)
    with pytest.raises(CannotFollow, match="different positions"):
        Follower(journal.url, projection).catch_up(position)
    Follower(journal.url, projection, part=2, parts=2).catch_up(position)
    Follower(journal.url, projection, part=1, parts=4).catch_up(position)
    assert {each.parts for each in lag.status(connection)} == {4}
    assert set(tallies(connection).values()) == {1}


def test_a_follower_whose_parts_were_changed_ends(
    connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    follower = Follower(journal.url, projection)
    follower.prepare(connection)
    with psycopg.connect(journal.url, autocommit=True) as other:
        installing.install(other, projection, 2)
    with pytest.raises(CannotFollow, match="not followed in 1 parts any more"):
        follower.advance(connection)


def test_too_many_parts(connection: Connection[TupleRow], journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(CannotFollow, match="1 to 64 parts"):
        installing.install(connection, tally_projection(tmp_path), 65)


def test_a_changed_form_is_not_followed(connection: Connection[TupleRow], journal: Journal, tmp_path: Path) -> None:
    installing.install(connection, tally_projection(tmp_path))
    changed = tally_projection(tmp_path, schema=SCHEMA + "-- another form\n")
    with pytest.raises(CannotFollow, match="another form"):
        installing.install(connection, changed)


def test_a_version_before_the_one_that_is_read_is_not_made_again(
    connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    installing.install(connection, tally_projection(tmp_path, version=2))
    with pytest.raises(CannotFollow, match="Version 2 of tally is the one that is read"):
        installing.install(connection, tally_projection(tmp_path, version=1))


def test_each_version_is_followed_through_a_swap(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """Swapping is renaming two schemas in one transaction that holds both bookmarks."""
    first, second = tally_projection(tmp_path, version=1), tally_projection(tmp_path, version=2)
    assert installing.install(connection, first) == "tally"
    assert installing.install(connection, second) == "tally__2"
    with following(Follower(journal.url, first), Follower(journal.url, second)):
        writing.write(ORDERS[0], placed())
        until(lambda: tallies(connection) == tallies(connection, "tally__2") == {ORDERS[0]: 1})
        connection.execute("UPDATE tally__2.tally SET note = -2")
        with connection.transaction():
            connection.execute("SELECT * FROM tally.bookmark b, tally__2.bookmark c FOR UPDATE")
            connection.execute("ALTER SCHEMA tally RENAME TO tally__1")
            connection.execute("ALTER SCHEMA tally__2 RENAME TO tally")
        writing.write(ORDERS[1], placed())
        until(lambda: len(tallies(connection)) == len(tallies(connection, "tally__1")) == 2)
    assert connection.execute("SELECT note FROM tally.tally WHERE note = -2").fetchone() == (-2,)
    assert installing.versions(connection, "tally") == {1: "tally__1", 2: "tally"}


def test_a_dropped_schema_is_built_anew(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    position = writing.write(ORDERS[0], placed())
    with psycopg.connect(journal.url, autocommit=True) as own:
        follower = Follower(journal.url, tally_projection(tmp_path))
        follower.prepare(own)
        follower.advance(own)
        connection.execute("DROP SCHEMA tally CASCADE")
        assert follower.advance(own).position == position
    assert tallies(connection) == {ORDERS[0]: 1}


def test_a_lost_connection_is_made_again(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection, said = tally_projection(tmp_path), list[str]()
    stop = threading.Event()
    follower = Follower(journal.url, projection)
    thread = threading.Thread(target=follower.run, args=(stop.is_set, said.append))
    thread.start()

    def folded(entries: int) -> Callable[[], bool]:
        return lambda: tallies_or_none(connection).get(ORDERS[0]) == entries

    try:
        for number in range(3):
            position = writing.write(ORDERS[0], question(number, None))
            until(folded(number + 1))
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE %s AND datname = current_database()",
                ("order-ledger follow tally%",),
            ).fetchall()
            assert ended == [(True,)]
        until(lambda: len(said) == 3)
    finally:
        stop.set()
        thread.join()
    assert follower.catch_up(position) == position
    assert all(text.startswith("the database is away, trying again") for text in said)
    assert tallies(connection) == {ORDERS[0]: 3}


def test_woken_when_something_settles(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """Long before it would look by itself, which is once a second."""
    stop = threading.Event()
    settler = threading.Thread(target=Settler(journal.url).run, args=(stop.is_set,))
    settler.start()
    try:
        with following(Follower(journal.url, tally_projection(tmp_path))):
            until(lambda: any(each.followed for each in lag.status(connection)))
            took = []
            for number in range(9):
                position = writing.write(ORDERS[0], question(number, None))
                began = time.monotonic()
                assert lag.wait_for(connection, "tally", position, 10) == "reached"
                took.append(time.monotonic() - began)
    finally:
        stop.set()
        settler.join()
    assert sorted(took)[4] < 0.5


def test_a_follower_may_write_read_models_and_no_entry(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """Where the database has the role: its rights are the follower's, not ours."""
    follower = Follower(journal.url, tally_projection(tmp_path))
    with follower.connect() as own:
        follower.prepare(own)
        assert own.execute("SELECT current_role").fetchone() == ("order_ledger_follower",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            own.execute("UPDATE journal.entry SET topic = 'X'")
        connection.execute("REVOKE INSERT ON tally.tally FROM order_ledger_follower")
        writing.write(ORDERS[0], placed())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            follower.advance(own)
        connection.execute("GRANT INSERT ON tally.tally TO order_ledger_follower")
        assert follower.advance(own).folded == 1


def test_the_projections_are_the_folders() -> None:
    assert "order_status" in names()
    assert find("order_status").name == "order_status"
    with pytest.raises(UnknownProjection, match="There is no projection nothing"):
        find("nothing")


def test_the_fingerprint_is_that_of_the_form(tmp_path: Path) -> None:
    one: Projection = tally_projection(tmp_path)
    assert one.fingerprint == tally_projection(tmp_path, version=2).fingerprint
    assert one.fingerprint != find("order_status").fingerprint


def tallies_or_none(connection: Connection[TupleRow]) -> dict[UUID, int]:
    try:
        return tallies(connection)
    except psycopg.errors.UndefinedTable:
        return {}
