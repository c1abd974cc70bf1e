"""`import`: orders of other systems, histories in our own words, and exported entries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from order_ledger.cli.answers import AsJson, Failed, answer_json, answer_rows, say
from order_ledger.importing.entries import BadEntry, NotEmpty, import_entries
from order_ledger.importing.jsonl import import_commands
from order_ledger.importing.olist import open_files
from order_ledger.importing.reports import Report
from order_ledger.importing.running import Target, import_files
from order_ledger.importing.tables import BadSource, Failure
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import master_key
from order_ledger.postgres import server_for
from order_ledger.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Take in other people's orders, or one's own again.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide everything, and write nothing.")]
_MOST_SHOWN = 20


@app.callback()
def _group() -> None:
    pass


@app.command()
def olist(
    path: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="The folder with the files, by their original headers.")
    ],
    dry_run: DryRun = False,
    timezone: Annotated[str, typer.Option(help="The zone that the files' times are written in.")] = "UTC",
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the orders.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Import the public files of the marketplace Olist: any of them may be missing but the orders.

    Nothing is dropped: what our rules would have refused is recorded with the rule that it broke, and a time that the
    files do not give stays unknown. Orders that are there already are left as they are, so an import that was
    interrupted completes when it is run again. A row that cannot be read is named; its order is left out whole.
    """
    _check_zone(timezone)
    settings = Settings()
    try:
        files = open_files(path, timezone)
        with server_for(settings) as url:
            migrate(url)
            target = Target(url, settings.home, settings.secret_master_key)
            with _progress("orders") as told:
                report = import_files(files, target, jobs=jobs, dry_run=dry_run, told=told)
    except BadSource as error:
        if as_json:
            answer_json(Report(failed=[error.failure]))
        raise Failed(str(error)) from error
    _answer(report, as_json, dry_run)


@app.command()
def jsonl(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file, one JSON object a line.")],
    entries: Annotated[
        bool, typer.Option("--entries", help="The lines are exported entries: take them as they are, byte for byte.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import histories in our own words: each line a command on an order, decided anew.

    A line is {"command": name, "by": {"person": id, "role": role}, "data": {the body, as the API takes it}}, and
    "stream" (the order's id; only place may leave it out), "at" (when it happened, if not now), "key" (what makes it
    the same line again; its own text, unless given). An IP owner, a manufacturer and a warehouse name their
    "organisation", too: whose an order is counts as at the door. Lines that are refused are listed, and the others go
    on; those that are in already are left as they are, so an import that was interrupted completes when it is run
    again. An order placed here is history: the ledger issues no document for it and starts nothing by itself.

    With --entries the lines are what `export jsonl` wrote. They go into an empty ledger only, which becomes the ledger
    they are of; stop whatever else runs on it first. Sealed values read as erased without the keys they were sealed
    with, which are not in the file.
    """
    if entries and dry_run:
        raise typer.BadParameter("Entries are taken in whole or not at all: there is no dry run of it.")
    settings = Settings()
    with server_for(settings) as url:
        migrate(url)
        if entries:
            _entries(url, path, as_json)
            return
        master = master_key(settings.home, settings.secret_master_key)
        with Journal(url, master) as journal, _progress("lines") as told:
            report = import_commands(journal, path, dry_run=dry_run, told=told)
    _answer(report, as_json, dry_run)


def _entries(url: str, path: Path, as_json: bool) -> None:
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            done = import_entries(connection, path)
    except (NotEmpty, BadEntry) as error:
        if as_json:
            row = error.line if isinstance(error, BadEntry) else None
            code = "bad_entry" if isinstance(error, BadEntry) else "not_empty"
            answer_json(Report(failed=[Failure(path.name, row, code, str(error))]))
        raise Failed(f"{path.name}: {error}") from error
    say(f"This is ledger {done.ledger} now. Sealed values read as erased without the keys they were sealed with.")
    if as_json:
        answer_json(Report(done.orders, done.entries))
    else:
        answer_rows(("orders", "entries"), [(done.orders, done.entries)])


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise typer.BadParameter(f"{name} is no time zone such as America/Sao_Paulo.") from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, which begins when there is something to tell: until then processes may be forked."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with_bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = with_bar.add_task(what, total=None)

    def told(done: int, of: int) -> None:
        with_bar.start()
        with_bar.update(task, completed=done, total=of)

    try:
        yield told
    finally:
        if with_bar.live.is_started:
            with_bar.stop()


def _answer(report: Report, as_json: bool, dry_run: bool) -> None:
    if as_json:
        answer_json(report)
    else:
        _show(report, dry_run)
    if report.failed:
        raise typer.Exit(1)


def _show(report: Report, dry_run: bool) -> None:
    if dry_run:
        say("Nothing was written: this is what would be.")
    answer_rows(
        ("orders", "events", "unchanged", "breaches", "failed"),
        [(report.orders, report.events, report.unchanged, len(report.breaches), len(report.failed))],
    )
    breaches: dict[str, list[str]] = {}
    for breach in report.breaches:
        breaches.setdefault(breach.code, []).append(breach.reference)
    if breaches:
        rows: list[tuple[Any, ...]] = [(code, len(found), found[0]) for code, found in sorted(breaches.items())]
        answer_rows(("breach", "orders", "the first of them"), rows)
    for failure in report.failed[:_MOST_SHOWN]:
        row = f", row {failure.row}" if failure.row is not None else ""
        say(f"{failure.file}{row}: {failure.what} ({failure.code})")
    if len(report.failed) > _MOST_SHOWN:
        say(f"and {len(report.failed) - _MOST_SHOWN} more: --json lists them all")
