"""What a command makes happen to an item's stock. Pure: no clock, no I/O.

Reserved never exceeds what is on hand. A count that finds less is a fact and never refused: what can no longer be
kept is released, the newest reservation first.
"""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import By
from order_ledger.refusals import Blocker, Refused
from order_ledger.stock.commands import AdjustStock, Issue, ReceiveStock, Release, Reserve, Restock, StockCommand
from order_ledger.stock.events import (
    StockAdjusted,
    StockEvent,
    StockIssued,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
)
from order_ledger.stock.stock import Stock, command_key, issue_key, reservation_key, return_key

__all__ = ["Context", "decide"]


class Context(Struct, frozen=True, kw_only=True):
    """What a decision may know beside the stock: the time, who asks, the command's id and the stream's."""

    now: datetime
    by: By
    command: UUID
    stream: UUID


def decide(stock: Stock | None, command: StockCommand, context: Context) -> tuple[StockEvent, ...]:
    """What happens, in order; nothing for a retry. Raises `Refused`."""
    stock = stock or Stock(context.stream)
    if stock.done(command_key(context.command)):
        return ()
    match command:
        case ReceiveStock():
            return (StockReceived(command.quantity, command.reference),)
        case AdjustStock():
            return _adjust(stock, command)
        case Reserve():
            return _reserve(stock, command)
        case Release():
            return _release(stock, command)
        case Issue():
            return _issue(stock, command)
        case Restock():
            return _restock(stock, command)
        case _:
            assert_never(command)


def _adjust(stock: Stock, command: AdjustStock) -> tuple[StockEvent, ...]:
    if command.counted is not None:
        change = command.counted - stock.on_hand
    else:
        assert command.change is not None, "an adjustment gives a count or a change"
        change = command.change
    if stock.on_hand + change < 0:
        what = f"Only {stock.on_hand} are on hand: count the shelf instead."
        raise Refused(Blocker("below_zero", what, ("warehouse",)))
    adjusted = StockAdjusted(change, command.counted, command.reason_code)
    return (adjusted, *_newest_first(stock, stock.reserved - (stock.on_hand + change)))


def _newest_first(stock: Stock, too_many: int) -> tuple[StockReleased, ...]:
    """The releases of so many units, from the newest reservation back."""
    released = []
    for reservation in reversed(stock.reservations.values()):
        if too_many <= 0:
            break
        quantity = min(too_many, reservation.quantity)
        released.append(StockReleased(reservation.reservation, quantity, "counted"))
        too_many -= quantity
    return tuple(released)


def _reserve(stock: Stock, command: Reserve) -> tuple[StockEvent, ...]:
    if stock.done(reservation_key(command.reservation)):
        return ()
    missing = command.quantity - stock.available
    if missing > 0:
        what = f"{missing} of {command.quantity} units are missing."
        raise Refused(Blocker("short", what, ("customer_service", "warehouse"), line=command.line))
    return (StockReserved(command.reservation, command.order, command.line, command.quantity),)


def _release(stock: Stock, command: Release) -> tuple[StockEvent, ...]:
    if not stock.done(reservation_key(command.reservation)):
        raise Refused(Blocker("no_such_reservation", "This reservation was never made.", ("ledger",)))
    kept = stock.reservations.get(command.reservation)
    if kept is None:
        return ()
    return (StockReleased(command.reservation, min(command.quantity, kept.quantity), command.cause),)


def _issue(stock: Stock, command: Issue) -> tuple[StockEvent, ...]:
    if stock.done(issue_key(command.reservation, command.shipment)):
        return ()
    kept = stock.reservations.get(command.reservation)
    missing = command.quantity - (kept.quantity if kept is not None else 0)
    if missing > 0:
        what = f"{missing} of {command.quantity} units are not reserved."
        who = ("customer_service", "warehouse")
        raise Refused(Blocker("not_reserved", what, who, line=kept.line if kept is not None else None))
    return (StockIssued(command.reservation, command.shipment, command.quantity),)


def _restock(stock: Stock, command: Restock) -> tuple[StockEvent, ...]:
    if command.condition != "resellable":
        what = f"Only resellable units go back on the shelf; these are {command.condition}."
        raise Refused(Blocker("not_resellable", what, ("warehouse",), line=command.line))
    under = command.rma if command.rma is not None else command.shipment
    assert under is not None, "units come back under a return or with a shipment"
    quantity = command.quantity - stock.done(return_key(command.order, under, command.line))
    if quantity <= 0:
        return ()
    return (StockReturned(command.order, command.rma, command.shipment, command.line, quantity),)
