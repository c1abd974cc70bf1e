"""The order as it stands, its money and the shelves, and what follows from them by the table of states."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.orders.model.parts import ZERO, Line, Parcel, Return, Shelf

CUTS = ("compensation", "goodwill")


class Model:
    """The order, its money, and the shelves."""

    def __init__(self, order: UUID, prepaid: bool, skus: Iterable[str]) -> None:
        self.order = order
        self.prepaid = prepaid
        self.lines: dict[int, Line] = {}
        self.shelves = {sku: Shelf() for sku in skus}
        self.ended: str | None = None
        self.confirmed = self.held = False
        self.completed: str | None = None
        self.since: datetime | None = None
        self.parcels: dict[UUID, Parcel] = {}
        self.shortages: set[int] = set()
        self.revisions: list[dict[str, Any]] = []
        self.problems: dict[int, dict[str, Any]] = {}
        self.returns: dict[str, Return] = {}
        self.captured = self.authorised = self.granted = self.refunded = ZERO
        self.refunds: dict[int, dict[str, Any]] = {}
        self.payments: dict[UUID, dict[str, Any]] = {}

    @property
    def goods(self) -> dict[int, Line]:
        return {number: line for number, line in self.lines.items() if line.kind != "charge"}

    @property
    def open(self) -> dict[int, Line]:
        return {number: line for number, line in self.goods.items() if line.wanted > 0}

    def arrived(self, number: int) -> int:
        return sum(parcel.left(number) for parcel in self.outward.values() if parcel.delivered)

    @property
    def outward(self) -> dict[UUID, Parcel]:
        return {key: parcel for key, parcel in self.parcels.items() if parcel.rma is None}

    def line_state(self, number: int) -> str:
        """The first that holds."""
        line = self.lines[number]
        if line.wanted == 0:
            return "dropped"
        if self.arrived(number) == line.wanted:
            return "delivered"
        if line.sent == line.wanted:
            return "shipping"
        if not self.confirmed:
            return "placed"
        if line.kind != "untracked" and line.shelf >= line.rest:
            return "ready_to_ship"
        if line.open_run is not None:
            return "in_production"
        return "confirmed"

    @property
    def state(self) -> str:
        """The first that holds."""
        if self.ended is not None:
            return self.ended
        states = {self.line_state(number) for number in self.open}
        if self.completed is not None and states <= {"delivered"}:
            return "completed"
        if not states:
            return "cancelled"
        stages = ("placed", "confirmed", "in_production", "ready_to_ship", "shipping", "delivered")
        return next(stage for stage in stages if stage in states)

    @property
    def over(self) -> bool:
        return self.state in ("rejected", "cancelled", "completed")

    @property
    def before_shipping(self) -> bool:
        return self.state in ("placed", "confirmed", "in_production", "ready_to_ship")

    def in_returns(self, line: int) -> int:
        return sum(returned.holds(line) for returned in self.returns.values())

    @property
    def open_revision(self) -> dict[str, Any] | None:
        last = self.revisions[-1] if self.revisions else None
        return last if last is not None and last["asked"] and last["answer"] is None else None

    @property
    def costs(self) -> Decimal:
        """What is still to be paid: what is wanted, less what was given back. A refund by hand makes it cheaper."""
        if self.ended is not None:
            return ZERO
        return sum((line.price * (line.wanted - line.settled) for line in self.lines.values()), ZERO)

    @property
    def granted_for_units(self) -> Decimal:
        return sum((known["amount"] for known in self.refunds.values() if known["basis"] not in CUTS), ZERO)

    @property
    def paid_for(self) -> bool:
        """Compensation and goodwill that were paid back made it cheaper."""
        cuts = sum((known["paid"] for known in self.refunds.values() if known["basis"] in CUTS), ZERO)
        return self.captured - self.refunded >= self.costs - cuts

    @property
    def plain_money(self) -> bool:
        """Whether every refund so far was for units that were never sent: then what the order costs is plain."""
        bases = {known["basis"] for known in self.refunds.values()}
        return bases <= {"cancellation", "rejection"} and not any(known["by_hand"] for known in self.refunds.values())

    @property
    def due(self) -> Decimal:
        """What was captured, less refunds granted, less what the order still costs."""
        return max(ZERO, min(self.captured - self.granted_for_units - self.costs, self.captured - self.granted))

    def shelf_of(self, number: int) -> Shelf:
        return self.shelves[self.lines[number].sku]

    def check(self) -> None:
        """What holds at any time, of the model itself; the machine compares it with the ledger."""
        for shelf in self.shelves.values():
            assert 0 <= shelf.reserved <= shelf.on_hand, "never negative, never oversold"
        for number, line in self.goods.items():
            assert 0 <= line.wanted <= line.ordered
            assert 0 <= line.sent <= line.wanted <= line.ordered, "shipped is at most what is ordered"
            assert 0 <= self.arrived(number) <= line.sent
            assert line.came_back <= self.arrived(number), "returned is at most what was delivered"
            if line.kind == "from_stock":
                kept = 0 if self.ended is not None else line.kept
                assert self.shelf_of(number).kept_for(self.order, number) == kept
        assert ZERO <= self.refunded <= self.granted <= self.captured
