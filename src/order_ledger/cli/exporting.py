"""`export`: the ledger's own, given out."""

from pathlib import Path
from typing import Annotated

import msgspec
import psycopg
import typer

from order_ledger.cli.answers import AsJson, Failed, answer_json, say
from order_ledger.cli.up_to_date import bring_up_to_date
from order_ledger.exporting.jsonl import export_entries
from order_ledger.exporting.ocel import FORMS, export_ocel
from order_ledger.following.projections import find, names
from order_ledger.journal.codec import Unreadable
from order_ledger.journal.migrations import migrate
from order_ledger.postgres import server_for
from order_ledger.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Give the ledger's own out.")


@app.callback()
def _group() -> None:
    pass


@app.command()
def jsonl(
    path: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write; one that is there is replaced.")],
    as_json: AsJson = False,
) -> None:
    """Export every entry's exact bytes, one a line, in order of positions.

    `import jsonl --entries` takes the file into an empty ledger. Sealed values stay sealed; their keys are not in it.
    """
    with server_for(Settings()) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            entries = export_entries(connection, path)
    if as_json:
        answer_json({"entries": entries, "path": str(path)})
    else:
        say(f"{entries} entries are in {path}")


@app.command()
def parquet(
    path: Annotated[Path, typer.Argument(help="The folder to make.")],
    as_json: AsJson = False,
) -> None:
    """Export entries and read models as Parquet files, for analysts. Needs the extra order-ledger[parquet].

    Sealed values stay sealed; their keys are not in it.
    """
    try:
        from order_ledger.exporting.parquet import export_parquet
    except ImportError as error:
        raise Failed(f"Parquet files need the extra: pip install 'order-ledger[parquet]' ({error})") from error
    with server_for(Settings()) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            for name in names():
                bring_up_to_date(connection, url, name)
            exported = export_parquet(connection, url, [find(name) for name in names()], path)
    if as_json:
        answer_json({**msgspec.to_builtins(exported), "path": str(path)})
    else:
        say(f"{sum(exported.entries.values())} entries and {len(exported.read_models)} read models are in {path}")


@app.command()
def ocel(
    path: Annotated[
        Path, typer.Argument(dir_okay=False, help="The file to write: .json or .sqlite. One that is there is replaced.")
    ],
    as_json: AsJson = False,
) -> None:
    """Export an object-centric event log (OCEL 2.0), for process mining: orders, items, shipments, returns, documents.

    What is sealed is left out.
    """
    if path.suffix not in FORMS:
        raise typer.BadParameter(f"the file's ending is {' or '.join(FORMS)}", param_hint="PATH")
    with server_for(Settings()) as url:
        migrate(url)
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                exported = export_ocel(connection, path)
        except Unreadable as error:
            raise Failed(f"An entry cannot be read: {error}") from error
    if as_json:
        answer_json({**msgspec.to_builtins(exported), "path": str(path)})
    else:
        say(f"{exported.events} events and {exported.objects} objects are in {path}")
