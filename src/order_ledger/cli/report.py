"""`report`: what the read models say, of no earlier a moment than the one it was asked in."""

from typing import Annotated

import psycopg
import typer
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.cli.answers import Failed, Format, answer_csv, answer_json, answer_rows, say
from order_ledger.embedded_postgres import server_for
from order_ledger.following import installing, lag
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.journal.migrations import migrate
from order_ledger.queries import order_status
from order_ledger.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What the read models say.")

AsFormat = Annotated[Format, typer.Option("--format", help="How the answer is written.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
_LONGEST_WAIT_SECONDS = 600.0


@app.callback()
def _group() -> None:
    pass


@app.command()
def status(form: AsFormat = "table", as_json: AsJson = False) -> None:
    """How many orders are in each state."""
    with server_for(Settings()) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            bring_up_to_date(connection, url, "order_status")
            counts = order_status.count_by_state_now(connection)
    rows = list(counts.states.items())
    if as_json or form == "json":
        answer_json(counts)
    elif form == "csv":
        answer_csv(("state", "orders"), rows)
    else:
        answer_rows(("state", "orders"), [*rows, ("all", counts.orders)])


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
