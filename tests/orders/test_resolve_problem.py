"""What is done about a problem: the units sent again, refunded, or neither."""

from typing import Any

from order_ledger.orders.commands import ResolveProblem
from order_ledger.orders.events import (
    LinesCancelled,
    OrderCancelled,
    OrderCompleted,
    ProblemReported,
    ProblemResolved,
    RefundGranted,
    ReturnLine,
    ReturnRequested,
    ReturnWithdrawn,
)
from order_ledger.values import Amounts, Units
from tests.examples import (
    ARRIVED,
    BOOK_CONFIRMED,
    CAME_BACK,
    CONFIRMED,
    ON_ITS_WAY,
    RETURN_REQUESTED,
    RMA,
    SECOND_SHIPMENT,
    SERVICE,
    SHIPMENT,
    delivered,
    eur,
    line,
    paid,
    placed,
    shipped,
)
from tests.orders.streams import blocked, given

ONE = (Units(1, 1),)
DAMAGED = ProblemReported(problem=1, kind="damaged", shipment=SHIPMENT, lines=ONE, evidence=())
LOST = ProblemReported(problem=1, kind="not_received", shipment=SHIPMENT, lines=(), evidence=())
CANCEL_WANTED = ProblemReported(problem=1, kind="cancel_wanted", shipment=None, lines=(), evidence=())


def resolve(how: str, *lines: Units, **changed: Any) -> ResolveProblem:
    return ResolveProblem(**{"problem": 1, "how": how, "lines": lines, **changed})


def refund(amount: str, *lines: Amounts) -> RefundGranted:
    return RefundGranted(refund=1, basis="problem", refers_to="1", lines=lines, amount=eur(amount))


BOOK = Amounts(1, 1, eur("5.88"), eur("1.12"), eur("7.00"))


def test_sent_again() -> None:
    history = given(*ARRIVED, DAMAGED).when(resolve("reship"), by=SERVICE).then(ProblemResolved(1, "reship", ONE))
    history.comes_to(state="confirmed", reads="Partly shipped (0 of 3 units on their way, 2 delivered)")
    assert history.state.lines[1].rest == 1


def test_of_a_whole_shipment() -> None:
    history = given(*ON_ITS_WAY, LOST).when(resolve("reship"), by=SERVICE)
    history.then(ProblemResolved(1, "reship", (Units(1, 3),))).comes_to(state="confirmed", fulfilment="unshipped")


def test_refunded() -> None:
    history = given(*ARRIVED, paid("21.00"), DAMAGED).when(resolve("refund"), by=SERVICE)
    history.then(ProblemResolved(1, "refund", ONE), refund("7.00", BOOK)).comes_to(
        state="delivered", total=eur("14.00"), refund_owed=eur("7.00").amount
    )


def test_nothing_is_refunded_that_was_not_paid() -> None:
    history = given(*ARRIVED, DAMAGED).when(resolve("refund"), by=SERVICE)
    history.then(ProblemResolved(1, "refund", ONE)).comes_to(total=eur("14.00"))


def test_the_charges_go_with_the_last_of_the_goods() -> None:
    order = placed(line(1, "BOOK"), line(2, "FREIGHT"))
    history = given(order, CONFIRMED, paid("12.95"), shipped((1, 1)), LOST).when(resolve("refund"), by=SERVICE)
    freight = Amounts(2, 1, eur("5.00"), eur("0.95"), eur("5.95"))
    history.then(ProblemResolved(1, "refund", ONE), refund("12.95", BOOK, freight)).comes_to(
        state="cancelled", total=eur("0.00")
    )


def test_the_charges_go_with_the_last_of_the_goods_where_nothing_was_paid() -> None:
    order = placed(line(1, "BOOK"), line(2, "FREIGHT"))
    history = given(order, CONFIRMED, shipped((1, 1)), LOST).when(resolve("refund"), by=SERVICE)
    freight = LinesCancelled(lines=(Units(2, 1),), net=eur("0.00"), tax=eur("0.00"), total=eur("0.00"))
    history.then(ProblemResolved(1, "refund", ONE), freight).comes_to(state="cancelled", total=eur("0.00"))


