"""Brings a database to the form that this version of the ledger needs. Forward only, once each, in order."""

import logging
from importlib.resources import files
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from order_ledger.faults import Fault
from order_ledger.journal.database_roles import grant

_log = logging.getLogger(__name__)
_DRAWN: LiteralString = "SELECT coalesce(pg_sequence_last_value('journal.entry_notification_id_seq'::regclass), 0)"
_MUTEX = 0x6F6C2D6D6967  # "ol-mig", in a range that no position's lock has


class Unfit(Fault):
    """The database cannot hold a ledger as it is; the message says why, and what to do."""


def migrate(url: str) -> UUID:
    """Applies what is missing; answers the ledger's id. Several at once wait for each other. Raises `Unfit`."""
    with psycopg.connect(url, autocommit=True) as connection:
        _refuse_replica(connection)
        connection.execute("SELECT pg_advisory_lock(%s)", (_MUTEX,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.order_ledger_migration "
            "(name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {name for (name,) in connection.execute("SELECT name FROM public.order_ledger_migration")}
        if unknown := done - {name for name, _ in _migrations()}:
            raise Unfit(
                f"This database was migrated by a later version of the ledger ({', '.join(sorted(unknown))}). "
                "Run that version, or a later one."
            )
        for name, text in _migrations():
            if name not in done:
                with connection.transaction():
                    text = text.replace("%(ledger)s", f"'{uuid4()}'")
                    connection.execute(text.encode())
                    connection.execute("INSERT INTO public.order_ledger_migration (name) VALUES (%s)", (name,))
        grant(connection)
        return inspect(connection)


def inspect(connection: Connection[TupleRow]) -> UUID:
    """Refuses a journal that would lose entries; mends a sequence that is behind its table, after a restore.

    Answers the ledger's id. Raises `Unfit`.
    """
    _refuse_replica(connection)
    if _one(connection, "SELECT to_regclass('journal.entry') IS NULL"):
        raise Unfit("This database holds no ledger yet. Run: order-ledger migrate")
    cache = _one(
        connection, "SELECT seqcache FROM pg_sequence WHERE seqrelid = 'journal.entry_notification_id_seq'::regclass"
    )
    if cache != 1:
        raise Unfit(
            f"The sequence of positions has CACHE {cache}, so positions are not drawn in order. "
            "Run: ALTER SEQUENCE journal.entry_notification_id_seq CACHE 1"
        )
    if _behind(connection):
        _mend(connection)
    ledger: UUID = _one(connection, "SELECT id FROM journal.ledger")
    return ledger


def _refuse_replica(connection: Connection[TupleRow]) -> None:
    if _one(connection, "SELECT pg_is_in_recovery()"):
        raise Unfit("This server is a replica. It holds no locks, so the feed would lose entries: use the primary.")


def _behind(connection: Connection[TupleRow]) -> bool:
    """Whether positions would be drawn that entries have already. The table is asked first: it never runs ahead."""
    highest = _one(connection, "SELECT coalesce(max(notification_id), 0) FROM journal.entry")
    return bool(highest > _one(connection, _DRAWN))


def _mend(connection: Connection[TupleRow]) -> None:
    """Sets the sequence to where the table ends, while nobody writes; who followed before has to start over."""
    try:
        with connection.transaction():
            connection.execute("LOCK TABLE journal.entry IN SHARE ROW EXCLUSIVE MODE")
            if not _behind(connection):
                return  # another process was faster; a second time would turn the sequence back
            drawn = _one(connection, _DRAWN)
            highest = _one(
                connection,
                "SELECT setval('journal.entry_notification_id_seq', max(notification_id)) FROM journal.entry",
            )
            connection.execute("UPDATE journal.ledger SET epoch = gen_random_uuid()")
    except psycopg.errors.InsufficientPrivilege as error:
        raise Unfit(
            "The sequence of positions is behind the journal, as after a restore, and this database role may not set "
            "it. Run: order-ledger migrate"
        ) from error
    _log.warning(
        "The sequence of positions stood at %s and the journal at %s, as after a restore: it was set, and the ledger's "
        "epoch changed, so that whoever holds a cursor starts over.",
        drawn,
        highest,
    )


def _migrations() -> list[tuple[str, str]]:
    folder = files("order_ledger.journal") / "schema"
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))


def _one(connection: Connection[TupleRow], query: LiteralString) -> Any:
    row = connection.execute(sql.SQL(query)).fetchone()
    assert row is not None
    return row[0]
