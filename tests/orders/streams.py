"""The order stream, for the tests of its commands."""

from order_ledger.orders.decisions import Context, decide
from order_ledger.orders.order import evolve
from tests.examples import LISTINGS, ORDER_ID, WORKS, seller, workshop
from tests.scenario import Stream

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
