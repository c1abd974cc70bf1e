"""A promise that will pass, or has passed, unkept."""

from order_ledger.orders.commands import ExpectDelay
from order_ledger.orders.events import DelayExpected, OrderCancelled, PromiseRevised
from tests.examples import ARRIVED, CONFIRMED, LATER, MADE_PLACED, line, placed
from tests.orders.streams import given

EXPECT = ExpectDelay(kind="will_pass", stage="confirmed", expected_by=LATER)
EXPECTED = DelayExpected("will_pass", "confirmed", LATER)
REVISED = PromiseRevised(1, LATER, None, LATER)


def test_expected() -> None:
    given(MADE_PLACED, CONFIRMED).when(EXPECT).then(EXPECTED).comes_to(delay_expected=True)


def test_once_for_each_promise() -> None:
    passed = ExpectDelay(kind="has_passed", stage="confirmed")
    given(MADE_PLACED, CONFIRMED, EXPECTED).when(passed).then_nothing()
    given(MADE_PLACED, CONFIRMED, EXPECTED, REVISED).when(passed).then(DelayExpected("has_passed", "confirmed", None))


def test_refused_where_nothing_is_promised() -> None:
    given(placed(line(1, "BOOK"), promised_by=None), CONFIRMED).when(EXPECT).then_refused_for("no_promise")


def test_refused_once_it_arrived() -> None:
    given(*ARRIVED).when(EXPECT).then_refused_for("already_delivered")


def test_refused_once_it_ended() -> None:
    given(MADE_PLACED, OrderCancelled()).when(EXPECT).then_refused_for("ended")
