"""Not taking an order on."""

from order_ledger.orders.commands import Reject
from order_ledger.orders.events import OrderCancelled, OrderRejected, RefundGranted
from order_ledger.values import Amounts
from tests.examples import CONFIRMED, MADE_PLACED, OWNER, STOCK_PLACED, eur, paid
from tests.orders.streams import blocked, given

REJECT = Reject(reason_code="not_licensed")


def test_rejected() -> None:
    given(MADE_PLACED).when(REJECT, by=OWNER).then(OrderRejected()).comes_to(state="rejected", reads="Rejected")


def test_what_was_paid_is_granted_back() -> None:
    history = given(STOCK_PLACED, paid("30.00")).when(REJECT, by=OWNER)
    history.then(
        OrderRejected(),
        RefundGranted(
            refund=1,
            basis="rejection",
            refers_to="",
            lines=(Amounts(1, 3, eur("25.21"), eur("4.79"), eur("30.00")),),
            amount=eur("30.00"),
        ),
    ).comes_to(refund_owed=eur("30.00").amount)


def test_ignored_when_retried() -> None:
    given(MADE_PLACED, OrderRejected()).when(REJECT, by=OWNER).then_nothing()


def test_refused_once_confirmed() -> None:
    given(MADE_PLACED, CONFIRMED).when(REJECT, by=OWNER).then_refused_for("already_confirmed")
    assert blocked(given(MADE_PLACED, CONFIRMED), "reject", OWNER) == ["already_confirmed"]


def test_refused_once_cancelled() -> None:
    given(MADE_PLACED, OrderCancelled()).when(REJECT, by=OWNER).then_refused_for("ended")


def test_refused_for_another_reason_without_words() -> None:
    given(MADE_PLACED).when(Reject(reason_code="other"), by=OWNER).then_refused_for("reason_required")
    given(MADE_PLACED).when(Reject(reason_code="other", reason="A duplicate of his other one."), by=OWNER).then(
        OrderRejected()
    )
