"""Notes and questions, and the record of messages that went out."""

from collections.abc import Callable

from msgspec.structs import asdict

from order_ledger.orders.commands import AddNote, RecordNotification
from order_ledger.orders.decisions.rules import Blockers, Context, Rules, blocker
from order_ledger.orders.events import NoteAdded, NotificationFailed, NotificationSent, OrderEvent
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order
from order_ledger.values import unsealed

__all__ = ["ADD_NOTE", "RECORD_NOTIFICATION"]


def _note_asked(order: Order, command: AddNote, context: Context) -> Blockers:
    if not _is_there(order, command.about):
        yield blocker("unknown_subject", f"The order has no {command.about}.")
    if command.answers_note is not None and command.answers_note not in order.notes:
        yield blocker("unknown_note", f"The order has no note {command.answers_note}.")
    if command.audience == "staff" and "consumer" in (context.role, command.for_role):
        yield blocker("audience", "What a consumer writes or is asked is for everyone.")


def _is_there(order: Order, about: str) -> bool:
    what, _, which = about.partition(":")
    match what:
        case "order":
            return not which
        case "line":
            return _line_has(order, f"{which}/", lambda line, _: True)
        case "step":
            return _line_has(order, which, lambda line, name: any(step.step == name for step in line.ordered.steps))
        case "item":
            return _line_has(order, which, lambda line, name: line.plan_item(name) is not None)
        case "shipment":
            return any(str(number) == which for number in order.shipments)
        case "rma":
            return which in order.returns
        case _:
            return False


def _line_has(order: Order, which: str, has: Callable[[Line, str], bool]) -> bool:
    number, slash, name = which.partition("/")
    line = order.lines.get(int(number)) if slash and number.isdecimal() else None
    return line is not None and has(line, name)


def _note(order: Order, command: AddNote, context: Context) -> tuple[OrderEvent, ...]:
    return (
        NoteAdded(
            note=max(order.notes, default=0) + 1,
            text=unsealed(command.text, order.consumer),
            audience=command.audience,
            about=command.about,
            for_role=command.for_role,
            answers_note=command.answers_note,
        ),
    )


ADD_NOTE = Rules[AddNote](events=_note, asked=_note_asked)


def _notification_asked(order: Order, command: RecordNotification, context: Context) -> Blockers:
    if command.about > order.version:
        yield blocker("unknown_version", f"The order has no version {command.about}.")


def _notify(order: Order, command: RecordNotification, context: Context) -> tuple[OrderEvent, ...]:
    sent = NotificationSent(
        message_id=command.message_id,
        about=command.about,
        recipient=command.recipient,
        recipient_role=command.recipient_role,
        channel=command.channel,
        template=command.template,
        template_version=command.template_version,
        address=unsealed(command.address, command.recipient),
        body_sha256=command.body_sha256,
    )
    if command.failed is None:
        return (sent,)
    return (NotificationFailed(**asdict(sent), code=command.failed.code, final=command.failed.final),)


RECORD_NOTIFICATION = Rules[RecordNotification](
    events=_notify,
    asked=_notification_asked,
    repeated=lambda order, command: order.notifications.get(command.message_id) in ("sent", "given_up"),
)