def test_nothing_to_be_done() -> None:
    given(*ARRIVED, DAMAGED).when(resolve("none"), by=SERVICE).then(ProblemResolved(1, "none", ())).comes_to(
        state="delivered", open_problems=()
    )
    given(*BOOK_CONFIRMED, CANCEL_WANTED).when(resolve("none"), by=SERVICE).then(ProblemResolved(1, "none", ()))


def test_ignored_when_retried() -> None:
    given(*ARRIVED, DAMAGED, ProblemResolved(1, "reship", ONE)).when(resolve("reship"), by=SERVICE).then_nothing()


def test_refused_once_resolved_otherwise() -> None:
    resolved = given(*ARRIVED, DAMAGED, ProblemResolved(1, "none", ()))
    resolved.when(resolve("refund"), by=SERVICE).then_refused_for("already_resolved")
    assert blocked(resolved, "resolve-problem", SERVICE) == ["no_problem_open"]


def test_refused_for_a_problem_that_there_is_not() -> None:
    given(*ARRIVED).when(resolve("none", problem=7), by=SERVICE).then_refused_for("unknown_problem")


def test_refused_without_a_shipment() -> None:
    given(*BOOK_CONFIRMED, CANCEL_WANTED).when(resolve("refund"), by=SERVICE).then_refused_for("no_shipment")


def test_refused_beyond_what_the_shipment_holds() -> None:
    given(*ARRIVED, DAMAGED).when(resolve("refund", Units(1, 4)), by=SERVICE).then_refused_for("more_than_shipped")


def test_refused_where_nothing_of_the_shipment_is_left() -> None:
    gone = (*ON_ITS_WAY, LOST, ProblemResolved(1, "refund", (Units(1, 3),)))
    second = ProblemReported(problem=2, kind="other", shipment=SHIPMENT, lines=(), evidence=())
    more = given(placed(line(1, "BOOK", 3), line(2, "BOOK")), *gone[1:], second)
    more.when(resolve("refund", problem=2), by=SERVICE).then_refused_for("no_units")


def test_refused_to_send_again_once_completed() -> None:
    completed = (*ARRIVED, OrderCompleted("consumer"), DAMAGED)
    given(*completed).when(resolve("reship"), by=SERVICE).then_refused_for("completed")
    given(*completed, paid("21.00")).when(resolve("refund"), by=SERVICE).happens().comes_to(state="completed")


def test_refused_once_cancelled() -> None:
    given(*ON_ITS_WAY, DAMAGED, OrderCancelled()).when(resolve("reship"), by=SERVICE).then_refused_for("ended")


def test_a_second_shipment_is_not_touched() -> None:
    two = (*BOOK_CONFIRMED, shipped((1, 1)), shipped((1, 2), shipment=SECOND_SHIPMENT, number="2"), LOST)
    history = given(*two).when(resolve("reship"), by=SERVICE).then(ProblemResolved(1, "reship", ONE))
    assert history.state.lines[1].sent == 2


def test_refused_for_units_that_are_in_a_return() -> None:
    """What comes back under a return is settled there, and not a second time."""
    for history in (RETURN_REQUESTED, CAME_BACK):
        given(*history, LOST).when(resolve("refund", Units(1, 3)), by=SERVICE).then_refused_for("in_return")
        given(*history, LOST).when(resolve("refund", Units(1, 2)), by=SERVICE).happens()
    given(*RETURN_REQUESTED, ReturnWithdrawn(RMA), LOST).when(resolve("refund"), by=SERVICE).happens()


def test_refused_for_units_that_came_back_though_others_are_on_their_way() -> None:
    on_the_way = shipped((1, 1), shipment=SECOND_SHIPMENT, number="2")
    two = (*BOOK_CONFIRMED, shipped((1, 2)), on_the_way, delivered())
    back = ReturnRequested(
        rma=RMA, lines=(ReturnLine(1, 2, "changed_mind"),), wanted="refund", exchange_for=(), evidence=()
    )
    given(*two, back, DAMAGED).when(resolve("refund"), by=SERVICE).then_refused_for("in_return")
