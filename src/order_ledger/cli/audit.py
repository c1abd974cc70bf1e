"""`audit`: an order's whole history, and whether the journal is what was written."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import psycopg
import typer
from psycopg import Connection
from psycopg.rows import TupleRow
from rich.console import Console
from rich.table import Table
from rich.text import Text

from order_ledger.audit.opening import Opened, names_of, opened
from order_ledger.audit.replay import Step, replay, summary
from order_ledger.audit.searching import orders_called
from order_ledger.audit.verify import verify
from order_ledger.cli.answers import AsJson, Failed, answer_json, answer_rows, say
from order_ledger.cli.moments import AsOf, AsRecorded, time_of
from order_ledger.entries import Entry
from order_ledger.journal.codec import Codec, Unreadable
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import inspect, migrate
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.sealing import master_key
from order_ledger.moments import as_of, as_recorded, until_version
from order_ledger.postgres import server_for
from order_ledger.settings import Settings
from order_ledger.values import Money, iso_time

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Replay any order; prove that nothing was altered.")


@app.callback()
def _group() -> None:
    pass


@app.command("verify")
def verify_journal(as_json: AsJson = False) -> None:
    """Walk every stream from its first entry on: bytes, hashes, chain, versions, columns.

    Names the first bad entry of each broken stream, and exits with 1 if there is one. An end that was cut off, or
    rewritten whole with all its hashes, does not show: that takes signed checkpoints, which this version has not.
    """
    with server_for(Settings()) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            codec = Codec(inspect(connection), EVENTS, UPCASTERS)
            with Console(stderr=True).status("verifying") as status:
                found = verify(connection, codec, lambda entries: status.update(f"verifying: {entries:,} entries"))
    if as_json:
        answer_json(found)
    else:
        answer_rows(("entries", "orders", "broken"), [(found.entries, found.orders, len(found.broken))])
        if found.broken:
            answer_rows(
                ("stream", "version", "what is wrong"),
                [(each.order_id, each.version, each.reason) for each in found.broken],
            )
    if found.broken:
        raise typer.Exit(1)


@app.command("replay")
def replay_order(
    order: Annotated[
        str, typer.Argument(help="The order's id, its number, or the reference of the source it is from.")
    ],
    version: Annotated[int | None, typer.Option(min=1, help="The history up to this version.")] = None,
    as_of_: AsOf = None,
    as_recorded_: AsRecorded = None,
    as_json: AsJson = False,
) -> None:
    """Print an order's whole history: who did what in which role, when it happened and when it was recorded, and the
    order's state after each step.
    """
    if sum(given is not None for given in (version, as_of_, as_recorded_)) > 1:
        raise typer.BadParameter("Give one of --version, --as-of and --as-recorded.")
    happened, known = time_of("--as-of", as_of_), time_of("--as-recorded", as_recorded_)
    settings = Settings()
    try:
        with server_for(settings) as url:
            migrate(url)
            with Journal(url, master_key(settings.home, settings.secret_master_key)) as journal:
                stream = _find(journal, order)
                entries: list[Entry[Any]] = journal.load(stream, "order")[0]
                if version is not None:
                    entries = until_version(entries, version)
                elif happened is not None:
                    entries = as_of(entries, happened)
                elif known is not None:
                    entries = as_recorded(entries, known)
                steps = replay(entries)
                with journal.connection() as connection:
                    _write_down(connection, stream)
                    values = opened(connection, journal.keyring, journal.ledger, entries)
                    names = names_of(connection, entries)
    except Unreadable as error:
        raise Failed(str(error)) from error
    if as_json:
        answer_json(_document(stream, steps, values, names))
    elif not steps:
        say("Nothing of this order had happened then.")
    else:
        _print(stream, steps, values, names)


def _find(journal: Journal, called: str) -> UUID:
    with journal.connection() as connection:
        found = orders_called(connection, called)
    if not found:
        raise Failed(f"No order has the id, the number or the reference {called}.")
    if len(found) > 1:
        raise Failed(f"Several orders are called {called}; name one by its id: {', '.join(map(str, found))}")
    return found[0]


def _write_down(connection: Connection[TupleRow], stream: UUID) -> None:
    """Who looks at personal data leaves a trace; at the machine itself nobody says who they are."""
    connection.execute(
        "INSERT INTO journal.access (at, what, subject) VALUES (clock_timestamp(), 'read:replay', %s)", (stream,)
    )


def _document(
    stream: UUID, steps: Sequence[Step], values: Mapping[int, Opened], names: Mapping[UUID, str]
) -> dict[str, Any]:
    last = steps[-1].order if steps else None
    return {
        "order_id": stream,
        "number": last.number if last is not None else None,
        "reference": last.placed.reference if last is not None else None,
        "steps": [
            {
                "version": entry.version,
                "position": entry.position,
                "name": type(entry.event).__name__,
                "at": entry.at,
                "recorded_at": entry.recorded_at,
                "by": {**msgspec.to_builtins(entry.by), "name": names.get(entry.by.person or UUID(int=0))},
                "through": entry.through,
                "command": entry.command,
                "reason_code": entry.reason_code,
                "reason": values[entry.version].reason,
                "answers": entry.answers,
                "breaches": entry.breaches,
                "source": entry.source,
                "data": values[entry.version].data,
                "after": summary(order),
            }
            for entry, order in steps
        ],
    }


def _print(stream: UUID, steps: Sequence[Step], values: Mapping[int, Opened], names: Mapping[UUID, str]) -> None:
    last = steps[-1].order
    reference = f", reference {last.placed.reference}" if last.placed.reference else ""
    entries = "1 entry" if last.version == 1 else f"{last.version} entries"
    console = Console()
    console.print(Text(f"Order {last.number} ({stream}{reference}), {entries}: {last.state}", "bold"))
    for entry, order in steps:
        by = entry.by
        who = [by.role.replace("_", " ")]
        if by.person is not None:
            who.append(names.get(by.person) or str(by.person))
        if by.on_behalf_of is not None:
            who.append(f"for {names.get(by.on_behalf_of) or by.on_behalf_of}")
        console.print()
        console.print(
            Text.assemble((f"{entry.version:>3}  {type(entry.event).__name__}", "bold"), f"  → {order.state}")
        )
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim", min_width=12)
        table.add_column(overflow="fold")
        table.add_row("     by", f"{', '.join(who)}, through {entry.through} ({entry.command.name})")
        table.add_row("     happened", iso_time(entry.at) if entry.at is not None else "not known")
        table.add_row("     recorded", iso_time(entry.recorded_at))
        value = values[entry.version]
        for name, text in (
            ("reason", " ".join(str(each) for each in (entry.reason_code, value.reason) if each)),
            ("breaches", ", ".join(entry.breaches)),
            ("said", _said(value.data.items())),
            ("after", _said((name, each) for name, each in summary(order).items() if name not in ("state", "lines"))),
        ):
            if text:
                table.add_row(f"     {name}", Text(text))
        console.print(table)


def _said(fields: Iterable[tuple[str, Any]]) -> str:
    """What is there, in short."""
    return "; ".join(f"{name.replace('_', ' ')} {text}" for name, each in fields if (text := _short(each)))


def _short(value: Any) -> str:
    """A value as a person writes it; what is not there says nothing."""
    match value:
        case None | "":
            return ""
        case bool():
            return "yes" if value else "no"
        case Money(amount, currency) | {"amount": amount, "currency": currency}:
            return f"{amount} {currency}"
        case {"id": _, "name": str(name)} if name:
            return name
        case {"line": line, "sku": sku, "quantity": quantity, "gross": gross}:
            return f"{line}: {quantity} × {sku}, {_short(gross)}"
        case {"line": line, "quantity": quantity, **others}:
            return " ".join((f"{quantity} of line {line}", *filter(None, map(_short, others.values()))))
        case dict():
            return ", ".join(text for each in value.values() if (text := _short(each)))
        case list() | tuple():
            return " | ".join(text for each in value if (text := _short(each)))
        case datetime():
            return iso_time(value)
        case _:
            return str(value)
