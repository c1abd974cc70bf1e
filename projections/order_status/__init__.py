"""Where every order stands: what lists, searches and queues show.

The fold is that of `orders.evolving`, whose derived states these rows repeat, so that there is one account of what a
state is. It remembers no personal data: sealed values are left out before they are folded.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import Entry, Event, Role
from order_ledger.following import Folding, Projection, Row, Rows, Table
from order_ledger.following.compact import Compact
from order_ledger.orders.events import (
    AddressChanged,
    CreditNoteIssued,
    InvoiceIssued,
    NotificationFailed,
    NotificationSent,
    OrderEvent,
    OrderPlaced,
    OrderShipped,
    ReceiptIssued,
    ReturnShipped,
    ShipmentProgressed,
    TrackingChecked,
    TrackingCorrected,
)
from order_ledger.orders.evolving import evolve
from order_ledger.orders.order import Line, Order, OrderState, Return
from order_ledger.values import Sealed

ANYBODY = UUID(int=0)
"""In a queue: whoever holds the role."""

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

_LONGEST_TERM = 200
_NOTHING_SEALED: Sealed[None] = Sealed("", "")

What = Literal[
    "allocate",
    "answer_delay",
    "answer_question",
    "assign",
    "complete",
    "concede",
    "confirm",
    "judge_return",
    "pay",
    "produce",
    "receive_return",
    "refund",
    "release",
    "resolve_problem",
    "resolve_return",
    "resolve_shortage",
    "send_return",
    "ship",
    "start_production",
]


class OrderStatus(Struct, frozen=True):
    """An order, since when it is in its state, and every number that it was ever shipped under."""

    order: Order
    state: OrderState
    state_since: datetime
    begun_at: datetime
    numbers: tuple[str, ...] = ()


def fold(before: OrderStatus | None, entry: Entry[OrderEvent]) -> OrderStatus:
    """What is known of the order after this entry."""
    order = evolve(before.order if before else None, _without_personal_data(entry))
    if isinstance(entry.event, ShipmentProgressed):
        order = _without_carriers_own_numbers(order, entry.event.shipment)
    state = order.state
    number = _number_shipped_under(entry.event)
    if before is None:
        return OrderStatus(order, state, entry.recorded_at, entry.recorded_at, number)
    since = before.state_since if state == before.state else entry.recorded_at
    numbers = before.numbers if not number or number[0] in before.numbers else before.numbers + number
    return OrderStatus(order, state, since, before.begun_at, numbers)


def rows(status: OrderStatus) -> Rows:
    """The rows of one order, in the order of their columns."""
    order = status.order
    listed_at = order.placed_at or status.begun_at
    return {
        "orders": [_order_row(status, listed_at)],
        "party": [(order.id, role, party, listed_at) for role, party in sorted(_parties(order))],
        "term": [(order.id, term) for term in sorted(_terms(status))],
        "waiting": [(order.id, role, party, what) for role, party, what in sorted(set(_waiting(order, status.state)))],
    }


def state(found: Rows) -> OrderStatus:
    """What the rows were made of."""
    return _compact.decode(found["orders"][0][-1])


_compact = Compact(OrderStatus)


def _without_personal_data(entry: Entry[OrderEvent]) -> Entry[OrderEvent]:
    if not isinstance(entry.event, OrderPlaced):
        return entry
    event = replace(entry.event, contact=_NOTHING_SEALED, bill_to=_NOTHING_SEALED, ship_to=_NOTHING_SEALED)
    return replace(entry, event=event)


def _without_carriers_own_numbers(order: Order, number: UUID) -> Order:
    """Which of a carrier's messages were seen matters to who decides about the next, and not here."""
    shipment = order.shipments.get(number)
    if shipment is None:
        return order
    return replace(order, shipments={**order.shipments, number: replace(shipment, carrier_events=frozenset())})


def _number_shipped_under(event: OrderEvent) -> tuple[str, ...]:
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
        order.refund_owed,
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


def _parties(order: Order) -> set[tuple[Role, UUID]]:
    found: set[tuple[Role, UUID]] = {("consumer", order.consumer), ("ip_owner", order.seller.id)}
    found.update(("manufacturer", maker) for maker in _makers(order))
    found.update(("warehouse", keeper) for keeper in _keepers(order))
    return found


