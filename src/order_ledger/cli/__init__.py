"""The command line: `order-ledger`.

Every command stands in a module of this folder and is named in the table below; its module is loaded when the command
is asked for, since a follower has no use for a web server. A command takes its settings from `Settings()`. With
`--json` it prints one JSON document on stdout and nothing else there. It exits with 0 when it is done, 1 when it was
refused or failed, with one line on stderr that says why, and 2 when it was called wrongly.
"""

import importlib
import inspect
import sys
from importlib.metadata import version as installed_version
from typing import Annotated, Any

import psycopg
import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.main import get_command, get_group

from order_ledger.faults import Fault

# Each name, and where it is: a function for a command, a Typer for a group of commands.
COMMANDS = {
    "up": "running:up",
    "serve": "running:serve",
    "demo": "demo:demo",
    "follow": "following:follow",
    "policy": "policies:policy",
    "settle": "following:settle",
    "migrate": "migrating:migrate_database",
    "settings": "settings:list_settings",
    "accounts": "accounts:app",
    "projections": "projections:app",
    "policies": "policies:app",
    "report": "report:app",
    "import": "importing:app",
    "export": "exporting:app",
    "audit": "audit:app",
}


class _Commands(TyperGroup):
    """The commands of the table, each loaded when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(importlib.import_module(f"order_ledger.cli.{module}"), name)
        if isinstance(found, typer.Typer):
            group = get_group(found)
            group.name = cmd_name
            for command in group.commands.values():
                command.help = _unwrapped(command.help)
            return group
        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name)(found)
        command = get_command(alone)
        command.help = _unwrapped(command.help)
        return command


def _unwrapped(text: str | None) -> str:
    """A docstring for a terminal of any width: its lines are broken for readers of the code."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


app = typer.Typer(
    cls=_Commands,
    name="order-ledger",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="An event-sourced order ledger. `order-ledger up` runs all of it.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(installed_version("order-ledger"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command that was typed."""
    try:
        app()
    except Fault as error:
        sys.exit(_fail(str(error)))
    except (psycopg.Error, OSError) as error:
        sys.exit(_fail(_first_line(error)))
    except ValidationError as error:
        sys.exit(_fail(_wrong_setting(error)))


def _fail(why: str) -> int:
    print(f"order-ledger: {why}", file=sys.stderr)
    return 1


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _wrong_setting(error: ValidationError) -> str:
    wrong: Any = error.errors()[0]
    name = "_".join(["LEDGER", *(str(part).upper() for part in wrong["loc"][:1])])
    return f"{name}: {wrong['msg']}"
