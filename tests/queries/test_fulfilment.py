"""The measures, asked: each against a figure computed from the history itself, by means that are not ours."""

import os
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from msgspec.structs import replace

from order_ledger.entries import Event
from order_ledger.following.live import Follower
from order_ledger.following.projections import find
from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import (
    ConcessionApproved,
    CountedLine,
    InspectionItemCompleted,
    OrderCancelled,
    OrderConfirmed,
    OrderHeld,
    PaymentRecorded,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
    PromiseRevised,
    RefundGranted,
    ReturnLine,
    ReturnReceived,
    ReturnRequested,
)
from order_ledger.queries import fulfilment
from order_ledger.queries.fulfilment import Asked, Hours, Report
from order_ledger.queries.order_status import Whose
from order_ledger.values import Units
from tests.following.histories import (
    MAKERS,
    PAYMENTS,
    SELLER,
    SHIPMENTS,
    WAREHOUSE,
    an_id,
    delivered,
    eur,
    line,
    placed,
    shipped,
)
from tests.following.writing import Writing

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 1, 1, tzinfo=UTC)
TWO_STOOLS = (line(1, "untracked"),)
CONFIRMED = OrderConfirmed(None)
SHIPPED = shipped(Units(1, 2))
Happened = tuple[datetime | None, Event]


