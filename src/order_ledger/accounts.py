"""Local accounts: how people log in where no identity provider does it for us.

An account is a login, a password's hash and a person. What the person may do is in the journal, never here.
"""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from order_ledger.refusals import Unauthenticated

TOKEN_LIFETIME = timedelta(hours=12)
_ALGORITHM = "HS256"
_ISSUER = "order-ledger"
_MOST_CHECKS_AT_ONCE = 2  # each takes 64 MiB and a core on purpose


class LoginTaken(Exception):
    """Somebody else has this login."""


def new_password() -> str:
    """A password that is shown once: 20 characters without look-alikes, about 115 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXY34679"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def add_account(connection: Connection[TupleRow], login: str, password: str, person: UUID) -> None:
    """Opens an account; raises `LoginTaken`."""
    done = connection.execute(
        "INSERT INTO personal.account (login, person, password_hash) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (login, person, _hasher().hash(password)),
    )
    if done.rowcount == 0:
        raise LoginTaken(f"There is an account {login} already, or this person has one.")


def set_password(connection: Connection[TupleRow], login: str, password: str) -> bool:
    """Changes a password; False where there is no such account."""
    done = connection.execute(
        "UPDATE personal.account SET password_hash = %s, changed_at = now() WHERE login = %s",
        (_hasher().hash(password), login),
    )
    return done.rowcount == 1


class Logins:
    """Checks passwords, a few at once, and gives tokens for them."""

    def __init__(self, signing_key: bytes) -> None:
        self._tokens = Tokens(signing_key)
        self._checks = asyncio.Semaphore(_MOST_CHECKS_AT_ONCE)

    async def log_in(self, connection: AsyncConnection[TupleRow], login: str, password: str) -> tuple[str, datetime]:
        """A token and when it ends; raises `Unauthenticated`, after the same time whether the login exists or not."""
        cursor = await connection.execute(
            "SELECT person, password_hash FROM personal.account WHERE login = %s AND NOT disabled", (login,)
        )
        row = await cursor.fetchone()
        async with self._checks:
            matches = await asyncio.to_thread(_matches, password, row[1] if row else _some_hash())
        if row is None or not matches:
            raise Unauthenticated("The login or the password is wrong.")
        return self._tokens.issue(row[0])


class Tokens:
    """Bearer tokens of our own: a person's id, signed, for twelve hours."""

    def __init__(self, signing_key: bytes) -> None:
        self._key = signing_key
        self._checked: dict[str, tuple[UUID, float]] = {}

    def issue(self, person: UUID, lifetime: timedelta = TOKEN_LIFETIME) -> tuple[str, datetime]:
        """A token for this person, and when it ends (UTC)."""
        until = datetime.now(UTC) + lifetime
        claims: Mapping[str, Any] = {"sub": str(person), "iss": _ISSUER, "exp": until}
        return jwt.encode(dict(claims), self._key, _ALGORITHM), until

    def person(self, token: str) -> UUID:
        """Whose token it is; raises `Unauthenticated`."""
        now = datetime.now(UTC).timestamp()
        if checked := self._checked.get(token):
            if checked[1] > now:
                return checked[0]
            del self._checked[token]
        try:
            claims = jwt.decode(
                token, self._key, [_ALGORITHM], issuer=_ISSUER, options={"require": ["sub", "exp", "iss"]}
            )
            person = UUID(claims["sub"])
        except (jwt.InvalidTokenError, ValueError) as error:
            raise Unauthenticated("The token is not valid, or it has ended: log in again.") from error
        if len(self._checked) > 10_000:
            self._checked.clear()
        self._checked[token] = (person, float(claims["exp"]))
        return person


def _matches(password: str, password_hash: str) -> bool:
    return _hasher().verify(password, password_hash)


@lru_cache(1)
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(),))


@lru_cache(1)
def _some_hash() -> str:
    return _hasher().hash(secrets.token_hex())
