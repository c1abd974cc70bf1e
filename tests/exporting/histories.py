"""A small ledger with something of everything in it, to be given out."""

from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from order_ledger.entries import Event, Kind
from order_ledger.items.events import PriceChanged
from order_ledger.items.item import item_id, stock_id
from order_ledger.orders.events import (
    Allocation,
    CountedLine,
    OrderConfirmed,
    ResolvedLine,
    ReturnApproved,
    ReturnLine,
    ReturnReceived,
    ReturnRequested,
    ReturnResolved,
    StockAllocated,
)
from order_ledger.parties.events import RoleGranted
from order_ledger.stock.events import StockIssued, StockReceived
from order_ledger.values import Units, money
from tests.following.histories import (
    SELLER,
    SHIPMENTS,
    START,
    WAREHOUSE,
    an_id,
    delivered,
    line,
    payment,
    placed,
    question,
    shipped,
)
from tests.following.writing import Writing
from tests.projections.test_stock import LISTED, reserved

ORDER = an_id("order")
STOOL = item_id(SELLER.id, "STOOL")
STOCK = stock_id(SELLER.id, "STOOL")
ADA = an_id("ada")
STOOLS = replace(line(1, "from_stock"), item=STOOL, sku="STOOL")

LEDGER: tuple[tuple[Kind, UUID, tuple[Event, ...]], ...] = (
    ("item", STOOL, (LISTED, PriceChanged(money("12.00", "EUR").amount, True))),
    ("person", ADA, (RoleGranted("ip_owner", SELLER.id),)),
    ("stock", STOCK, (StockReceived(9, "DN-1"), replace(reserved(2), order=ORDER))),
    (
        "order",
        ORDER,
        (
            placed(lines=(STOOLS, replace(line(2, "charge"), item=None))),
            payment(),
            StockAllocated((Allocation(1, 2, an_id("reservation")),)),
            OrderConfirmed(START + timedelta(days=3)),
            shipped(Units(1, 2)),
            delivered(),
            ReturnRequested(
                rma="RMA-1", lines=(ReturnLine(1, 1, "late"),), wanted="refund", exchange_for=(), evidence=()
            ),
            ReturnApproved(
                rma="RMA-1", lines=(Units(1, 1),), send_to=WAREHOUSE, send_by=START.date(), postage="seller"
            ),
            ReturnReceived(rma="RMA-1", shipment=None, lines=(CountedLine(1, 1, "scrap"),), evidence=()),
            ReturnResolved(
                rma="RMA-1", lines=(ResolvedLine(1, 1, "refund"),), refund=None, exchange_order=None, sent_back=None
            ),
            question(1, "manufacturer"),
        ),
    ),
    ("stock", STOCK, (StockIssued(an_id("reservation"), SHIPMENTS[0], 2),)),
)

ENTRIES = sum(len(events) for _, _, events in LEDGER)


def fill(writing: Writing) -> None:
    """Writes all of it, and an order of which nobody knows when it was paid."""
    for kind, stream, events in LEDGER:
        writing.write(stream, *events, kind=kind)
    lineless = placed("A-2", lines=())
    writing.write_at(an_id("another order"), (START, lineless), (None, payment()), (START, OrderConfirmed(None)))
