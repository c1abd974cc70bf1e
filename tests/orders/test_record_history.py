"""Orders that another system placed: believed, and what they broke noted."""

from typing import Any

from order_ledger.orders import commands as asked
from order_ledger.orders.commands import Cancel, Deliver, GrantRefund, OrderCommand, RecordHistory, Ship
from order_ledger.orders.decisions import Context, record
from order_ledger.orders.events import OrderCancelled, OrderPlaced, OrderShipped, RefundGranted
from order_ledger.orders.order import Order
from order_ledger.values import Units
from tests.examples import (
    BOOK_CONFIRMED,
    HISTORY_PLACED,
    NOW,
    ON_ITS_WAY,
    ORDER_ID,
    OTHER_SELLER,
    SELLER,
    SHIPMENT,
    STOCK_PLACED,
    UNKNOWN,
    delivered,
    eur,
    line,
    paid,
    placed,
    uuid,
)
from tests.orders.streams import given

UNSAID: Any = None
"""What a source does not say."""

CONTEXT = Context(now=NOW, by=UNKNOWN, command=uuid(99), order_id=ORDER_ID)


def history(placed: OrderPlaced) -> RecordHistory:
    return RecordHistory(placed=placed)


def order(*events: object) -> Order:
    return given(*events).state  # type: ignore[arg-type]


def test_believed_as_it_is() -> None:
    imported = placed(line(1, "BOOK", 2), history=True)
    assert record(None, history(imported), CONTEXT) == ((imported,), ())


def test_no_lines_are_noted() -> None:
    assert record(None, history(HISTORY_PLACED), CONTEXT) == ((HISTORY_PLACED,), ("no_lines",))


def test_several_sellers_are_noted() -> None:
    two = placed(line(1, "BOOK", seller=SELLER), line(2, "BOOK", seller=OTHER_SELLER), history=True)
    assert record(None, history(two), CONTEXT) == ((two,), ("several_sellers",))


def test_a_total_that_does_not_add_up_is_noted() -> None:
    wrong = placed(line(1, "BOOK"), total=eur("8.00"), history=True)
    assert record(None, history(wrong), CONTEXT) == ((wrong,), ("total_differs",))


def test_nothing_when_imported_again() -> None:
    assert record(order(HISTORY_PLACED), history(HISTORY_PLACED), CONTEXT) == ((), ())


def test_shipped_without_a_link_before_it_was_confirmed() -> None:
    ship = Ship.model_construct(
        lines=(), carrier=UNSAID, tracking_number=UNSAID, tracking_url=UNSAID, shipment=SHIPMENT
    )
    events, breaches = record(order(HISTORY_PLACED), ship, CONTEXT)
    assert events == (
        OrderShipped(
            shipment=SHIPMENT,
            lines=(),
            sender=None,
            carrier=None,
            tracking_number=None,
            tracking_url=None,
            replaces=None,
        ),
    )
    assert breaches == ("not_confirmed", "tracking_missing")


def test_more_shipped_than_ordered_is_noted_once() -> None:
    ship = Ship.model_construct(
        lines=(Units(1, 9),), carrier="dhl", tracking_number="1", tracking_url="https://a.example/1", shipment=SHIPMENT
    )
    assert record(order(*BOOK_CONFIRMED), ship, CONTEXT)[1] == ("more_than_ready",)


def test_delivered_unproven() -> None:
    deliver = Deliver.model_construct(shipment=SHIPMENT)
    assert record(order(*ON_ITS_WAY), deliver, CONTEXT) == ((delivered(proof="unknown"),), ())


def test_delivered_though_never_shipped_is_noted() -> None:
    deliver = Deliver.model_construct(shipment=SHIPMENT)
    assert record(order(HISTORY_PLACED), deliver, CONTEXT)[1] == ("unknown_shipment",)


def test_cancelled_though_it_was_shipped() -> None:
    cancel = Cancel.model_construct(reason_code=UNSAID)
    events, breaches = record(order(*ON_ITS_WAY), cancel, CONTEXT)
    assert events == (OrderCancelled(),)
    assert breaches == ("already_shipped",)


def test_no_refund_is_made_up() -> None:
    cancel = Cancel.model_construct(reason_code=UNSAID)
    assert record(order(STOCK_PLACED, paid("30.00")), cancel, CONTEXT) == ((OrderCancelled(),), ())


def test_a_refund_that_the_source_knows_is_believed() -> None:
    grant = GrantRefund(basis="goodwill", amount=eur("50.00"))
    events, breaches = record(order(STOCK_PLACED), grant, CONTEXT)
    assert [type(event) for event in events] == [RefundGranted]
    assert breaches == ("more_than_captured", "reason_required")


def test_what_is_unheard_of_is_believed_all_the_same() -> None:
    """Every command that may come from a history, about things that the order does not have."""
    about_nothing: list[OrderCommand] = [
        asked.StartProduction(line=7),
        asked.CompleteStep(line=7, step="milling"),
        asked.CompleteInspectionItem(line=7, item="bore", passed=True),
        asked.ApproveConcession(line=7, item="bore", reason_code="cosmetic"),
        asked.CompleteProduction(line=7),
        asked.Assign(lines=(7,), manufacturer=uuid(7)),
        asked.Cancel(lines=(Units(7, 1),), reason_code="duplicate"),
        asked.ResolveProblem(problem=7, how="refund"),
        asked.ReportProblem(kind="missing", shipment=uuid(7)),
        asked.AcceptDelay(revision=7),
        asked.DeclineDelay(revision=7),
        asked.GrantRefund(basis="return", refers_to="R7", amount=eur("1.00"), lines=(Units(7, 1),)),
        asked.ApproveReturn(rma="R7"),
        asked.RejectReturn(rma="R7", reason_code="used"),
        asked.WithdrawReturn(rma="R7"),
        asked.RecordPayment(
            kind="refunded", amount=eur("1.00"), method="card", provider="p", reference="r", of=uuid(7), refund=7
        ),
        asked.AddNote(text="?", about="line:7"),
        asked.Release(),
    ]
    nothing_of_it = order(STOCK_PLACED, paid("30.00"))
    for command in about_nothing:
        events, breaches = record(nothing_of_it, command, CONTEXT)
        assert (events and breaches) or isinstance(command, asked.Release), command


def test_decided_live_the_same_is_refused() -> None:
    ship = Ship.model_construct(lines=(), carrier=UNSAID, tracking_number=UNSAID, tracking_url=UNSAID)
    given(HISTORY_PLACED).when(ship, by=UNKNOWN).then_refused_for("not_confirmed", "tracking_missing")
