"""A database becomes a ledger once, whoever comes first; one that would lose entries is refused or mended."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.journal import feed
from order_ledger.journal.database_roles import as_role
from order_ledger.journal.migrations import Unfit, inspect, migrate
from order_ledger.journal.settling import Settler
from order_ledger.postgres import embedded_postgres
from order_ledger.postgres.programs import programs_folder

MIGRATION = "import sys; from order_ledger.journal.migrations import migrate; print(migrate(sys.argv[1]))"

INSPECTION = """
import sys, psycopg
from order_ledger.journal import migrations
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    assert migrations._behind(connection)
    print("behind", flush=True)
    migrations.inspect(connection)
"""


@pytest.fixture
def connection(ledger_url: str) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        yield connection


def insert(connection: Connection[TupleRow], count: int = 1) -> None:
    connection.execute(
        "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
        "SELECT gen_random_uuid(), 1, 'Tried', '', 'order', now(), sha256('') FROM generate_series(1, %s)",
        (count,),
    )


def epoch(connection: Connection[TupleRow]) -> UUID:
    row = connection.execute("SELECT epoch FROM journal.ledger").fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


def test_a_second_migration_finds_the_same_ledger(database: str) -> None:
    ledger = migrate(database)
    with psycopg.connect(database) as connection:
        before = connection.execute("SELECT * FROM public.order_ledger_migration").fetchall()
    assert migrate(database) == ledger
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT * FROM public.order_ledger_migration").fetchall() == before
        assert inspect(connection) == ledger


def test_processes_that_migrate_at_once_make_one_ledger(database: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATION, database], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(5)
    ]
    told = [process.communicate(timeout=60) for process in processes]
    assert [errors for _, errors in told] == [""] * 5
    assert len({ledger for ledger, _ in told}) == 1


def test_a_database_without_a_ledger_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection, pytest.raises(Unfit, match="Run: order-ledger migrate"):
        inspect(connection)


def test_a_database_of_a_later_version_is_refused(ledger_url: str, connection: Connection[TupleRow]) -> None:
    connection.execute("INSERT INTO public.order_ledger_migration (name) VALUES ('999_later.sql')")
    with pytest.raises(Unfit, match=r"later version of the ledger \(999_later\.sql\)"):
        migrate(ledger_url)


def test_a_sequence_with_a_cache_is_refused(ledger_url: str, connection: Connection[TupleRow]) -> None:
    connection.execute("ALTER SEQUENCE journal.entry_notification_id_seq CACHE 10")
    with pytest.raises(Unfit, match="has CACHE 10, so positions are not drawn in order"):
        inspect(connection)
    with pytest.raises(Unfit, match="CACHE 10"):
        migrate(ledger_url)
    connection.execute("ALTER SEQUENCE journal.entry_notification_id_seq CACHE 1")
    inspect(connection)


def test_a_sequence_behind_the_table_is_set_and_the_epoch_changes(
    connection: Connection[TupleRow], caplog: pytest.LogCaptureFixture
) -> None:
    insert(connection, 5)
    before = epoch(connection)
    inspect(connection)
    assert (epoch(connection), caplog.records) == (before, [])
    connection.execute("SELECT setval('journal.entry_notification_id_seq', 2)")
    with caplog.at_level(logging.WARNING):
        inspect(connection)
    assert epoch(connection) != before
    assert "stood at 2 and the journal at 5" in caplog.text
    insert(connection)
    assert [row.position for row in feed.read(connection, 0, 10)] == [1, 2, 3, 4, 5, 6]


def test_a_sequence_never_called_is_behind_too(connection: Connection[TupleRow]) -> None:
    insert(connection, 2)
    connection.execute("ALTER SEQUENCE journal.entry_notification_id_seq RESTART")
    inspect(connection)
    insert(connection)
    assert [row.position for row in feed.read(connection, 0, 10)] == [1, 2, 3]


def test_processes_that_mend_at_once_never_turn_the_sequence_back(
    ledger_url: str, connection: Connection[TupleRow]
) -> None:
    insert(connection, 5)
    before = epoch(connection)
    connection.execute("SELECT setval('journal.entry_notification_id_seq', 1)")
    with psycopg.connect(ledger_url) as writing:
        writing.execute("LOCK TABLE journal.entry IN ROW EXCLUSIVE MODE")
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", INSPECTION, ledger_url],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "behind\n"
    told = [process.communicate(timeout=60) for process in processes]
    assert all(process.returncode == 0 for process in processes), told
    # Exactly one of them mended, and said so.
    assert sum("it was set" in errors for _, errors in told) == 1
    assert epoch(connection) != before
    insert(connection)
    assert feed.settled(connection) == 6


def test_a_role_that_may_not_mend_says_who_can(ledger_url: str, connection: Connection[TupleRow]) -> None:
    insert(connection, 3)
    connection.execute("SELECT setval('journal.entry_notification_id_seq', 1)")
    with psycopg.connect(as_role(ledger_url, "order_ledger_door"), autocommit=True) as door:
        with pytest.raises(Unfit, match=r"may not set it\. Run: order-ledger migrate"):
            inspect(door)
        migrate(ledger_url)
        inspect(door)


def test_a_replica_is_refused() -> None:
    home, replica_home = (Path(tempfile.mkdtemp(prefix="order-ledger-replica-")) for _ in range(2))
    try:
        for folder in (home, replica_home):
            folder.chmod(0o711)
        with embedded_postgres(home) as url:
            migrate(url)
            copy_server(url, home, replica_home)
            with embedded_postgres(replica_home) as replica_url:
                with pytest.raises(Unfit, match="This server is a replica"):
                    migrate(replica_url)
                with psycopg.connect(replica_url, autocommit=True) as replica:
                    with pytest.raises(Unfit, match="This server is a replica"):
                        inspect(replica)
                    with pytest.raises(feed.OnReplica, match="follow the feed on the primary"):
                        feed.check_primary(replica)
                with pytest.raises(feed.OnReplica):
                    Settler(replica_url).run(lambda: False)
    finally:
        shutil.rmtree(home)
        shutil.rmtree(replica_home)


def copy_server(url: str, home: Path, replica_home: Path) -> None:
    """A standby of this server in another home, as an administrator would make it."""
    place = replica_home / "postgres"
    place.mkdir()
    place.chmod(0o711)
    program = programs_folder() / "pg_basebackup"
    subprocess.run(
        [program, "-d", url, "-D", place / "data", "-R", "-c", "fast", "-X", "stream"], check=True, capture_output=True
    )
    owner = (home / "postgres" / "data").stat()
    for path in (place / "data", *(place / "data").rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


# What the tables themselves refuse, even their owner


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal.entry SET topic = 'Other'",
        "UPDATE journal.entry SET topic = topic WHERE false",
        "DELETE FROM journal.entry",
        "TRUNCATE journal.entry",
        "UPDATE journal.idempotency_key SET key = 'other'",
        "DELETE FROM journal.idempotency_key",
        "TRUNCATE journal.idempotency_key",
        "UPDATE journal.access SET what = 'nothing'",
        "DELETE FROM journal.access",
        "TRUNCATE journal.access",
        "UPDATE journal.ledger SET id = gen_random_uuid()",
        "DELETE FROM journal.ledger",
        "DELETE FROM personal.key",
        "TRUNCATE personal.key",
        "UPDATE personal.key SET id = 'other'",
        "UPDATE personal.key SET person = gen_random_uuid()",
        "UPDATE personal.key SET wrapped = 'again', erased_at = NULL WHERE erased_at IS NOT NULL",
    ],
)
def test_what_is_permanent_is_refused_to_be_changed(connection: Connection[TupleRow], statement: str) -> None:
    insert(connection)
    connection.execute(
        "INSERT INTO personal.key (person, purpose, id, wrapped, erased_at) "
        "VALUES (%s, 'order', 'active', 'key', NULL), (%s, 'order', 'erased', NULL, now())",
        (uuid4(), uuid4()),
    )
    with pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute(statement.encode())


def test_a_key_may_be_erased_or_wrapped_anew(connection: Connection[TupleRow]) -> None:
    connection.execute(
        "INSERT INTO personal.key (person, purpose, id, wrapped) VALUES (%s, 'order', 'a', 'k')", (uuid4(),)
    )
    connection.execute("UPDATE personal.key SET wrapped = 'by another master key'")
    connection.execute("UPDATE personal.key SET wrapped = NULL, erased_at = now()")
    assert connection.execute("SELECT wrapped FROM personal.key").fetchall() == [(None,)]


def test_a_position_cannot_be_chosen_by_accident(connection: Connection[TupleRow]) -> None:
    with pytest.raises(psycopg.errors.GeneratedAlways):
        connection.execute(
            "INSERT INTO journal.entry VALUES (gen_random_uuid(), 1, 'Tried', '', 9, 'order', now(), sha256(''))"
        )


def test_people_with_sql_read_entries_as_json(connection: Connection[TupleRow]) -> None:
    connection.execute(
        "INSERT INTO journal.entry (originator_id, originator_version, topic, state, kind, recorded_at, hash) "
        "VALUES (gen_random_uuid(), 1, 'Tried', '{\"version\": 1}', 'order', now(), sha256(''))"
    )
    row = connection.execute("SELECT position, version, kind, name, entry FROM journal.entries").fetchone()
    assert row == (1, 1, "order", "Tried", {"version": 1})
