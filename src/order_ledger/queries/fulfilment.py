"""How long orders take, whether they come when promised, what fails, goes back and waits: the measures.

One statement answers all of them, so that they are of one moment of the read model; `fulfilment.sql` says what each is.
It is never prepared: a plan for all that may be asked takes minutes where the plan for what is asked takes seconds.
Who may ask what is the caller's affair: `Whose` narrows the measures to what one party sold, made or kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from order_ledger.queries.order_status import Whose

GroupBy = Literal["month", "manufacturer", "carrier", "item"]
GROUPS: tuple[GroupBy, ...] = get_args(GroupBy)
ORDER_STAGES = ("placed_to_confirmed", "confirmed_to_shipped", "shipped_to_delivered", "placed_to_delivered")
LINE_STAGES = ("confirmed_to_started", "started_to_produced", "produced_to_shipped")
UNREQUESTED = "unrequested"
_LONGEST_WAITS = 20
_CARRIER = "carrier "
_WHOLE = ""
_MEASURES = Path(__file__).with_suffix(".sql").read_bytes()


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked for. What happened from `since`, and before `until`: of orders, that they were placed; of first
    attempts, deliveries and what came back of them, that they happened. Waiting is measured up to `now`."""

    now: datetime
    since: datetime | None = None
    until: datetime | None = None
    group_by: GroupBy | None = None
    whose: Whose | None = None


class Hours(Struct, frozen=True):
    """How many durations are known, and how they are spread, in hours; None where there is none."""

    n: int = 0
    mean: float | None = None
    median: float | None = None
    p90: float | None = None
    p95: float | None = None


class Share(Struct, frozen=True):
    """How many of all; the rate is None where there is none."""

    n: int
    rate: float | None


class OnTime(Struct, frozen=True):
    """Of `n` orders delivered at a known time and promised for a known one, those that came in time: by the instant,
    and by the calendar day of the order's zone."""

    n: int
    instant: Share
    calendar_day: Share


class FirstPass(Struct, frozen=True):
    """Of `n` required items with a first attempt, those that passed it."""

    n: int
    passed: int
    rate: float | None


class Rework(Struct, frozen=True):
    """Steps done again to mend a failed item, and how long that took."""

    steps: int
    hours: Hours


class ReturnedUnits(Struct, frozen=True):
    """Units asked back and come back for one reason; the rate is of the units delivered."""

    requested_units: int
    received_units: int
    rate: float | None


class Returns(Struct, frozen=True):
    """Units delivered, asked back and come back, in all and by reason."""

    delivered_units: int
    requested_units: int
    received_units: int
    rate: float | None
    by_reason: dict[str, ReturnedUnits]


class Refunds(Struct, frozen=True):
    """Refunds granted, those paid in full, and how long that took, from the grant and from a return's request."""

    granted: int
    complete: int
    by_basis: dict[str, int]
    granted_to_refunded_hours: Hours
    requested_to_refunded_hours: Hours


class Measures(Struct, frozen=True, kw_only=True):
    """The measures of some orders."""

    orders: int
    delivered: int
    durations_hours: dict[str, Hours]
    carriers_hours: dict[str, Hours]
    on_time: OnTime
    on_time_latest: OnTime
    first_pass_yield: FirstPass
    rework: Rework
    returns: Returns
    refunds: Refunds | None
    """None where who asks sees no refunds."""


class Group(Measures, frozen=True, kw_only=True):
    """The measures of one group; `name` is what a person calls it by."""

    group: str
    name: str


class Month(Struct, frozen=True):
    """Orders placed in a month, those delivered since, and of these, those in time for the first promise."""

    orders: int
    delivered: int
    on_time_instant: int


class Wait(Struct, frozen=True):
    """Orders in one state in which one role must act; hours since it was recorded that they came into it, time held
    apart: none where that was recorded after the moment that is asked about."""

    role: str
    state: str
    orders: int
    median_hours: float
    longest_hours: float
    held_hours: float


class WaitingOrder(Struct, frozen=True):
    """One that waits long: in which state, since when, and who must act on what, as `role:what`."""

    order_id: str
    number: str
    state: str
    since: datetime
    hours: float
    held_hours: float
    waits_for: tuple[str, ...]


class Waiting(Struct, frozen=True):
    """What waits now, and the orders that wait longest. An order counts once for each role that must act."""

    now: datetime
    by_role: tuple[Wait, ...]
    longest: tuple[WaitingOrder, ...]


class Report(Measures, frozen=True, kw_only=True):
    """Every measure, as of a position of the journal."""

    by_placed_month: dict[str, Month]
    waiting: Waiting
    group_by: GroupBy | None
    groups: tuple[Group, ...]
    position: int


async def measure(connection: AsyncConnection[TupleRow], asked: Asked) -> Report:
    """All measures of what is asked for."""
    found = await connection.execute(_MEASURES, _parameters(asked), prepare=False)
    return report(await found.fetchall(), asked)


