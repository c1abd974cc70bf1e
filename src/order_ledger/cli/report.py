"""`report`: what the read models say, of no earlier a moment than the one it was asked in, or of one that is named."""

import typer

from order_ledger.cli.answers import AsFormat, AsJsonToo, answer_csv, answer_json, answer_rows
from order_ledger.cli.documents import documents
from order_ledger.cli.fulfilment import fulfilment
from order_ledger.cli.moments import AsOf, AsRecorded, AtPosition, moment_of
from order_ledger.cli.stock import stock
from order_ledger.cli.up_to_date import asked
from order_ledger.queries import order_status

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What the read models say.")
app.command()(fulfilment)
app.command()(stock)
app.command()(documents)


@app.callback()
def _group() -> None:
    pass


@app.command()
def status(
    as_of: AsOf = None,
    as_recorded: AsRecorded = None,
    position: AtPosition = None,
    form: AsFormat = "table",
    as_json: AsJsonToo = False,
) -> None:
    """How many orders are in each state, now or at a moment of the past."""
    with asked("order_status", at=moment_of(as_of, as_recorded, position)) as connection:
        counts = order_status.count_by_state(connection)
    rows = list(counts.states.items())
    if as_json or form == "json":
        answer_json(counts)
    elif form == "csv":
        answer_csv(("state", "orders"), rows)
    else:
        answer_rows(("state", "orders"), [*rows, ("all", counts.orders)])
