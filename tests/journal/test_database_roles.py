"""Each kind of process can do its work under its role of the database, and nothing else."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow

from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.journal import feed
from order_ledger.journal.appending import Key, Proposal
from order_ledger.journal.contacts import remember_contact_now
from order_ledger.journal.database_roles import (
    ROLES,
    DatabaseRole,
    as_role,
    grant,
    grant_read_model,
    inspect_rights,
)
from order_ledger.journal.group_commit import GroupCommit
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import inspect, migrate
from order_ledger.journal.settling import Settler
from order_ledger.orders.events import NoteAdded
from order_ledger.postgres import embedded_postgres
from order_ledger.values import Contact, unsealed
from tests.conftest import make_url
from tests.journal.conftest import MASTER

NOW = datetime(2026, 11, 21, 20, 15, 3, tzinfo=UTC)
ALL_LOST = [
    "This database role may change entries, but for a trigger that it may take away.",
    "This database role may choose an entry's position instead of drawing it.",
    "This database role may delete keys of personal data without a trace.",
    "Every role of this database may hold the feed back with an advisory lock.",
]


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A cluster where nobody made any role yet."""
    home = Path(tempfile.mkdtemp(prefix="order-ledger-roles-"))
    home.chmod(0o711)
    try:
        with embedded_postgres(home) as url:
            yield url
    finally:
        shutil.rmtree(home)


@pytest.fixture
def own_ledger(own_server: str) -> Iterator[str]:
    """A ledger in a cluster that is ours alone."""
    with made_ledger(own_server) as url:
        yield url


@pytest.fixture(scope="module")
def refusing_ledger(own_server: str) -> Iterator[str]:
    """The same with a read model, for all that is refused: so it stays what it is."""
    with made_ledger(own_server) as url:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("CREATE SCHEMA seen; CREATE TABLE seen.orders (stream uuid)")
            grant_read_model(owner, "seen")
        yield url


@contextmanager
def made_ledger(server: str) -> Iterator[str]:
    name = f"ledger_{uuid4().hex}"
    administer(server, "CREATE DATABASE {}", name)
    url = make_url(server, name)
    migrate(url)
    yield url
    administer(server, "DROP DATABASE {} WITH (FORCE)", name)


