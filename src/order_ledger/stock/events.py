"""What happened to the stock of an item. A name or a field here is permanent once recorded."""

from typing import Literal, TypeAlias
from uuid import UUID

from order_ledger.entries import Event
from order_ledger.values import Quantity

__all__ = [
    "STOCK_EVENTS",
    "AdjustmentReason",
    "ReleaseCause",
    "StockAdjusted",
    "StockEvent",
    "StockIssued",
    "StockReceived",
    "StockReleased",
    "StockReserved",
    "StockReturned",
]

AdjustmentReason = Literal["count", "damage", "loss", "found", "other"]
"""Why the shelf holds another quantity than the record said."""

ReleaseCause = Literal["cancelled", "resolved", "counted"]
"""Why units are no longer kept: no longer wanted, given up to resolve a shortage, or not there."""


class StockReceived(Event, frozen=True):
    """New units were put on the shelf; `reference` is the delivery's own."""

    quantity: Quantity
    reference: str


class StockAdjusted(Event, frozen=True):
    """The shelf holds `change` units more or fewer than was recorded; `counted` is what a count found."""

    change: int
    counted: int | None
    reason_code: AdjustmentReason


class StockReserved(Event, frozen=True):
    """Units are kept for a line of an order."""

    reservation: UUID
    order: UUID
    line: int
    quantity: Quantity


class StockReleased(Event, frozen=True):
    """Units of a reservation are kept no longer."""

    reservation: UUID
    quantity: Quantity
    cause: ReleaseCause


class StockIssued(Event, frozen=True):
    """Units of a reservation left the shelf with a shipment."""

    reservation: UUID
    shipment: UUID
    quantity: Quantity


class StockReturned(Event, frozen=True):
    """Units of an order came back under a return or undelivered with a shipment, fit to be sold again."""

    order: UUID
    rma: str | None
    shipment: UUID | None
    line: int
    quantity: Quantity


STOCK_EVENTS = (StockReceived, StockAdjusted, StockReserved, StockReleased, StockIssued, StockReturned)
StockEvent: TypeAlias = StockReceived | StockAdjusted | StockReserved | StockReleased | StockIssued | StockReturned
