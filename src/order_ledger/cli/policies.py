"""`policy`, which runs what the ledger does by itself, and `policies`: how far they are, and what they were refused."""

from typing import Annotated

import psycopg
import typer

from order_ledger.cli.answers import AsJson, answer_json, answer_rows, say
from order_ledger.cli.following import until_asked_to_end
from order_ledger.journal.database_roles import as_role
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import inspect, migrate
from order_ledger.journal.sealing import master_key
from order_ledger.policies.engine import cases, status
from order_ledger.policies.engine.finding import find, names
from order_ledger.policies.engine.running import Runner
from order_ledger.postgres import server_for
from order_ledger.processes import exit_with_parent
from order_ledger.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What the ledger does by itself.")

Name = Annotated[str, typer.Argument(help="The policy, such as issue_documents.")]


def policy(
    name: Name,
    begin_at: Annotated[
        int | None,
        typer.Option("--from", min=1, help="The position of the first entry to answer."),
    ] = None,
) -> None:
    """Run a policy until Ctrl-C or SIGTERM.

    A new policy answers what happens from now on, unless --from says otherwise; afterwards it goes on from where it was
    stopped, whatever way that happened. Going back does nothing twice. Where the database goes away it waits for it.
    """
    found, settings = find(name), Settings()
    exit_with_parent()
    with until_asked_to_end() as stopped, server_for(settings) as url:
        migrate(url)
        master = master_key(settings.home, settings.secret_master_key)
        with Journal(as_role(url, "order_ledger_policy"), master) as journal:
            say(f"running {name}")
            Runner(journal, found).run(stopped, say, begin_at)


@app.callback()
def _group() -> None:
    pass


@app.command("list")
def list_policies(as_json: AsJson = False) -> None:
    """Every policy: how far it is, how far behind, and its open cases, with who can mend them."""
    with server_for(Settings()) as url, psycopg.connect(url, autocommit=True) as connection:
        inspect(connection)
        found = status.status(connection)
        unmended = cases.open_cases(connection)
    missing = [name for name in names() if name not in {each.name for each in found}]
    if as_json:
        answer_json({"policies": found, "open_cases": unmended, "never_ran": missing})
        return
    rows: list[tuple[object, ...]] = [
        (each.name, each.position, each.lag_events, each.lag_seconds, each.open_cases, each.running) for each in found
    ]
    rows += [(name, "–", "–", None, 0, False) for name in missing]
    answer_rows(("name", "position", "behind", "seconds", "open cases", "running"), rows)
    if unmended:
        answer_rows(
            ("policy", "stream", "version", "task", "code", "what", "who can mend it", "since", "tries"),
            [
                (
                    each.policy, each.stream, each.version, each.task, each.code, each.what, ", ".join(each.who),
                    each.opened_at, each.tries,
                )
                for each in unmended
            ],
            title="\nopen cases, the oldest first",
        )  # fmt: skip


@app.command()
def retry(name: Name) -> None:
    """Have every open case of a policy tried again. The process that runs the policy does it."""
    find(name)
    with server_for(Settings()) as url, psycopg.connect(url, autocommit=True) as connection:
        inspect(connection)
        count = cases.try_all_again(connection, name)
    say(f"to be tried again: {count}")
