"""The keys of persons: made once per person and purpose, active or erased, and erased is final.

A key is made in a transaction of its own and read back before any entry uses it: of several
writers that make the same key at once, all go on with the one that won.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from order_ledger.journal.sealing import MasterKey, SealingKey, key_id, new_key
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
"""
_LARGEST_CACHE = 100_000


class PersonErased(Exception):
    """This person was forgotten: nothing more is sealed for them, and nothing sealed opens."""

    def __init__(self, person: UUID) -> None:
        super().__init__(f"Person {person} was forgotten.")
        self.person = person


class Keyring:
    """Keys that were read or made, kept for the life of a process.

    Sealing under a cached key whose person was forgotten meanwhile does no harm: the box opens for nobody.
    """

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        self._by_name: dict[KeyName, SealingKey] = {}

    def get(self, name: KeyName) -> SealingKey | None:
        return self._by_name.get(name)

    def missing(self, names: Iterable[KeyName]) -> list[KeyName]:
        """Which of these must be made or read first."""
        return sorted({name for name in names if name not in self._by_name}, key=str)

    def make(self, connection: Connection[TupleRow], names: Iterable[KeyName]) -> None:
        """Reads these keys, makes those that never were, and commits before anybody uses them."""
        if wanted := self.missing(names):
            assert connection.autocommit, "a key is committed before an entry uses it"
            found = connection.execute(_SELECT, _columns(wanted)).fetchall()
            if made := self._make(wanted, found):
                connection.execute(_INSERT, made)
                found = connection.execute(_SELECT, _columns(wanted)).fetchall()
            self._take(found)

    async def make_async(self, connection: AsyncConnection[TupleRow], names: Iterable[KeyName]) -> None:
        """The same, where waiting must not block others."""
        if wanted := self.missing(names):
            assert connection.autocommit, "a key is committed before an entry uses it"
            found = await (await connection.execute(_SELECT, _columns(wanted))).fetchall()
            if made := self._make(wanted, found):
                await connection.execute(_INSERT, made)
                found = await (await connection.execute(_SELECT, _columns(wanted))).fetchall()
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

    def _make(self, wanted: list[KeyName], found: Iterable[TupleRow]) -> tuple[list[object], ...] | None:
        there = {(person, purpose) for person, purpose, _ in found}
        new = [(name, new_key()) for name in wanted if name not in there]
        if not new:
            return None
        return (
            [person for (person, _), _ in new],
            [purpose for (_, purpose), _ in new],
            [key_id(key) for _, key in new],
            [self._master.wrap(key, person, purpose) for (person, purpose), key in new],
        )

    def _take(self, rows: Iterable[TupleRow]) -> None:
        if len(self._by_name) > _LARGEST_CACHE:
            self._by_name.clear()
        for person, purpose, wrapped in rows:
            if wrapped is None:
                raise PersonErased(person)
            self._by_name[person, purpose] = SealingKey(self._master.unwrap(bytes(wrapped), person, purpose))


def _columns(names: list[KeyName]) -> tuple[list[UUID], list[str]]:
    return [person for person, _ in names], [purpose for _, purpose in names]