def measure_now(connection: Connection[TupleRow], asked: Asked) -> Report:
    """The same for processes that may wait."""
    return report(connection.execute(_MEASURES, _parameters(asked), prepare=False).fetchall(), asked)


def report(rows: Sequence[TupleRow], asked: Asked) -> Report:
    """The report that these rows are."""
    figures: dict[str, dict[tuple[str, str], Any]] = {}
    for measure, key, name, value in rows:
        figures.setdefault(measure, {})[key, name] = value
    labels = {key: label for (key, _), label in figures.get("label", {}).items()}
    keys = {key for found in figures.values() for key, _ in found} - {_WHOLE}
    return Report(
        **_measures(figures, _WHOLE),
        by_placed_month={name: Month(**value) for (_, name), value in sorted(figures.get("placed_month", {}).items())},
        waiting=_waiting(figures, asked.now),
        group_by=asked.group_by,
        groups=tuple(Group(**_measures(figures, key), group=key, name=labels.get(key) or key) for key in sorted(keys)),
        position=figures["position"][_WHOLE, _WHOLE] or 0,
    )


def _parameters(asked: Asked) -> Mapping[str, Any]:
    return {
        "now": asked.now,
        "from": asked.since,
        "to": asked.until,
        "group_by": asked.group_by,
        "role": asked.whose.role if asked.whose else None,
        "party": asked.whose.party if asked.whose else None,
        "longest": _LONGEST_WAITS,
    }


Figures = Mapping[str, Mapping[tuple[str, str], Any]]


def _measures(figures: Figures, key: str) -> dict[str, Any]:
    hours = {name: msgspec.convert(value, Hours) for name, value in _named(figures, "hours", key)}
    orders = figures.get("orders", {}).get((key, ""), {"orders": 0, "delivered": 0})
    first_pass = figures.get("first_pass", {}).get((key, ""), {"n": 0, "passed": 0})
    return {
        **orders,
        "durations_hours": {stage: hours.get(stage, Hours()) for stage in (*ORDER_STAGES, *LINE_STAGES)},
        "carriers_hours": {
            name.removeprefix(_CARRIER): each for name, each in sorted(hours.items()) if name.startswith(_CARRIER)
        },
        "on_time": _on_time(figures, key, "first"),
        "on_time_latest": _on_time(figures, key, "latest"),
        "first_pass_yield": FirstPass(**first_pass, rate=_rate(first_pass["passed"], first_pass["n"])),
        "rework": Rework(figures.get("rework", {}).get((key, ""), {"n": 0})["n"], hours.get("rework", Hours())),
        "returns": _returns(dict(_named(figures, "units", key))),
        "refunds": _refunds(dict(_named(figures, "refunds", key)), hours),
    }


def _on_time(figures: Figures, key: str, promise: str) -> OnTime:
    found = figures.get("on_time", {}).get((key, promise), {"n": 0, "instant": 0, "calendar_day": 0})
    n, instant, day = found["n"], found["instant"], found["calendar_day"]
    return OnTime(n, Share(instant, _rate(instant, n)), Share(day, _rate(day, n)))


def _returns(by_reason: Mapping[str, Any]) -> Returns:
    delivered, requested, received = (
        sum(int(units[what]) for units in by_reason.values()) for what in ("delivered", "requested", "received")
    )
    reasons = {
        reason: ReturnedUnits(units["requested"], units["received"], _rate(units["received"], delivered))
        for reason, units in sorted(by_reason.items())
        if reason
    }
    return Returns(delivered, requested, received, _rate(received, delivered), reasons)


def _refunds(by_basis: Mapping[str, Any], hours: Mapping[str, Hours]) -> Refunds:
    return Refunds(
        sum(each["n"] for each in by_basis.values()),
        sum(each["complete"] for each in by_basis.values()),
        {basis: each["n"] for basis, each in sorted(by_basis.items())},
        hours.get("granted_to_refunded", Hours()),
        hours.get("requested_to_refunded", Hours()),
    )


def _waiting(figures: Figures, now: datetime) -> Waiting:
    by_role = [
        Wait(role, each["state"], each["n"], each["median"], each["longest"], float(each["held"]))
        for (_, role), states in figures.get("waiting", {}).items()
        for each in states
    ]
    longest = [
        WaitingOrder(
            order_id,
            each["number"],
            each["state"],
            datetime.fromisoformat(each["since"]),
            each["hours"],
            float(each["held"]),
            tuple(each["turns"]),
        )
        for (_, order_id), each in figures.get("longest", {}).items()
    ]
    by_role.sort(key=lambda wait: (wait.role, -wait.longest_hours))
    longest.sort(key=lambda wait: (-wait.hours, wait.order_id))
    return Waiting(now, tuple(by_role), tuple(longest))


def _named(figures: Figures, measure: str, key: str) -> Iterable[tuple[str, Any]]:
    return ((name, value) for (of, name), value in figures.get(measure, {}).items() if of == key)


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
