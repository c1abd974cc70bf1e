"""`accounts`: who may log in here, and in which roles."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from order_ledger.accounts import LoginTaken, Tokens, new_password, set_password
from order_ledger.administration import EVERY_ROLE, Administration
from order_ledger.journal.journal import Journal
from order_ledger.journal.migrations import migrate
from order_ledger.journal.sealing import master_key
from order_ledger.parties.commands import GrantableRole
from order_ledger.postgres import server_for
from order_ledger.refusals import Refusal
from order_ledger.settings import Settings
from order_ledger.values import Contact

app = typer.Typer(no_args_is_help=True, help="Who may log in here, and in which roles.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Roles = Annotated[
    list[str],
    typer.Option(
        "--role",
        help=f"A role, or role@organisation (its code). Roles: {', '.join(EVERY_ROLE)}. May be given several times.",
    ),
]


@app.command()
def add(
    login: Annotated[str, typer.Argument(help="What the person types to log in.")],
    roles: Roles,
    name: Annotated[str | None, typer.Option(help="The person's name.")] = None,
    email: Annotated[str | None, typer.Option(help="Where the person is written to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a person with an account; prints a password once."""
    with _administration() as administration:
        organisations = {each.code: each.id for each in administration.organisations()}
        granted = [_role(text, organisations) for text in roles]
        contact = _contact(name, email)
        try:
            person, password = administration.add_person(login, contact, granted)
        except LoginTaken as error:
            _fail(str(error))
    if as_json:
        typer.echo(json.dumps({"login": login, "password": password, "person_id": str(person)}))
    else:
        typer.echo(f"login     {login}\npassword  {password}\nperson    {person}")


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List every account and the roles it holds."""
    with _administration() as administration:
        codes = {each.id: each.code for each in administration.organisations()}
        accounts = [
            {
                "login": login,
                "person_id": str(person_id),
                "roles": sorted(
                    role if where is None else f"{role}@{codes.get(where, where)}"
                    for role, where in (person.roles if person is not None else ())
                ),
            }
            for login, person_id, person in administration.accounts()
        ]
    if as_json:
        typer.echo(json.dumps({"accounts": accounts}))
        return
    table = Table("login", "person", "roles")
    for account in accounts:
        table.add_row(str(account["login"]), str(account["person_id"]), ", ".join(account["roles"]))
    Console().print(table)


@app.command()
def grant(login: Annotated[str, typer.Argument(help="The account.")], roles: Roles) -> None:
    """Give an account's person more roles."""
    with _administration() as administration:
        person = administration.person_of(login) or _fail(f"There is no account {login}.")
        organisations = {each.code: each.id for each in administration.organisations()}
        for role, where in [_role(text, organisations) for text in roles]:
            administration.grant(person, role, where)


@app.command()
def withdraw(login: Annotated[str, typer.Argument(help="The account.")], roles: Roles) -> None:
    """Take roles back from an account's person."""
    with _administration() as administration:
        person = administration.person_of(login) or _fail(f"There is no account {login}.")
        organisations = {each.code: each.id for each in administration.organisations()}
        for role, where in [_role(text, organisations) for text in roles]:
            holders = [each for _, _, each in administration.accounts() if each and each.holds("administrator")]
            administration.withdraw(person, role, where, len(holders))


@app.command()
def password(login: Annotated[str, typer.Argument(help="The account.")], as_json: AsJson = False) -> None:
    """Give an account a new password; prints it once."""
    fresh = new_password()
    with _journal() as journal, journal.connection() as connection:
        if not set_password(connection, login, fresh):
            _fail(f"There is no account {login}.")
    typer.echo(json.dumps({"login": login, "password": fresh}) if as_json else f"login     {login}\npassword  {fresh}")


@app.command()
def token(login: Annotated[str, typer.Argument(help="The account.")], as_json: AsJson = False) -> None:
    """Give a token for an account, as a log-in would: for scripts on this machine."""
    with _journal() as journal:
        person = Administration(journal).person_of(login) or _fail(f"There is no account {login}.")
        given, until = Tokens(journal.master.derive(b"tokens")).issue(person)
    typer.echo(json.dumps({"token": given, "expires_at": until.isoformat()}) if as_json else given)


def _role(text: str, organisations: dict[str, UUID]) -> tuple[GrantableRole, UUID | None]:
    name, _, code = text.partition("@")
    if name not in EVERY_ROLE:
        raise typer.BadParameter(f"{name} is no role. Roles: {', '.join(EVERY_ROLE)}.")
    if code and code not in organisations:
        raise typer.BadParameter(f"There is no organisation {code}.")
    role = next(role for role in EVERY_ROLE if role == name)
    return role, organisations[code] if code else None


def _contact(name: str | None, email: str | None) -> Contact:
    try:
        return TypeAdapter(Contact).validate_python({"name": name, "email": email})
    except ValidationError as error:
        raise typer.BadParameter("; ".join(each["msg"] for each in error.errors())) from None


@contextmanager
def _journal() -> Iterator[Journal]:
    settings = Settings()
    try:
        with server_for(settings) as url:
            migrate(url)
            with Journal(url, master_key(settings.home, settings.secret_master_key)) as journal:
                yield journal
    except Refusal as error:
        _fail(str(error))


@contextmanager
def _administration() -> Iterator[Administration]:
    with _journal() as journal:
        yield Administration(journal)


def _fail(why: str) -> "UUID":
    print(f"order-ledger: {why}", file=sys.stderr)
    raise typer.Exit(1)
