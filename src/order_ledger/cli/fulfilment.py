"""`report fulfilment`: how long orders take, whether they come when promised, what fails, goes back and waits."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from order_ledger.cli.answers import AsFormat, AsJsonToo, answer_csv, answer_json, answer_rows
from order_ledger.cli.moments import AsOf, AsRecorded, AtPosition, moment_of
from order_ledger.cli.up_to_date import asked
from order_ledger.queries.fulfilment import Asked, Group, GroupBy, Hours, Measures, Report, measure_now

Figure = int | float | None
Line = tuple[str, Figure, Figure, Figure, Figure, Figure, Figure]
COLUMNS = ("measure", "n", "rate", "mean h", "median h", "p90 h", "p95 h")
GROUP_COLUMNS = ("group", "orders", "delivered", "median h", "p90 h", "on time", "first pass", "returned")
_WHOLE = "all"


def fulfilment(
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Placed then or later: a day (UTC), or a time.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Placed before.")] = None,
    group_by: Annotated[
        GroupBy | None, typer.Option("--group-by", help="An order counts once in every group it touches.")
    ] = None,
    as_of: AsOf = None,
    as_recorded: AsRecorded = None,
    position: AtPosition = None,
    form: AsFormat = "table",
    as_json: AsJsonToo = False,
) -> None:
    """How long orders take, whether they come when promised, what fails, goes back and waits.

    First attempts at inspections are of the month they were made in, returns of the month of delivery; everything else
    is of the month in which the order was placed. Hours are between two times as they were told, with their sign.
    """
    at = moment_of(as_of, as_recorded, position)
    then = (at.as_of or at.as_recorded) if at is not None else None
    question = Asked(
        now=then or datetime.now(UTC), since=_moment("--from", since), until=_moment("--to", until), group_by=group_by
    )
    with asked("fulfilment", at=at) as connection:
        report = measure_now(connection, question)
    if as_json or form == "json":
        answer_json(report)
    elif form == "csv":
        answer_csv(("group", *COLUMNS), [(name, *line) for name, each in _groups(report) for line in lines(each)])
    else:
        _answer_tables(report)


def lines(measures: Measures) -> Iterator[Line]:
    """One line a measure; a rate is of its `n`."""
    yield "orders", measures.orders, None, None, None, None, None
    yield "delivered or completed", measures.delivered, None, None, None, None, None
    for stage, hours in measures.durations_hours.items():
        yield _of(stage.replace("_", " "), hours)
    for carrier, hours in measures.carriers_hours.items():
        yield _of(f"shipped to delivered by {carrier}", hours)
    for promise, on_time in (("first", measures.on_time), ("latest", measures.on_time_latest)):
        yield f"on time, {promise} promise, by the instant", on_time.n, on_time.instant.rate, None, None, None, None
        yield f"on time, {promise} promise, by the day", on_time.n, on_time.calendar_day.rate, None, None, None, None
    first_pass, returns, refunds = measures.first_pass_yield, measures.returns, measures.refunds
    yield "inspections passed at first", first_pass.n, first_pass.rate, None, None, None, None
    yield _of("rework", measures.rework.hours, measures.rework.steps)
    yield "units delivered, and returned", returns.delivered_units, returns.rate, None, None, None, None
    for reason, units in returns.by_reason.items():
        yield f"units returned: {reason}", units.received_units, units.rate, None, None, None, None
    if refunds is not None:
        yield "refunds granted", refunds.granted, None, None, None, None, None
        yield _of("refund granted to refunded", refunds.granted_to_refunded_hours)
        yield _of("return requested to refunded", refunds.requested_to_refunded_hours)


def _of(what: str, hours: Hours, n: int | None = None) -> Line:
    return what, hours.n if n is None else n, None, hours.mean, hours.median, hours.p90, hours.p95


def _groups(report: Report) -> Iterator[tuple[str, Measures]]:
    yield _WHOLE, report
    for group in report.groups:
        yield group.name, group


def _answer_tables(report: Report) -> None:
    rows = [(what, n, _per_cent(rate), *hours) for what, n, rate, *hours in lines(report)]
    answer_rows(COLUMNS, rows, title=f"{_WHOLE}, at position {report.position}")
    if report.group_by is not None:
        print()
        answer_rows(GROUP_COLUMNS, list(map(_group_row, report.groups)), title=f"by {report.group_by}")
    waits = [
        (each.role, each.state, each.orders, each.median_hours, each.longest_hours, each.held_hours)
        for each in report.waiting.by_role
    ]
    print()
    answer_rows(("waits for", "in state", "orders", "median h", "longest h", "held h"), waits, title="waiting now")


def _group_row(group: Group) -> tuple[Any, ...]:
    """The figures that groups are compared by; JSON and CSV have all of them."""
    whole = group.durations_hours["placed_to_delivered"]
    return (
        group.name,
        group.orders,
        group.delivered,
        whole.median,
        whole.p90,
        _per_cent(group.on_time.instant.rate),
        _per_cent(group.first_pass_yield.rate),
        _per_cent(group.returns.rate),
    )


def _per_cent(rate: Figure) -> str | None:
    return None if rate is None else f"{rate:.1%}"


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if len(text) == len("2017-11-01"):
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise typer.BadParameter("a day such as 2017-11-01, or a time with its offset, is needed", param_hint=option)
