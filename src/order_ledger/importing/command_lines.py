"""Histories in our own words: one command on an order a line.

    {"key": "a-1", "stream": "0198…", "command": "place", "at": "2026-11-21T20:15:03Z",
     "by": {"person": "0198…", "role": "consumer"}, "data": {…the body, as the API takes it…}}

`key` is what makes a line the same line again; without one, the line's own text does. `stream` is the order's id,
which only `place` may leave out: it then follows from the key. `at` is when it happened, now if left out, and the
decision is made as of then; a line that lies ahead is refused. `by` says who did it, in which role and, where the role
is one of an organisation, for which: it must be theirs to do, as at the door. Where the role names nobody (`ledger`,
`unknown`), everything may be asked.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from order_ledger.entries import By
from order_ledger.orders.commands import COMMANDS, Command, Place, ResolveReturn
from order_ledger.rights.checks import whose

_NAMESPACE = UUID("c2b7f1f4-3d0e-5b68-8a51-4f5f6d1c9e07")
NOBODY = frozenset(("ledger", "unknown"))
"""The roles that are nobody's."""

_LONGEST_LINE = 64 * 1024


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line: a command, who gave it, and when."""

    command: str
    by: By
    key: str | None = None
    stream: UUID | None = None
    at: datetime | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class BadLine(Exception):
    """A line that cannot be meant."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


class Asked(Struct, frozen=True):
    """A line that can be meant: who asks what of which order, and as of when. `digest` is the SHA-256 of its text."""

    by: By
    command: Any
    order: UUID
    at: datetime
    key: str
    digest: bytes


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line that is not empty, with its number."""
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                yield number, text.strip()


def asked_by(text: bytes) -> Asked:
    """What this line asks. Raises `BadLine`, and `NotAllowed` where the role does not have the command."""
    line = _parsed(text)
    command = _command(line)
    if line.by.role not in NOBODY:
        whose(command.name, line.by)
    now = datetime.now(UTC)
    at = line.at.astimezone(UTC) if line.at is not None else now
    if at > now:
        raise BadLine("in_the_future", "What happened cannot have happened later than now.")
    digest = hashlib.sha256(text)
    key = line.key or digest.hexdigest()
    return Asked(line.by, command, line.stream or uuid5(_NAMESPACE, key), at, key, digest.digest())


def _parsed(text: bytes) -> Line:
    if len(text) > _LONGEST_LINE:
        raise BadLine("too_large", f"a line is at most {_LONGEST_LINE:,} bytes")
    try:
        line = msgspec.json.decode(text, type=Line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadLine("bad_line", str(error)) from error
    if line.at is not None and line.at.tzinfo is None:
        raise BadLine("bad_line", "`at` needs its offset, such as 2026-11-21T20:15:03Z")
    return line


def _command(line: Line) -> Any:
    model: type[Command] | None = COMMANDS.get(line.command)
    if model is None:
        raise BadLine("unknown_command", f"there is no command {line.command!r} on an order")
    try:
        command = model.model_validate_json(bytes(line.data))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = "; ".join(f"/{'/'.join(map(str, each['loc']))}: {each['msg']}" for each in found)
        raise BadLine("invalid", wrong) from None
    if line.stream is None and not isinstance(command, Place):
        raise BadLine("no_stream", "`stream` says which order it is about")
    if isinstance(command, ResolveReturn) and any(each.how == "exchange" for each in command.lines):
        raise BadLine("not_here", "an exchange makes a second order: it is not imported, but resolved at the door")
    return command
