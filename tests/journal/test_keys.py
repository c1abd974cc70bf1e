"""Keys are made once and for good, and a box opens only where it was sealed and by whom it was meant for."""

import asyncio
import base64
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg
import pytest
from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection

from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.journal.journal import Journal
from order_ledger.journal.keys import KeyName, Keyring, PersonErased, check_master
from order_ledger.journal.sealing import CannotOpen, MasterKey, SealingKey, key_id, master_key, new_key
from order_ledger.orders.events import NoteAdded
from order_ledger.values import Sealed, unsealed
from tests.journal.conftest import MASTER

NOW = datetime(2026, 11, 21, 20, 15, 3, tzinfo=UTC)
PERSONS = [uuid5(UUID(int=0), f"person {n}") for n in range(20)]
OTHER_MASTER = MasterKey(bytes(32))

# Appends entries of one's own streams for persons that all the others write for at the same time.
WRITER = """
import sys
from uuid import UUID, uuid4
from order_ledger.journal.journal import Journal
from tests.journal.conftest import MASTER
from tests.journal.test_keys import PERSONS, note
with Journal(sys.argv[1], MASTER) as journal:
    print("up", flush=True)
    sys.stdin.readline()
    for person in PERSONS:
        note(journal, uuid4(), person)
"""


def note(journal: Journal, stream: UUID, person: UUID, text: str = "Call me.") -> None:
    """Appends a note that is sealed for this person to this order."""
    _, head = journal.load(stream, "order")
    cause = Cause(By(person, "consumer"), "api", CommandRef(uuid4(), "add_note"))
    event = NoteAdded(
        note=1, text=unsealed(text, person), audience="staff", about="order", for_role=None, answers_note=None
    )
    assert (
        journal.append_one([journal.encode("order", stream, head, [Fact(event, NOW)], cause)], uuid4()).outcome
        == "appended"
    )


def read_notes(journal: Journal) -> list[str]:
    """Every note of the journal, opened."""
    with journal.connection() as connection:
        rows = connection.execute("SELECT state FROM journal.entry ORDER BY notification_id").fetchall()
        entries = [journal.codec.decode(state) for (state,) in rows]
        keys = journal.keyring.read(connection, {sealed_text(entry.event).sealed for entry in entries})
    texts = []
    for entry in entries:
        sealed = sealed_text(entry.event)
        key = keys[sealed.sealed]
        assert key is not None, "there is no key for it"
        texts.append(key.open(sealed, journal.ledger, entry.stream, entry.version, "text", str))
    return texts


def sealed_text(event: object) -> Sealed[str]:
    assert isinstance(event, NoteAdded)
    return event.text


def erase(journal: Journal, person: UUID) -> None:
    with journal.connection() as connection:
        connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now() WHERE person = %s", (person,))


def test_every_entry_is_readable_though_all_made_the_same_keys_at_once(ledger_url: str, journal: Journal) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, ledger_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "up\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            _, errors = writer.communicate(timeout=60)
            assert writer.returncode == 0, errors
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert read_notes(journal) == ["Call me."] * 4 * len(PERSONS)
    with journal.connection() as connection:
        assert connection.execute("SELECT count(*) FROM personal.key").fetchone() == (len(PERSONS),)


