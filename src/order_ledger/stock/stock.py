"""The stock of an item as its entries leave it."""

from typing import assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from order_ledger.entries import Entry
from order_ledger.stock.events import (
    StockAdjusted,
    StockEvent,
    StockIssued,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
)

__all__ = ["Reservation", "Stock", "command_key", "evolve", "issue_key", "reservation_key", "return_key"]

Seen = tuple[dict[str, int], ...]
"""What was done already, by key, newest first. Never changed in place, and cheap to add to (see `_remember`)."""


class Reservation(Struct, frozen=True):
    """Units that are kept for a line of an order."""

    reservation: UUID
    order: UUID
    line: int
    quantity: int


class Stock(Struct, frozen=True):
    """What lies on the shelf, and what of it is kept for whom, in the order in which the reservations were made."""

    id: UUID
    on_hand: int = 0
    reserved: int = 0
    reservations: dict[UUID, Reservation] = {}
    seen: Seen = ()

    @property
    def available(self) -> int:
        """What is not kept for anybody."""
        return self.on_hand - self.reserved

    def done(self, key: str) -> int:
        """How much was done under this key; 0 is nothing."""
        return next((known[key] for known in self.seen if key in known), 0)


def reservation_key(reservation: UUID) -> str:
    """Under which a reservation is remembered, also once nothing is left of it."""
    return f"reservation/{reservation}"


def issue_key(reservation: UUID, shipment: UUID) -> str:
    """Under which it is remembered what left of a reservation with a shipment."""
    return f"issue/{reservation}/{shipment}"


def return_key(order: UUID, under: str | UUID, line: int) -> str:
    """Under which it is remembered what came back of a line, under a return or with a shipment."""
    return f"return/{order}/{under}/{line}"


def command_key(command: UUID) -> str:
    """Under which a command is remembered that has nothing else to be recognised by."""
    return f"command/{command}"


def evolve(stock: Stock | None, entry: Entry[StockEvent]) -> Stock:
    """The stock after this entry. Refuses nothing: what is recorded has happened."""
    stock = stock or Stock(entry.stream)
    match entry.event:
        case StockReceived(quantity=quantity):
            return replace(stock, on_hand=stock.on_hand + quantity, seen=_by_command(stock, entry))
        case StockAdjusted(change=change):
            return replace(stock, on_hand=stock.on_hand + change, seen=_by_command(stock, entry))
        case StockReserved(reservation=reservation, order=order, line=line, quantity=quantity):
            return replace(
                stock,
                reserved=stock.reserved + quantity,
                reservations={**stock.reservations, reservation: Reservation(reservation, order, line, quantity)},
                seen=_remember(stock.seen, reservation_key(reservation), quantity),
            )
        case StockReleased(reservation=reservation, quantity=quantity):
            return replace(_kept_no_longer(stock, reservation, quantity), seen=_by_command(stock, entry))
        case StockIssued(reservation=reservation, shipment=shipment, quantity=quantity):
            return replace(
                _kept_no_longer(stock, reservation, quantity),
                on_hand=stock.on_hand - quantity,
                seen=_add(stock, issue_key(reservation, shipment), quantity),
            )
        case StockReturned(order=order, rma=rma, shipment=shipment, line=line, quantity=quantity):
            under = rma if rma is not None else shipment
            assert under is not None, "units come back under a return or with a shipment"
            return replace(
                stock,
                on_hand=stock.on_hand + quantity,
                seen=_add(stock, return_key(order, under, line), quantity),
            )
        case _ as never:
            assert_never(never)


def _kept_no_longer(stock: Stock, reservation: UUID, quantity: int) -> Stock:
    """The stock with fewer units kept; the reservation keeps its place among the others."""
    kept = stock.reservations[reservation]
    if kept.quantity == quantity:
        reservations = {key: other for key, other in stock.reservations.items() if key != reservation}
    else:
        reservations = {**stock.reservations, reservation: replace(kept, quantity=kept.quantity - quantity)}
    return replace(stock, reserved=stock.reserved - quantity, reservations=reservations)


def _by_command(stock: Stock, entry: Entry[StockEvent]) -> Seen:
    return _remember(stock.seen, command_key(entry.command.id), 1)


def _add(stock: Stock, key: str, quantity: int) -> Seen:
    return _remember(stock.seen, key, stock.done(key) + quantity)


def _remember(seen: Seen, key: str, value: int) -> Seen:
    """`seen` with one more key. Small dicts are merged into larger ones, as in a log-structured merge tree: the
    whole is never copied for one key, and n keys cost n log n."""
    newest = {key: value}
    while seen and len(seen[0]) <= len(newest):
        newest = {**seen[0], **newest}
        seen = seen[1:]
    return (newest, *seen)
