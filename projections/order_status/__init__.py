"""Where every order stands: what lists, searches and queues show.

The fold is that of `orders.evolving`, whose derived states these rows repeat, so that there is one account of what a
state is. It remembers no personal data: sealed values are left out before they are folded.
"""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import Entry, Event, Role
from order_ledger.following import Folding, Projection, Row, Rows, Table
from order_ledger.following.compact import Compact
from order_ledger.orders.bare import evolve_bare
from order_ledger.orders.events import (
    AddressChanged,
    ConcessionApproved,
    CreditNoteIssued,
    InspectionItemCompleted,
    InvoiceIssued,
    NoteAdded,
    NotificationFailed,
    NotificationSent,
    OrderEvent,
    OrderShipped,
    PaymentRecorded,
    ProductionStepCompleted,
    ReceiptIssued,
    ReturnShipped,
    ShipmentProgressed,
    TrackingChecked,
    TrackingCorrected,
)
from order_ledger.orders.order import Order, OrderState
from order_ledger.orders.turns import ANYBODY, keepers, makers, turns
from order_ledger.values import round_money

__all__ = ["ANYBODY", "IGNORED", "PROJECTION", "OrderStatus", "fold", "rows", "state"]

IGNORED: frozenset[type[Event]] = frozenset(
    (
        AddressChanged,
        TrackingChecked,
        NotificationSent,
        NotificationFailed,
        InvoiceIssued,
        CreditNoteIssued,
        ReceiptIssued,
    )
)
"""What happens to an order and changes nothing of all this."""

LEAVES_STATE: frozenset[type[Event]] = frozenset(
    (
        ConcessionApproved,
        InspectionItemCompleted,
        NoteAdded,
        PaymentRecorded,
        ProductionStepCompleted,
        ShipmentProgressed,
    )
)
"""What happens often, and neither moves an order nor names a shipment."""

_LONGEST_TERM = 200
_NAMING_NUMBERS = frozenset((OrderShipped, TrackingCorrected, ReturnShipped))


class OrderStatus(Struct, frozen=True):
    """An order, since when it is in its state, and every number that it was ever shipped under."""

    order: Order
    state: OrderState
    state_since: datetime
    begun_at: datetime
    numbers: tuple[str, ...] = ()


def fold(before: OrderStatus | None, entry: Entry[OrderEvent]) -> OrderStatus:
    """What is known of the order after this entry."""
    order = evolve_bare(before.order if before else None, entry)
    if before is None:
        return OrderStatus(order, order.state, entry.recorded_at, entry.recorded_at, _number_shipped_under(entry.event))
    if type(entry.event) in LEAVES_STATE:
        return OrderStatus(order, before.state, before.state_since, before.begun_at, before.numbers)
    state, number = order.state, _number_shipped_under(entry.event)
    since = before.state_since if state == before.state else entry.recorded_at
    numbers = before.numbers if not number or number[0] in before.numbers else before.numbers + number
    return OrderStatus(order, state, since, before.begun_at, numbers)


def rows(status: OrderStatus) -> Rows:
    """The rows of one order, in the order of their columns."""
    order = status.order
    listed_at = order.placed_at or status.begun_at
    return {
        "orders": [_order_row(status, listed_at)],
        "party": [(order.id, role, party, listed_at) for role, party in _parties(order)],
        "term": [(order.id, term) for term in sorted(_terms(status))],
        "waiting": [(order.id, role, party, what) for role, party, what in sorted(set(turns(order, status.state)))],
    }


def state(found: Rows) -> OrderStatus:
    """What the rows were made of."""
    return _compact.decode(found["orders"][0][-1])


_compact = Compact(OrderStatus)


def _number_shipped_under(event: OrderEvent) -> tuple[str, ...]:
    if type(event) not in _NAMING_NUMBERS:
        return ()
    match event:
        case OrderShipped(tracking_number=str(number)) | TrackingCorrected(tracking_number=number):
            return (number,)
        case ReturnShipped(tracking_number=number):
            return (number,)
        case _:
            return ()


def _order_row(status: OrderStatus, listed_at: datetime) -> Row:
    order, goods = status.order, status.order.goods
    return (
        order.id,
        order.number,
        order.placed.reference,
        order.consumer,
        order.seller.id,
        order.seller.name,
        order.history,
        order.placed_at,
        listed_at,
        order.promised_by,
        status.state,
        status.state_since,
        order.recorded_at,
        order.reads,
        order.held,
        order.held_for,
        order.currency,
        order.net.amount,
        order.tax.amount,
        order.total.amount,
        round_money(order.refund_owed, order.currency),
        order.payment,
        order.stock,
        order.fulfilment,
        order.return_,
        len(goods),
        sum(line.ordered.quantity for line in goods),
        goods[0].ordered.description if goods else "",
        len(order.open_problems),
        len(order.open_questions),
        len(order.open_shortages),
        order.delay_expected,
        order.open_revision is not None,
        [s.tracking_number for s in order.shipments.values() if s.rma is None and s.tracking_number is not None],
        list(order.returns),
        _compact.encode(status),
    )


def _parties(order: Order) -> list[tuple[Role, UUID]]:
    """Each once, in the order of the table's key."""
    return [
        ("consumer", order.consumer),
        ("ip_owner", order.seller.id),
        *(("manufacturer", maker) for maker in sorted(makers(order))),
        *(("warehouse", keeper) for keeper in sorted(keepers(order))),
    ]


def _terms(status: OrderStatus) -> set[str]:
    order = status.order
    found = {order.number, order.placed.reference or "", *status.numbers, *order.returns}
    return {term.lower()[:_LONGEST_TERM] for term in found if term}


PROJECTION = Projection(
    name="order_status",
    version=1,
    schema=Path(__file__).parent / "schema.sql",
    tables=(
        Table(
            "orders",
            tuple(
                """
                order_id number reference consumer seller seller_name history placed_at listed_at promised_by state
                state_since changed_at reads held held_for currency net tax total refund_owed payment stock fulfilment
                returned goods_lines goods_units first_description open_problems open_questions open_shortages
                delay_expected delay_unanswered tracking_numbers rma_numbers folded
                """.split()
            ),
        ),
        Table("party", ("order_id", "role", "party", "listed_at"), key=3),
        Table("term", ("order_id", "term"), key=2),
        Table("waiting", ("order_id", "role", "party", "what"), key=4),
    ),
    foldings=(Folding(kind="order", fold=fold, rows=rows, state=state, form=OrderStatus, ignores=IGNORED),),
)
