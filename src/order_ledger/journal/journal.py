"""The journal, as the processes see it that may wait: load a stream, append after what was loaded."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, EventStore, InfrastructureFactory, Mapper
from eventsourcing.postgres import PostgresDatastore, PostgresFactory
from eventsourcing.utils import Environment
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import UniqueViolation
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, dict_row, tuple_row

from order_ledger.entries import Cause, Entry, Event, Fact, Kind
from order_ledger.journal.appending import STATEMENT, Appending, Key, Outcome, Proposal, is_race, outcomes, parameters
from order_ledger.journal.codec import Codec, Head, genesis
from order_ledger.journal.keys import Keyring, check_master
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.recorder import EntryMapper, JournalRecorder
from order_ledger.journal.sealing import MasterKey

_LOAD = (
    "SELECT state, hash, notification_id FROM journal.entry "
    "WHERE originator_id = %s AND originator_version > %s ORDER BY originator_version"
)
_MOST_RACES = 20


class Journal(Application[UUID]):
    """The append-only record of everything that happened, for one process.

    Thread safe. Connections are made when they are first needed; `close` ends them.
    """

    name = "order-ledger"

    def __init__(self, url: str, master: MasterKey, *, pool_size: int = 2) -> None:
        self.url = url
        self._pool_size = pool_size
        with psycopg.connect(url, autocommit=True) as connection:
            self.ledger = inspect(connection)
            check_master(connection, master)
        self.codec = Codec(self.ledger, EVENTS, UPCASTERS)
        self.keyring = Keyring(master)
        self.master = master
        super().__init__()

    def construct_env(self, name: str, env: Any = None) -> Environment:
        return Environment(name, {})  # settings are read in one place, and it is not here

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        return _Factory(env, self.url, self._pool_size)

    def construct_mapper(self) -> Mapper[UUID]:
        return EntryMapper(self.codec)

    def construct_recorder(self) -> ApplicationRecorder:
        return JournalRecorder(self.factory.datastore)  # type: ignore[attr-defined]

    def construct_event_store(self) -> EventStore[UUID]:
        return EventStore(self.mapper, self.recorder)

    @contextmanager
    def connection(self) -> Iterator[Connection[TupleRow]]:
        """A connection of this journal's pool, in autocommit, with rows as tuples."""
        with self.factory.datastore.pool.connection() as connection:  # type: ignore[attr-defined]
            row_factory = connection.row_factory
            connection.row_factory = tuple_row
            try:
                yield connection
            finally:
                connection.row_factory = row_factory

    def load(self, stream: UUID, kind: Kind, after: int = 0) -> tuple[list[Entry[Event]], Head]:
        """The stream's entries after this version, and where the stream stands."""
        with self.connection() as connection:
            rows = connection.execute(_LOAD, (stream, after), prepare=True, binary=True).fetchall()
        return loaded(self.codec, kind, stream, rows)

    def encode(
        self,
        kind: Kind,
        stream: UUID,
        head: Head,
        facts: Sequence[Fact],
        cause: Cause,
        recorded_at: datetime | None = None,
    ) -> Appending:
        """The entries that would follow `head`; keys that they are sealed with are made first."""
        needed = self.codec.keys_needed(facts, cause)
        if self.keyring.missing(needed):
            with self.connection() as connection:
                self.keyring.make(connection, needed)
        entries = self.codec.encode(kind, stream, head, facts, cause, recorded_at or datetime.now(UTC), self.keyring)
        return Appending(stream, head.version, entries)

    def append(self, proposals: Sequence[Proposal]) -> list[Outcome]:
        """One batch. Raises `psycopg.OperationalError` where it is not known whether it was done: send it again."""
        with self.connection() as connection:
            return append(connection, proposals)

    def append_one(self, appendings: Iterable[Appending], command: UUID, key: Key | None = None) -> Outcome:
        """One command alone."""
        (outcome,) = self.append([Proposal(command, tuple(appendings), key)])
        return outcome


def append(connection: Connection[TupleRow], proposals: Sequence[Proposal]) -> list[Outcome]:
    """One batch on this connection, which is in autocommit or in a transaction whose last statement this is.

    Raises `UniqueViolation` where another batch won the race meanwhile and the transaction has to be begun again.
    """
    sent = parameters(proposals)
    alone = connection.info.transaction_status == TransactionStatus.IDLE
    for race in range(_MOST_RACES):
        try:
            return outcomes(connection.execute(STATEMENT, sent, prepare=True).fetchall(), len(proposals))
        except UniqueViolation as violation:
            if not is_race(violation) or not alone or race == _MOST_RACES - 1:
                raise
            time.sleep(0.001 * race)
    raise AssertionError("unreachable")


def loaded(codec: Codec, kind: Kind, stream: UUID, rows: Sequence[TupleRow]) -> tuple[list[Entry[Event]], Head]:
    """Entries and head from rows of (state, hash, position) in order of versions."""
    entries = [codec.decode(state, position) for state, _, position in rows]
    if entries:
        return entries, Head(entries[-1].version, bytes(rows[-1][1]), entries[-1].recorded_at)
    return [], Head(0, genesis(codec.ledger, kind, stream), None)


class _Factory(PostgresFactory):
    """The library's factory, on a connection string of ours."""

    def __init__(self, env: Environment, url: str, pool_size: int) -> None:
        InfrastructureFactory.__init__(self, env)
        self.datastore = PostgresDatastore(
            dbname="",
            host="",
            port="",
            user="",
            password="",
            pool_size=0,
            max_overflow=pool_size,
            schema="journal",
            idle_in_transaction_session_timeout=60,
        )
        # The library knows five of the many things a connection string can say: all of them count.
        self.datastore.pool.kwargs = {**conninfo_to_dict(url), "row_factory": dict_row}