def administer(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def connected(url: str, role: DatabaseRole) -> Connection[TupleRow]:
    return psycopg.connect(as_role(url, role), autocommit=True)


def proposal(journal: Journal) -> Proposal:
    """A note that is sealed for somebody new."""
    stream, person, command = uuid4(), uuid4(), uuid4()
    cause = Cause(By(person, "consumer"), "api", CommandRef(command, "add_note"))
    event = NoteAdded(
        note=1, text=unsealed("Call me.", person), audience="staff", about="order", for_role=None, answers_note=None
    )
    _, head = journal.load(stream, "order")
    return Proposal(command, [journal.encode("order", stream, head, [Fact(event, NOW)], cause)], Key(stream, "key"))


def test_the_door_does_its_work(own_ledger: str) -> None:
    url = as_role(own_ledger, "order_ledger_door")
    with Journal(url, MASTER) as journal:
        sent = proposal(journal)

        async def run() -> list[str]:
            async with GroupCommit(url) as commits:
                return [(await commits.append(sent)).outcome for _ in range(2)]

        assert asyncio.run(run()) == ["appended", "remembered"]
        with journal.connection() as connection:
            assert [row.position for row in feed.read(connection, 0, 10)] == [1]
            assert connection.execute(feed.HOLDERS).fetchall() == []
            remember_contact_now(connection, uuid4(), Contact("Grace", None, "grace@example.org"))
            connection.execute("SELECT * FROM personal.contact WHERE search LIKE '%grace%'")
            connection.execute("DELETE FROM personal.contact")
            connection.execute(
                "INSERT INTO personal.account (login, person, password_hash) VALUES ('a', %s, 'b')", (uuid4(),)
            )
            connection.execute("UPDATE personal.account SET disabled = true")
            connection.execute("INSERT INTO journal.access (at, what) VALUES (now(), 'looked')")
            connection.execute("SELECT * FROM journal.access")
            connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now()")
            with connection.cursor().copy(
                "COPY journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
                "FROM STDIN"
            ) as copy:
                copy.write_row((uuid4(), 1, "Tried", "\\x", "order", NOW, "\\x" + 32 * "00"))
            assert [row.position for row in feed.read(connection, 1, 10)] == [2]
            assert inspect(connection) == journal.ledger


def test_the_lock_of_a_door_holds_the_feed(own_ledger: str) -> None:
    with (
        psycopg.connect(as_role(own_ledger, "order_ledger_door")) as slow,
        connected(own_ledger, "order_ledger_follower") as follower,
    ):
        insert(slow)
        with connected(own_ledger, "order_ledger_door") as door:
            insert(door)
        assert feed.settled(follower) == 0
        assert feed.read(follower, 0, 10) == []
        slow.commit()
        assert [row.position for row in feed.read(follower, 0, 10)] == [1, 2]


def test_a_follower_does_its_work(own_ledger: str) -> None:
    with psycopg.connect(own_ledger, autocommit=True) as owner:
        insert(owner)
        owner.execute(
            "CREATE SCHEMA seen; CREATE TABLE seen.orders (id bigint GENERATED ALWAYS AS IDENTITY, stream uuid)"
        )
        owner.execute("CREATE TABLE seen.numbered (id serial)")
        grant_read_model(owner, "seen")
    with connected(own_ledger, "order_ledger_follower") as follower:
        inspect(follower)
        (row,) = feed.read(follower, 0, 10)
        follower.execute("INSERT INTO seen.orders (stream) VALUES (%s)", (row.stream,))
        follower.execute("INSERT INTO seen.numbered DEFAULT VALUES")
        follower.execute("UPDATE seen.orders SET stream = stream")
        follower.execute("DELETE FROM seen.orders")
        follower.execute("TRUNCATE seen.orders")
        stop = threading.Event()
        settler = threading.Thread(
            target=Settler(as_role(own_ledger, "order_ledger_follower")).run, args=(stop.is_set,)
        )
        follower.execute("LISTEN journal_settled")
        settler.start()
        assert [told.payload for told in follower.notifies(timeout=20, stop_after=1)] == ["1"]
        stop.set()
        settler.join(20)


def test_a_reader_does_its_work(own_ledger: str) -> None:
    with psycopg.connect(own_ledger, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA seen; CREATE TABLE seen.orders (stream uuid)")
        grant_read_model(owner, "seen")
    for role in ("order_ledger_reader", "order_ledger_door"):
        with connected(own_ledger, role) as reader:
            assert reader.execute("SELECT * FROM seen.orders").fetchall() == []


INSERT = (
    "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
    "VALUES (gen_random_uuid(), 1, 'Tried', '', 'order', now(), sha256(''))"
)


def insert(connection: Connection[TupleRow]) -> None:
    connection.execute(INSERT)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal.entry SET topic = 'Other'",
        "DELETE FROM journal.entry",
        "TRUNCATE journal.entry",
        "INSERT INTO journal.entry (notification_id) OVERRIDING SYSTEM VALUE VALUES (9)",
        "SELECT setval('journal.entry_notification_id_seq', 9)",
        "SELECT nextval('journal.entry_notification_id_seq')",
        "ALTER TABLE journal.entry DISABLE TRIGGER ALL",
        "DROP TRIGGER hold_feed ON journal.entry",
        "CREATE TABLE journal.other ()",
        "CREATE SCHEMA other",
        "UPDATE journal.idempotency_key SET key = 'other'",
        "DELETE FROM journal.idempotency_key",
        "UPDATE journal.access SET what = 'nothing'",
        "DELETE FROM journal.access",
        "UPDATE journal.ledger SET epoch = gen_random_uuid()",
        "DELETE FROM personal.key",
        "TRUNCATE personal.key",
        "UPDATE personal.key SET id = 'other'",
        "DELETE FROM personal.account",
        "SET session_replication_role = replica",
    ],
)
def test_no_role_changes_what_is_permanent(refusing_ledger: str, role: DatabaseRole, statement: str) -> None:
    with connected(refusing_ledger, role) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("order_ledger_door", "UPDATE journal.settled SET position = 9"),
        ("order_ledger_door", "INSERT INTO seen.orders VALUES (NULL)"),
        ("order_ledger_door", "DELETE FROM seen.orders"),
        ("order_ledger_follower", INSERT),
        ("order_ledger_follower", "INSERT INTO journal.settled DEFAULT VALUES"),
        ("order_ledger_follower", "SELECT * FROM journal.idempotency_key"),
        ("order_ledger_follower", "SELECT * FROM journal.access"),
        ("order_ledger_follower", "SELECT * FROM personal.key"),
        ("order_ledger_follower", "SELECT * FROM personal.contact"),
        ("order_ledger_follower", "SELECT * FROM personal.account"),
        ("order_ledger_follower", "DROP TABLE seen.orders"),
        ("order_ledger_follower", "CREATE TABLE seen.other ()"),
        ("order_ledger_reader", INSERT),
        ("order_ledger_reader", "SELECT * FROM journal.entry"),
        ("order_ledger_reader", "SELECT * FROM journal.entries"),
        ("order_ledger_reader", "SELECT journal.settled_position()"),
        ("order_ledger_reader", "SELECT * FROM personal.key"),
        ("order_ledger_reader", "SELECT * FROM personal.contact"),
        ("order_ledger_reader", "INSERT INTO seen.orders VALUES (NULL)"),
        ("order_ledger_reader", "SELECT pg_advisory_lock_shared(1)"),
        ("order_ledger_reader", "SELECT pg_try_advisory_xact_lock(1, 2)"),
    ],
)
def test_a_role_does_not_do_the_work_of_another(refusing_ledger: str, role: DatabaseRole, statement: str) -> None:
    with connected(refusing_ledger, role) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement.encode())


