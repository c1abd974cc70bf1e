"""What is promised when it cannot be kept: delays expected, promises revised, and what the consumer makes of them."""

from datetime import timedelta

from order_ledger.orders.commands import AcceptDelay, DeclineDelay, ExpectDelay, RevisePromise
from order_ledger.orders.correspondence import Revision
from order_ledger.orders.decisions.ending import cancelled
from order_ledger.orders.decisions.money import granted_for
from order_ledger.orders.decisions.rules import (
    Blockers,
    Context,
    Rules,
    blocker,
    ended,
    grant,
    in_the_past,
    unless_ended,
)
from order_ledger.orders.events import DelayAccepted, DelayDeclined, DelayExpected, OrderEvent, PromiseRevised
from order_ledger.orders.order import Order
from order_ledger.values import Money

__all__ = ["ACCEPT_DELAY", "DECLINE_DELAY", "EXPECT_DELAY", "REVISE_PROMISE"]

_DAYS_TO_ANSWER = 7


# Before it is late


def _arrived(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    if order.state == "delivered":
        yield blocker("already_delivered", "All of the order has arrived.")


def _delay_asked(order: Order, command: ExpectDelay, context: Context) -> Blockers:
    if order.promised_by is None:
        yield blocker("no_promise", "Nothing is promised that could be missed.")


def _expect(order: Order, command: ExpectDelay, context: Context) -> tuple[OrderEvent, ...]:
    return (DelayExpected(command.kind, command.stage, command.expected_by),)


EXPECT_DELAY = Rules[ExpectDelay](
    events=_expect, standing=_arrived, asked=_delay_asked, repeated=lambda order, command: order.delay_expected
)


# Revising


def _revision_asked(order: Order, command: RevisePromise, context: Context) -> Blockers:
    yield from in_the_past("A promise", command.promised_by, context)
    yield from in_the_past("The time to answer", command.answer_by, context)
    if command.compensation is not None and command.compensation.currency != order.currency:
        yield blocker("wrong_currency", f"The order is in {order.currency}.")


def _revise(order: Order, command: RevisePromise, context: Context) -> tuple[OrderEvent, ...]:
    number = len(order.revisions) + 1
    asked = order.unshipped > 0
    answer_by = command.answer_by or context.now + timedelta(days=_DAYS_TO_ANSWER)
    revised = PromiseRevised(number, command.promised_by, command.compensation, answer_by if asked else None)
    if asked:
        return (revised,)
    # Nothing is left to decline: what is offered is given.
    return (revised, *_compensate(order, number, command.compensation))


def _compensate(order: Order, revision: int, compensation: Money | None) -> tuple[OrderEvent, ...]:
    if compensation is None:
        return ()
    left = compensation.amount - granted_for(order, "compensation", str(revision))
    return grant(order, "compensation", str(revision), (), min(left, order.refundable))


def _already_revised(order: Order, command: RevisePromise) -> bool:
    if not order.revisions:
        return False
    last = order.revisions[-1]
    return last.answer is None and (last.promised_by, last.compensation) == (command.promised_by, command.compensation)


REVISE_PROMISE = Rules[RevisePromise](
    events=_revise, standing=_arrived, asked=_revision_asked, repeated=_already_revised
)


# Answering


def _open_revision(order: Order, context: Context) -> Blockers:
    if order.open_revision is None:
        yield blocker("no_revision_open", "No revised promise waits for an answer.", "manufacturer", "customer_service")


def _other_revision(order: Order, command: AcceptDelay | DeclineDelay, context: Context) -> Blockers:
    yield from _open_revision(order, context)
    waiting = order.open_revision
    if waiting is not None and command.revision not in (None, waiting.revision):
        yield blocker("not_the_open_revision", f"The promise that waits for an answer is revision {waiting.revision}.")


def _answered(order: Order, revision: int | None) -> Revision | None:
    """The revision that is meant, if it was answered: the last one where none is named."""
    known = [known for known in order.revisions if revision is None or known.revision == revision]
    return known[-1] if known and known[-1].answer is not None else None


def _accept(order: Order, command: AcceptDelay, context: Context) -> tuple[OrderEvent, ...]:
    waiting = order.open_revision
    number = waiting.revision if waiting is not None else command.revision or 1
    compensation = waiting.compensation if waiting is not None else None
    return (DelayAccepted(number), *_compensate(order, number, compensation))


def _was(answer: str, order: Order, revision: int | None) -> bool:
    known = _answered(order, revision)
    return known is not None and known.answer == answer


ACCEPT_DELAY = Rules[AcceptDelay](
    events=_accept,
    standing=unless_ended,
    asked=_other_revision,
    overview=_open_revision,
    repeated=lambda order, command: _was("accepted", order, command.revision),
)


def _declinable(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    if order.open_revision is not None and not order.unshipped:
        yield blocker("already_shipped", "All of the order is shipped; it can be returned.", "consumer")


def _decline(order: Order, command: DeclineDelay, context: Context) -> tuple[OrderEvent, ...]:
    waiting = order.open_revision
    number = waiting.revision if waiting is not None else command.revision or 1
    gone = {line.line: line.rest for line in order.open_lines if line.rest}
    return (DelayDeclined(number), *cancelled(order, gone))


DECLINE_DELAY = Rules[DeclineDelay](
    events=_decline,
    standing=_declinable,
    asked=_other_revision,
    overview=_open_revision,
    repeated=lambda order, command: _was("declined", order, command.revision),
)
