"""What the measures are made of: what the fold makes of any history."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders import evolving
from order_ledger.orders.events import (
    Allocation,
    CountedLine,
    DelayDeclined,
    DeliveryRetracted,
    InspectionItemCompleted,
    LinesCancelled,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderHeld,
    OrderReleased,
    PaymentRecorded,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
    PromiseRevised,
    RefundGranted,
    ReturnLine,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    StockAllocated,
)
from order_ledger.values import Units
from projections import fulfilment
from projections.fulfilment import PROJECTION
from projections.fulfilment.facts import Fulfilment
from projections.fulfilment.returned import NO_SHIPMENT, UNREQUESTED
from tests.following.histories import (
    MAKERS,
    PAYMENTS,
    SELLER,
    SHIPMENTS,
    START,
    an_id,
    delivered,
    entries_of,
    eur,
    line,
    placed,
    random_history,
    shipped,
)

ORDER = an_id("the order")
STOOL = placed(lines=(line(1, "untracked"),))
CHAIR = placed(lines=(line(1, "made_to_order"),))
CONFIRMED = OrderConfirmed(None)
SHIPPED, SHIPPED_REST = shipped(Units(1, 1)), shipped(Units(1, 1), shipment=SHIPMENTS[1])
DELIVERED, DELIVERED_REST = delivered(), delivered(SHIPMENTS[1])
SHIPPED_ALL = shipped(Units(1, 2))

Given_ = OrderEvent | tuple[datetime | None, OrderEvent]


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def at(number: int | None, event: OrderEvent) -> tuple[datetime | None, OrderEvent]:
    """The event as it happened so many hours after the start; None where nobody knows."""
    return (hour(number) if number is not None else None), event


class Given:
    """given(*events).folds_to(...): the columns of the order's row; .has(table, *rows): those of another, by column.

    Each event is recorded an hour after the one before, which is also when it happened unless it says otherwise.
    """

    def __init__(self, *events: Given_) -> None:
        told = [event if isinstance(event, tuple) else (hour(number), event) for number, event in enumerate(events)]
        known: Fulfilment | None = None
        for (happened, _), entry in zip(told, entries_of(ORDER, *(event for _, event in told)), strict=True):
            known = fulfilment.fold(known, replace(entry, at=happened, recorded_at=hour(entry.version - 1)))
        assert known is not None
        self.rows = fulfilment.rows(known)

    def folds_to(self, **columns: Any) -> None:
        assert self._columns("orders", columns) == [columns]

    def has(self, table: str, *rows: dict[str, Any]) -> None:
        assert self._columns(table, rows[0] if rows else {"order_id": None}) == list(rows)

    def _columns(self, table: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        names = next(each.columns for each in PROJECTION.tables if each.name == table)
        found = [dict(zip(names, row, strict=True)) for row in self.rows[table]]
        return [{name: row[name] for name in wanted} for row in found]


given = Given


def read_of(entries: list[Entry[OrderEvent]]) -> list[Entry[OrderEvent]]:
    """Those that the projection does not pass over."""
    return [entry for entry in entries if type(entry.event) not in fulfilment.IGNORED]


# Stages


def test_the_first_shipment_counts() -> None:
    given(STOOL, CONFIRMED, at(10, SHIPPED), at(30, SHIPPED_REST)).folds_to(
        placed_at=hour(0), confirmed_at=hour(1), shipped_at=hour(10), delivered_at=None
    )


def test_delivered_is_the_latest_delivery_once_nothing_open_is_before_it() -> None:
    history = (STOOL, CONFIRMED, SHIPPED, SHIPPED_REST, at(50, DELIVERED))
    given(*history).folds_to(delivered_at=None, state="shipping")
    given(*history, at(40, DELIVERED_REST)).folds_to(delivered_at=hour(50), state="delivered")


def test_a_delivery_that_was_taken_back_does_not_stand() -> None:
    given(STOOL, CONFIRMED, SHIPPED_ALL, DELIVERED, DeliveryRetracted(SHIPMENTS[0], 4)).folds_to(delivered_at=None)
    given(STOOL, CONFIRMED, SHIPPED_ALL, DELIVERED, DeliveryRetracted(SHIPMENTS[0], 4), at(9, DELIVERED)).folds_to(
        delivered_at=hour(9)
    )


def test_what_is_no_longer_wanted_is_not_waited_for() -> None:
    fewer = LinesCancelled(lines=(Units(1, 1),), net=eur("8.40"), tax=eur("1.60"), total=eur(10))
    given(STOOL, CONFIRMED, SHIPPED, at(7, DELIVERED), fewer).folds_to(delivered_at=hour(7), state="delivered")


def test_a_cancelled_order_was_delivered_with_its_last_delivery() -> None:
    given(STOOL, CONFIRMED, SHIPPED, at(7, DELIVERED), OrderCancelled()).folds_to(
        delivered_at=hour(7), state="cancelled"
    )


def test_a_time_that_nobody_knows_stays_unknown() -> None:
    given(at(None, STOOL), CONFIRMED, at(None, SHIPPED_ALL), DELIVERED).folds_to(
        placed_at=None, confirmed_at=hour(1), shipped_at=None, delivered_at=hour(3)
    )
    given(STOOL, CONFIRMED, SHIPPED, SHIPPED_REST, at(None, DELIVERED), DELIVERED_REST).folds_to(
        delivered_at=None, state="delivered"
    )


def test_the_stages_of_making_are_those_of_run_1() -> None:
    again = (ProductionStarted(1, 2, 1), ProductionCompleted(1, 2, 1))
    given(CHAIR, CONFIRMED, ProductionStarted(1, 1, 2), ProductionCompleted(1, 1, 2), *again, SHIPPED).has(
        "line",
        {
            "line": 1,
            "manufacturer": MAKERS[0].id,
            "started_at": hour(2),
            "produced_at": hour(3),
            "shipped_at": hour(6),
        },
    )


def test_charges_are_no_lines_to_measure() -> None:
    given(placed(lines=(line(1, "untracked"), line(2, "charge")))).has("line", {"line": 1})


def test_a_shipment_has_its_own_times() -> None:
    first, second = sorted(SHIPMENTS[:2])
    given(
        STOOL, CONFIRMED, shipped(Units(1, 1), shipment=first), shipped(Units(1, 1), shipment=second), delivered(second)
    ).has(
        "shipment",
        {"shipment": first, "carrier": "ups", "shipped_at": hour(2), "delivered_at": None},
        {"shipment": second, "carrier": "ups", "shipped_at": hour(3), "delivered_at": hour(4)},
    )


# Promises


def test_the_first_promise_is_that_at_placement_else_at_confirmation() -> None:
    given(STOOL, OrderConfirmed(hour(100))).folds_to(first_promised_by=START + timedelta(days=9))
    given(replace(STOOL, promised_by=None), OrderConfirmed(hour(100))).folds_to(first_promised_by=hour(100))
    given(replace(STOOL, promised_by=None), CONFIRMED).folds_to(first_promised_by=None, latest_promised_by=None)


def revised(number: int, promised_by: datetime | None) -> PromiseRevised:
    return PromiseRevised(number, promised_by, None, hour(200))


def test_the_latest_promise_gave_a_date_and_was_not_declined() -> None:
    given(STOOL).folds_to(latest_promised_by=START + timedelta(days=9))
    given(STOOL, OrderConfirmed(hour(100)), revised(1, hour(120)), revised(2, None)).folds_to(
        latest_promised_by=hour(120)
    )
    given(STOOL, OrderConfirmed(hour(100)), revised(1, hour(120)), DelayDeclined(1)).folds_to(
        latest_promised_by=hour(100)
    )


def test_a_promise_made_after_the_last_delivery_counts_for_nothing() -> None:
    history = (STOOL, OrderConfirmed(hour(100)), SHIPPED_ALL, DELIVERED)
    given(*history, revised(1, hour(120))).folds_to(latest_promised_by=hour(100))
    given(*history, DeliveryRetracted(SHIPMENTS[0], 4), revised(1, hour(120)), DELIVERED).folds_to(
        latest_promised_by=hour(120)
    )


def test_days_are_those_of_the_orders_zone() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    honolulu = replace(STOOL, zone="Pacific/Honolulu", promised_by=late)
    given(honolulu).folds_to(first_promised_on=date(2026, 11, 22))
    given(replace(honolulu, zone="Europe/Berlin")).folds_to(first_promised_on=date(2026, 11, 23))
    given(replace(honolulu, zone="Europe/Atlantis")).folds_to(first_promised_on=date(2026, 11, 22))


# Production


def checked(attempt: int, passed: bool, item: str = "final", run: int = 1) -> InspectionItemCompleted:
    return InspectionItemCompleted(
        line=1, run=run, item=item, attempt=attempt, passed=passed, reading=None, unit=None, evidence=()
    )


def mended(started_at: datetime | None) -> ProductionStepCompleted:
    return ProductionStepCompleted(line=1, run=1, step="sand", attempt=2, started_at=started_at, rework_for="final")


def test_the_first_attempt_of_run_1_counts() -> None:
    begun = (CHAIR, CONFIRMED, ProductionStarted(1, 1, 2))
    given(*begun, checked(1, False), checked(2, True), checked(1, True, run=2)).has(
        "inspection", {"line": 1, "item": "final", "required": True, "passed": False, "at": hour(3)}
    )
    given(*begun, checked(1, True, item="colour")).has("inspection", {"item": "colour", "required": False})


def test_rework_began_when_it_says_else_with_the_failed_result() -> None:
    begun = (CHAIR, CONFIRMED, ProductionStarted(1, 1, 2), checked(1, False))
    given(*begun, mended(hour(4)), mended(None)).has(
        "rework",
        {"step": "sand", "item": "final", "begun_at": hour(4), "done_at": hour(4)},
        {"step": "sand", "item": "final", "begun_at": hour(3), "done_at": hour(5)},
    )


# What goes back

ARRIVED = (STOOL, CONFIRMED, SHIPPED, SHIPPED_REST, DELIVERED, DELIVERED_REST)


def asked_back(rma: str, *lines: ReturnLine) -> ReturnRequested:
    return ReturnRequested(rma=rma, lines=lines, wanted="refund", exchange_for=(), evidence=())


def came_back(rma: str | None, quantity: int) -> ReturnReceived:
    return ReturnReceived(rma=rma, shipment=None, lines=(CountedLine(1, quantity, "resellable"),), evidence=())


def cell(reason: str, shipment: UUID, requested: int, received: int) -> dict[str, Any]:
    return {"reason": reason, "shipment": shipment, "requested": requested, "received": received}


def test_units_go_back_in_the_order_in_which_they_were_delivered() -> None:
    first, second = SHIPMENTS[:2]
    history = (*ARRIVED, asked_back("RMA-1", ReturnLine(1, 2, "damaged")), came_back("RMA-1", 1))
    cells = [cell("damaged", first, 1, 1), cell("damaged", second, 1, 0)]
    given(*history).has("returned", *sorted(cells, key=lambda each: each["shipment"]))


def test_reasons_get_what_came_back_in_their_order() -> None:
    both = asked_back("RMA-1", ReturnLine(1, 1, "damaged"), ReturnLine(1, 1, "late"))
    given(*ARRIVED, both, came_back("RMA-1", 1)).has(
        "returned", cell("damaged", SHIPMENTS[0], 1, 1), cell("late", SHIPMENTS[1], 1, 0)
    )


def test_what_was_rejected_may_be_asked_back_again() -> None:
    one = ReturnLine(1, 1, "late")
    given(*ARRIVED, asked_back("RMA-1", one), ReturnRejected("RMA-1"), asked_back("RMA-2", one)).has(
        "returned",
        {"rma": "RMA-1", **cell("late", SHIPMENTS[0], 1, 0)},
        {"rma": "RMA-2", **cell("late", SHIPMENTS[0], 1, 0)},
    )


def test_what_nobody_asked_back_is_counted_apart() -> None:
    first, second = sorted((SHIPMENTS[0], SHIPMENTS[1]))
    given(*ARRIVED, came_back(None, 3)).has(
        "returned",
        cell(UNREQUESTED, NO_SHIPMENT, 0, 1),
        cell(UNREQUESTED, first, 0, 1),
        cell(UNREQUESTED, second, 0, 1),
    )


def refunded(amount: str, kind: str = "refunded", of: UUID | None = None) -> PaymentRecorded:
    return PaymentRecorded(
        payment=PAYMENTS[1], kind=kind, amount=eur(amount), method="card", provider="bank",  # type: ignore[arg-type]
        reference=f"r-{amount}", of=of, refund=1, instalments=None, account_hint=None,
    )  # fmt: skip


def test_a_refund_is_complete_with_the_payment_that_makes_it_whole() -> None:
    granted = RefundGranted(refund=1, basis="return", refers_to="RMA-1", lines=(), amount=eur("8.00"))
    history = (*ARRIVED, asked_back("RMA-1", ReturnLine(1, 1, "late")), granted, refunded("3.00"))
    times = {"requested_at": hour(6), "granted_at": hour(7)}
    given(*history).has("refund", {**times, "refunded_at": None, "complete": False})
    given(*history, refunded("5.00")).has("refund", {**times, "refunded_at": hour(9), "complete": True})
    given(*history, refunded("5.00"), refunded("5.00", "refund_failed", PAYMENTS[1])).has(
        "refund", {**times, "refunded_at": None, "complete": False}
    )
    given(*history, at(None, refunded("5.00"))).has("refund", {**times, "refunded_at": None, "complete": True})


# Waiting


def test_held_time_counts_from_when_the_order_came_into_its_state() -> None:
    kept = StockAllocated((Allocation(1, 2, an_id("reservation")),))
    shelf = placed(lines=(line(1, "from_stock"),))
    given(shelf, kept, OrderHeld()).folds_to(state_since=hour(0), held_since=hour(2), held_before=timedelta(0))
    given(shelf, kept, OrderHeld(), OrderReleased(), OrderHeld()).folds_to(
        state_since=hour(0), held_since=hour(4), held_before=timedelta(hours=1)
    )
    given(shelf, kept, OrderHeld(), CONFIRMED).folds_to(
        state="ready_to_ship", state_since=hour(3), held_since=hour(3), held_before=timedelta(0)
    )


def test_who_must_act() -> None:
    given(CHAIR).has("waiting", {"role": "ip_owner", "what": "confirm"})
    given(CHAIR, CONFIRMED).has("waiting", {"role": "manufacturer", "what": "start_production"})
    given(STOOL, CONFIRMED).has("waiting", {"role": "unknown", "what": "ship"})
    given(STOOL, CONFIRMED, SHIPPED_ALL).has("waiting", {"role": "carrier", "what": "deliver"})
    given(STOOL, OrderCancelled()).has("waiting")


def test_an_order_without_lines_is_measured_as_its_one_unit() -> None:
    given(placed(lines=()), CONFIRMED, shipped(), delivered()).folds_to(delivered_at=hour(3), state="delivered")
    given(placed(lines=()), CONFIRMED, shipped(), delivered()).has("arrival", {"line": 1, "quantity": 1})


# Any history


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False), st.booleans())
def test_any_prefix_and_any_order_of_events_folds_and_is_whole_in_its_rows(random: Random, in_disorder: bool) -> None:
    entries = read_of(entries_of(ORDER, *random_history(random)))
    if in_disorder:
        random.shuffle(entries)
    known: Fulfilment | None = None
    for entry in entries:
        known = fulfilment.fold(known, entry)
        found = fulfilment.rows(known)
        again = fulfilment.state(found)
        assert again == known
        assert repr(again) == repr(known), "the order of what is in it, and the decimals, are kept too"
        for table in PROJECTION.tables:
            keys = [row[: table.key] for row in found[table.name]]
            assert keys == sorted(set(keys)), "each row once, in the order of its key"
            assert {len(row) for row in found[table.name]} <= {len(table.columns)}
        assert b"Lovelace" not in repr(found).encode()


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_leaving_out_what_it_ignores_changes_nothing(random: Random) -> None:
    entries = entries_of(ORDER, *random_history(random))
    known: Fulfilment | None = None
    for entry in read_of(entries):
        known = fulfilment.fold(known, entry)
    assert known is not None
    whole = evolving.fold(entries)
    assert known.state == whole.state
    delivered_units = sum(row[3] for row in fulfilment.rows(known)["arrival"])
    assert delivered_units == sum(
        units for each in whole.shipments.values() if each.delivered for units in each.units.values() if units > 0
    )


def test_seller_and_number_are_the_orders_own() -> None:
    given(OrderHeld(), placed("A-7")).folds_to(number="A-7", seller=SELLER.id)
