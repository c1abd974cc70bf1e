"""`--as-of`, `--as-recorded` and `--position`: a moment of the past, said the same way to every command."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from order_ledger.following.asking import Moment

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="TIME", help="What had happened by then. A date means its start; UTC unless it says."
    ),
]
AsRecorded = Annotated[
    str | None,
    typer.Option(
        "--as-recorded", metavar="TIME", help="What was known by then. A date means its start; UTC unless it says."
    ),
]
AtPosition = Annotated[
    int | None, typer.Option("--position", min=0, metavar="N", help="The journal up to this position.")
]


def time_of(option: str, text: str | None) -> datetime | None:
    """A time (ISO 8601): in UTC where it names no offset, and a date is its first moment. Raises `BadParameter`."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time such as 2026-11-21 or 2026-11-21T20:15:03Z.", param_hint=option
        ) from None


def moment_of(as_of: str | None, as_recorded: str | None, position: int | None) -> Moment | None:
    """The moment that was given, None for now. Raises `BadParameter` where more than one was."""
    if sum(given is not None for given in (as_of, as_recorded, position)) > 1:
        raise typer.BadParameter("Give one of --as-of, --as-recorded and --position.")
    happened, known = time_of("--as-of", as_of), time_of("--as-recorded", as_recorded)
    if happened is None and known is None and position is None:
        return None
    return Moment(as_of=happened, as_recorded=known, position=position)
