"""A read model as of a moment of the past is the fold of the entries that count for it, and touches nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Entry
from order_ledger.following import building, installing, lag, rebuilding
from order_ledger.following.asking import Moment, asked_of, build_view, drop_view
from order_ledger.following.live import Follower
from order_ledger.following.parking import parked_streams
from order_ledger.following.projections import find
from order_ledger.following.rebuilding import rebuild
from order_ledger.journal.journal import Journal
from order_ledger.moments import as_of, as_recorded
from order_ledger.orders.events import TrackingChecked
from tests.following.comparing import differing_bytes
from tests.following.copies import faulty
from tests.following.histories import LINK, SHIPMENTS, START, an_id, placed, question
from tests.following.test_live import interleaved, tallies
from tests.following.toys import tally_projection
from tests.following.writing import Writing

ORDERS = [an_id(f"order {number}") for number in range(20)]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _many_ranges_and_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "ENTRIES_A_RANGE", 25)
    # Some streams are read at once, and some in pieces.
    monkeypatch.setattr(building, "_ENTRIES_AT_ONCE", 4)


def write_at(writing: Writing, hours: float | None, stream: UUID, *notes: int) -> int:
    writing.at = START + hours * HOUR if hours is not None else None
    return writing.write(stream, *(question(note, None) for note in notes))


def versions(connection: Connection[TupleRow], schema: str) -> dict[UUID, list[int]]:
    rows = connection.execute(
        f"SELECT stream, array_agg(version ORDER BY version) FROM {schema}.seen GROUP BY stream".encode()
    )
    return dict(rows.fetchall())


def test_as_of_is_what_had_happened_in_the_order_of_versions(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """What happened later stays skipped in the middle; what does not say counts as the entry before it."""
    for hours in (1, 5, None, 2, None, 3):
        write_at(writing, hours, ORDERS[0], 1)
    write_at(writing, None, ORDERS[1], 1)
    write_at(writing, 9, ORDERS[2], 1)
    view = build_view(journal.url, tally_projection(tmp_path), Moment(as_of=START + 2 * HOUR))
    assert view.schema == "tally__as_of_20261121t110000_000000"
    assert versions(connection, view.schema) == {ORDERS[0]: [1, 4, 5], ORDERS[1]: [1]}
    # It stays until it is dropped, and nobody follows it.
    assert installing.copies(connection, "tally") == []
    assert installing.aside(connection) == [view.schema]
    assert drop_view(connection, "tally", Moment(as_of=START + 2 * HOUR)) == view.schema
    assert drop_view(connection, "tally", Moment(as_of=START + 2 * HOUR)) is None
    assert installing.aside(connection) == []


def test_what_cannot_be_read_and_had_not_happened_parks_nothing(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    write_at(writing, 5, ORDERS[0], 1)
    (state,) = connection.execute("SELECT state FROM journal.entry").fetchone() or (b"",)
    writing.write_raw(ORDERS[1], bytes(state).replace(b"NoteAdded", b"OrderTeleported"), "OrderTeleported")
    projection = tally_projection(tmp_path)
    before, after = (build_view(journal.url, projection, Moment(as_of=START + hours * HOUR)) for hours in (4, 6))
    assert versions(connection, before.schema) == {}
    assert parked_streams(connection, before.schema) == []
    assert versions(connection, after.schema) == {ORDERS[0]: [1]}
    assert [parked.stream for parked in parked_streams(connection, after.schema)] == [ORDERS[1]]


def test_an_entry_that_no_fold_reads_still_says_when_the_one_after_it_happened(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    write_at(writing, 1, ORDERS[0], 1)
    writing.at = START + 5 * HOUR
    writing.write(
        ORDERS[0],
        TrackingChecked(shipment=SHIPMENTS[0], tracking_url=LINK, reachable=True, host_allowed=True, http_status=200),
    )
    write_at(writing, None, ORDERS[0], 2)
    view = build_view(journal.url, tally_projection(tmp_path), Moment(as_of=START + 2 * HOUR))
    assert versions(connection, view.schema) == {ORDERS[0]: [1]}


def test_as_recorded_is_what_was_known(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    write_at(writing, 8, ORDERS[0], 1)
    known = datetime.now(UTC)
    write_at(writing, 1, ORDERS[0], 2)
    write_at(writing, 1, ORDERS[1], 1)
    view = build_view(journal.url, tally_projection(tmp_path), Moment(as_recorded=known))
    assert versions(connection, view.schema) == {ORDERS[0]: [1]}


def test_a_position_beyond_the_end_is_the_end(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    position = write_at(writing, 1, ORDERS[0], 1, 2)
    assert build_view(journal.url, tally_projection(tmp_path), Moment(position=99)).position == position
    assert build_view(journal.url, tally_projection(tmp_path), Moment(position=0)).position == 0
    assert tallies(connection, "tally__position_0") == {}


@pytest.mark.parametrize("name", ["order_status", "fulfilment"])
def test_every_moment_is_the_fold_of_its_entries(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, name: str
) -> None:
    """Times in any order, and unknown ones among them."""
    random, projection = Random(name), find(name)
    recorded = [datetime.now(UTC)]
    for stream, event in interleaved(random, ORDERS):
        writing.at = random.choice([None, START + random.randint(0, 9) * HOUR])
        writing.write(stream, event)
        if random.random() < 0.1:
            recorded.append(datetime.now(UTC))
    end = lag.settled_end(connection)
    moment, known, position = START + 4 * HOUR, random.choice(recorded), random.randint(0, end)
    picks: list[tuple[Moment, Callable[[list[Entry[Any]]], list[Entry[Any]]]]] = [
        (Moment(as_of=moment), lambda entries: as_of(entries, moment)),
        (Moment(as_recorded=known), lambda entries: as_recorded(entries, known)),
        (Moment(position=position), lambda entries: [each for each in entries if each.position <= position]),
    ]
    for asked, picked in picks:
        view = build_view(journal.url, projection, asked)
        assert differing_bytes(connection, projection, journal.codec, view.schema, picked) == 0
        with psycopg.connect(journal.url, autocommit=True) as own, asked_of(journal.url, own, [projection], asked):
            assert differing_bytes(own, projection, journal.codec, name, picked) == 0


def test_asking_leaves_nothing_and_others_see_nothing_of_it(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    position = write_at(writing, 1, ORDERS[0], 1, 2, 3)
    follower = Follower(journal.url, projection)
    follower.catch_up(position)
    with follower.connect() as following, psycopg.connect(journal.url, autocommit=True) as own:
        follower.prepare(following)
        with asked_of(journal.url, own, [projection], Moment(position=1)):
            assert tallies(own) == {ORDERS[0]: 1}
            assert tallies(connection) == {ORDERS[0]: 3}
            # Following goes on.
            write_at(writing, 1, ORDERS[0], 4)
            assert follower.advance(following).folded == 1
            assert tallies(connection) == {ORDERS[0]: 4}
        with pytest.raises(ZeroDivisionError), asked_of(journal.url, own, [projection], Moment(position=1)):
            raise ZeroDivisionError
        assert tallies(own) == {ORDERS[0]: 4}
    assert installing.aside(connection) == []


def test_a_cancelled_view_leaves_nothing(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    write_at(writing, 1, ORDERS[0], 1)

    def cancel(phase: str, done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_view(journal.url, tally_projection(tmp_path), Moment(position=1), told=cancel)
    assert installing.aside(connection) == []


def test_what_cannot_be_folded_is_parked_in_a_view_too(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    write_at(writing, 1, ORDERS[0], 1, 13, 2)
    write_at(writing, 1, ORDERS[1], 1)
    view = build_view(journal.url, tally_projection(tmp_path, fold=faulty), Moment(as_of=START + 2 * HOUR))
    assert connection.execute(
        f"SELECT stream, version, last_version FROM {view.schema}.parked".encode()
    ).fetchall() == [(ORDERS[0], 2, 3)]
    assert tallies(connection, view.schema) == {ORDERS[0]: 1, ORDERS[1]: 1}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False), restarts=st.lists(st.integers(1, 40), max_size=3))
def test_live_is_rebuilt_is_as_of_now(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, random: Random, restarts: list[int]
) -> None:
    """For any history, read in batches of any size and begun anew at any moment; and as of a position is a rebuild of
    the journal cut there."""
    projection = find("order_status")
    known = list(writing.heads)
    for order, event in interleaved(random, [an_id(f"order {random.random()}") for _ in range(4)]):
        if order not in known:
            writing.write(order, event)
    for batch in [*restarts, 5_000]:
        with psycopg.connect(journal.url, autocommit=True) as own:
            follower = Follower(journal.url, projection, batch=batch)
            follower.prepare(own)
            follower.advance(own)
    end = lag.settled_end(connection)
    assert differing_bytes(connection, projection, journal.codec) == 0
    done = rebuild(journal.url, projection)
    assert done.comparison is not None and done.comparison.equal and done.comparison.rows > 0
    cut_at = random.randint(1, end)
    for position in (end, cut_at):
        with asked_of(journal.url, connection, [projection], Moment(position=position)):
            assert connection.execute("SELECT position FROM order_status.bookmark").fetchone() == (position,)
            # The rows of the rebuild are in the schema that keeps its name as long as this transaction lasts.
            picked = lambda entries, position=position: [each for each in entries if each.position <= position]  # noqa: E731
            assert differing_bytes(connection, projection, journal.codec, picked=picked) == 0


def test_no_moment_is_touched_by_what_is_placed_after_it(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """Made again, a view as of a time holds what was told since of that time."""
    projection, moment = tally_projection(tmp_path), Moment(as_of=START + 2 * HOUR)
    write_at(writing, 1, ORDERS[0], 1)
    first = build_view(journal.url, projection, moment)
    write_at(writing, 3, ORDERS[0], 2)
    writing.at = START + HOUR
    writing.write(ORDERS[1], placed())
    assert tallies(connection, first.schema) == {ORDERS[0]: 1}
    assert tallies(connection, build_view(journal.url, projection, moment).schema) == {ORDERS[0]: 1, ORDERS[1]: 1}
