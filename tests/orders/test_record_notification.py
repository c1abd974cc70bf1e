"""Messages that went out, or did not."""

from typing import Any

from order_ledger.orders.commands import Failure, RecordNotification
from order_ledger.orders.events import NotificationFailed, NotificationSent
from order_ledger.values import unsealed
from tests.examples import ADA, BOOK_CONFIRMED, RAW
from tests.orders.streams import given

TOLD: dict[str, Any] = {
    "message_id": "<confirmed.1@ledger.example>",
    "about": 2,
    "recipient": ADA,
    "recipient_role": "consumer",
    "channel": "email",
    "template": "confirmed",
    "template_version": 1,
    "body_sha256": RAW,
}
ADDRESS = unsealed("ada@example.com", ADA)
SENT = NotificationSent(**TOLD, address=ADDRESS)
FAILED = NotificationFailed(**TOLD, address=ADDRESS, code="mailbox_full", final=False)
GIVEN_UP = NotificationFailed(**TOLD, address=ADDRESS, code="no_such_address", final=True)


def tell(failed: Failure | None = None, **changed: Any) -> RecordNotification:
    return RecordNotification(**{**TOLD, "address": "ada@example.com", "failed": failed, **changed})


def test_sent() -> None:
    given(*BOOK_CONFIRMED).when(tell()).then(SENT)


def test_failed() -> None:
    given(*BOOK_CONFIRMED).when(tell(Failure("mailbox_full", False))).then(FAILED)


def test_sent_after_a_failure() -> None:
    given(*BOOK_CONFIRMED, FAILED).when(tell()).then(SENT)


def test_ignored_once_sent() -> None:
    given(*BOOK_CONFIRMED, SENT).when(tell()).then_nothing()
    given(*BOOK_CONFIRMED, SENT).when(tell(Failure("mailbox_full", False))).then_nothing()


def test_ignored_once_given_up() -> None:
    given(*BOOK_CONFIRMED, GIVEN_UP).when(tell(Failure("mailbox_full", False))).then_nothing()


def test_refused_about_what_has_not_happened() -> None:
    given(*BOOK_CONFIRMED).when(tell(about=3)).then_refused_for("unknown_version")
