"""The engine with a policy of the tests' own: what a fault leaves behind, and a connection that is lost."""

import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from order_ledger.entries import Entry
from order_ledger.journal.codec import Codec
from order_ledger.journal.names import EVENTS
from order_ledger.orders.events import NoteAdded, OrderConfirmed, OrderHeld
from order_ledger.policies.engine.cases import try_all_again
from order_ledger.policies.engine.contract import Policy
from order_ledger.policies.engine.desk import Desk, Task
from order_ledger.policies.engine.running import Runner
from order_ledger.values import unsealed
from tests.examples import ADA, BOOK_PLACED, CONFIRMED, shipped
from tests.policies.shop import Shop
from tests.waiting import until

HELLO = NoteAdded(
    note=1, text=unsealed("Hello.", ADA), audience="everyone", about="order", for_role=None, answers_note=None
)


class Greeting:
    """Notes something on each order that is confirmed, and fails on some of them when it has done so."""

    def __init__(self, desk: Desk, failing: set[UUID]) -> None:
        self.desk, self.failing = desk, failing

    def handle(self, task: Task) -> None:
        self.desk.append(task, "order", task.stream, (HELLO,), "add-note")
        if task.stream in self.failing:
            raise ValueError("It went wrong \0 halfway.")

    def close(self) -> None:
        pass


def greeting(failing: set[UUID], failing_to_tell: Collection[UUID] = ()) -> Policy:
    def tasks(entry: Entry[Any], order: Any) -> Iterator[str]:
        if entry.stream in failing_to_tell and isinstance(entry.event, OrderHeld):
            raise LookupError("What does it ask for?")
        if isinstance(entry.event, OrderConfirmed):
            yield "greet"

    def sit(desk: Desk, _: Sequence[Task]) -> Greeting:
        return Greeting(desk, failing)

    return Policy(name="greeting", kinds=("order",), tasks=tasks, sit=sit)


def greeted(shop: Shop, order: UUID) -> int:
    return sum(isinstance(entry.event, NoteAdded) for entry in shop.entries(order))


def test_a_fault_undoes_its_own_task_and_no_other(shop: Shop) -> None:
    first, broken, last = (shop.ordered(BOOK_PLACED, CONFIRMED) for _ in range(3))
    failing = {broken}
    runner = Runner(shop.journal, greeting(failing))
    with runner.connect() as connection:
        runner.prepare(connection, 1)
        runner.catch_up(connection)
        assert [greeted(shop, order) for order in (first, broken, last)] == [1, 0, 1]
        (case,) = shop.cases()
        assert (case.policy, case.stream, case.code, case.who) == ("greeting", broken, "fault", ["administrator"])
        assert case.what == "ValueError: It went wrong  halfway."
        failing.clear()
        shop.happens(broken, shipped((1, 1)))
        runner.catch_up(connection)
    assert [greeted(shop, order) for order in (first, broken, last)] == [1, 1, 1]
    assert shop.cases() == []


def test_a_stream_that_cannot_be_read_waits_and_is_answered_when_it_can(shop: Shop) -> None:
    """As where a later version of the ledger wrote to it: this one goes on with all others."""
    waiting = shop.ordered(BOOK_PLACED, OrderHeld(), CONFIRMED)
    first = shop.ordered(BOOK_PLACED, CONFIRMED)
    knowing = shop.journal.codec
    runner = Runner(shop.journal, greeting(set()))
    with runner.connect() as connection:
        runner.prepare(connection, 1)
        shop.journal.codec = Codec(shop.journal.ledger, [each for each in EVENTS if each is not OrderHeld])
        runner.catch_up(connection)
        (case,) = shop.cases()
        assert (case.stream, case.task, case.code, case.who) == (waiting, "read", "unreadable", ["administrator"])

        shop.journal.codec = knowing
        shop.happens(waiting, shipped((1, 1)))
        second = shop.ordered(BOOK_PLACED, CONFIRMED)
        shop.journal.codec = Codec(shop.journal.ledger, [each for each in EVENTS if each is not OrderHeld])
        runner.catch_up(connection)
        assert [(each.version, each.tries) for each in shop.cases()] == [(case.version, 2)]

        shop.journal.codec = knowing
        assert [greeted(shop, order) for order in (waiting, first, second)] == [0, 1, 1]
        try_all_again(connection, "greeting")
        runner.catch_up(connection)
    assert [greeted(shop, order) for order in (waiting, first, second)] == [1, 1, 1]
    assert shop.cases() == []


def test_a_stream_whose_entry_a_policy_fails_on_waits_from_there_and_no_other_does(shop: Shop) -> None:
    broken, whole = shop.ordered(BOOK_PLACED, OrderHeld(), CONFIRMED), shop.ordered(BOOK_PLACED, CONFIRMED)
    failing = {broken}
    runner = Runner(shop.journal, greeting(set(), failing))
    with runner.connect() as connection:
        runner.prepare(connection, 1)
        runner.catch_up(connection)
        (case,) = shop.cases()
        assert (case.stream, case.version, case.task, case.code) == (broken, 2, "read", "fault")
        assert (case.what, case.who) == ("LookupError: What does it ask for?", ["administrator"])
        shop.happens(broken, shipped((1, 1)))
        runner.catch_up(connection)
        assert [each.tries for each in shop.cases()] == [2]
        assert [greeted(shop, order) for order in (broken, whole)] == [0, 1]

        failing.clear()
        try_all_again(connection, "greeting")
        runner.catch_up(connection)
    assert [greeted(shop, order) for order in (broken, whole)] == [1, 1]
    assert shop.cases() == []


def test_a_lost_connection_is_made_again(shop: Shop) -> None:
    said, stop = list[str](), threading.Event()
    runner = Runner(shop.journal, greeting(set()))
    thread = threading.Thread(target=runner.run, args=(stop.is_set, said.append, 1))
    thread.start()
    try:
        first = shop.ordered(BOOK_PLACED, CONFIRMED)
        until(lambda: greeted(shop, first) == 1)
        with shop.connected() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'order-ledger policy greeting' AND datname = current_database()"
            )
        second = shop.ordered(BOOK_PLACED, CONFIRMED)
        until(lambda: greeted(shop, second) == 1)
    finally:
        stop.set()
        thread.join()
    assert any(sentence.startswith("the database is away, trying again") for sentence in said)
    assert greeted(shop, first) == 1


def test_a_batch_grows_again_after_it_was_halved(shop: Shop) -> None:
    orders = [shop.ordered(BOOK_PLACED, CONFIRMED) for _ in range(6)]
    meddled: list[str] = []

    def meddle(step: str) -> None:
        if step == "decided" and len(meddled) < 2:
            meddled.append(step)
            shop.happens(orders[0], shipped((1, 1), shipment=UUID(int=len(meddled)), number=str(len(meddled))))

    runner = Runner(shop.journal, greeting(set()), batch=8, reached=meddle)
    with runner.connect() as connection:
        runner.prepare(connection, 1)
        advances = [runner.advance(connection) for _ in range(5)]
    assert [(each.again, each.scanned) for each in advances[:2]] == [(True, 0), (True, 0)]
    assert [each.scanned for each in advances[2:]] == [2, 4, 8]
