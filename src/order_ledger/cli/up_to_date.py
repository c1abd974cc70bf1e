"""Read models for those who are about to ask them: brought up to the journal, or as of a moment of the past."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.cli.answers import Failed, say
from order_ledger.following import installing, lag
from order_ledger.following.asking import Moment, asked_of
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.journal.migrations import migrate
from order_ledger.postgres import server_for
from order_ledger.settings import Settings

_LONGEST_WAIT_SECONDS = 600.0


@contextmanager
def asked(*names: str, at: Moment | None = None) -> Iterator[Connection[TupleRow]]:
    """A connection on which these read models are up to date or, as of a moment, what they were then.

    Raises `Failed` where a follower does not get there.
    """
    with server_for(Settings()) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            if at is None:
                for name in names:
                    bring_up_to_date(connection, url, name)
                yield connection
            else:
                with asked_of(url, connection, [find(name) for name in names], at):
                    yield connection


def bring_up_to_date(connection: Connection[TupleRow], url: str, name: str) -> None:
    """Waits until the read model holds all that the journal holds now; where nobody follows it, does so itself.

    Raises `Failed` where a follower does not get there.
    """
    row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM journal.entry").fetchone()
    assert row is not None
    position, projection = int(row[0]), find(name)
    if name not in installing.versions(connection, name).values():
        installing.install(connection, projection)
    match lag.wait_for(connection, name, position, _LONGEST_WAIT_SECONDS):
        case "reached":
            return
        case "late":
            raise Failed(f"{name} is still behind position {position}: order-ledger projections list says how far.")
        case "nobody_follows":
            say(f"nobody follows {name}: following it up to position {position}")
    current = {schema: version for version, schema in installing.versions(connection, name).items()}[name]
    if current != projection.version:
        raise Failed(f"Version {current} of {name} is read, and this program follows version {projection.version}.")
    parts = max(each.parts for each in lag.status(connection) if each.schema == name)
    for part in range(1, parts + 1):
        Follower(url, projection, part=part, parts=parts).catch_up(position)
