"""`follow`, which keeps a read model up to date, and `settle`, which says how far the journal is final."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from order_ledger.cli.answers import say
from order_ledger.following.keeping import keep
from order_ledger.following.projections import find
from order_ledger.journal.database_roles import as_role
from order_ledger.journal.migrations import migrate
from order_ledger.journal.settling import Settler
from order_ledger.postgres import server_for
from order_ledger.processes import exit_with_parent
from order_ledger.settings import Settings


def follow(
    name: Annotated[str, typer.Argument(help="The read model, such as order_status.")],
    part: Annotated[
        str, typer.Option(metavar="K/N", help="Follow one of N parts of the streams; each part is a process.")
    ] = "1/1",
) -> None:
    """Keep a read model up to date, until Ctrl-C or SIGTERM.

    It goes on from where it was stopped, whatever way that happened. Where the database goes away it waits for it.
    Where the same version was rebuilt beside the copy that is read, both are kept.
    """
    projection = find(name)
    number, parts = _part(part)
    exit_with_parent()
    with until_asked_to_end() as stopped, server_for(Settings()) as url:
        migrate(url)
        say(f"following {name} version {projection.version}, part {number} of {parts}")
        keep(url, projection, part=number, parts=parts, stopped=stopped, say=say)


def settle() -> None:
    """Tell all followers how far the journal is final, until Ctrl-C or SIGTERM.

    One such process is enough for a ledger; a second one waits for the first to end. Without any, followers look once
    a second.
    """
    exit_with_parent()
    with until_asked_to_end() as stopped, server_for(Settings()) as url:
        migrate(url)
        say("settling")
        Settler(as_role(url, "order_ledger_follower")).run(stopped, say)


def _part(text: str) -> tuple[int, int]:
    number, slash, parts = text.partition("/")
    if slash and _is_number(number) and _is_number(parts) and 1 <= int(number) <= int(parts) <= 64:
        return int(number), int(parts)
    raise typer.BadParameter(f"{text} is not a part such as 2/4 (of at most 64).", param_hint="--part")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


@contextmanager
def until_asked_to_end() -> Iterator[Callable[[], bool]]:
    """Says whether SIGTERM or SIGINT has come. The work in hand is finished first; what is held is given back."""
    asked: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
