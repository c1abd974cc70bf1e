"""The PostgreSQL a ledger runs on: the one it is told of, or one of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from order_ledger.postgres.checking import check_server
from order_ledger.postgres.embedded import embedded_postgres
from order_ledger.postgres.errors import ServerError
from order_ledger.settings import Settings

__all__ = ["ServerError", "check_server", "embedded_postgres", "server_for"]


@contextmanager
def server_for(settings: Settings) -> Iterator[str]:
    """Give the URL of the database to use for as long as it is used, after a look at whether it is fit for it.

    Raises a `ServerError` that says what to do.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        check_server(url, allow_unsafe=settings.allow_unsafe_server)
        yield url
        return
    with embedded_postgres(settings.home, settings.pg_bin) as url:
        # Somebody may have changed the server's own configuration since.
        check_server(url, allow_unsafe=settings.allow_unsafe_server)
        yield url