class Figures:
    """A database with orders in it, and their measures."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.journal = Journal(url, MasterKey(os.urandom(32)))
        self.writing = Writing(self.journal)

    def given(self, order: str, *happened: Happened) -> UUID:
        self.writing.write_at(an_id(order), *happened)
        return an_id(order)

    def asked(self, now: datetime = NOW, **what: Any) -> Report:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM journal.entry").fetchone()
            assert row is not None
            Follower(self.url, find("fulfilment")).catch_up(row[0])
            report = fulfilment.measure_now(connection, Asked(now=now, **what))
        assert report.position == row[0]
        return report


@pytest.fixture
def figures(ledger_url: str) -> Iterator[Figures]:
    figures = Figures(ledger_url)
    yield figures
    figures.journal.close()


def hour(number: float) -> datetime:
    return NEW_YEAR + timedelta(hours=number)


def test_the_same_rows_in_another_place_have_the_same_figures(figures: Figures) -> None:
    """To the last digit: a rebuild changes no answer, and lays the rows in another order."""
    random = Random(4)
    for number in range(60):
        begin, confirmed, held = (random.uniform(0, 5_000) for _ in range(3))
        order = figures.given(
            str(number), (hour(begin), placed(lines=TWO_STOOLS)), (hour(begin + confirmed), CONFIRMED)
        )
        if number % 2:
            figures.writing.write_at(order, (hour(begin + confirmed + held), OrderHeld()))
    before = figures.asked()
    assert before.durations_hours["placed_to_confirmed"].n == 60
    with psycopg.connect(figures.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE moved AS SELECT * FROM fulfilment.orders ORDER BY order_id DESC")
        connection.execute("TRUNCATE fulfilment.orders")
        connection.execute("INSERT INTO fulfilment.orders SELECT * FROM moved")
    assert figures.asked() == before


# Against figures of our own


class Life(NamedTuple):
    """When an order was placed, confirmed, shipped and delivered. None: nobody knows when; 'never': it was not."""

    times: tuple[datetime | str | None, ...]
    promised_by: datetime | None
    zone: str

    @property
    def happened(self) -> list[Happened]:
        first = replace(placed(lines=TWO_STOOLS), promised_by=self.promised_by, zone=self.zone)
        told = zip(self.times, (first, CONFIRMED, SHIPPED, delivered()), strict=True)
        return [(at, event) for at, event in told if not isinstance(at, str)]

    def took(self, begin: int, end: int) -> Fraction | None:
        begun, ended = self.times[begin], self.times[end]
        if not isinstance(begun, datetime) or not isinstance(ended, datetime):
            return None
        return Fraction((ended - begun) // timedelta(microseconds=1), 3_600_000_000)


def lives(random: Random, count: int) -> list[Life]:
    """Some stop early, some happen in the wrong order, and of some nobody knows when."""
    made = []
    for _ in range(count):
        times: list[datetime | str | None] = ["never"] * 4
        moment = hour(random.randint(0, 2_000))
        for stage in range(random.choice([1, 2, 3, 4, 4, 4, 4])):
            times[stage] = None if stage and random.random() < 0.1 else moment
            moment += timedelta(seconds=random.randint(-40_000, 400_000), microseconds=random.randint(0, 999_999))
        days = timedelta(days=random.randint(5, 9))
        start = times[0]
        assert isinstance(start, datetime)
        midnight = datetime.combine((start + days).date(), datetime.min.time(), UTC)
        promised_by = random.choice([midnight, start + days, None])
        made.append(Life(tuple(times), promised_by, random.choice(["UTC", "Asia/Tokyo", "America/Sao_Paulo"])))
    return made


def spread(found: Sequence[Fraction | None]) -> Hours:
    """By the standard library: its inclusive quantiles are those by linear interpolation."""
    known = [value for value in found if value is not None]
    parts = statistics.quantiles(known, n=20, method="inclusive")
    return Hours(
        len(known), float(statistics.mean(known)), float(statistics.median(known)), float(parts[17]), float(parts[18])
    )


STAGES = {
    "placed_to_confirmed": (0, 1),
    "confirmed_to_shipped": (1, 2),
    "shipped_to_delivered": (2, 3),
    "placed_to_delivered": (0, 3),
}


def test_durations_on_time_and_months_are_those_of_the_history_itself(figures: Figures) -> None:
    made = lives(Random(42), 80)
    for number, life in enumerate(made):
        figures.given(f"A-{number}", *life.happened)

    report = figures.asked(group_by="month")

    for stage, (begin, end) in STAGES.items():
        assert_same(report.durations_hours[stage], spread([life.took(begin, end) for life in made]))
    assert any((life.took(1, 2) or 0) < 0 for life in made), "some are reversed"
    assert (report.orders, report.delivered) == (80, sum(life.times[3] != "never" for life in made))

    known = [(life, life.times[3], life.promised_by) for life in made if life.promised_by is not None]
    judged = [(life, at, by) for life, at, by in known if isinstance(at, datetime)]
    in_time = [life for life, at, by in judged if at <= by]
    same_day = [life for life, at, by in judged if day(at, life) <= day(by, life)]
    assert (report.on_time.n, report.on_time.instant.n) == (len(judged), len(in_time))
    assert report.on_time.calendar_day.n == len(same_day) > len(in_time)
    assert report.on_time.instant.rate == pytest.approx(len(in_time) / len(judged))

    months = {month(life) for life in made}
    assert set(report.by_placed_month) == months
    assert {group.group for group in report.groups if group.orders} == months, "others have what arrived in them"
    for group in (group for group in report.groups if group.orders):
        of_month = [life for life in made if month(life) == group.group]
        told = report.by_placed_month[group.group]
        assert told.orders == group.orders == len(of_month)
        assert told.delivered == group.delivered == sum(life.times[3] != "never" for life in of_month)
        assert told.on_time_instant == group.on_time.instant.n == sum(life in in_time for life in of_month)
        assert_same(group.durations_hours["placed_to_delivered"], spread([life.took(0, 3) for life in of_month]))


def day(moment: datetime, life: Life) -> date:
    return moment.astimezone(ZoneInfo(life.zone)).date()


def month(life: Life) -> str:
    assert isinstance(life.times[0], datetime)
    return life.times[0].strftime("%Y-%m")


def assert_same(ours: Hours, theirs: Hours) -> None:
    assert ours.n == theirs.n
    for figure in ("mean", "median", "p90", "p95"):
        assert getattr(ours, figure) == pytest.approx(getattr(theirs, figure), abs=1e-6), figure


def test_of_nothing_there_is_nothing_to_say(figures: Figures) -> None:
    report = figures.asked(group_by="item")
    assert (report.orders, report.position, report.groups, report.by_placed_month) == (0, 0, (), {})
    assert report.durations_hours["placed_to_confirmed"] == Hours()
    assert (report.on_time.instant.rate, report.returns.rate, report.first_pass_yield.rate) == (None, None, None)


def test_asked_again_and_again_they_are_planned_for_what_is_asked(figures: Figures) -> None:
    """A plan for whatever may be asked joins every order with every other."""
    figures.asked()
    with psycopg.connect(figures.url, autocommit=True) as connection:
        connection.prepare_threshold = 0
        fulfilment.measure_now(connection, Asked(now=NOW))
        prepared = connection.execute("SELECT statement FROM pg_prepared_statements", prepare=False).fetchall()
    assert not any("fulfilment.orders" in statement for (statement,) in prepared)


def test_a_cancelled_order_counts_with_its_last_delivery_and_is_not_on_time(figures: Figures) -> None:
    figures.given(
        "A-1", (hour(0), placed(lines=TWO_STOOLS)), (hour(1), CONFIRMED), (hour(2), SHIPPED), (hour(5), delivered()),
        (hour(6), OrderCancelled()),
    )  # fmt: skip
    report = figures.asked()
    assert report.durations_hours["placed_to_delivered"].mean == 5
    assert (report.delivered, report.on_time.n) == (0, 0)


def test_on_time_by_the_first_promise_and_by_the_latest(figures: Figures) -> None:
    promised = replace(placed(lines=TWO_STOOLS), promised_by=hour(10))
    revised = PromiseRevised(1, hour(40), None, None)
    figures.given(
        "A-1", (hour(0), promised), (hour(1), CONFIRMED), (hour(2), revised), (hour(3), SHIPPED),
        (hour(30), delivered()),
    )  # fmt: skip
    report = figures.asked()
    assert (report.on_time.instant.n, report.on_time_latest.instant.n) == (0, 1)
    assert (report.on_time.n, report.on_time_latest.n) == (1, 1)


# Groups, periods, parties


def test_an_order_counts_once_in_every_group_it_touches(figures: Figures) -> None:
    lines = (line(1, "made_to_order"), replace(line(2, "made_to_order"), manufacturer=MAKERS[1]))
    same_item = replace(line(3, "made_to_order"), item=an_id("item 1"), sku="SKU-1")
    parcels = (
        shipped(Units(1, 2), shipment=SHIPMENTS[0]),
        replace(shipped(Units(2, 2), shipment=SHIPMENTS[1]), carrier="dhl"),
        replace(shipped(Units(3, 2), shipment=SHIPMENTS[2]), carrier="dhl"),
    )
    arrivals = [(hour(10 + number), delivered(each.shipment)) for number, each in enumerate(parcels)]
    sent = [(hour(number), each) for number, each in enumerate(parcels, 2)]
    figures.given("A-1", (hour(0), placed(lines=(*lines, same_item))), (hour(1), CONFIRMED), *sent, *arrivals)
    figures.given("A-2", (hour(0), placed("A-2", lines=lines[:1])))

    makers = {group.name: group for group in figures.asked(group_by="manufacturer").groups}
    items = {group.name: group.orders for group in figures.asked(group_by="item").groups}
    carriers = {group.group: group for group in figures.asked(group_by="carrier").groups}

    assert {name: group.orders for name, group in makers.items()} == {"Makers North": 2, "Makers South": 1}
    assert makers["Makers South"].durations_hours["placed_to_delivered"].mean == 12
    assert items == {"SKU-1, Stool no. 3": 2, "SKU-2, Stool no. 2": 1}
    assert {name: group.orders for name, group in carriers.items()} == {"ups": 1, "dhl": 1}
    assert carriers["dhl"].carriers_hours == {"dhl": Hours(2, 8, 8, 8, 8)}
    assert figures.asked().carriers_hours == {"ups": Hours(1, 8, 8, 8, 8), "dhl": Hours(2, 8, 8, 8, 8)}


def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(figures: Figures) -> None:
    for number in (0, 1, 2):
        figures.given(f"A-{number}", (hour(number), placed(lines=TWO_STOOLS)))
    figures.given("A-3", (None, placed(lines=TWO_STOOLS)))
    assert figures.asked().orders == 4
    assert figures.asked(since=hour(1)).orders == 2
    assert figures.asked(since=hour(1), until=hour(2)).orders == 1
    assert sum(each.orders for each in figures.asked().by_placed_month.values()) == 3


def test_a_party_measures_what_it_sold_made_or_kept(figures: Figures) -> None:
    other = replace(SELLER, id=an_id("other seller"))
    both = (line(1, "made_to_order"), replace(line(2, "made_to_order"), manufacturer=MAKERS[1]))
    begun = [(hour(1), CONFIRMED), (hour(2), ProductionStarted(1, 1, 2)), (hour(5), ProductionStarted(2, 1, 2))]
    figures.given("A-1", (hour(0), placed(lines=both)), *begun)
    figures.given("A-2", (hour(0), replace(placed(lines=(line(1, "from_stock"),)), seller=other)))

    def orders(role: str, party: UUID) -> int:
        return figures.asked(whose=Whose(role, party)).orders

    assert [orders("ip_owner", SELLER.id), orders("ip_owner", other.id)] == [1, 1]
    assert [orders("manufacturer", maker.id) for maker in MAKERS] == [1, 1]
    assert [orders("warehouse", WAREHOUSE.id), orders("warehouse", MAKERS[0].id)] == [1, 0]
    started = figures.asked(whose=Whose("manufacturer", MAKERS[1].id)).durations_hours["confirmed_to_started"]
    assert (started.n, started.mean) == (1, 4), "their own lines alone"


# Production


def checked(attempt: int, passed: bool, line_number: int = 1) -> InspectionItemCompleted:
    return InspectionItemCompleted(
        line=line_number, run=1, item="final", attempt=attempt, passed=passed, reading=None, unit=None, evidence=()
    )


def mended(started_at: datetime | None) -> ProductionStepCompleted:
    return ProductionStepCompleted(line=1, run=1, step="sand", attempt=2, started_at=started_at, rework_for="final")


def test_making_inspecting_and_mending(figures: Figures) -> None:
    chairs = (line(1, "made_to_order"), line(2, "made_to_order"))
    figures.given(
        "A-1",
        (hour(0), placed(lines=chairs)),
        (hour(1), CONFIRMED),
        (hour(3), ProductionStarted(1, 1, 2)),
        (hour(3), ProductionStarted(2, 1, 2)),
        (hour(800), checked(1, False)),
        (hour(801), ConcessionApproved(1, 1, "final", 1)),
        (hour(803), mended(hour(802))),
        (hour(806), mended(None)),
        (hour(807), checked(2, True)),
        (hour(10), checked(1, True, 2)),
        (hour(808), ProductionCompleted(1, 1, 2)),
        (hour(812), SHIPPED),
    )

    report = figures.asked(group_by="month")
    january, february = report.groups

    stages = {name: (each.n, each.mean) for name, each in report.durations_hours.items()}
    assert stages["confirmed_to_started"] == (2, 2)
    assert stages["started_to_produced"] == (1, 805)
    assert stages["produced_to_shipped"] == (1, 4)
    assert (report.first_pass_yield.n, report.first_pass_yield.passed, report.first_pass_yield.rate) == (2, 1, 0.5)
    assert (january.group, january.first_pass_yield.n, january.first_pass_yield.passed) == ("2026-01", 1, 1)
    assert (february.group, february.first_pass_yield.n, february.first_pass_yield.passed) == ("2026-02", 1, 0)
    assert (report.rework.steps, report.rework.hours.n, report.rework.hours.mean) == (2, 2, 3.5)
    assert january.rework.steps == 2, "in the month in which the order was placed"


# What goes back


def test_returns_are_of_the_month_of_delivery_and_by_reason(figures: Figures) -> None:
    def asked_back(rma: str, quantity: int, reason: Any) -> ReturnRequested:
        return ReturnRequested(
            rma=rma, lines=(ReturnLine(1, quantity, reason),), wanted="refund", exchange_for=(), evidence=()
        )

    def came_back(rma: str, quantity: int) -> ReturnReceived:
        return ReturnReceived(rma=rma, shipment=None, lines=(CountedLine(1, quantity, "scrap"),), evidence=())

    figures.given(
        "A-1", (hour(0), placed(lines=TWO_STOOLS)), (hour(1), CONFIRMED), (hour(2), SHIPPED), (hour(800), delivered()),
        (hour(900), asked_back("RMA-1", 1, "damaged")), (hour(2000), came_back("RMA-1", 1)),
        (hour(2000), asked_back("RMA-2", 1, "late")),
    )  # fmt: skip
    figures.given(
        "A-2", (hour(0), placed(lines=TWO_STOOLS)), (hour(1), CONFIRMED), (hour(2), SHIPPED), (hour(3), delivered())
    )

    report = figures.asked(group_by="month")
    returns = report.returns
    by_month = {group.group: group.returns for group in report.groups}

    assert (returns.delivered_units, returns.requested_units, returns.received_units) == (4, 2, 1)
    assert returns.rate == 0.25
    assert {reason: (each.requested_units, each.received_units) for reason, each in returns.by_reason.items()} == {
        "damaged": (1, 1), "late": (1, 0),
    }  # fmt: skip
    assert {name: (each.delivered_units, each.rate) for name, each in by_month.items()} == {
        "2026-01": (2, 0), "2026-02": (2, 0.5),
    }  # fmt: skip
    assert figures.asked(until=hour(700)).returns.received_units == 0


def test_the_refund_cycle(figures: Figures) -> None:
    requested = ReturnRequested(
        rma="RMA-1", lines=(ReturnLine(1, 1, "late"),), wanted="refund", exchange_for=(), evidence=()
    )
    granted = RefundGranted(refund=1, basis="return", refers_to="RMA-1", lines=(), amount=eur("8.00"))
    goodwill = replace(granted, refund=2, basis="goodwill", refers_to="")
    paid = PaymentRecorded(
        payment=PAYMENTS[1], kind="refunded", amount=eur("8.00"), method="card", provider="bank", reference="r",
        of=None, refund=1, instalments=None, account_hint=None,
    )  # fmt: skip
    figures.given(
        "A-1", (hour(0), placed(lines=TWO_STOOLS)), (hour(1), requested), (hour(5), granted), (hour(6), goodwill),
        (hour(29), paid), (hour(30), replace(paid, refund=2, amount=replace(paid.amount, amount=Decimal("1.00")))),
    )  # fmt: skip
    refunds = figures.asked().refunds
    assert refunds is not None
    assert (refunds.granted, refunds.complete, refunds.by_basis) == (2, 1, {"goodwill": 1, "return": 1})
    assert (refunds.granted_to_refunded_hours.n, refunds.granted_to_refunded_hours.mean) == (1, 24)
    assert (refunds.requested_to_refunded_hours.n, refunds.requested_to_refunded_hours.mean) == (1, 28)


# Waiting


def test_what_waits_now_by_role_held_time_apart(figures: Figures) -> None:
    first = figures.given("A-1", (hour(0), placed("A-1", lines=TWO_STOOLS)))
    held = figures.given("A-2", (hour(0), placed("A-2", lines=TWO_STOOLS)))
    figures.writing.write_at(held, (hour(1), OrderHeld()))
    figures.given("A-3", (hour(0), placed("A-3", lines=TWO_STOOLS)), (hour(1), OrderCancelled()))
    with psycopg.connect(figures.url, autocommit=True) as connection:
        rows = connection.execute("SELECT originator_id, recorded_at FROM journal.entry ORDER BY 1, 2").fetchall()
    recorded = {stream: [at for each, at in rows if each == stream] for stream, _ in rows}
    now = max(at for _, at in rows) + timedelta(hours=48)

    waiting = figures.asked(now=now).waiting

    assert [(each.role, each.state, each.orders) for each in waiting.by_role] == [
        ("customer_service", "placed", 1), ("ip_owner", "placed", 1),
    ]  # fmt: skip
    assert [each.number for each in waiting.longest] == ["A-1", "A-2"]
    shown, apart = waiting.longest
    assert (shown.order_id, shown.since, shown.waits_for) == (str(first), recorded[first][0], ("ip_owner:confirm",))
    assert shown.hours == pytest.approx((now - recorded[first][0]) / timedelta(hours=1))
    assert shown.held_hours == 0
    assert apart.held_hours == pytest.approx((now - recorded[held][1]) / timedelta(hours=1))
    assert apart.hours == pytest.approx((recorded[held][1] - recorded[held][0]) / timedelta(hours=1), abs=1e-6)


def test_an_order_recorded_after_the_moment_had_not_waited_by_then(figures: Figures) -> None:
    figures.given("A-1", (hour(0), placed("A-1", lines=TWO_STOOLS)))
    held = figures.given("A-2", (hour(0), placed("A-2", lines=TWO_STOOLS)))
    figures.writing.write_at(held, (hour(1), OrderHeld()))
    waiting = figures.asked(now=hour(2) - timedelta(days=3650)).waiting
    assert [(each.hours, each.held_hours) for each in waiting.longest] == [(0, 0), (0, 0)]
    assert {(each.median_hours, each.longest_hours, each.held_hours) for each in waiting.by_role} == {(0, 0, 0)}
