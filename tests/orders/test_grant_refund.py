"""Money granted back by hand, within what its basis allows and what was paid."""

from decimal import Decimal
from typing import Any

from order_ledger.orders.commands import GrantRefund
from order_ledger.orders.events import (
    DelayAccepted,
    LinesCancelled,
    OrderCancelled,
    ProblemReported,
    ProblemResolved,
    PromiseRevised,
    RefundGranted,
    ResolvedLine,
    ReturnResolved,
)
from order_ledger.values import Amounts, Money, Units
from tests.examples import (
    ARRIVED,
    BOOK_CONFIRMED,
    BOOK_PLACED,
    CAME_BACK,
    LATER,
    RMA,
    SERVICE,
    SHIPMENT,
    eur,
    paid,
)
from tests.orders.streams import blocked, given

PAID = (*ARRIVED, paid("21.00"))
RETURNED = (
    *CAME_BACK,
    paid("21.00"),
    ReturnResolved(rma=RMA, lines=(ResolvedLine(1, 1, "refund"),), refund=None, exchange_order=None, sent_back=None),
)
DAMAGED = ProblemReported(problem=1, kind="damaged", shipment=SHIPMENT, lines=(Units(1, 1),), evidence=())
SETTLED = ProblemResolved(1, "refund", (Units(1, 1),))


def grant(basis: str, amount: str, **changed: Any) -> GrantRefund:
    return GrantRefund(**{"basis": basis, "amount": eur(amount), **changed})


def goodwill(amount: str, **changed: Any) -> GrantRefund:
    return grant("goodwill", amount, reason_code="late", **changed)


def granted(basis: Any, amount: str, refers_to: str = "", lines: tuple[Amounts, ...] = ()) -> RefundGranted:
    return RefundGranted(refund=1, basis=basis, refers_to=refers_to, lines=lines, amount=eur(amount))


def test_goodwill() -> None:
    given(*PAID).when(goodwill("21.00"), by=SERVICE).then(granted("goodwill", "21.00"))


def test_for_units_that_came_back() -> None:
    book = Amounts(1, 1, eur("5.89"), eur("1.11"), eur("7.00"))
    history = given(*RETURNED).when(grant("return", "7.00", refers_to=RMA, lines=(Units(1, 1),)), by=SERVICE)
    history.then(granted("return", "7.00", RMA, (book,)))


def test_less_than_they_are_worth() -> None:
    less = Amounts(1, 1, eur("2.94"), eur("0.56"), eur("3.50"))
    history = given(*RETURNED).when(grant("return", "3.50", refers_to=RMA, lines=(Units(1, 1),)), by=SERVICE)
    history.then(granted("return", "3.50", RMA, (less,)))


def test_what_was_paid_late_for_a_cancelled_part() -> None:
    cancelled = LinesCancelled(lines=(Units(1, 1),), net=eur("11.76"), tax=eur("2.24"), total=eur("14.00"))
    history = given(*BOOK_CONFIRMED, cancelled, paid("21.00"))
    history.when(grant("cancellation", "7.00"), by=SERVICE).then(granted("cancellation", "7.00")).comes_to(
        total=eur("14.00")
    )
    history.when(grant("cancellation", "7.01"), by=SERVICE).then_refused_for("more_than_owed")


def test_a_compensation_that_was_offered() -> None:
    offered = PromiseRevised(1, LATER, eur("3.00"), LATER)
    history = given(*BOOK_CONFIRMED, offered, DelayAccepted(1), paid("21.00"))
    history.when(grant("compensation", "3.00", refers_to="1"), by=SERVICE).then(granted("compensation", "3.00", "1"))
    history.when(grant("compensation", "3.01", refers_to="1"), by=SERVICE).then_refused_for("more_than_owed")


def test_a_problem_settled_before_it_was_paid() -> None:
    history = given(*ARRIVED, DAMAGED, SETTLED, paid("21.00"))
    history.when(grant("problem", "7.00", refers_to="1"), by=SERVICE).then(granted("problem", "7.00", "1")).comes_to(
        total=eur("14.00")
    )
    history.when(grant("problem", "7.01", refers_to="1"), by=SERVICE).then_refused_for("more_than_owed")


