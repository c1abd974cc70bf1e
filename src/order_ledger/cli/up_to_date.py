"""Bringing a read model up to the journal, for those who are about to ask it."""

from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.cli.answers import Failed, say
from order_ledger.following import installing, lag
from order_ledger.following.live import Follower
from order_ledger.following.projections import find

_LONGEST_WAIT_SECONDS = 600.0


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
