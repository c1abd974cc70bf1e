"""Where every order stands: what the fold makes of any history."""

from random import Random
from typing import Any

from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from order_ledger.entries import Entry
from order_ledger.orders import evolving
from order_ledger.orders.events import (
    ORDER_EVENTS,
    Allocation,
    CountedLine,
    InspectionItemCompleted,
    LinesCancelled,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderEvent,
    OrderHeld,
    OrderPlaced,
    ProductionCompleted,
    ProductionStarted,
    ReturnApproved,
    ReturnLine,
    ReturnReceived,
    ReturnRequested,
    ReturnShipped,
    StockAllocated,
    TrackingCorrected,
)
from order_ledger.values import Units
from projections import order_status
from projections.order_status import ANYBODY, PROJECTION, OrderStatus
from tests.following import histories
from tests.following.histories import (
    CONSUMER,
    LINK,
    MAKERS,
    SELLER,
    SHIPMENTS,
    START,
    WAREHOUSE,
    an_id,
    delivered,
    entries_of,
    line,
    payment,
    placed,
    question,
    random_event,
    random_history,
    shipped,
)

ORDER = an_id("the order")
STOOL = placed(lines=(line(1, "from_stock"),))
ALLOCATED = StockAllocated((Allocation(1, 2, an_id("reservation")),))
SHIPPED = shipped(Units(1, 2))


class Given:
    """given(*events).folds_to(...): the columns of its row; .waits_for(...) and .is_found_by(...): its other rows."""

    def __init__(self, *events: OrderEvent) -> None:
        status: OrderStatus | None = None
        for entry in entries_of(ORDER, *events):
            status = order_status.fold(status, entry)
        assert status is not None
        self.rows = order_status.rows(status)

    def folds_to(self, **columns: Any) -> None:
        row = dict(zip(PROJECTION.tables[0].columns, self.rows["orders"][0], strict=True))
        assert {column: row[column] for column in columns} == columns

    def waits_for(self, *turns: tuple[str, Any, str]) -> None:
        assert [row[1:] for row in self.rows["waiting"]] == sorted(turns)

    def is_found_by(self, *terms: str) -> None:
        assert [row[1] for row in self.rows["term"]] == sorted(terms)

    def belongs_to(self, *parties: tuple[str, Any]) -> None:
        assert [row[1:3] for row in self.rows["party"]] == sorted(parties)


given = Given


def read_of(entries: list[Entry[OrderEvent]]) -> list[Entry[OrderEvent]]:
    """Those that the projection does not pass over."""
    return [entry for entry in entries if type(entry.event) not in order_status.IGNORED]


def test_placed() -> None:
    given(STOOL).folds_to(
        order_id=ORDER, number="A-1", state="placed", reads="Order received", payment="unpaid", stock="unchecked",
        consumer=CONSUMER, seller=SELLER.id, currency="EUR", goods_lines=1, goods_units=2,
        first_description="Stool no. 1",
    )  # fmt: skip


def test_the_total_keeps_its_decimals() -> None:
    row = dict(zip(PROJECTION.tables[0].columns, given(STOOL).rows["orders"][0], strict=True))
    assert str(row["total"]) == "40.00"


def test_the_state_is_since_the_entry_that_put_it_there() -> None:
    entries = entries_of(ORDER, STOOL, ALLOCATED, OrderConfirmed(None), OrderHeld())
    given(*(entry.event for entry in entries)).folds_to(
        state="ready_to_ship", state_since=entries[2].recorded_at, changed_at=entries[3].recorded_at
    )


def test_delivered_and_completed() -> None:
    history = (STOOL, ALLOCATED, OrderConfirmed(None), SHIPPED)
    given(*history).folds_to(state="shipping", reads="Shipped", fulfilment="shipped", tracking_numbers=["1Z-42"])
    given(*history, delivered()).folds_to(state="delivered", reads="Delivered", fulfilment="delivered")
    given(*history, delivered(), OrderCompleted("timer")).folds_to(state="completed", reads="Complete")


def test_held_is_shown_beside_the_state() -> None:
    given(STOOL, OrderHeld()).folds_to(state="placed", held=True, held_for="other")


