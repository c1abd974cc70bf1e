"""The keys of persons: made once per person and purpose, active or erased, and erased is final.

A key is made in a transaction of its own and read back before any entry uses it: of several
writers that make the same key at once, all go on with the one that won.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from order_ledger.journal.arrays import BytesArray, array, of_bytes
from order_ledger.journal.sealing import MasterKey, SealingKey, new_key
from order_ledger.refusals import Blocker, Refused
from order_ledger.values import Purpose

KeyName = tuple[UUID, Purpose]

_SELECT = """
    SELECT k.person, k.purpose, k.wrapped
    FROM unnest(%s::uuid[], %s::text[]) AS wanted (person, purpose)
    JOIN personal.key k ON k.person = wanted.person AND k.purpose = wanted.purpose
"""
_SELECT_BY_ID = "SELECT person, purpose, wrapped FROM personal.key WHERE id = ANY(%s)"
_INSERT = """
    INSERT INTO personal.key (person, purpose, id, wrapped)
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bytea[]) AS made (person, purpose, id, wrapped)
    ORDER BY person, purpose
    ON CONFLICT ON CONSTRAINT key_person_purpose DO NOTHING
    RETURNING person, purpose
"""
_ANY = "SELECT person, purpose, wrapped FROM personal.key WHERE wrapped IS NOT NULL LIMIT 1"


class PersonErased(Refused):
    """This person was forgotten: nothing more is sealed for them, and nothing sealed opens."""

    def __init__(self, person: UUID) -> None:
        super().__init__(
            Blocker("person_forgotten", f"Person {person} was forgotten, and nothing more is kept of them.")
        )
        self.person = person


class Keyring:
    """Keys that were read or made, kept in memory: those longest unused are let go.

    Sealing under a cached key whose person was forgotten meanwhile does no harm: the box opens for nobody.
    """

    def __init__(self, master: MasterKey, *, largest: int = 100_000) -> None:
        self._master = master
        self._largest = largest
        self._by_name: OrderedDict[KeyName, SealingKey] = OrderedDict()

    def get(self, name: KeyName) -> SealingKey | None:
        return self._by_name.get(name)

    def missing(self, names: Iterable[KeyName]) -> list[KeyName]:
        """Which of these must be made or read first. The others count as used, and stay."""
        absent = []
        for name in set(names):
            if name in self._by_name:
                self._by_name.move_to_end(name)
            else:
                absent.append(name)
        return sorted(absent, key=lambda name: (name[0].int, name[1]))

    def make(self, connection: Connection[TupleRow], names: Iterable[KeyName]) -> None:
        """Reads these keys, makes those that never were, and commits before anybody uses them."""
        if wanted := self.missing(names):
            assert connection.autocommit, "a key is committed before an entry uses it"
            found = connection.execute(_SELECT, _columns(wanted)).fetchall()
            if made := _made(wanted, found):
                inserted = connection.execute(_INSERT, self._rows(made))
                # Where all were inserted, as nearly always, nobody need read which.
                won = made if inserted.rowcount == len(made) else inserted.fetchall()
                if lost := self._keep(made, won):
                    found += connection.execute(_SELECT, _columns(lost)).fetchall()
            self._take(found)

    async def make_async(self, connection: AsyncConnection[TupleRow], names: Iterable[KeyName]) -> None:
        """The same, where waiting must not block others."""
        if wanted := self.missing(names):
            assert connection.autocommit, "a key is committed before an entry uses it"
            found = await (await connection.execute(_SELECT, _columns(wanted))).fetchall()
            if made := _made(wanted, found):
                inserted = await connection.execute(_INSERT, self._rows(made))
                won = made if inserted.rowcount == len(made) else await inserted.fetchall()
                if lost := self._keep(made, won):
                    found += await (await connection.execute(_SELECT, _columns(lost))).fetchall()
            self._take(found)

    def read(self, connection: Connection[TupleRow], ids: Iterable[str]) -> Mapping[str, SealingKey | None]:
        """The keys with these ids; None for one that was erased or is not ours."""
        wanted = set(ids)
        rows = connection.execute(_SELECT_BY_ID, (list(wanted),)).fetchall() if wanted else []
        return self._read(wanted, rows)

    async def read_async(
        self, connection: AsyncConnection[TupleRow], ids: Iterable[str]
    ) -> Mapping[str, SealingKey | None]:
        """The same, where waiting must not block others. It asks each time: an erased key opens no longer."""
        wanted = set(ids)
        rows = await (await connection.execute(_SELECT_BY_ID, (list(wanted),))).fetchall() if wanted else []
        return self._read(wanted, rows)

    def _read(self, wanted: set[str], rows: Iterable[TupleRow]) -> Mapping[str, SealingKey | None]:
        found: dict[str, SealingKey | None] = dict.fromkeys(wanted)
        for person, purpose, wrapped in rows:
            if wrapped is not None:
                key = SealingKey(self._master.unwrap(bytes(wrapped), person, purpose))
                found[key.id] = key
        return found

    def _rows(self, made: "dict[KeyName, _Fresh]") -> tuple[str, str, str, BytesArray]:
        """The columns of new keys, as `_INSERT` takes them."""
        ids = [fresh.ready.id for fresh in made.values()]
        wrapped = [self._master.wrap(fresh.key, person, purpose) for (person, purpose), fresh in made.items()]
        return *_columns(made), array(ids), of_bytes(wrapped)

    def _keep(self, made: "dict[KeyName, _Fresh]", won: Iterable[KeyName]) -> list[KeyName]:
        """Takes the keys of ours that are the person's now; the names of the others, which another writer made."""
        for name in won:
            self._by_name[name] = made[name].ready
        return [name for name in made if name not in self._by_name]

    def _make_room(self) -> None:
        while len(self._by_name) > self._largest:
            self._by_name.popitem(last=False)

    def _take(self, rows: Iterable[TupleRow]) -> None:
        for person, purpose, wrapped in rows:
            if wrapped is None:
                raise PersonErased(person)
            self._by_name[person, purpose] = SealingKey(self._master.unwrap(bytes(wrapped), person, purpose))
        self._make_room()


def check_master(connection: Connection[TupleRow], master: MasterKey) -> None:
    """Refuses a master key that did not wrap this ledger's keys, before new ones are wrapped by it.

    Raises `CannotOpen`, which says what to do.
    """
    for person, purpose, wrapped in connection.execute(_ANY):
        master.unwrap(bytes(wrapped), person, purpose)


class _Fresh(NamedTuple):
    """A key that was just made, and the same ready to seal."""

    key: bytes
    ready: SealingKey


def _made(wanted: list[KeyName], found: Iterable[TupleRow]) -> dict[KeyName, _Fresh]:
    """Fresh keys for those that were not found."""
    there = {(person, purpose) for person, purpose, _ in found}
    fresh = {name: new_key() for name in wanted if name not in there}
    return {name: _Fresh(key, SealingKey(key)) for name, key in fresh.items()}


def _columns(names: Collection[KeyName]) -> tuple[str, str]:
    return array(str(person) for person, _ in names), array(purpose for _, purpose in names)
