"""`projections`: the read models, how far they are, and the streams they could not read."""

from typing import Annotated, Any
from uuid import UUID

import psycopg
import typer

from order_ledger.cli import rebuilding
from order_ledger.cli.answers import AsJson, Failed, answer_json, answer_rows, say
from order_ledger.following import installing, lag, parking
from order_ledger.following.projections import find, names
from order_ledger.journal.migrations import inspect
from order_ledger.postgres import server_for
from order_ledger.settings import Settings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Read models: how far they are, what failed, and made anew."
)


for command, function in rebuilding.COMMANDS.items():
    app.command(command)(function)


@app.callback()
def _group() -> None:
    pass


@app.command("list")
def list_projections(as_json: AsJson = False) -> None:
    """Every read model, by version and part: how far it is, how far behind, and what is parked."""
    with server_for(Settings()) as url, psycopg.connect(url, autocommit=True) as connection:
        inspect(connection)
        status = lag.status(connection)
        parked = {each.schema: parking.parked_streams(connection, each.schema) for each in status if each.parked}
        aside = installing.aside(connection)
    installed = {each.name for each in status}
    missing = [name for name in names() if name not in installed]
    if as_json:
        answer_json({"projections": status, "parked": parked, "not_installed": missing, "aside": aside})
        return
    columns = ("name", "version", "read", "part", "position", "behind", "seconds", "parked", "followed")
    rows: list[tuple[Any, ...]] = [
        (
            each.name, each.version, each.current, f"{each.part}/{each.parts}", each.position, each.lag_events,
            each.lag_seconds, each.parked, each.followed,
        )
        for each in status
    ]  # fmt: skip
    rows += [(name, find(name).version, False, "–", 0, "–", None, 0, False) for name in missing]
    answer_rows(columns, rows)
    for schema, streams in parked.items():
        answer_rows(
            ("stream", "version", "entry", "error"),
            [(each.stream, each.version, each.name, each.error) for each in streams],
            title=f"\nparked in {schema}",
        )
    if aside:
        say(f"not followed: {', '.join(aside)} (being rebuilt, or as of a moment)")


@app.command()
def retry(
    name: Annotated[str, typer.Argument(help="The read model, such as order_status.")],
    stream: Annotated[UUID | None, typer.Option(help="Only this stream; otherwise all that are parked.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fold parked streams anew, from their first entry, and put them back where that succeeds."""
    projection = find(name)
    with server_for(Settings()) as url, psycopg.connect(url, autocommit=True) as connection:
        put_back, failing = parking.retry(connection, projection, stream)
    if as_json:
        answer_json({"put_back": put_back, "failing": failing})
    else:
        say(f"put back: {len(put_back)}; failing still: {len(failing)}")
    if failing:
        raise Failed(f"{len(failing)} streams cannot be read, the first at {failing[0].name}: {failing[0].error}")
