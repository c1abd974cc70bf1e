"""`up`, which runs everything, and `serve`, which runs the door alone."""

import sys
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.panel import Panel

from order_ledger.administration import EVERY_ROLE, Administration
from order_ledger.api.listening import listen
from order_ledger.cli import demo
from order_ledger.following import projections
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import master_key
from order_ledger.policies.engine import finding as policies
from order_ledger.policies.engine.running import begin
from order_ledger.postgres import server_for
from order_ledger.processes import Child, exit_on_sigterm, supervise
from order_ledger.settings import Settings
from order_ledger.values import Contact

FIRST_LOGIN = "admin"
console = Console()


def up(
    workers: Annotated[int | None, typer.Option(help="Processes that answer at the door.", min=1, max=64)] = None,
    port: Annotated[int | None, typer.Option(help="The port the door listens on.", min=0, max=65535)] = None,
    with_demo: Annotated[
        bool, typer.Option("--demo", help="Fill it with the demo, as `order-ledger demo` does, if it is not there.")
    ] = False,
) -> None:
    """Run the whole ledger: the database if none is given, the door, and every projection and policy a process.

    Ctrl-C stops it whole.
    """
    changed = {name: value for name, value in (("workers", workers), ("port", port)) if value is not None}
    settings = Settings().model_copy(update=changed)
    exit_on_sigterm()
    with server_for(settings) as url:
        migrate(url)
        _begin_policies(url)
        with Journal(url, master_key(settings.home, settings.secret_master_key)) as journal:
            _first_account(journal)
            fill = with_demo and not demo.is_there(journal)
        listening = listen(settings)
        host, chosen = listening.getsockname()[:2]
        at = f"http://[{host}]:{chosen}" if ":" in host else f"http://{host}:{chosen}"
        listening.close()
        environment = {"LEDGER_PORT": str(chosen), "LEDGER_WORKERS": str(settings.workers)}
        console.print(f"The ledger is at [bold]{at}[/bold], its description at {at}/openapi.json.")
        console.print(f"Its data is in {settings.home}. Ctrl-C stops it.")
        command = (sys.executable, "-m", "order_ledger")
        children = [
            Child("settler", (*command, "settle"), environment),
            Child("door", (*command, "serve"), environment),
            *(Child(name, (*command, "follow", name), environment) for name in projections.names()),
            *(Child(name, (*command, "policy", name), environment) for name in policies.names()),
        ]
        if fill:
            children.append(Child("demo", (*command, "demo", "--wait", "60"), environment, once=True))
        supervise(children)


def serve() -> None:
    """Run the door alone: HTTP at LEDGER_HOST and LEDGER_PORT, in LEDGER_WORKERS processes."""
    from order_ledger.api.serving import serve_many  # the web server, for which `up` and every --help would wait

    settings = Settings()
    try:
        listening = listen(settings)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        typer.echo(f"order-ledger: {where} cannot be listened on ({error.strerror}). Set LEDGER_PORT.", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(serve_many(settings, listening))


def _begin_policies(url: str) -> None:
    """Before the door opens, so that those that are new here miss nothing that is asked for at it."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in policies.names():
            begin(connection, name)


def _first_account(journal: Journal) -> None:
    """Where nobody can log in yet, one account that holds every role; its password is shown this once."""
    administration = Administration(journal)
    if administration.accounts():
        return
    _, password = administration.add_person(
        FIRST_LOGIN, Contact(name="Administrator"), [(role, None) for role in EVERY_ROLE]
    )
    console.print(
        Panel(
            f"login     [bold]{FIRST_LOGIN}[/bold]\npassword  [bold]{password}[/bold]\n\n"
            "It holds every role, and is shown this once. Change it: order-ledger accounts password admin",
            title="The first account",
            expand=False,
        )
    )
