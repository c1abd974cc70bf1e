"""What people wrote, and what they were told."""

from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.orders.correspondence import Note, NotificationState
from order_ledger.orders.events import NoteAdded, NotificationFailed, NotificationSent, OrderEvent
from order_ledger.orders.evolving.changes import Changes
from order_ledger.orders.order import Order

__all__ = ["CHANGES"]


def _noted(order: Order, event: NoteAdded, entry: Entry[OrderEvent]) -> Order:
    notes = {
        **order.notes,
        event.note: Note(event.note, event.about, event.audience, event.for_role, entry.by.role),
    }
    if event.answers_note is not None and (question := notes.get(event.answers_note)):
        notes[question.note] = replace(question, answered=True)
    return replace(order, notes=notes)


def _told(order: Order, event: NotificationSent, entry: Entry[OrderEvent]) -> Order:
    return replace(order, notifications={**order.notifications, event.message_id: "sent"})


def _not_told(order: Order, event: NotificationFailed, entry: Entry[OrderEvent]) -> Order:
    if order.notifications.get(event.message_id) == "sent":
        return order
    state: NotificationState = "given_up" if event.final else "failed"
    return replace(order, notifications={**order.notifications, event.message_id: state})


CHANGES: Changes = {
    NoteAdded: _noted,
    NotificationSent: _told,
    NotificationFailed: _not_told,
}
