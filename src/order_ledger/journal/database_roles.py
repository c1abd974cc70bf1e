"""The database's own roles: what each kind of process may do there, should it go wrong.

    order_ledger_door      appends entries, remembers keys, keeps contacts; changes no entry
    order_ledger_follower  reads the journal, writes read models
    order_ledger_policy    reads the journal, appends what the ledger does by itself, keeps cases and counters
    order_ledger_reader    reads read models, and nothing of the journal

They cannot log in. A process logs in as the owner and takes its role with the first word it says, by `as_role`. That
guards against a process that is wrong, not against one that is hostile: it could take its role off again. Whoever
wants more makes a login of their own, grants it one of these, and gives the process that.

On a database that lets us make no roles everything works under the one that we have; `inspect_rights` says what is
lost.
"""

from contextlib import suppress
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

DatabaseRole = Literal["order_ledger_door", "order_ledger_follower", "order_ledger_policy", "order_ledger_reader"]

ROLES: tuple[DatabaseRole, ...] = (
    "order_ledger_door",
    "order_ledger_follower",
    "order_ledger_policy",
    "order_ledger_reader",
)

_GRANTS = (Path(__file__).parent / "grants.sql").read_text()
# What runs longer, or is left open longer, is a process gone wrong, and the feed waits for it.
_LIMITS: dict[DatabaseRole, str] = {
    "order_ledger_door": "-c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
    "order_ledger_follower": "-c statement_timeout=10min -c idle_in_transaction_session_timeout=10min",
    "order_ledger_policy": "-c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
    "order_ledger_reader": "-c statement_timeout=5min -c idle_in_transaction_session_timeout=60s",
}
_MAY_TAKE = """
    SELECT pg_has_role(oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
    FROM pg_roles WHERE rolname = %s
"""
_LOCKING = """
    SELECT p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
"""
_OPEN_TO_ALL = f"{_LOCKING} AND has_function_privilege('public', p.oid, 'EXECUTE')"
_WHO_LOCKS = "order_ledger_door, order_ledger_follower, order_ledger_policy"


def as_role(url: str, role: DatabaseRole) -> str:
    """The connection string for a process of this kind: it takes the role, and its time limits, where it may.

    Asks the database once. Raises `psycopg.OperationalError` while it is away.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        if not _may_take(connection, role):
            return url
    given = conninfo_to_dict(url)
    options = f"{given.pop('options', None) or ''} -c role={role} {_LIMITS[role]}".strip()
    return make_conninfo("", **given, options=options)


def grant(connection: Connection[TupleRow]) -> None:
    """Makes the roles where we may, and gives each what it needs; where we may not, leaves everything as it is."""
    superuser, may_create = _row(
        connection, "SELECT rolsuper, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )
    for role in ROLES:
        if not _exists(connection, role):
            if not may_create:
                return
            _create(connection, role)
        if not _may_take(connection, role):
            _let_us_take(connection, role)
    with connection.transaction():
        connection.execute(_GRANTS.encode())
    # Only where nobody else can be in this cluster: a function is everybody's, and theirs would miss it.
    if superuser and _row(connection, "SELECT current_setting('listen_addresses') = ''")[0]:
        _keep_locks_to_ourselves(connection)


def grant_read_model(connection: Connection[TupleRow], schema: str) -> None:
    """Lets followers write the tables of this schema, the door and readers read them; where there are such roles."""
    name = sql.Identifier(schema)
    for role in ROLES:
        if not _exists(connection, role):
            return
        grantee = sql.Identifier(role)
        rights = sql.SQL("SELECT, INSERT, UPDATE, DELETE, TRUNCATE" if role == "order_ledger_follower" else "SELECT")
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, grantee))
        connection.execute(sql.SQL("GRANT {} ON ALL TABLES IN SCHEMA {} TO {}").format(rights, name, grantee))
        if role == "order_ledger_follower":
            connection.execute(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {} TO {}").format(name, grantee))


def inspect_rights(connection: Connection[TupleRow]) -> list[str]:
    """What is lost because this connection may do more than it needs, in sentences; none where all is well."""
    changes, chooses, erases = _row(
        connection,
        "SELECT has_table_privilege('journal.entry', 'UPDATE, DELETE, TRUNCATE'), "
        "       has_column_privilege('journal.entry', 'notification_id', 'INSERT'), "
        "       has_table_privilege('personal.key', 'DELETE, TRUNCATE')",
    )
    lost = []
    if changes:
        lost.append("This database role may change entries, but for a trigger that it may take away.")
    if chooses:
        lost.append("This database role may choose an entry's position instead of drawing it.")
    if erases:
        lost.append("This database role may delete keys of personal data without a trace.")
    if connection.execute(_OPEN_TO_ALL).fetchone() is not None:
        lost.append("Every role of this database may hold the feed back with an advisory lock.")
    return lost


def _keep_locks_to_ourselves(connection: Connection[TupleRow]) -> None:
    with connection.transaction():
        for (function,) in connection.execute(_LOCKING).fetchall():
            named = sql.SQL(function)
            connection.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(named, sql.SQL(_WHO_LOCKS)))
            connection.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(named))


def _create(connection: Connection[TupleRow], role: DatabaseRole) -> None:
    # Roles are the cluster's: a ledger in another of its databases may be faster.
    with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))


def _let_us_take(connection: Connection[TupleRow], role: DatabaseRole) -> None:
    # Where somebody else made it, it is theirs to grant; `as_role` and `inspect_rights` see that it is not ours.
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))


def _may_take(connection: Connection[TupleRow], role: DatabaseRole) -> bool:
    row = connection.execute(_MAY_TAKE, (role,)).fetchone()
    return row is not None and bool(row[0])


def _exists(connection: Connection[TupleRow], role: DatabaseRole) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None


def _row(connection: Connection[TupleRow], query: str) -> TupleRow:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row
