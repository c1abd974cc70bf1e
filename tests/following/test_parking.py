"""A stream that cannot be folded is put aside, loudly; the others go on; a retry puts it back in order."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.entries import Entry
from order_ledger.following import installing
from order_ledger.following.live import Follower
from order_ledger.following.parking import parked_streams, retry
from order_ledger.journal.journal import Journal
from order_ledger.orders.events import NoteAdded
from tests.following import toys
from tests.following.comparing import differing_bytes
from tests.following.histories import an_id, placed, question
from tests.following.toys import Tally, tally_projection
from tests.following.writing import Writing

BROKEN, SOUND = an_id("broken"), an_id("sound")


class WrongNote(Exception):
    """What the fault in the fold raises."""


def faulty(tally: Tally | None, entry: Entry[Any]) -> Tally:
    """A fold with a fault in it: it cannot take a second note."""
    if isinstance(entry.event, NoteAdded) and entry.event.note == 2:
        raise WrongNote("two is one too many")
    return toys.fold(tally, entry)


def entries_of(connection: Connection[TupleRow]) -> dict[Any, int]:
    return dict(connection.execute("SELECT stream, entries FROM tally.tally").fetchall())


def test_parked_with_the_error_and_the_others_go_on(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    writing.write(BROKEN, placed(), question(1, None), question(2, None), question(3, None))
    position = writing.write(SOUND, placed())
    assert Follower(journal.url, tally_projection(tmp_path, fold=faulty)).catch_up(position) == position
    (parked,) = parked_streams(connection, "tally")
    assert (parked.stream, parked.version, parked.name, parked.last_version) == (BROKEN, 3, "NoteAdded", 4)
    assert parked.error == "WrongNote: two is one too many"
    assert entries_of(connection) == {BROKEN: 2, SOUND: 1}


def test_later_entries_wait_behind(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    follower = Follower(journal.url, tally_projection(tmp_path, fold=faulty))
    follower.catch_up(writing.write(BROKEN, placed(), question(2, None)))
    follower.catch_up(writing.write(BROKEN, question(3, None), question(4, None)))
    (parked,) = parked_streams(connection, "tally")
    assert (parked.version, parked.last_version) == (2, 4)
    assert entries_of(connection) == {BROKEN: 1}


def test_a_stream_that_fails_at_once_has_no_rows(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    Follower(journal.url, tally_projection(tmp_path, fold=faulty)).catch_up(writing.write(BROKEN, question(2, None)))
    assert len(parked_streams(connection, "tally")) == 1
    assert entries_of(connection) == {}


def test_put_back_once_the_fault_is_mended(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    follower = Follower(journal.url, tally_projection(tmp_path, fold=faulty))
    follower.catch_up(writing.write(BROKEN, placed(), question(2, None)))
    position = writing.write(BROKEN, question(3, None))
    mended = tally_projection(tmp_path)
    assert retry(connection, mended) == ([BROKEN], [])
    # The entry that nobody has folded yet is still the follower's.
    assert entries_of(connection) == {BROKEN: 2}
    Follower(journal.url, mended).catch_up(position)
    assert parked_streams(connection, "tally") == []
    assert differing_bytes(connection, mended, journal.codec) == 0


def test_a_retry_that_fails_again_says_so(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path, fold=faulty)
    Follower(journal.url, projection).catch_up(writing.write(BROKEN, placed(), question(2, None)))
    put_back, failing = retry(connection, projection)
    assert put_back == []
    assert [(parked.stream, parked.version) for parked in failing] == [(BROKEN, 2)]
    assert entries_of(connection) == {BROKEN: 1}


def test_only_the_stream_that_is_named_is_retried(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    follower = Follower(journal.url, tally_projection(tmp_path, fold=faulty))
    writing.write(BROKEN, question(2, None))
    follower.catch_up(writing.write(SOUND, question(2, None)))
    assert retry(connection, tally_projection(tmp_path), SOUND) == ([SOUND], [])
    assert [parked.stream for parked in parked_streams(connection, "tally")] == [BROKEN]


def test_nothing_to_retry_where_nothing_is_installed(
    connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    assert retry(connection, tally_projection(tmp_path)) == ([], [])


@pytest.mark.parametrize(
    ("name", "state", "error"),
    [
        ("OrderTeleported", b'{"format":1}', "Unreadable"),
        ("OrderPlaced", b"not even JSON", "Unreadable"),
        ("OrderPlaced", b"\xff\xfe", "Unreadable"),
    ],
)
def test_what_this_program_cannot_read_parks_its_stream(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path,
    name: str, state: bytes, error: str,
) -> None:  # fmt: skip
    writing.write(BROKEN, placed())
    writing.write_raw(BROKEN, state, name)
    Follower(journal.url, tally_projection(tmp_path)).catch_up(writing.write(SOUND, placed()))
    (parked,) = parked_streams(connection, "tally")
    assert (parked.stream, parked.version, parked.name) == (BROKEN, 2, name)
    assert parked.error.startswith(error)
    assert entries_of(connection) == {BROKEN: 1, SOUND: 1}


def test_rows_that_the_database_refuses_park_their_stream_alone(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    writing.write(BROKEN, question(1000, None))
    others = [an_id(f"sound {number}") for number in range(30)]
    follower = Follower(journal.url, projection)
    follower.catch_up(writing.write_all([(other, placed()) for other in others]))
    (parked,) = parked_streams(connection, "tally")
    assert parked.stream == BROKEN
    assert parked.error.startswith("CheckViolation")
    assert entries_of(connection) == dict.fromkeys(others, 1)
    # The same for rows that are there already, and many of them.
    writing.write(others[0], question(1000, None))
    follower.catch_up(writing.write_all([(other, question(1, None)) for other in others[1:]]))
    assert {parked.stream for parked in parked_streams(connection, "tally")} == {BROKEN, others[0]}
    assert entries_of(connection) == {others[0]: 1} | dict.fromkeys(others[1:], 2)


def test_rows_that_do_not_say_what_their_state_was_park_their_stream(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    projection = tally_projection(tmp_path)
    Follower(journal.url, projection).catch_up(writing.write(BROKEN, placed()))
    connection.execute("DELETE FROM tally.tally")
    Follower(journal.url, projection).catch_up(writing.write(BROKEN, question(1, None)))
    (parked,) = parked_streams(connection, "tally")
    assert parked.version == 2
    # Beginning anew mends it.
    assert retry(connection, projection) == ([BROKEN], [])
    assert differing_bytes(connection, projection, journal.codec) == 0


def test_a_follower_does_not_go_on_from_what_it_remembers_of_a_stream_put_back(
    writing: Writing, connection: Connection[TupleRow], journal: Journal, tmp_path: Path
) -> None:
    """It is a retry in another process that put it back."""
    projection = tally_projection(tmp_path, fold=faulty)
    follower = Follower(journal.url, projection)
    with psycopg.connect(journal.url, autocommit=True) as own:
        follower.prepare(own)
        writing.write(BROKEN, placed())
        follower.advance(own)
        writing.write(BROKEN, question(2, None))
        assert follower.advance(own).parked == 1
        assert retry(connection, tally_projection(tmp_path)) == ([BROKEN], [])
        writing.write(BROKEN, question(3, None))
        assert follower.advance(own).parked == 0
    assert entries_of(connection) == {BROKEN: 3}


def test_every_schema_is_known(connection: Connection[TupleRow], journal: Journal, tmp_path: Path) -> None:
    installing.install(connection, tally_projection(tmp_path))
    installing.install(connection, tally_projection(tmp_path, version=2))
    assert installing.every_schema(connection) == ["tally", "tally__2"]
