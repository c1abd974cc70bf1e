"""`migrate`: brings a database to the form that this version needs."""

import psycopg

from order_ledger.cli.answers import AsJson, answer_json, say
from order_ledger.following import installing
from order_ledger.following.projections import find, names
from order_ledger.journal.migrations import migrate
from order_ledger.policies.engine import finding as policies
from order_ledger.policies.engine.running import begin
from order_ledger.postgres import server_for
from order_ledger.settings import Settings


def migrate_database(as_json: AsJson = False) -> None:
    """Bring the database to the form that this version needs, read models included. Doing it again changes nothing.

    Policies that are new begin here: they answer what happens from now on.
    """
    with server_for(Settings()) as url:
        ledger = migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            schemas = {name: installing.install(connection, find(name)) for name in names()}
            for policy in policies.names():
                begin(connection, policy)
    if as_json:
        answer_json({"ledger": ledger, "projections": schemas})
    else:
        say(f"ledger {ledger} is ready, with {', '.join(schemas) or 'no read models'}")
