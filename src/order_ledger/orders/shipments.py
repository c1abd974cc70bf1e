"""Goods on their way: out to the consumer, and back."""

from datetime import date, datetime
from typing import Literal, assert_never
from uuid import UUID

from msgspec import Struct

from order_ledger.orders.events import ExchangeItem, ReturnReason, ReturnWish, ShipmentStatus
from order_ledger.values import Organisation

__all__ = ["RETURN_ADVANCE", "Return", "ReturnState", "Shipment"]

ReturnState = Literal["requested", "approved", "on_its_way", "received", "resolved", "rejected", "withdrawn"]

RETURN_ADVANCE: dict[ReturnState, int] = {"requested": 0, "approved": 1, "on_its_way": 2, "received": 3}
"""How far a return is about which something is still to be done."""


class Shipment(Struct, frozen=True):
    """A parcel on its way. `units` is what it still counts for; problems resolved take units out of it.

    `rma` is set where it carries a return. `number_at_delivery` is the tracking number under which it was delivered.
    """

    shipment: UUID
    units: dict[int, int]
    sender: Organisation | None
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None
    replaces: UUID | None
    at: datetime | None
    shipped: dict[int, int]
    rma: str | None = None
    delivered_version: int | None = None
    delivered_at: datetime | None = None
    delivered_by: str | None = None
    number_at_delivery: str | None = None
    progress: ShipmentStatus | None = None
    progressed_at: datetime | None = None
    expected_at: datetime | None = None
    carrier_events: frozenset[str] = frozenset()
    came_back: dict[int, int] = {}
    to_send_again: dict[int, int] = {}
    link_reachable: bool | None = None

    @property
    def delivered(self) -> bool:
        """Whether it arrived, and that was not taken back."""
        return self.delivered_version is not None


class Return(Struct, frozen=True):
    """Goods that shall go back, by line; `received` counts per line and condition."""

    rma: str
    lines: dict[int, int]
    reasons: dict[int, ReturnReason]
    wanted: ReturnWish
    exchange_for: tuple[ExchangeItem, ...]
    state: ReturnState
    requested_at: datetime | None
    approved: dict[int, int] = {}
    send_to: Organisation | None = None
    send_by: date | None = None
    received: dict[int, int] = {}
    refund: int | None = None
    exchange_order: UUID | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done about it."""
        return self.state in RETURN_ADVANCE

    def units(self, line: int) -> int:
        """How many units of a line it holds: what was asked, then what was approved, then what came back."""
        match self.state:
            case "requested":
                return self.lines.get(line, 0)
            case "approved" | "on_its_way" | "received":
                return self.approved.get(line, 0)
            case "resolved":
                return self.received.get(line, 0)
            case "rejected" | "withdrawn":
                return 0
            case _ as never:
                assert_never(never)
