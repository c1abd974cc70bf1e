"""Times in queries."""

from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from order_ledger.refusals import Invalid, Violation
from order_ledger.values import Instant

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def instant(name: str, text: str) -> datetime:
    """The time in this parameter; raises `Invalid`. A plus sign that was sent as it is arrives as a blank."""
    try:
        return _INSTANT.validate_python(text.replace(" ", "+"))
    except ValidationError:
        raise Invalid(
            Violation(f"?{name}", "time", "A time with its offset is needed, such as 2026-11-21T20:15:03Z.")
        ) from None
