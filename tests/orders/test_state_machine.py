"""Random programs of commands by random roles, on orders and their stock, in a real journal on real PostgreSQL.

After every step the ledger is compared with a plain model of the domain's tables (`model/`), and with what the
database gives when it is read anew. Ranges are small: they find more.
"""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from order_ledger.journal.journal import Journal
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders import commands as ask
from order_ledger.orders.events import ORDER_EVENTS
from tests.orders.model.changes import CHANGES
from tests.orders.model.guards import GUARDS
from tests.orders.model.rights import CELLS
from tests.orders.programs.asked import ASKED, Asked, Choices

MASTER = MasterKey(bytes(range(32)))
SEED = st.integers(0, 2**24 - 1)
"""Of a wider range Hypothesis mostly draws small numbers."""


class Orders(Asked):
    """Programs that dice make up, and what holds after every step of them."""

    @initialize(seed=SEED)
    def place(self, seed: int) -> None:
        """An order, and how far it got in the ordinary way."""
        self.program = seed
        self.dice = Random(seed)
        self.another(self.dice)

    # What is asked next

    @rule(seed=SEED)
    def something(self, seed: int) -> None:
        """Thrown by dice of our own: what Hypothesis chooses repeats itself too much to get a program deep."""
        dice = self.dice = Random(f"{self.program} {seed} {self.number}")
        if (self.model.over and dice.random() < 0.2) or (self.model.state == "delivered" and dice.random() < 0.05):
            note("Another order.")
            self.another(dice)
            return
        if dice.random() < 0.2:
            self.go_on(dice.randint(1, 3))
            return
        likely = self.has_a_chance(anything=dice.random() < 0.1)
        # What is being made is soon made: meanwhile most is asked about that.
        about = "making" if self.open_runs and dice.random() < 0.6 else dice.choice(sorted(likely))
        name, drawn = dice.choice(likely[about])
        arguments = {key: dice.choice(choices) for key, choices in drawn.items()}
        note(f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})")
        getattr(self, name)(**arguments)

    def has_a_chance(self, anything: bool) -> dict[str, list[tuple[str, Choices]]]:
        """What is likely to be accepted, by what it is about; or anything."""
        found: dict[str, list[tuple[str, Choices]]] = {}
        for name, (about, when, drawn) in ASKED.items():
            if anything or when(self):
                found.setdefault(about, []).append((name, drawn))
        return found

    # What holds after every step

    @invariant()
    def the_database_gives_the_same_state(self) -> None:
        order, _ = self.ledger.load_order()
        assert order == self.ledger.order
        for sku in self.ledger.stock_ids:
            stock, _ = self.ledger.load_stock(sku)
            assert stock == self.ledger.stocks[sku]

    @invariant()
    def the_model_holds(self) -> None:
        self.model.check()

    @invariant()
    def the_order_is_as_the_model_says(self) -> None:
        order, model = self.ledger.order, self.model
        assert order is not None
        assert order.state == model.state
        assert set(order.lines) == set(model.lines)
        for number, line in model.goods.items():
            told = order.lines[number]
            assert order.line_state(number) == model.line_state(number)
            assert (told.wanted, told.sent, told.rest, told.shelf) == (line.wanted, line.sent, line.rest, line.shelf)
            assert (told.arrived, told.returned) == (model.arrived(number), line.came_back)
            assert (told.short, told.backordered) == (line.short, line.backordered)
        assert (order.captured, order.granted, order.refunded) == (model.captured, model.granted, model.refunded)
        assert order.held == model.held
        assert order.delivered_since == model.since or model.state == "completed"

    @invariant()
    def the_stock_is_as_the_model_says(self) -> None:
        for sku, shelf in self.model.shelves.items():
            stock = self.ledger.stocks[sku]
            if stock is not None:
                kept = {key: one.quantity for key, one in stock.reservations.items()}
                assert (stock.on_hand, stock.reserved) == (shelf.on_hand, shelf.reserved)
                assert kept == {key: quantity for key, (_, _, quantity) in shelf.kept.items() if quantity}


@pytest.fixture
def orders(ledger_url: str) -> Iterator[type[Orders]]:
    """The machine on a journal of its own, and on a second one as another process has it."""
    with Journal(ledger_url, MASTER) as journal, Journal(ledger_url, MASTER) as rival:
        yield type("OrdersHere", (Orders,), {"journal": journal, "rival": rival})


def test_the_model_speaks_of_what_there_is() -> None:
    """A name that is written otherwise would be one that nothing is checked of."""
    assert {event.__name__ for event in ORDER_EVENTS} >= CHANGES.keys()
    assert ask.COMMANDS.keys() >= GUARDS.keys()
    assert GUARDS.keys() < CELLS.keys()


# Where it fails, the program is made short, which takes minutes.
@pytest.mark.timeout(900)
def test_whatever_anybody_asks(orders: type[Orders]) -> None:
    """Fifty programs, the same ones every time; other ones for long."""
    run_state_machine_as_test(
        orders,
        settings=settings(max_examples=50, stateful_step_count=50, deadline=None, print_blob=True, derandomize=True),
    )


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(10))
def test_whatever_anybody_asks_for_long(orders: type[Orders], number: int) -> None:
    """Five hundred a seed."""
    run_state_machine_as_test(
        seed(number)(orders),
        settings=settings(max_examples=500, stateful_step_count=50, deadline=None, print_blob=True),
    )
