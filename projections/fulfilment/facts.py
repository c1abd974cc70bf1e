"""What is remembered of an order for the measures: the order itself, and the times that it does not keep."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.bare import evolve_bare
from order_ledger.orders.events import (
    InspectionItemCompleted,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    PaymentRecorded,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
    PromiseRevised,
    RefundGranted,
    ReturnLine,
    ReturnRequested,
)
from order_ledger.orders.order import Order, OrderState

Time = datetime | None
"""When something happened; None where the source does not say."""

_FIRST = 1


class Promise(Struct, frozen=True):
    """A date that was promised after the order was placed, by the entry of this version; a confirmation's is no
    revision."""

    version: int
    promised_by: datetime
    revision: int | None = None


class Attempt(Struct, frozen=True):
    """An attempt at an item of the plan, in this run of this line."""

    line: int
    run: int
    item: str
    passed: bool
    required: bool
    at: Time


class Rework(Struct, frozen=True):
    """A step that was done to mend a failed item. It began when it says, else with the failed result."""

    version: int
    line: int
    run: int
    step: str
    item: str
    begun_at: Time
    done_at: Time


class Fulfilment(Struct, frozen=True):
    """An order, since when it is in its state, how long of that it was held, and when what happened first.

    By line: when run 1 began and was done. By shipment: when it was delivered last. By refund: when it was granted, and
    when the payment that completes it was made.
    """

    order: Order
    state: OrderState
    state_since: datetime
    held_since: Time = None
    held_before: timedelta = timedelta()
    deliveries: dict[UUID, Time] = {}
    promises: tuple[Promise, ...] = ()
    started: dict[int, Time] = {}
    produced: dict[int, Time] = {}
    first_attempts: tuple[Attempt, ...] = ()
    failures: tuple[Attempt, ...] = ()
    reworks: tuple[Rework, ...] = ()
    requests: dict[str, tuple[ReturnLine, ...]] = {}
    granted: dict[int, Time] = {}
    refunded: dict[int, Time] = {}


def fold(before: Fulfilment | None, entry: Entry[OrderEvent]) -> Fulfilment:
    """What is known of the order after this entry."""
    order = evolve_bare(before.order if before else None, entry)
    known = before or Fulfilment(order, order.state, entry.recorded_at)
    return _remembered(_in_its_state(known, order, entry.recorded_at), entry)


def _in_its_state(known: Fulfilment, order: Order, now: datetime) -> Fulfilment:
    """Held time counts from when the order came into its state."""
    state = order.state
    if state != known.state:
        held_since = now if order.held else None
        return replace(known, order=order, state=state, state_since=now, held_since=held_since, held_before=timedelta())
    if order.held == (known.held_since is not None):
        return replace(known, order=order)
    if known.held_since is None:
        return replace(known, order=order, held_since=now)
    return replace(known, order=order, held_since=None, held_before=known.held_before + (now - known.held_since))


def _remembered(known: Fulfilment, entry: Entry[OrderEvent]) -> Fulfilment:
    event, at = entry.event, entry.at
    match event:
        case OrderConfirmed(promised_by=datetime() as promised_by):
            return replace(known, promises=(*known.promises, Promise(entry.version, promised_by)))
        case PromiseRevised(promised_by=datetime() as promised_by, revision=revision):
            return replace(known, promises=(*known.promises, Promise(entry.version, promised_by, revision)))
        case OrderDelivered(shipment=shipment):
            return replace(known, deliveries={**known.deliveries, shipment: at})
        case ProductionStarted(line=line, run=run) if run == _FIRST and line not in known.started:
            return replace(known, started={**known.started, line: at})
        case ProductionCompleted(line=line, run=run) if run == _FIRST and line not in known.produced:
            return replace(known, produced={**known.produced, line: at})
        case InspectionItemCompleted():
            return _inspected(known, event, at)
        case ProductionStepCompleted(rework_for=str(item)):
            begun_at = event.started_at or _failed_at(known, event.line, event.run, item)
            rework = Rework(entry.version, event.line, event.run, event.step, item, begun_at, at)
            return replace(known, reworks=(*known.reworks, rework))
        case ReturnRequested(rma=rma, lines=lines):
            return replace(known, requests={**known.requests, rma: lines})
        case RefundGranted(refund=refund):
            return replace(known, granted={**known.granted, refund: at})
        case PaymentRecorded():
            return _paid_back(known, at)
        case _:
            return known


def _inspected(known: Fulfilment, event: InspectionItemCompleted, at: Time) -> Fulfilment:
    line = known.order.lines.get(event.line)
    planned = line.plan_item(event.item) if line is not None else None
    attempt = Attempt(event.line, event.run, event.item, event.passed, planned is not None and planned.required, at)
    if not event.passed:
        others = tuple(failed for failed in known.failures if _place(failed) != _place(attempt))
        known = replace(known, failures=(*others, attempt))
    is_first = event.run == _FIRST and event.attempt == _FIRST
    if not is_first or _place(attempt) in map(_place, known.first_attempts):
        return known
    return replace(known, first_attempts=(*known.first_attempts, attempt))


def _place(attempt: Attempt) -> tuple[int, int, str]:
    return attempt.line, attempt.run, attempt.item


def _failed_at(known: Fulfilment, line: int, run: int, item: str) -> Time:
    return next((failed.at for failed in known.failures if _place(failed) == (line, run, item)), None)


def _paid_back(known: Fulfilment, at: Time) -> Fulfilment:
    """A refund is complete with the payment that makes it whole, and no longer once that payment failed."""
    refunded = {
        number: known.refunded.get(number, at)
        for number, refund in known.order.refunds.items()
        if refund.refunded >= refund.amount
    }
    return known if refunded == known.refunded else replace(known, refunded=refunded)
