"""Brings a database to the form that this version of the ledger needs. Forward only, once each, in order."""

from importlib.resources import files
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

_MUTEX = 0x6F6C2D6D6967  # "ol-mig", in a range that no position's lock has


class Unfit(Exception):
    """The database cannot hold a ledger as it is; the message says why, and what to do."""


def migrate(url: str) -> UUID:
    """Applies what is missing; answers the ledger's id. Several at once wait for each other."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_MUTEX,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.order_ledger_migration "
            "(name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {name for (name,) in connection.execute("SELECT name FROM public.order_ledger_migration")}
        for name, text in _migrations():
            if name not in done:
                with connection.transaction():
                    text = text.replace("%(ledger)s", f"'{uuid4()}'")
                    connection.execute(text.encode())
                    connection.execute("INSERT INTO public.order_ledger_migration (name) VALUES (%s)", (name,))
        unknown = done - {name for name, _ in _migrations()}
        if unknown:
            raise Unfit(
                f"This database was migrated by a later version of the ledger ({', '.join(sorted(unknown))}). "
                "Run that version, or a later one."
            )
        return inspect(connection)


def inspect(connection: Connection[TupleRow]) -> UUID:
    """Refuses a journal that would lose entries; mends a sequence that is behind its table, after a restore.

    Answers the ledger's id. Raises `Unfit`.
    """
    if _one(connection, "SELECT pg_is_in_recovery()"):
        raise Unfit("This server is a replica. It holds no locks, so the feed would lose entries: use the primary.")
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
    highest = _one(connection, "SELECT coalesce(max(notification_id), 0) FROM journal.entry")
    drawn = _one(
        connection, "SELECT coalesce(pg_sequence_last_value('journal.entry_notification_id_seq'::regclass), 0)"
    )
    if drawn < highest:
        connection.execute("SELECT setval('journal.entry_notification_id_seq', %s)", (highest,))
        connection.execute("UPDATE journal.ledger SET epoch = gen_random_uuid()")
    ledger: UUID = _one(connection, "SELECT id FROM journal.ledger")
    return ledger


def _migrations() -> list[tuple[str, str]]:
    folder = files("order_ledger.journal") / "schema"
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))


def _one(connection: Connection[TupleRow], query: LiteralString) -> Any:
    row = connection.execute(sql.SQL(query)).fetchone()
    assert row is not None
    return row[0]