def test_found_by_numbers_in_lower_case_those_corrected_included() -> None:
    corrected = TrackingCorrected(shipment=SHIPMENTS[0], carrier="dhl", tracking_number="JD-7", tracking_url=LINK)
    requested = ReturnRequested(rma="RMA-1", lines=(), wanted="refund", exchange_for=(), evidence=())
    given(placed("A-1", reference="Ext/9"), SHIPPED, corrected, requested).is_found_by(
        "a-1", "ext/9", "1z-42", "jd-7", "rma-1"
    )


def test_belongs_to_consumer_seller_makers_and_keepers() -> None:
    given(placed()).belongs_to(
        ("consumer", CONSUMER), ("ip_owner", SELLER.id), ("manufacturer", MAKERS[0].id), ("warehouse", WAREHOUSE.id)
    )


def test_listed_by_when_the_ledger_heard_of_it_where_nobody_knows_when_it_was_placed() -> None:
    (entry,) = entries_of(ORDER, STOOL)
    (row,) = order_status.rows(order_status.fold(None, histories.without_time(entry)))["orders"]
    columns = dict(zip(PROJECTION.tables[0].columns, row, strict=True))
    assert columns["placed_at"] is None
    assert columns["listed_at"] == entry.recorded_at


def test_the_ledger_allocates_first() -> None:
    given(STOOL).waits_for(("ledger", ANYBODY, "allocate"))


def test_then_the_seller_confirms() -> None:
    given(STOOL, ALLOCATED).waits_for(("ip_owner", SELLER.id, "confirm"))


def test_then_the_warehouse_ships() -> None:
    given(STOOL, ALLOCATED, OrderConfirmed(None)).waits_for(("warehouse", WAREHOUSE.id, "ship"))


def test_nobody_waits_while_a_carrier_has_it() -> None:
    given(STOOL, ALLOCATED, OrderConfirmed(None), SHIPPED).waits_for()


def test_the_consumer_completes_what_is_delivered() -> None:
    given(STOOL, ALLOCATED, OrderConfirmed(None), SHIPPED, delivered()).waits_for(("consumer", CONSUMER, "complete"))


def test_the_consumer_pays_before_anything_is_shipped() -> None:
    prepaid = placed(lines=(line(1, "from_stock"),), pay="prepaid")
    given(prepaid, ALLOCATED, OrderConfirmed(None)).waits_for(("consumer", CONSUMER, "pay"))
    given(prepaid, ALLOCATED, OrderConfirmed(None), payment()).waits_for(("warehouse", WAREHOUSE.id, "ship"))


def test_a_held_order_waits_for_its_release_alone() -> None:
    given(STOOL, ALLOCATED, OrderConfirmed(None), OrderHeld()).waits_for(("customer_service", ANYBODY, "release"))


def test_the_manufacturer_makes_and_ships_what_is_made() -> None:
    made = placed(lines=(line(1, "made_to_order"),))
    maker = MAKERS[0].id
    given(made, OrderConfirmed(None)).waits_for(("manufacturer", maker, "start_production"))
    given(made, OrderConfirmed(None), ProductionStarted(1, 1, 2)).waits_for(("manufacturer", maker, "produce"))
    given(made, OrderConfirmed(None), ProductionStarted(1, 1, 2), ProductionCompleted(1, 1, 2)).waits_for(
        ("manufacturer", maker, "ship")
    )


def test_a_failed_inspection_waits_for_the_owner_of_the_design_too() -> None:
    made = placed(lines=(line(1, "made_to_order"),))
    failed = InspectionItemCompleted(
        line=1, run=1, item="final", attempt=1, passed=False, reading=None, unit=None, evidence=()
    )
    given(made, OrderConfirmed(None), ProductionStarted(1, 1, 2), failed).waits_for(
        ("manufacturer", MAKERS[0].id, "produce"), ("ip_owner", SELLER.id, "concede")
    )


