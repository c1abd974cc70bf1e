"""Whether a server is fit to keep a ledger."""

from collections.abc import Iterable

import psycopg

from order_ledger.postgres.errors import OLDEST_VERSION, ServerUnfit, ServerUnreachable

CONNECT_TIMEOUT_S = 10


def check_server(url: str, *, allow_unsafe: Iterable[str] = ()) -> None:
    """Refuse a server that is too old, speaks no UTF-8, or may forget what it has confirmed.

    Raises `ServerUnreachable` or `ServerUnfit`.
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            version = connection.info.server_version // 10_000
            durable = ("fsync", "full_page_writes", "synchronous_commit")
            risks = [name for name in durable if _setting(connection, name) == "off"]
            encoding = _setting(connection, "server_encoding")
    except psycopg.Error as error:
        raise ServerUnreachable(" ".join(str(error).split())) from None
    if version < OLDEST_VERSION:
        raise ServerUnfit(f"The server is PostgreSQL {version}; the ledger needs {OLDEST_VERSION} or newer.")
    if encoding != "UTF8":
        raise ServerUnfit(f"The database is encoded in {encoding}; the ledger needs one in UTF8.")
    if refused := [name for name in risks if name not in set(allow_unsafe)]:
        raise ServerUnfit(
            f"The server has {' and '.join(refused)} off: a power cut would lose orders that were already accepted. "
            f"Turn it on, or say that this may be by LEDGER_ALLOW_UNSAFE_SERVER={','.join(refused)}."
        )


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])
