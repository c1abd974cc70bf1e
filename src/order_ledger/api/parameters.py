"""What stands in a query, as values. Everything here raises `Invalid`, naming the parameter and what it may be."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from order_ledger.refusals import Invalid, Violation
from order_ledger.values import Instant

T = TypeVar("T", bound=str)
V = TypeVar("V")

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_LARGEST = 2**62


def only(request: Request, parameters: Iterable[dict[str, Any]]) -> None:
    """Nothing else is asked than by these parameters of the operation: a filter misspelled would filter nothing."""
    known = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    for name in request.query_params:
        if name not in known:
            those = f"There are: {', '.join(sorted(known))}." if known else "There is none."
            raise _invalid(name, "unknown", f"There is no such parameter. {those}")


def instant(request: Request, name: str) -> datetime | None:
    """A time with its offset. A plus sign that was sent as it is arrives as a blank."""
    return _read(request, name, _instant, "time", "A time with its offset is needed, such as 2026-11-21T20:15:03Z.")


def day(request: Request, name: str) -> date | None:
    """A day, by the calendar."""
    return _read(request, name, as_day, "day", "A day is written as 2026-11-21.")


def identifier(request: Request, name: str) -> UUID | None:
    """Whatever is named by its id."""
    return _read(request, name, _uuid, "uuid", "It is named by its id, a UUID.")


def position(request: Request, name: str) -> int | None:
    """A position of the journal."""
    return _read(request, name, _number, "position", "A position is a whole number, as a command's answer has it.")


def version(request: Request, name: str) -> int | None:
    """A version of a stream."""
    return _read(request, name, lambda text: _number(text) or None, "version", "A version is a whole number from 1.")


def one_of(request: Request, name: str, known: Sequence[T]) -> T | None:
    """One of the words that are known."""
    text = request.query_params.get(name)
    if text is None:
        return None
    for word in known:
        if text == word:
            return word
    raise _invalid(name, name, f"{text} is not one of: {', '.join(known)}.")


def flag(request: Request, name: str) -> bool:
    """True or false; false where nothing is said."""
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise _invalid(name, "boolean", "It is true or false.")
    return text == "true"


def limit(request: Request, default: int, largest: int) -> int:
    """How many rows a page has."""
    found = _number(request.query_params.get("limit", str(default)))
    if found is None or not 1 <= found <= largest:
        raise _invalid("limit", "limit", f"A page has 1 to {largest} rows.")
    return found


def as_day(text: str) -> date | None:
    """The day that this text is, or None: ISO 8601 knows other ways to write one, which are not meant."""
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-21") else None
    except ValueError:
        return None


def _read(request: Request, name: str, reader: Callable[[str], V | None], code: str, what: str) -> V | None:
    """What the reader makes of the parameter, where it is given; the reader has None for what cannot be meant."""
    text = request.query_params.get(name)
    if text is None:
        return None
    found = reader(text)
    if found is None:
        raise _invalid(name, code, what)
    return found


def _instant(text: str) -> datetime | None:
    try:
        return _INSTANT.validate_python(text.replace(" ", "+"))
    except ValidationError:
        return None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    """None for what is no whole number, or one that no table can hold."""
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) >= _LARGEST:
        return None
    return int(text)


def _invalid(name: str, code: str, message: str) -> Invalid:
    return Invalid(Violation(f"?{name}", code, message))
