"""Units that went back, and the deliveries that they are counted under.

Which of several deliveries of a line a unit came with is not known: units are asked back, and come back, in the order
in which they were delivered. What was rejected or withdrawn may be asked back again.
"""

from collections.abc import Iterator
from uuid import UUID

from order_ledger.orders.order import Order
from projections.fulfilment.facts import Fulfilment, Time

UNREQUESTED = "unrequested"
"""The reason of units that nobody asked to give back."""

NO_SHIPMENT = UUID(int=0)
"""Under which units are counted beyond all that was delivered."""

Cell = tuple[str, int, str, UUID, int, int, Time]
"""Return, line, reason, shipment, units requested, units received, and when that shipment was delivered."""

Place = tuple[str, int, str, UUID]


def returned(known: Fulfilment) -> list[Cell]:
    """The units of every return, in the order of return, line, reason and shipment."""
    order, requested, received = known.order, dict[Place, int](), dict[Place, int]()
    if not order.returns and not any(line.returned for line in order.lines.values()):
        return []
    arrived = {line: _arrivals(order, line) for line in order.lines}
    asked_back = {line: _Queue(arrivals) for line, arrivals in arrived.items()}
    came_back = {line: _Queue(arrivals) for line, arrivals in arrived.items()}
    for rma, line, reason, quantity in _requested(known):
        stands = order.returns[rma].state not in ("rejected", "withdrawn")
        for shipment, part in asked_back.setdefault(line, _Queue([])).take(quantity, keep=not stands):
            _add(requested, (rma, line, reason, shipment), part)
    for rma, line, reason, quantity in _received(known):
        for shipment, part in came_back.setdefault(line, _Queue([])).take(quantity):
            _add(received, (rma, line, reason, shipment), part)
    return [
        (*place, requested.get(place, 0), received.get(place, 0), known.deliveries.get(place[3]))
        for place in sorted(requested.keys() | received.keys())
    ]


class _Queue:
    """The units of a line in the order in which they were delivered."""

    def __init__(self, arrivals: list[tuple[UUID, int]]) -> None:
        self._left = list(arrivals)

    def take(self, quantity: int, keep: bool = False) -> list[tuple[UUID, int]]:
        """So many units, by the shipments they came with; with `keep` they may be taken again."""
        taken, left = [], list(self._left)
        while quantity > 0:
            shipment, there = left.pop(0) if left else (NO_SHIPMENT, quantity)
            part = min(quantity, there)
            taken.append((shipment, part))
            quantity -= part
            if there > part:
                left.insert(0, (shipment, there - part))
        if not keep:
            self._left = left
        return taken


def _arrivals(order: Order, line: int) -> list[tuple[UUID, int]]:
    delivered = [each for each in order.shipments.values() if each.delivered and each.units.get(line, 0) > 0]
    delivered.sort(key=lambda each: each.delivered_version or 0)
    return [(each.shipment, each.units[line]) for each in delivered]


def _requested(known: Fulfilment) -> Iterator[tuple[str, int, str, int]]:
    for rma, found in known.order.returns.items():
        named = known.requests.get(rma, ())
        for asked in named:
            yield rma, asked.line, asked.reason, asked.quantity
        if not named:  # of an order without lines: the one unit that it counts as
            for line, quantity in found.lines.items():
                yield rma, line, UNREQUESTED, quantity


def _received(known: Fulfilment) -> Iterator[tuple[str, int, str, int]]:
    """What came back, by the reasons it was requested for, in their order; what was not requested has none."""
    unrequested = {number: line.returned for number, line in known.order.lines.items()}
    for rma, found in known.order.returns.items():
        for line, quantity in found.received.items():
            unrequested[line] -= quantity
            reasons = [(asked.reason, asked.quantity) for asked in known.requests.get(rma, ()) if asked.line == line]
            for reason, asked_for in reasons:
                part = min(quantity, asked_for)
                quantity -= part
                yield rma, line, reason, part
            yield rma, line, reasons[-1][0] if reasons else UNREQUESTED, quantity
    for line, quantity in unrequested.items():
        yield "", line, UNREQUESTED, quantity


def _add(cells: dict[Place, int], place: Place, quantity: int) -> None:
    cells[place] = cells.get(place, 0) + quantity
