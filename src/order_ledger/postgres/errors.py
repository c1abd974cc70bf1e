"""Why there is no PostgreSQL that the ledger could use, and what to do about it."""

from pathlib import Path

from order_ledger.faults import Fault

OLDEST_VERSION = 15


class ServerError(Fault):
    """There is no PostgreSQL that the ledger could use.

    ServerError
    ├─ NoPrograms          no PostgreSQL to start
    ├─ HomeUnusable        no place to keep the data
    ├─ OtherVersion        the data belongs to another version of PostgreSQL
    ├─ ServerFailed        PostgreSQL itself gave up
    ├─ ServerUnreachable   the configured server does not answer
    └─ ServerUnfit         it answers, and must not be used
    """


class NoPrograms(ServerError):
    """No PostgreSQL programs were found, or those named cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason} Install PostgreSQL {OLDEST_VERSION} or newer, or name the folder of its programs in "
            f"LEDGER_PG_BIN, or name a running server in LEDGER_DATABASE_URL."
        )


class HomeUnusable(ServerError):
    """The folder for the data cannot be made, entered or written."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        super().__init__(f"The ledger cannot keep its data in {folder}: {reason}. LEDGER_HOME names another folder.")


class OtherVersion(ServerError):
    """The data was written by another major version of PostgreSQL, and only that version can read it."""

    def __init__(self, data: Path, written_by: str, found: int) -> None:
        self.data, self.written_by, self.found = data, written_by, found
        super().__init__(
            f"The data in {data} was written by PostgreSQL {written_by}, and the programs found are version {found}. "
            f"To go on as before, name the folder of the programs of version {written_by} in LEDGER_PG_BIN. To "
            f"upgrade, start the ledger so, take everything out with pg_dump, and put it back with psql into the "
            f"database of a ledger with an empty LEDGER_HOME, to which the other files of the old one are copied; or "
            f"use pg_upgrade."
        )


class ServerFailed(ServerError):
    """PostgreSQL could not be set up or started; the message ends with its own last words."""

    def __init__(self, what: str, last_words: str) -> None:
        self.last_words = last_words
        super().__init__(f"{what} It said:\n{last_words.strip() or '(nothing)'}")


class ServerUnreachable(ServerError):
    """The server in LEDGER_DATABASE_URL does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The server named in LEDGER_DATABASE_URL does not answer: {reason.strip()}")


class ServerUnfit(ServerError):
    """The server answers, but an order accepted on it would not be safe."""