def test_threads_that_make_the_same_keys_end_with_the_same(ledger_url: str) -> None:
    names: list[KeyName] = [(person, "order") for person in PERSONS]
    rings = [Keyring(MASTER) for _ in range(8)]
    start = threading.Barrier(len(rings))

    def make(ring: Keyring) -> None:
        with psycopg.connect(ledger_url, autocommit=True) as connection:
            start.wait(30)
            ring.make(connection, names)

    threads = [threading.Thread(target=make, args=(ring,)) for ring in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for name in names:
        assert len({ring_id(ring, name) for ring in rings}) == 1


def test_so_do_tasks(ledger_url: str) -> None:
    names: list[KeyName] = [(person, "order") for person in PERSONS]

    async def make(ring: Keyring) -> list[str]:
        async with await AsyncConnection.connect(ledger_url, autocommit=True) as connection:
            await ring.make_async(connection, names)
            found = await ring.read_async(connection, [ring_id(ring, name) for name in names])
        assert None not in found.values()
        return sorted(found)

    async def run() -> list[list[str]]:
        return await asyncio.gather(*(make(Keyring(MASTER)) for _ in range(8)))

    first, *others = asyncio.run(run())
    assert len(first) == len(names)
    assert all(other == first for other in others)


def ring_id(ring: Keyring, name: KeyName) -> str:
    key = ring.get(name)
    assert key is not None
    return key.id


def test_a_key_is_made_for_each_purpose(journal: Journal) -> None:
    person = uuid4()
    with journal.connection() as connection:
        journal.keyring.make(connection, [(person, "order"), (person, "document")])
    assert ring_id(journal.keyring, (person, "order")) != ring_id(journal.keyring, (person, "document"))


def test_a_key_is_never_made_in_a_transaction_that_could_be_rolled_back(journal: Journal) -> None:
    with (
        psycopg.connect(journal.url) as connection,
        pytest.raises(AssertionError, match="committed before"),
    ):
        journal.keyring.make(connection, [(uuid4(), "order")])


def test_an_erased_key_is_never_made_again(journal: Journal) -> None:
    person = uuid4()
    note(journal, uuid4(), person)
    erase(journal, person)
    ring = Keyring(MASTER)
    with journal.connection() as connection, pytest.raises(PersonErased) as erased:
        ring.make(connection, [(person, "order")])
    assert erased.value.person == person
    assert ring.get((person, "order")) is None
    with journal.connection() as connection:
        assert connection.execute("SELECT wrapped FROM personal.key").fetchall() == [(None,)]


def test_nor_by_tasks(journal: Journal) -> None:
    person = uuid4()
    note(journal, uuid4(), person)
    erase(journal, person)

    async def make() -> None:
        async with await AsyncConnection.connect(journal.url, autocommit=True) as connection:
            await Keyring(MASTER).make_async(connection, [(person, "order")])

    with pytest.raises(PersonErased):
        asyncio.run(make())


def test_what_was_sealed_for_somebody_forgotten_opens_no_longer(journal: Journal) -> None:
    person = uuid4()
    note(journal, uuid4(), person)
    key = ring_id(journal.keyring, (person, "order"))
    erase(journal, person)
    with journal.connection() as connection:
        assert journal.keyring.read(connection, [key, "no such key"]) == {key: None, "no such key": None}
        assert journal.keyring.read(connection, []) == {}


def test_what_is_sealed_under_a_key_remembered_after_it_was_erased_opens_for_nobody(journal: Journal) -> None:
    person, stream = uuid4(), uuid4()
    note(journal, stream, person)
    erase(journal, person)
    note(journal, stream, person, "Too late.")
    with pytest.raises(AssertionError, match="no key"):
        read_notes(journal)


def test_keys_long_unused_are_let_go_and_those_in_use_stay(journal: Journal) -> None:
    ring = Keyring(MASTER, largest=3)
    names: list[KeyName] = [(person, "order") for person in PERSONS[:5]]
    with journal.connection() as connection:
        ring.make(connection, names[:3])
        ring.make(connection, [names[0], names[3]])
        assert [name for name in names if ring.get(name)] == [names[0], names[2], names[3]]
        first = ring_id(ring, names[0])
        ring.make(connection, [names[1]])
        ring.make(connection, names[:3])
        assert ring_id(ring, names[0]) == first


def test_a_box_opens_where_it_was_sealed_and_nowhere_else(ledger_url: str) -> None:
    key = SealingKey(new_key())
    ledger, stream = uuid4(), uuid4()
    box = key.seal("Grace", ledger, stream, 7, "name")
    assert key.open(box, ledger, stream, 7, "name", str) == "Grace"
    moved: list[tuple[UUID, UUID, int, str]] = [
        (uuid4(), stream, 7, "name"),
        (ledger, uuid4(), 7, "name"),
        (ledger, stream, 8, "name"),
        (ledger, stream, 7, "email"),
        (ledger, stream, 70, "ame"),
    ]
    for place in moved:
        with pytest.raises(CannotOpen, match=f"field {place[3]} of version {place[2]}"):
            key.open(box, *place, str)


def bent(change: Callable[[bytearray], Any]) -> Callable[[Sealed[Any]], Sealed[Any]]:
    def bend(sealed: Sealed[Any]) -> Sealed[Any]:
        box = bytearray(base64.urlsafe_b64decode(sealed.box))
        change(box)
        return replace(sealed, box=base64.urlsafe_b64encode(box).decode())

    return bend


@pytest.mark.parametrize(
    "alter",
    [
        bent(lambda box: box.__setitem__(0, box[0] ^ 1)),
        bent(lambda box: box.__setitem__(-1, box[-1] ^ 1)),
        bent(lambda box: box.__setitem__(14, box[14] ^ 1)),
        bent(lambda box: box.pop()),
        bent(bytearray.clear),
        lambda sealed: replace(sealed, box="not base64"),
    ],
    ids=["nonce", "tag", "text", "cut", "empty", "no base64"],
)
def test_an_altered_box_does_not_open(alter: Callable[[Sealed[Any]], Sealed[Any]]) -> None:
    key, ledger, stream = SealingKey(new_key()), uuid4(), uuid4()
    sealed = alter(key.seal("Grace", ledger, stream, 1, "name"))
    with pytest.raises(CannotOpen):
        key.open(sealed, ledger, stream, 1, "name", str)


def test_what_is_inside_has_the_form_that_is_asked_for() -> None:
    class Point(Struct):
        x: int

    key, ledger, stream = SealingKey(new_key()), uuid4(), uuid4()
    sealed = key.seal(Point(1), ledger, stream, 1, "point")
    assert key.open(sealed, ledger, stream, 1, "point", Point) == Point(1)
    with pytest.raises(CannotOpen):
        key.open(sealed, ledger, stream, 1, "point", int)


def test_two_boxes_of_the_same_are_not_the_same() -> None:
    key, ledger, stream = SealingKey(new_key()), uuid4(), uuid4()
    assert key.seal("Grace", ledger, stream, 1, "name") != key.seal("Grace", ledger, stream, 1, "name")


def test_a_keys_id_pins_the_box_to_the_key(journal: Journal) -> None:
    """Whoever puts another key under an id is found out: what opens a box is the key whose hash it names."""
    person, other = uuid4(), uuid4()
    note(journal, uuid4(), person)
    key = ring_id(journal.keyring, (person, "order"))
    assert key_id(bytes(32)) == "EVvkj_mqUnh3GY7oIrEWrdAYn3hHqtlqJxkpD5cVFmc"
    with journal.connection() as connection:
        forged = MASTER.wrap(new_key(), person, "order")
        connection.execute("UPDATE personal.key SET wrapped = %s WHERE person = %s", (forged, person))
        assert journal.keyring.read(connection, [key])[key] is None
        assert journal.keyring.read(connection, [str(other)]) == {str(other): None}


def test_a_wrapped_key_is_bound_to_its_person_and_purpose() -> None:
    person, key = uuid4(), new_key()
    wrapped = MASTER.wrap(key, person, "order")
    assert MASTER.unwrap(wrapped, person, "order") == key
    for whose in ((uuid4(), "order"), (person, "document")):
        with pytest.raises(CannotOpen):
            MASTER.unwrap(wrapped, *whose)


def test_another_master_key_is_refused_before_it_wraps_anything(ledger_url: str, journal: Journal) -> None:
    with journal.connection() as connection:
        check_master(connection, OTHER_MASTER)  # nothing was sealed yet
        note(journal, uuid4(), uuid4())
        check_master(connection, MASTER)
    with pytest.raises(CannotOpen, match=r"Restore master\.key in LEDGER_HOME, or set LEDGER_MASTER_KEY"):
        Journal(ledger_url, OTHER_MASTER)


def test_a_wrong_master_key_says_what_to_do_wherever_it_is_used(journal: Journal) -> None:
    person = uuid4()
    note(journal, uuid4(), person)
    ring = Keyring(OTHER_MASTER)
    with journal.connection() as connection:
        with pytest.raises(CannotOpen, match="The master key is not the one"):
            ring.make(connection, [(person, "order")])
        with pytest.raises(CannotOpen, match="The master key is not the one"):
            ring.read(connection, [ring_id(journal.keyring, (person, "order"))])


def test_the_master_key_is_made_once_however_many_start_first(tmp_path: Path) -> None:
    home = tmp_path / "home"
    code = (
        "import sys; from order_ledger.journal.sealing import master_key; sys.stdin.readline(); "
        "print(master_key(sys.argv[1]).derive(b'test').hex())"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    keys = {start.communicate("go\n", timeout=60)[0] for start in starts}
    assert len(keys) == 1
    assert keys == {master_key(home).derive(b"test").hex() + "\n"}
    assert [file.name for file in home.iterdir()] == ["master.key"]
    assert stat.S_IMODE((home / "master.key").stat().st_mode) == 0o600


def test_threads_make_the_master_key_once_too(tmp_path: Path) -> None:
    start, found = threading.Barrier(8), []

    def make() -> None:
        start.wait(30)
        found.append(master_key(tmp_path).derive(b"test"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_configured_master_key_goes_before_the_file(tmp_path: Path) -> None:
    digits = bytes(range(32)).hex()
    assert master_key(tmp_path, digits).derive(b"test") == MASTER.derive(b"test")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("digits", ["", "secret", "00" * 31, "00" * 33, "zz" * 32])
def test_what_is_no_master_key_is_refused_without_being_shown(tmp_path: Path, digits: str) -> None:
    with pytest.raises(ValueError, match="written as 64 hexadecimal digits") as refused:
        master_key(tmp_path, digits)
    assert not digits or digits not in str(refused.value)
    (tmp_path / "master.key").write_text(digits)
    with pytest.raises(ValueError, match=r"master\.key does not hold a master key; restore it"):
        master_key(tmp_path)


def test_a_key_is_derived_for_each_purpose() -> None:
    assert len(MASTER.derive(b"tokens")) == 32
    assert len({MASTER.derive(b"tokens"), MASTER.derive(b"bodies"), OTHER_MASTER.derive(b"tokens")}) == 3