def _makers(order: Order) -> set[UUID]:
    return {line.manufacturer.id for line in order.lines.values() if line.manufacturer is not None}


def _keepers(order: Order) -> set[UUID]:
    return {line.ordered.warehouse.id for line in order.lines.values() if line.ordered.warehouse is not None}


def _terms(status: OrderStatus) -> set[str]:
    order = status.order
    found = {order.number, order.placed.reference or "", *status.numbers, *order.returns}
    return {term.lower()[:_LONGEST_TERM] for term in found if term}


Turn = tuple[Role, UUID, What]


def _waiting(order: Order, state: OrderState) -> Iterator[Turn]:
    """Whose turn it is, and for what."""
    if order.held:
        yield "customer_service", ANYBODY, "release"
    if state not in ("completed", "cancelled", "rejected"):
        yield from _going_on(order, state)
    if order.open_revision is not None:
        yield "consumer", order.consumer, "answer_delay"
    if order.open_problems:
        yield "customer_service", ANYBODY, "resolve_problem"
    if order.open_shortages:
        yield "customer_service", ANYBODY, "resolve_shortage"
    if order.refund_owed > 0:
        yield "customer_service", ANYBODY, "refund"
    for returned in order.open_returns:
        yield _returning(order, returned)
    for question in order.open_questions:
        assert question.for_role is not None
        for party in _who(order, question.for_role):
            yield question.for_role, party, "answer_question"


def _going_on(order: Order, state: OrderState) -> Iterator[Turn]:
    unpaid = order.terms.pay == "prepaid" and not order.paid_for
    if unpaid and order.unshipped:
        yield "consumer", order.consumer, "pay"
    if state == "placed" and not order.held and order.stock not in ("unchecked", "short"):
        yield "ip_owner", order.seller.id, "confirm"
    if state == "delivered" and not order.open_problems and not order.open_returns:
        yield "consumer", order.consumer, "complete"
    for line in order.open_lines:
        yield from _making(order, line, unpaid)
        if order.confirmed and not order.held and not unpaid and line.shippable > 0:
            yield from _shipping(line)


def _making(order: Order, line: Line, unpaid: bool) -> Iterator[Turn]:
    missing = line.rest - line.shelf
    if missing <= 0:
        return
    match line.ordered.kind:
        case "from_stock":
            if line.short + line.backordered < missing:
                yield "ledger", ANYBODY, "allocate"
        case "made_to_order":
            if line.manufacturer is None:
                yield "ip_owner", order.seller.id, "assign"
            elif line.in_production:
                yield "manufacturer", line.manufacturer.id, "produce"
            elif order.confirmed and not order.held and not unpaid:
                yield "manufacturer", line.manufacturer.id, "start_production"
            if line.in_production and any(check.state == "failed" for check in line.runs[-1].checks.values()):
                yield "ip_owner", order.seller.id, "concede"
        case _:
            return


def _shipping(line: Line) -> Iterator[Turn]:
    """What is kept in stock leaves from there, what is made from where it is made; else whoever of them there is."""
    maker, keeper = line.manufacturer, line.ordered.warehouse
    if keeper is not None and (line.ordered.kind == "from_stock" or maker is None):
        yield "warehouse", keeper.id, "ship"
    elif maker is not None:
        yield "manufacturer", maker.id, "ship"


def _returning(order: Order, returned: Return) -> Turn:
    match returned.state:
        case "requested":
            return "ip_owner", order.seller.id, "judge_return"
        case "approved":
            return "consumer", order.consumer, "send_return"
        case "on_its_way" if returned.send_to is not None:
            there = returned.send_to.id
            made_there = there in _makers(order) and there not in _keepers(order)
            return "manufacturer" if made_there else "warehouse", there, "receive_return"
        case _:
            return "customer_service", ANYBODY, "resolve_return"


def _who(order: Order, role: Role) -> set[UUID]:
    match role:
        case "consumer":
            return {order.consumer}
        case "ip_owner":
            return {order.seller.id}
        case "manufacturer":
            return _makers(order) or {ANYBODY}
        case "warehouse":
            return _keepers(order) or {ANYBODY}
        case _:
            return {ANYBODY}


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