def test_a_role_has_its_limits_of_time(own_ledger: str) -> None:
    for role, statement, idle in (
        ("order_ledger_door", "1min", "1min"),
        ("order_ledger_follower", "10min", "10min"),
        ("order_ledger_reader", "5min", "1min"),
    ):
        with connected(own_ledger, role) as connection:  # type: ignore[arg-type]
            found = connection.execute(
                "SELECT current_user, current_setting('statement_timeout'), "
                "current_setting('idle_in_transaction_session_timeout')"
            ).fetchone()
        assert found == (role, statement, idle)


def test_what_a_connection_string_says_already_stays(own_ledger: str) -> None:
    url = make_conninfo(own_ledger, options="-c work_mem=5MB", application_name="a door")
    with connected(url, "order_ledger_door") as connection:
        assert connection.execute(
            "SELECT current_user, current_setting('work_mem'), current_setting('application_name')"
        ).fetchone() == ("order_ledger_door", "5MB", "a door")


def test_where_each_has_its_role_nothing_is_lost(own_ledger: str) -> None:
    with connected(own_ledger, "order_ledger_door") as door:
        assert inspect_rights(door) == []
    with psycopg.connect(own_ledger) as owner:
        assert inspect_rights(owner) == ALL_LOST[:3]


def test_granting_again_changes_nothing(own_ledger: str) -> None:
    def granted() -> list[TupleRow]:
        return owner.execute(
            "SELECT relname, relacl::text FROM pg_class "
            "WHERE relnamespace IN ('journal'::regnamespace, 'personal'::regnamespace) "
            "UNION ALL SELECT oid::regprocedure::text, proacl::text FROM pg_proc WHERE proname LIKE 'pg%advisory%' "
            "ORDER BY 1"
        ).fetchall()

    with psycopg.connect(own_ledger, autocommit=True) as owner:
        before = granted()
        grant(owner)
        assert granted() == before


# Databases that are not ours alone


def plain_ledger(own_server: str, *, may_create_roles: bool) -> str:
    """A database whose owner is nobody special; not migrated yet."""
    name = f"plain_{uuid4().hex}"
    administer(own_server, f"CREATE ROLE {{}} LOGIN {'CREATEROLE' if may_create_roles else ''}", name)
    administer(own_server, "CREATE DATABASE {} OWNER {}", name, name)
    return make_conninfo(own_server, user=name, dbname=name)


@pytest.fixture
def cluster_without_roles() -> Iterator[str]:
    home = Path(tempfile.mkdtemp(prefix="order-ledger-roles-"))
    home.chmod(0o711)
    try:
        with embedded_postgres(home) as url:
            yield url
    finally:
        shutil.rmtree(home)


def test_a_database_that_gives_us_one_role_works_and_says_what_is_lost(cluster_without_roles: str) -> None:
    url = plain_ledger(cluster_without_roles, may_create_roles=False)
    migrate(url)
    for role in ROLES:
        assert as_role(url, role) == url
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_roles WHERE rolname = ANY(%s)", (list(ROLES),)
        ).fetchone() == (0,)
        connection.execute("CREATE SCHEMA seen; CREATE TABLE seen.orders (stream uuid)")
        grant_read_model(connection, "seen")
        assert inspect_rights(connection) == ALL_LOST
    with Journal(url, MASTER) as journal:
        assert [outcome.outcome for outcome in journal.append([proposal(journal)])] == ["appended"]
        with journal.connection() as connection:
            assert len(feed.read(connection, 0, 10)) == 1
    # An owner who may make roles comes to the same cluster, and then there are some: for its own database.
    other = plain_ledger(cluster_without_roles, may_create_roles=True)
    migrate(other)
    with connected(other, "order_ledger_door") as door:
        insert(door)
        assert inspect_rights(door) == ALL_LOST[3:]
    # The first now finds roles that it may grant to, and still not take.
    migrate(url)
    assert as_role(url, "order_ledger_door") == url
