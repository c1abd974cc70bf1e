"""A database that is away for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import make_url


@contextmanager
def away(url: str) -> Iterator[None]:
    """A database that nobody can connect to, and that whoever was connected lost."""
    administer(url, "ALTER DATABASE {} ALLOW_CONNECTIONS false")
    with psycopg.connect(make_url(url, "postgres")) as connection:
        name = conninfo_to_dict(url)["dbname"]
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    try:
        yield
    finally:
        administer(url, "ALTER DATABASE {} ALLOW_CONNECTIONS true")


def administer(url: str, statement: LiteralString, at: str = "") -> None:
    name = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
    with psycopg.connect(at or make_url(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(name))
