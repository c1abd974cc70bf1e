"""The order stream, for the tests of its commands."""

from typing import Any

from order_ledger.entries import By
from order_ledger.orders.decisions import Context, allowed_commands, decide
from order_ledger.orders.evolving import evolve
from order_ledger.orders.order import Order
from tests.examples import LISTINGS, NOW, ORDER_ID, WORKS, seller, workshop
from tests.scenario import COMMAND, History, Stream

ORDER = Stream(
    "order",
    ORDER_ID,
    evolve,
    decide,
    Context,
    order_id=ORDER_ID,
    listings=LISTINGS,
    seller=seller(),
    organisations={WORKS.id: workshop()},
)

given = ORDER.given


def context(by: By, **known: Any) -> Context:
    """What a decision may know when this one asks."""
    return Context(now=NOW, by=by, command=COMMAND, **{**ORDER.known, **known})


def blocked(history: History[Order], command: str, by: By) -> list[str]:
    """What is shown to stand in the way of a command, before it is asked."""
    allowed = {one.name: one for one in allowed_commands(history.state, by, context(by))}
    return [blocker.code for blocker in allowed[command].blocked_by]
