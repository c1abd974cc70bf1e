"""What follows from what happened: the quantities, states and axes of the domain, row by row."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from order_ledger.orders.events import (
    AddressChanged,
    Allocation,
    ConcessionApproved,
    Consent,
    CountedLine,
    DelayAccepted,
    DelayDeclined,
    DelayExpected,
    DeliveryRetracted,
    LinesCancelled,
    ManufacturerAssigned,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderHeld,
    OrderRejected,
    OrderReleased,
    ProblemReported,
    ProblemResolved,
    ProductionCompleted,
    ProductionStarted,
    PromiseRevised,
    RefundGranted,
    ResolvedLine,
    ReturnReceived,
    ReturnRejected,
    ReturnResolved,
    ReturnWithdrawn,
    ShortageOutcome,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
)
from order_ledger.orders.evolving import evolve, fold
from order_ledger.orders.lines import Line, LineState
from order_ledger.orders.order import OrderState
from order_ledger.values import Units, unsealed
from tests.examples import (
    ADA,
    ALLOCATED,
    APPROVED,
    ARRIVED,
    BOOK_CONFIRMED,
    BOOK_PLACED,
    BOTH_PLACED,
    CAME_BACK,
    CONFIRMED,
    DELIVERED,
    DEPOT,
    HAMBURG,
    HISTORY_PLACED,
    IN_PRODUCTION,
    LATER,
    MADE,
    MADE_PLACED,
    NOW,
    ON_ITS_WAY,
    ON_ITS_WAY_BACK,
    PRODUCED,
    READY,
    REFUND_PAYMENT,
    REQUESTED,
    RESERVATION,
    RETURN_APPROVED,
    RETURN_REQUESTED,
    RMA,
    SECOND_PAYMENT,
    SECOND_RESERVATION,
    SECOND_SHIPMENT,
    SHIPMENT,
    SHIPPED,
    STARTED,
    STEPS_DONE,
    STOCK_PLACED,
    WORKS,
    checked,
    delivered,
    eur,
    line,
    paid,
    placed,
    shipped,
    step_done,
)
from tests.orders.streams import ORDER, given
from tests.orders.test_issue_credit_note import credit
from tests.orders.test_issue_invoice import issue
from tests.orders.test_record_progress import progressed
from tests.scenario import at

LOST = ProblemReported(problem=1, kind="not_received", shipment=SHIPMENT, lines=(), evidence=())
SEND_AGAIN = ProblemResolved(1, "reship", (Units(1, 1),))
REFUND_ONE = ProblemResolved(1, "refund", (Units(1, 1),))
TWO_LEFT = LinesCancelled(lines=(Units(1, 1),), net=eur("16.81"), tax=eur("3.19"), total=eur("20.00"))
GONE = LinesCancelled(lines=(Units(1, 3),), net=eur("0.00"), tax=eur("0.00"), total=eur("0.00"))
RETRACTED = DeliveryRetracted(SHIPMENT, 4)


def of(*events: Any, number: int = 1) -> Line:
    return given(*events).state.lines[number]


def shortage(how: Any, quantity: int = 1, **more: Any) -> ShortageResolved:
    outcome = ShortageOutcome(1, quantity, how, more.get("expected_by"), more.get("replacement"))
    amounts = {part: eur(more.get(part, "1.00")) for part in ("net", "tax", "total")}
    return ShortageResolved(shortage=1, outcomes=(outcome,), consent=Consent("phone", NOW), **amounts)


# Quantities of a line


def test_wanted_is_what_was_ordered_less_what_was_given_up() -> None:
    assert of(STOCK_PLACED).wanted == 3
    assert of(STOCK_PLACED, TWO_LEFT).wanted == 2
    short = StockShortageFound(1, (Units(1, 3),), ())
    assert of(STOCK_PLACED, short, shortage("remove")).wanted == 2
    assert of(STOCK_PLACED, short, shortage("substitute", replacement=line(2, "GASKET"))).wanted == 2
    assert of(STOCK_PLACED, short, shortage("backorder")).wanted == 3
    assert of(*ON_ITS_WAY, LOST, REFUND_ONE).wanted == 2
    assert of(*ON_ITS_WAY, LOST, SEND_AGAIN).wanted == 3


def test_sent_is_what_was_shipped_less_what_a_problem_took_out() -> None:
    assert of(*BOOK_CONFIRMED).sent == 0
    assert of(*ON_ITS_WAY).sent == 3
    assert of(*ON_ITS_WAY, LOST, SEND_AGAIN).sent == 2
    assert of(*ON_ITS_WAY, LOST, REFUND_ONE).sent == 2
    assert of(*ON_ITS_WAY, LOST, ProblemResolved(1, "none", ())).sent == 3


def test_arrived_is_of_the_shipments_whose_delivery_stands() -> None:
    assert of(*ON_ITS_WAY).arrived == 0
    assert of(*ARRIVED).arrived == 3
    assert of(*ARRIVED, DELIVERED).arrived == 3
    assert of(*ARRIVED, RETRACTED).arrived == 0
    assert of(*ARRIVED, RETRACTED, DELIVERED).arrived == 3
    assert of(*ARRIVED, LOST, SEND_AGAIN).arrived == 2
    assert of(*ON_ITS_WAY, LOST, SEND_AGAIN, DELIVERED).arrived == 2
    assert of(*ARRIVED, LOST, SEND_AGAIN, RETRACTED).arrived == 0


def test_rest_is_what_is_still_to_be_shipped() -> None:
    assert of(*BOOK_CONFIRMED).rest == 3
    assert of(*BOOK_CONFIRMED, shipped((1, 2))).rest == 1
    assert of(*ON_ITS_WAY, LOST, SEND_AGAIN).rest == 1
    assert of(*ON_ITS_WAY, LOST, REFUND_ONE).rest == 0


def test_the_shelf_of_a_line_from_stock_is_what_is_allocated_and_not_shipped() -> None:
    two = StockAllocated((Allocation(1, 2, RESERVATION),))
    assert of(STOCK_PLACED, two).shelf == 2
    assert of(STOCK_PLACED, two, CONFIRMED, shipped((1, 1))).shelf == 1
    lost = StockShortageFound(1, (Units(1, 2),), (Allocation(1, 2, RESERVATION),))
    assert of(STOCK_PLACED, two, lost).shelf == 0


def test_the_shelf_keeps_no_more_than_is_still_to_be_shipped() -> None:
    assert of(STOCK_PLACED, ALLOCATED, TWO_LEFT).shelf == 2
    again = StockAllocated((Allocation(1, 3, SECOND_RESERVATION),))
    assert of(STOCK_PLACED, ALLOCATED, again).shelf == 3
    assert of(STOCK_PLACED, ALLOCATED, again, CONFIRMED, shipped((1, 3)), LOST, SEND_AGAIN).shelf == 0


def test_the_shelf_of_a_line_made_to_order_is_what_is_made_and_not_shipped() -> None:
    assert of(*IN_PRODUCTION).shelf == 0
    assert of(*MADE).shelf == 2
    assert of(*MADE, shipped((1, 1))).shelf == 1
    assert of(*MADE, shipped((1, 2)), LOST, SEND_AGAIN).shelf == 0
    again = ProductionCompleted(1, 2, 1)
    assert of(*MADE, shipped((1, 2)), LOST, SEND_AGAIN, ProductionStarted(1, 2, 1), again).shelf == 1
    back = ReturnReceived(rma=None, shipment=SHIPMENT, lines=(CountedLine(1, 2, "resellable"),), evidence=())
    assert of(*MADE, shipped((1, 2)), back).shelf == 0
    assert of(*MADE, shipped((1, 2)), back, LOST, ProblemResolved(1, "reship", (Units(1, 2),))).shelf == 2


# States of a line


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ((STOCK_PLACED, GONE), "dropped"),
        ((*READY, SHIPPED, DELIVERED), "delivered"),
        ((*READY, SHIPPED), "shipping"),
        ((STOCK_PLACED,), "placed"),
        ((STOCK_PLACED, ALLOCATED), "placed"),
        (READY, "ready_to_ship"),
        (MADE, "ready_to_ship"),
        (IN_PRODUCTION, "in_production"),
        ((STOCK_PLACED, CONFIRMED), "confirmed"),
        ((MADE_PLACED, CONFIRMED), "confirmed"),
        (BOOK_CONFIRMED, "confirmed"),
        ((*BOOK_CONFIRMED, shipped((1, 2))), "confirmed"),
        ((*READY, shipped((1, 2))), "ready_to_ship"),
        ((*BOOK_CONFIRMED, shipped((1, 2)), delivered(), REFUND_ONE), "confirmed"),
    ],
)
def test_the_state_of_a_line(history: tuple[Any, ...], state: LineState) -> None:
    assert given(*history).state.line_state(1) == state


# States of an order


@pytest.mark.parametrize(
    ("history", "state", "reads"),
    [
        ((BOOK_PLACED,), "placed", "Order received"),
        (BOOK_CONFIRMED, "confirmed", "Processing"),
        (IN_PRODUCTION, "in_production", "Processing: being made"),
        (READY, "ready_to_ship", "Processing: ready to ship"),
        (ON_ITS_WAY, "shipping", "Shipped"),
        ((*ON_ITS_WAY, progressed("out_for_delivery")), "shipping", "Out for delivery"),
        ((*ON_ITS_WAY, progressed("out_for_delivery", applied=False)), "shipping", "Shipped"),
        (
            (*BOOK_CONFIRMED, shipped((1, 1)), shipped((1, 2), shipment=SECOND_SHIPMENT), DELIVERED),
            "shipping",
            "Partly delivered",
        ),
        (
            (*BOOK_CONFIRMED, shipped((1, 2)), DELIVERED),
            "confirmed",
            "Partly shipped (0 of 3 units on their way, 2 delivered)",
        ),
        ((*READY, shipped((1, 1))), "ready_to_ship", "Partly shipped (1 of 3 units on their way, 0 delivered)"),
        (ARRIVED, "delivered", "Delivered"),
        ((*ARRIVED, OrderCompleted("timer")), "completed", "Complete"),
        ((BOOK_PLACED, OrderRejected()), "rejected", "Rejected"),
        ((BOOK_PLACED, OrderCancelled()), "cancelled", "Cancelled"),
        ((*ARRIVED, OrderCancelled()), "cancelled", "Cancelled"),
        ((*ARRIVED, OrderCompleted("consumer"), OrderCancelled()), "cancelled", "Cancelled"),
        ((BOOK_PLACED, GONE), "cancelled", "Cancelled"),
        ((*ON_ITS_WAY, LOST, ProblemResolved(1, "refund", (Units(1, 3),))), "cancelled", "Cancelled"),
        ((*ARRIVED, OrderCompleted("consumer"), LOST, ProblemResolved(1, "refund", (Units(1, 3),))), "completed", ""),
        ((*ON_ITS_WAY, OrderCompleted("consumer")), "shipping", "Shipped"),
    ],
)
def test_the_state_of_an_order(history: tuple[Any, ...], state: OrderState, reads: str) -> None:
    order = given(*history).state
    assert order.state == state
    assert order.reads == reads or not reads


def test_the_least_advanced_line_gives_the_state() -> None:
    order = (BOTH_PLACED, ALLOCATED, CONFIRMED)
    given(*order).comes_to(state="confirmed")
    started = ProductionStarted(2, 1, 2)
    given(*order, started).comes_to(state="in_production")
    given(*order, shipped((1, 3)), DELIVERED, started, ProductionCompleted(2, 1, 2)).comes_to(state="ready_to_ship")
    given(
        *order, shipped((1, 3)), started, ProductionCompleted(2, 1, 2), shipped((2, 2), shipment=SECOND_SHIPMENT)
    ).comes_to(state="shipping")


def test_charges_do_not_count() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "FREIGHT"))
    given(order, *ARRIVED[1:]).comes_to(state="delivered", fulfilment="delivered")


def test_a_dropped_line_does_not_count() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "ROTOR"))
    given(order, *ARRIVED[1:]).comes_to(state="confirmed")
    dropped = LinesCancelled(lines=(Units(2, 1),), net=eur("17.65"), tax=eur("3.35"), total=eur("21.00"))
    given(order, *ARRIVED[1:], dropped).comes_to(state="delivered")


def test_back_go_only_what_the_domain_says() -> None:
    given(*ARRIVED, RETRACTED).comes_to(state="shipping")
    given(*ARRIVED, LOST, SEND_AGAIN).comes_to(state="confirmed")
    given(*READY, StockShortageFound(1, (Units(1, 3),), (Allocation(1, 3, RESERVATION),))).comes_to(state="confirmed")
    short = StockShortageFound(1, (Units(1, 1),), ())
    two = StockAllocated((Allocation(1, 2, RESERVATION),))
    new = shortage("substitute", replacement=line(2, "GASKET"))
    given(STOCK_PLACED, two, CONFIRMED, short, new).comes_to(state="confirmed")


def test_a_retracted_delivery_takes_back_a_completion_by_time_and_never_the_consumers() -> None:
    given(*ARRIVED, OrderCompleted("timer"), RETRACTED, DELIVERED).comes_to(state="delivered")
    given(*ARRIVED, OrderCompleted("consumer"), RETRACTED, DELIVERED).comes_to(state="completed")


def test_what_is_given_back_after_completion_does_not_change_since_when_it_is_delivered() -> None:
    second = shipped((1, 1), shipment=SECOND_SHIPMENT, number="2")
    arrived = (at(3, DELIVERED), at(3, replace(DELIVERED, shipment=SECOND_SHIPMENT)))
    lost = ProblemReported(problem=1, kind="missing", shipment=SECOND_SHIPMENT, lines=(), evidence=())
    refunded = ProblemResolved(problem=1, how="refund", lines=(Units(1, 1),))
    taken_back = DeliveryRetracted(SECOND_SHIPMENT, 6)
    history = (
        BOOK_PLACED,
        CONFIRMED,
        shipped((1, 2)),
        second,
        *arrived,
        at(2, OrderCompleted("timer")),
        lost,
        refunded,
    )
    given(*history).comes_to(state="completed", delivered_since=NOW - timedelta(3))
    given(*history, taken_back).comes_to(state="delivered", delivered_since=NOW - timedelta(3))


def test_held_is_beside_the_state() -> None:
    given(*READY, OrderHeld()).comes_to(state="ready_to_ship", held=True)
    given(*READY, at(1, OrderHeld(), reason_code="payment")).comes_to(held_for="payment", held_since=NOW - timedelta(1))
    given(*READY, OrderHeld(), OrderReleased()).comes_to(state="ready_to_ship", held=False, held_since=None)


def test_since_when_all_of_it_is_delivered() -> None:
    given(*ON_ITS_WAY, at(3, DELIVERED)).comes_to(delivered_since=NOW - timedelta(3))
    given(*ON_ITS_WAY, at(3, DELIVERED), at(2, RETRACTED)).comes_to(delivered_since=None)
    parts = (*BOOK_CONFIRMED, shipped((1, 2)), at(3, DELIVERED), at(2, TWO_LEFT))
    given(*parts).comes_to(delivered_since=NOW - timedelta(2))


# Axes


@pytest.mark.parametrize(
    ("history", "payment"),
    [
        ((), "unpaid"),
        ((paid("21.00", kind="authorised"),), "authorised"),
        ((paid("21.00", kind="authorised"), paid("21.00", kind="voided", of=None)), "unpaid"),
        ((paid("20.99"),), "partly_paid"),
        ((paid("10.00"), paid("11.00", payment=SECOND_PAYMENT, reference="ch_2")), "paid"),
        ((paid("21.01"),), "overpaid"),
        ((paid("21.00"), paid("1.00", kind="refunded")), "partly_refunded"),
        ((paid("21.00"), paid("21.00", kind="refunded")), "refunded"),
        ((paid("21.00"), OrderCancelled()), "overpaid"),
        ((paid("21.00"), paid("21.00", kind="failed")), "paid"),
        ((paid("21.00"), paid("21.00", kind="disputed")), "paid"),
    ],
)
def test_payment(history: tuple[Any, ...], payment: str) -> None:
    given(BOOK_PLACED, *history).comes_to(payment=payment)


def test_refund_owed_is_what_was_granted_and_not_refunded() -> None:
    granted = RefundGranted(refund=1, basis="goodwill", refers_to="", lines=(), amount=eur("5.00"))
    back = paid("2.00", kind="refunded", payment=REFUND_PAYMENT, reference="re_1", refund=1)
    given(BOOK_PLACED, paid("21.00"), granted).comes_to(refund_owed=Decimal("5.00"), refundable=Decimal("16.00"))
    given(BOOK_PLACED, paid("21.00"), granted, back).comes_to(refund_owed=Decimal("3.00"))


@pytest.mark.parametrize(
    ("history", "stock"),
    [
        ((MADE_PLACED,), "none"),
        ((STOCK_PLACED,), "unchecked"),
        ((STOCK_PLACED, StockAllocated((Allocation(1, 2, RESERVATION),))), "unchecked"),
        ((STOCK_PLACED, ALLOCATED), "allocated"),
        ((STOCK_PLACED, StockShortageFound(1, (Units(1, 1),), ())), "short"),
        (
            (
                STOCK_PLACED,
                StockAllocated((Allocation(1, 2, RESERVATION),)),
                StockShortageFound(1, (Units(1, 1),), ()),
                shortage("backorder", expected_by=LATER),
            ),
            "backordered",
        ),
        ((*READY, shipped((1, 1))), "allocated"),
        ((*READY, SHIPPED), "issued"),
        ((HISTORY_PLACED, StockShortageFound(1, (), ())), "short"),
    ],
)
def test_stock(history: tuple[Any, ...], stock: str) -> None:
    given(*history).comes_to(stock=stock)


def test_stock_that_came_ends_a_shortage() -> None:
    short = StockShortageFound(1, (Units(1, 3),), ())
    given(STOCK_PLACED, short, ALLOCATED).comes_to(stock="allocated", open_shortages=())


def test_a_new_shortage_is_not_covered_by_an_old_backorder_that_was_served() -> None:
    two = StockAllocated((Allocation(1, 2, RESERVATION),))
    one = StockAllocated((Allocation(1, 1, SECOND_RESERVATION),))
    short = StockShortageFound(1, (Units(1, 1),), ())
    lost = StockShortageFound(2, (Units(1, 2),), (Allocation(1, 2, RESERVATION),))
    given(STOCK_PLACED, two, short, shortage("backorder", expected_by=LATER), one, lost).comes_to(
        stock="short", open_shortages=(2,)
    )


@pytest.mark.parametrize(
    ("history", "fulfilment"),
    [
        (BOOK_CONFIRMED, "unshipped"),
        ((*BOOK_CONFIRMED, shipped((1, 2))), "partly_shipped"),
        (ON_ITS_WAY, "shipped"),
        ((*BOOK_CONFIRMED, shipped((1, 2)), DELIVERED), "partly_delivered"),
        (ARRIVED, "delivered"),
        ((BOOK_PLACED, GONE), "unshipped"),
    ],
)
def test_fulfilment(history: tuple[Any, ...], fulfilment: str) -> None:
    given(*history).comes_to(fulfilment=fulfilment)


RESOLVED = ReturnResolved(
    rma=RMA, lines=(ResolvedLine(1, 1, "refund"),), refund=None, exchange_order=None, sent_back=None
)
SECOND_REQUEST = replace(REQUESTED, rma="R2")


@pytest.mark.parametrize(
    ("history", "state"),
    [
        (ARRIVED, "none"),
        (RETURN_REQUESTED, "requested"),
        (RETURN_APPROVED, "approved"),
        (ON_ITS_WAY_BACK, "on_its_way"),
        (CAME_BACK, "received"),
        ((*CAME_BACK, RESOLVED), "resolved"),
        ((*RETURN_REQUESTED, ReturnRejected(RMA)), "rejected"),
        ((*RETURN_REQUESTED, ReturnWithdrawn(RMA)), "withdrawn"),
        ((*CAME_BACK, SECOND_REQUEST), "requested"),
        ((*CAME_BACK, RESOLVED, SECOND_REQUEST), "requested"),
        ((*CAME_BACK, RESOLVED, SECOND_REQUEST, ReturnRejected("R2")), "rejected"),
    ],
)
def test_return(history: tuple[Any, ...], state: str) -> None:
    given(*history).comes_to(return_=state)


def test_what_a_return_holds() -> None:
    assert given(*RETURN_REQUESTED).state.in_returns(1) == 1
    assert given(*RETURN_REQUESTED, replace(APPROVED, lines=(Units(1, 1),))).state.in_returns(1) == 1
    assert given(*CAME_BACK, RESOLVED).state.in_returns(1) == 1
    assert given(*RETURN_REQUESTED, ReturnWithdrawn(RMA)).state.in_returns(1) == 0
    nothing_came = ReturnResolved(rma=RMA, lines=(), refund=None, exchange_order=None, sent_back=None)
    assert given(*RETURN_APPROVED, nothing_came).state.in_returns(1) == 0


def test_document() -> None:
    given(*ON_ITS_WAY).comes_to(document="none")
    given(*ON_ITS_WAY).when(issue()).happens().comes_to(document="invoiced")
    given(*BOOK_CONFIRMED, shipped((1, 2))).when(issue()).happens().comes_to(document="partly_invoiced")
    part = given(*CAME_BACK, paid("21.00")).when(issue()).happens()
    granted = RefundGranted(refund=1, basis="goodwill", refers_to="", lines=(), amount=eur("1.00"))
    some = given(*part.events, granted).when(credit()).happens()
    some.comes_to(document="partly_credited")
    rest = replace(granted, refund=2, amount=eur("20.00"))
    given(*some.events, rest).when(credit(2, refund=2)).happens().comes_to(document="credited")


# Promises, notes, makers, addresses


def test_the_promise_that_stands() -> None:
    first, second = NOW + timedelta(days=10), NOW + timedelta(days=20)
    given(MADE_PLACED).comes_to(promised_by=first)
    given(MADE_PLACED, OrderConfirmed(second)).comes_to(promised_by=second)
    revised = PromiseRevised(1, second, None, LATER)
    given(MADE_PLACED, CONFIRMED, revised).comes_to(promised_by=second)
    given(MADE_PLACED, CONFIRMED, revised, DelayAccepted(1)).comes_to(promised_by=second)
    given(MADE_PLACED, CONFIRMED, revised, DelayDeclined(1)).comes_to(promised_by=first)
    given(MADE_PLACED, CONFIRMED, PromiseRevised(1, None, None, LATER)).comes_to(promised_by=None)


def test_a_new_promise_ends_the_expectation_of_a_delay() -> None:
    expected = DelayExpected("will_pass", "placed", None)
    given(MADE_PLACED, expected).comes_to(delay_expected=True)
    given(MADE_PLACED, expected, OrderConfirmed(LATER)).comes_to(delay_expected=False)
    given(MADE_PLACED, expected, CONFIRMED).comes_to(delay_expected=True)
    given(MADE_PLACED, expected, PromiseRevised(1, LATER, None, None)).comes_to(delay_expected=False)


def test_who_makes_a_line() -> None:
    assert of(MADE_PLACED).manufacturer == WORKS
    assert of(MADE_PLACED, ManufacturerAssigned((1,), DEPOT)).manufacturer == DEPOT


def test_where_it_goes() -> None:
    moved = AddressChanged(unsealed(HAMBURG, ADA), "DE", "DE-HH", "Europe/Vienna")
    given(MADE_PLACED, moved).comes_to(ship_to=unsealed(HAMBURG, ADA), ship_to_region="DE-HH", zone="Europe/Vienna")


def test_an_item_of_the_plan() -> None:
    run = of(*IN_PRODUCTION, *STEPS_DONE, checked("bore", passed=False), checked("surface")).run
    assert run is not None
    assert (run.check("bore").state, run.check("surface").state, run.check("weight").state) == (
        "failed",
        "passed",
        "pending",
    )
    conceded = of(*IN_PRODUCTION, *STEPS_DONE, checked("bore", passed=False), ConcessionApproved(1, 1, "bore", 1)).run
    assert conceded is not None
    assert conceded.check("bore").state == "conceded"
    again = of(*IN_PRODUCTION, *STEPS_DONE, checked("bore"), step_done("milling", attempt=2)).run
    assert again is not None
    assert again.check("bore").state == "pending"


# Imported histories


def test_an_order_without_lines_counts_as_one_unit() -> None:
    nameless = replace(SHIPPED, lines=(), carrier=None, tracking_number=None, tracking_url=None)
    given(HISTORY_PLACED).comes_to(state="placed")
    given(HISTORY_PLACED, CONFIRMED).comes_to(state="confirmed", stock="none")
    given(HISTORY_PLACED, CONFIRMED, nameless).comes_to(state="shipping", reads="Shipped")
    given(HISTORY_PLACED, CONFIRMED, nameless, DELIVERED).comes_to(state="delivered", reads="Delivered")
    given(HISTORY_PLACED, nameless, DELIVERED).comes_to(state="delivered")


def test_a_history_may_ship_before_it_is_confirmed() -> None:
    given(BOOK_PLACED, shipped((1, 3))).comes_to(state="shipping")
    given(BOOK_PLACED, shipped((1, 3)), CONFIRMED, DELIVERED).comes_to(state="delivered")


def test_a_history_may_deliver_what_it_never_shipped() -> None:
    given(BOOK_PLACED, CONFIRMED, DELIVERED).comes_to(state="confirmed")


def test_a_view_may_lack_how_it_began() -> None:
    """As of a moment before it was ordered, what had happened already is all there is."""
    for events in (MADE, ON_ITS_WAY, CAME_BACK, (STOCK_PLACED, ALLOCATED, StockShortageFound(1, (Units(1, 1),), ()))):
        entries = [ORDER.entry(event, version) for version, event in enumerate(events, 1)]
        order = fold(entries[1:])
        assert (order.number, order.version, order.id) == ("", len(events), ORDER.id)


def test_unknown_times_stay_unknown() -> None:
    order = fold([ORDER.entry(at_unknown, version) for version, at_unknown in enumerate(_without_times(), 1)])
    assert (order.placed_at, order.confirmed_at) == (None, None)
    assert order.state == "shipping"


def _without_times() -> list[Any]:
    from tests.scenario import Happened

    return [Happened(event, None) for event in ON_ITS_WAY]


def test_every_state_is_a_value_that_nothing_changes() -> None:
    before = given(*IN_PRODUCTION).state
    copy = given(*IN_PRODUCTION).state
    evolve(before, ORDER.entry(step_done("milling"), 4))
    evolve(before, ORDER.entry(PRODUCED, 4))
    evolve(before, ORDER.entry(OrderCancelled(), 4))
    assert before == copy
    assert evolve(before, ORDER.entry(STARTED, 4)).version == 4
