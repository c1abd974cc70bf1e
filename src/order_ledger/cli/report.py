"""`report`: what the read models say, of no earlier a moment than the one it was asked in."""

import psycopg
import typer

from order_ledger.cli.answers import AsFormat, AsJsonToo, answer_csv, answer_json, answer_rows
from order_ledger.cli.fulfilment import fulfilment
from order_ledger.cli.stock import stock
from order_ledger.cli.up_to_date import bring_up_to_date
from order_ledger.embedded_postgres import server_for
from order_ledger.journal.migrations import migrate
from order_ledger.queries import order_status
from order_ledger.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What the read models say.")
app.command()(fulfilment)
app.command()(stock)


@app.callback()
def _group() -> None:
    pass


@app.command()
def status(form: AsFormat = "table", as_json: AsJsonToo = False) -> None:
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