def test_a_return_waits_for_the_seller_the_consumer_the_warehouse_and_customer_service() -> None:
    arrived = (STOOL, ALLOCATED, OrderConfirmed(None), SHIPPED, delivered(), OrderCompleted("consumer"))
    requested = ReturnRequested(
        rma="RMA-1", lines=(ReturnLine(1, 1, "damaged"),), wanted="refund", exchange_for=(), evidence=()
    )
    approved = ReturnApproved(
        rma="RMA-1", lines=(Units(1, 1),), send_to=WAREHOUSE, send_by=START.date(), postage="seller"
    )
    sent = ReturnShipped(rma="RMA-1", shipment=SHIPMENTS[2], carrier="dhl", tracking_number="RET-1", tracking_url=LINK)
    received = ReturnReceived(rma="RMA-1", shipment=None, lines=(CountedLine(1, 1, "resellable"),), evidence=())
    given(*arrived, requested).waits_for(("ip_owner", SELLER.id, "judge_return"))
    given(*arrived, requested, approved).waits_for(("consumer", CONSUMER, "send_return"))
    given(*arrived, requested, approved, sent).waits_for(("warehouse", WAREHOUSE.id, "receive_return"))
    given(*arrived, requested, approved, sent, received).waits_for(("customer_service", ANYBODY, "resolve_return"))
    given(*arrived, requested).folds_to(returned="requested", rma_numbers=["RMA-1"])


def test_a_question_waits_until_it_is_answered() -> None:
    asked = (STOOL, ALLOCATED, OrderConfirmed(None), SHIPPED, question(1, "manufacturer"))
    given(*asked).waits_for(("manufacturer", ANYBODY, "answer_question"))
    given(*asked, question(2, None, answers=1)).waits_for()


def test_nothing_waits_on_an_order_that_ended() -> None:
    given(STOOL, OrderCancelled()).waits_for()
    given(STOOL, OrderCancelled()).folds_to(state="cancelled", reads="Cancelled")


def test_the_total_follows_what_is_no_longer_wanted() -> None:
    fewer = LinesCancelled(
        lines=(Units(1, 1),), net=histories.eur("8.40"), tax=histories.eur("1.60"), total=histories.eur(10)
    )
    given(STOOL, fewer).folds_to(total=histories.eur(10).amount)


def test_every_event_there_is_stands_in_the_random_histories() -> None:
    random = Random(7)
    assert {type(random_event(random)) for _ in range(20_000)} == set(ORDER_EVENTS) - {OrderPlaced}


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_the_state_is_whole_in_the_rows(random: Random) -> None:
    status: OrderStatus | None = None
    for entry in read_of(entries_of(ORDER, *random_history(random))):
        status = order_status.fold(status, entry)
        again = order_status.state(order_status.rows(status))
        assert again == status
        assert repr(again) == repr(status), "the order of what is in it, and the decimals, are kept too"


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_what_the_rows_say_is_what_the_order_says(random: Random) -> None:
    """Leaving out what the projection ignores, and what is sealed, changes nothing that it shows."""
    entries = entries_of(ORDER, *random_history(random))
    whole = evolving.fold(entries)
    status: OrderStatus | None = None
    for entry in read_of(entries):
        status = order_status.fold(status, entry)
    assert status is not None
    row = dict(zip(PROJECTION.tables[0].columns, order_status.rows(status)["orders"][0], strict=True))
    assert {
        "state": whole.state, "reads": whole.reads, "held": whole.held, "payment": whole.payment,
        "stock": whole.stock, "fulfilment": whole.fulfilment, "returned": whole.return_, "total": whole.total.amount,
        "refund_owed": whole.refund_owed, "promised_by": whole.promised_by,
    }.items() <= row.items()  # fmt: skip


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_no_sealed_value_is_in_a_row(random: Random) -> None:
    status: OrderStatus | None = None
    for entry in read_of(entries_of(ORDER, *random_history(random))):
        status = order_status.fold(status, entry)
    assert status is not None
    assert b"Lovelace" not in repr(order_status.rows(status)).encode()


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_any_prefix_and_any_order_of_events_folds(random: Random) -> None:
    entries = read_of(entries_of(ORDER, *random_history(random)))
    random.shuffle(entries)
    status: OrderStatus | None = None
    for entry in entries:
        status = order_status.fold(status, entry)
    assert status is not None
    assert order_status.state(order_status.rows(status)) == status


def test_a_row_has_a_value_for_every_column() -> None:
    found = given(placed()).rows
    for table in PROJECTION.tables:
        assert {len(row) for row in found[table.name]} == {len(table.columns)}