def test_refused_beyond_what_was_captured() -> None:
    given(*PAID).when(goodwill("21.01"), by=SERVICE).then_refused_for("more_than_captured")
    given(*PAID, granted("goodwill", "20.00")).when(goodwill("1.01"), by=SERVICE).then_refused_for("more_than_captured")
    given(*ARRIVED, paid("21.00", kind="authorised")).when(goodwill("1.00"), by=SERVICE).then_refused_for(
        "more_than_captured"
    )


def test_refused_beyond_what_came_back() -> None:
    given(*RETURNED).when(grant("return", "7.01", refers_to=RMA), by=SERVICE).then_refused_for("more_than_owed")
    given(*RETURNED, granted("return", "7.00", RMA)).when(
        grant("return", "0.01", refers_to=RMA), by=SERVICE
    ).then_refused_for("more_than_owed")


def test_refused_while_the_return_is_open() -> None:
    """Settling it grants the refund; granted here as well, the same units would be refunded twice."""
    open_return = given(*CAME_BACK, paid("21.00"))
    open_return.when(grant("return", "7.00", refers_to=RMA), by=SERVICE).then_refused_for("return_open")


def test_refused_for_a_return_that_there_is_not() -> None:
    given(*PAID).when(grant("return", "1.00", refers_to="R9"), by=SERVICE).then_refused_for("unknown_return")


def test_refused_for_a_problem_that_was_not_settled_so() -> None:
    for number in ("9", "", "x"):
        given(*PAID).when(grant("problem", "1.00", refers_to=number), by=SERVICE).then_refused_for("unknown_problem")
    open_problem = given(*PAID, DAMAGED)
    open_problem.when(grant("problem", "1.00", refers_to="1"), by=SERVICE).then_refused_for("unknown_problem")


def test_refused_for_a_compensation_that_was_not_offered() -> None:
    given(*PAID).when(grant("compensation", "1.00", refers_to="1"), by=SERVICE).then_refused_for("unknown_revision")


def test_refused_for_a_cancellation_of_nothing() -> None:
    given(*PAID).when(grant("cancellation", "1.00"), by=SERVICE).then_refused_for("more_than_owed")
    given(BOOK_PLACED, OrderCancelled(), paid("21.00")).when(grant("cancellation", "21.00"), by=SERVICE).happens()


def test_refused_of_nothing() -> None:
    given(*PAID).when(goodwill("0.00"), by=SERVICE).then_refused_for("nothing_to_refund")


def test_refused_in_another_currency() -> None:
    dollars = goodwill("1.00").model_copy(update={"amount": Money(Decimal("1.00"), "USD")})
    given(*PAID).when(dollars, by=SERVICE).then_refused_for("wrong_currency")


def test_refused_as_goodwill_without_a_reason() -> None:
    given(*PAID).when(grant("goodwill", "1.00"), by=SERVICE).then_refused_for("reason_required")


def test_refused_for_a_line_that_there_is_not() -> None:
    given(*PAID).when(goodwill("1.00", lines=(Units(7, 1),)), by=SERVICE).then_refused_for("unknown_line")


def test_refused_for_more_units_than_there_are() -> None:
    given(*PAID).when(goodwill("1.00", lines=(Units(1, 4),)), by=SERVICE).then_refused_for("more_than_ordered")


def test_refused_beyond_what_the_units_are_worth() -> None:
    given(*PAID).when(goodwill("7.01", lines=(Units(1, 1),)), by=SERVICE).then_refused_for("more_than_worth")


def test_shown_as_blocked_while_nothing_is_paid() -> None:
    assert blocked(given(*ARRIVED), "grant-refund", SERVICE) == ["nothing_to_refund"]
    assert blocked(given(*PAID), "grant-refund", SERVICE) == []
