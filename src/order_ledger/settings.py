"""What a person may set, and the only place that reads it from the environment.

Each process reads its settings once, where it is put together, and hands on what the rest of it needs.
"""

from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Risk = Literal["fsync", "full_page_writes", "synchronous_commit"]


def default_home() -> Path:
    """The user's own data directory, by the custom of the platform."""
    return platformdirs.user_data_path("order-ledger", appauthor=False)


class Settings(BaseSettings):
    """The settings of one process, each from the variable `LEDGER_` and its name in capitals."""

    # An empty variable counts as unset: a compose file passes on what is not there as an empty string.
    model_config = SettingsConfigDict(env_prefix="LEDGER_", env_ignore_empty=True, frozen=True, extra="forbid")

    database_url: SecretStr | None = Field(
        default=None,
        description="A PostgreSQL 15 or newer to use, as a libpq URL. Unset: the ledger runs a server of its own.",
    )
    home: Path = Field(
        default_factory=default_home,
        description="The folder of what this ledger keeps on disk: the embedded server's data, keys, the outbox.",
    )
    pg_bin: Path | None = Field(
        default=None,
        description="The folder of the PostgreSQL programs for the embedded server. Unset: those of the wheel.",
    )
    allow_unsafe_server: Annotated[frozenset[Risk], NoDecode] = Field(
        default=frozenset(),
        description=(
            "Settings that may be off in the server although a power cut then loses accepted orders, by name and "
            "separated by commas: fsync, full_page_writes, synchronous_commit."
        ),
    )
    master_key: SecretStr | None = Field(
        default=None,
        description=(
            "The key that wraps the keys of personal data: 64 hexadecimal digits. "
            "Unset: the file master.key in LEDGER_HOME, made at the first start."
        ),
    )
    host: str = Field(default="127.0.0.1", description="The address the door listens on.")
    port: int = Field(default=8420, ge=0, le=65535, description="The port the door listens on; 0 takes a free one.")
    workers: int = Field(default=1, ge=1, le=64, description="How many processes answer at the door.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least serious messages to log."
    )

    @property
    def secret_master_key(self) -> str | None:
        """The master key in the clear, where it is configured."""
        return self.master_key.get_secret_value() if self.master_key is not None else None

    @field_validator("home", "pg_bin")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Make a path mean the same whatever folder a process works in."""
        return path.expanduser().absolute() if path is not None else None

    @field_validator("allow_unsafe_server", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        """Split a list written with commas."""
        return frozenset(value.replace(",", " ").split()) if isinstance(value, str) else value
