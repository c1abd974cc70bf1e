"""By when an order was promised, and what became of that."""

from typing import Literal

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.correspondence import Revision
from order_ledger.orders.events import DelayAccepted, DelayDeclined, DelayExpected, OrderEvent, PromiseRevised
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.order import Order

__all__ = ["CHANGES"]


def _delay_expected(order: Order, event: DelayExpected, entry: Entry[OrderEvent]) -> Order:
    return replace(order, delay_expected=True)


def _revised(order: Order, event: PromiseRevised, entry: Entry[OrderEvent]) -> Order:
    revision = Revision(event.revision, event.promised_by, order.promised_by, event.compensation, event.answer_by)
    return replace(order, revisions=(*order.revisions, revision), promised_by=event.promised_by, delay_expected=False)


def _accepted(order: Order, event: DelayAccepted, entry: Entry[OrderEvent]) -> Order:
    return _answered(order, event.revision, "accepted")


def _declined(order: Order, event: DelayDeclined, entry: Entry[OrderEvent]) -> Order:
    return _answered(order, event.revision, "declined")


def _answered(order: Order, number: int, answer: Literal["accepted", "declined"]) -> Order:
    revisions = tuple(
        replace(revision, answer=answer) if revision.revision == number else revision for revision in order.revisions
    )
    order = replace(order, revisions=revisions)
    if answer == "declined" and revisions and revisions[-1].revision == number:
        order = replace(order, promised_by=revisions[-1].promised_before)
    return order


CHANGES: Changes = {
    DelayExpected: _delay_expected,
    PromiseRevised: _revised,
    DelayAccepted: _accepted,
    DelayDeclined: _declined,
}
