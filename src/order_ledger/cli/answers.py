"""What a command says: its answer to stdout, everything else to stderr."""

import csv
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from order_ledger.faults import Fault
from order_ledger.values import iso_time

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")]
Format = Literal["table", "json", "csv"]
AsFormat = Annotated[Format, typer.Option("--format", help="How the answer is written.")]
AsJsonToo = Annotated[bool, typer.Option("--json", help="The same as --format json.")]


class Failed(Fault):
    """The command could not be done; the message is the one line that says why."""


def say(text: str) -> None:
    """Tell a person what goes on, where it does not get into an answer."""
    print(text, file=sys.stderr, flush=True)


def answer_json(value: Any) -> None:
    """One JSON document."""
    print(msgspec.json.encode(value).decode())


def answer_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """A table for the eye."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    Console(soft_wrap=not sys.stdout.isatty()).print(table)


def answer_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Comma separated, the heading first (RFC 4180)."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows(rows)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return iso_time(value, "seconds") if isinstance(value, datetime) else str(value)
