"""How long every order spent in every stage, and whether it came when it was promised: what the measures are made of.

Rows hold times and quantities as entries say them; what is a duration, a rate or a percentile is asked of them in
`order_ledger.queries.fulfilment`. States are those of the order itself, and nothing personal is remembered.
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from order_ledger.entries import Event
from order_ledger.following import Folding, Projection, Row, Rows, Table
from order_ledger.following.compact import Compact
from order_ledger.orders.events import (
    CreditNoteIssued,
    InvoiceIssued,
    NotificationFailed,
    NotificationSent,
    ReceiptIssued,
    TrackingChecked,
)
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Shipment
from order_ledger.orders.turns import turns
from projections.fulfilment.facts import Fulfilment, Promise, Time, fold
from projections.fulfilment.returned import returned

__all__ = ["IGNORED", "PROJECTION", "Fulfilment", "fold", "rows", "state"]

IGNORED: frozenset[type[Event]] = frozenset(
    (TrackingChecked, NotificationSent, NotificationFailed, InvoiceIssued, CreditNoteIssued, ReceiptIssued)
)
"""What happens to an order and changes nothing of all this."""

_ENDED = ("delivered", "completed", "rejected", "cancelled")


def rows(known: Fulfilment) -> Rows:
    """The rows of one order, in the order of their columns."""
    order = known.order
    return {
        "orders": [_order_row(known)],
        "line": list(_line_rows(known)),
        "shipment": list(_shipment_rows(known)),
        "arrival": list(_arrival_rows(known)),
        "inspection": sorted(
            (order.id, each.line, each.item, each.required, each.passed, each.at) for each in known.first_attempts
        ),
        "rework": sorted(
            (order.id, each.version, each.line, each.run, each.step, each.item, each.begun_at, each.done_at)
            for each in known.reworks
        ),
        "returned": [(order.id, *cell) for cell in returned(known)],
        "refund": list(_refund_rows(known)),
        "waiting": [(order.id, role, what) for role, what in _waiting(known)],
    }


def state(found: Rows) -> Fulfilment:
    """What the rows were made of."""
    return _compact.decode(found["orders"][0][-1])


_compact = Compact(Fulfilment)


def _order_row(known: Fulfilment) -> Row:
    order, zone = known.order, _zone(known.order.zone)
    delivered_at, first, latest = _delivered_at(known), _first_promise(known), _latest_promise(known)
    return (
        order.id,
        order.number,
        order.seller.id,
        order.placed_at,
        order.confirmed_at,
        next((shipment.at for shipment in _outward(order)), None),
        delivered_at,
        _day(delivered_at, zone),
        first,
        _day(first, zone),
        latest,
        _day(latest, zone),
        known.state,
        known.state_since,
        known.held_since,
        known.held_before,
        _compact.encode(known),
    )


def _outward(order: Order) -> Iterator[Shipment]:
    """What was shipped to the consumer, the first first."""
    return (shipment for shipment in order.shipments.values() if shipment.rma is None)


def _delivered_at(known: Fulfilment) -> Time:
    """The latest of the deliveries that stand, once no open line is before delivered; of an order that came to an end,
    its last one. Unknown where the time of one of them is."""
    order = known.order
    if order.ended is None and any(line.state(order.confirmed) != "delivered" for line in order.open_lines):
        return None
    times = [known.deliveries.get(each.shipment) for each in _outward(order) if each.delivered]
    told = [time for time in times if time is not None]
    return max(told) if told and len(told) == len(times) else None


def _first_promise(known: Fulfilment) -> Time:
    """The one at placement, else at confirmation."""
    confirmed = (promise.promised_by for promise in known.promises if promise.revision is None)
    return known.order.placed.promised_by or next(confirmed, None)


def _latest_promise(known: Fulfilment) -> Time:
    """The last that was made before the last delivery and was not declined; where there was none, the first."""
    order = known.order
    declined = {each.revision for each in order.revisions if each.answer == "declined"}
    last = max((each.delivered_version or 0 for each in _outward(order)), default=0)

    def counts(promise: Promise) -> bool:
        return promise.revision not in declined and (not last or promise.version < last)

    made = [promise.promised_by for promise in known.promises if counts(promise)]
    return made[-1] if made else _first_promise(known)


def _line_rows(known: Fulfilment) -> Iterator[Row]:
    order = known.order
    for number, line in sorted(order.lines.items()):
        if not line.is_goods:
            continue
        ordered, maker, keeper = line.ordered, line.manufacturer, line.ordered.warehouse
        yield (
            order.id,
            number,
            ordered.kind,
            ordered.item,
            ordered.sku,
            ordered.description,
            maker.id if maker is not None else None,
            maker.name if maker is not None else None,
            keeper.id if keeper is not None else None,
            known.started.get(number),
            known.produced.get(number),
            next((shipment.at for shipment in _outward(order) if number in shipment.shipped), None),
        )


def _shipment_rows(known: Fulfilment) -> Iterator[Row]:
    for each in sorted(_outward(known.order), key=lambda shipment: shipment.shipment):
        delivered_at = known.deliveries.get(each.shipment) if each.delivered else None
        sender = each.sender.id if each.sender is not None else None
        yield known.order.id, each.shipment, each.carrier, sender, each.at, delivered_at


def _arrival_rows(known: Fulfilment) -> Iterator[Row]:
    """The units that were delivered, by line and shipment."""
    for each in sorted(_outward(known.order), key=lambda shipment: shipment.shipment):
        if each.delivered:
            for line, quantity in sorted(each.units.items()):
                if quantity > 0:
                    yield known.order.id, each.shipment, line, quantity, known.deliveries.get(each.shipment)


def _refund_rows(known: Fulfilment) -> Iterator[Row]:
    order = known.order
    for number, refund in sorted(order.refunds.items()):
        asked = order.returns.get(refund.refers_to) if refund.basis == "return" else None
        yield (
            order.id,
            number,
            refund.basis,
            refund.amount,
            order.currency,
            asked.requested_at if asked is not None else None,
            known.granted.get(number),
            known.refunded.get(number),
            number in known.refunded,
        )


def _waiting(known: Fulfilment) -> list[tuple[str, str]]:
    """Which roles must act, and on what; what is on its way waits for its carrier. `unknown` is whoever ships what is
    neither made nor kept by anybody we know."""
    found: set[tuple[str, str]] = {(role, what) for role, _, what in turns(known.order, known.state)}
    if not found and known.state not in _ENDED:
        found = {("carrier", "deliver") if known.state == "shipping" else ("unknown", "ship")}
    return sorted(found)


def _zone(name: str) -> ZoneInfo:
    """The zone that days are of; UTC where the source names one that there is not."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return _UTC


def _day(moment: datetime | None, zone: ZoneInfo) -> date | None:
    if moment is None:
        return None
    try:
        return moment.astimezone(zone).date()
    except OverflowError:  # at the end of the calendar
        return moment.date()


_UTC = ZoneInfo("UTC")

PROJECTION = Projection(
    name="fulfilment",
    version=1,
    schema=Path(__file__).parent / "schema.sql",
    tables=(
        Table(
            "orders",
            tuple(
                """
                order_id number seller placed_at confirmed_at shipped_at delivered_at delivered_on first_promised_by
                first_promised_on latest_promised_by latest_promised_on state state_since held_since held_before folded
                """.split()
            ),
        ),
        Table(
            "line",
            tuple(
                """
                order_id line kind item sku description manufacturer manufacturer_name warehouse started_at produced_at
                shipped_at
                """.split()
            ),
            key=2,
        ),
        Table("shipment", ("order_id", "shipment", "carrier", "sender", "shipped_at", "delivered_at"), key=2),
        Table("arrival", ("order_id", "shipment", "line", "quantity", "delivered_at"), key=3),
        Table("inspection", ("order_id", "line", "item", "required", "passed", "at"), key=3),
        Table("rework", ("order_id", "version", "line", "run", "step", "item", "begun_at", "done_at"), key=2),
        Table(
            "returned",
            ("order_id", "rma", "line", "reason", "shipment", "requested", "received", "delivered_at"),
            key=5,
        ),
        Table(
            "refund",
            (
                "order_id", "refund", "basis", "amount", "currency", "requested_at", "granted_at", "refunded_at",
                "complete",
            ),
            key=2,
        ),
        Table("waiting", ("order_id", "role", "what"), key=3),
    ),
    foldings=(Folding(kind="order", fold=fold, rows=rows, state=state, form=Fulfilment, ignores=IGNORED),),
)  # fmt: skip
