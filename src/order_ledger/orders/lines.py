"""An order's lines: how much of each is wanted, made, kept, sent and arrived, and what any of its units are worth.

A line's units have places, 0 to ordered − 1. Invoices take places from the start; units that go before they are
shipped leave at the end; units refunded after they were shipped are counted from the start again. So the worth of
any units is the difference of two cumulative shares, and all parts sum to the line.
"""

from datetime import datetime
from typing import Literal, assert_never
from uuid import UUID

from msgspec import Struct

from order_ledger.amounts import Worth, part_of
from order_ledger.orders.events import OrderLine
from order_ledger.values import Organisation, PlanItem, Units

__all__ = ["THE_ONE_UNIT", "Check", "Line", "LineState", "Places", "Run"]

LineState = Literal["dropped", "placed", "confirmed", "in_production", "ready_to_ship", "shipping", "delivered"]
ItemState = Literal["pending", "passed", "failed", "conceded"]

THE_ONE_UNIT = (Units(1, 1),)
"""What an order without lines counts as."""


class Check(Struct, frozen=True):
    """Where an item of the plan stands in a run: how often it was tried, and what the last attempt came to."""

    attempts: int
    state: ItemState
    at: datetime | None = None


class Run(Struct, frozen=True):
    """One making of a line. Steps, items and completion count for their own run."""

    run: int
    quantity: int
    completed: bool = False
    steps: dict[str, int] = {}
    checks: dict[str, Check] = {}

    def check(self, item: str) -> Check:
        """Where this item stands."""
        return self.checks.get(item, _UNTRIED)


_UNTRIED = Check(0, "pending")


class Line(Struct, frozen=True):
    """A line as it stands, in units.

    `wanted` is what was ordered, less what was cancelled, given up for a shortage or refunded for a problem. `shipped`
    and `arrived` count shipments; `taken_out` is what resolved problems took out of them. `kept` is allocated in stock
    under `reservations`, `short` is missing there, `backordered` is awaited. `produced` counts completed runs,
    `came_back` what returned undelivered and can be sold, `returned` what came back under a return.
    """

    ordered: OrderLine
    wanted: int
    manufacturer: Organisation | None = None
    withdrawn: int = 0
    """Units that are no longer wanted and were never shipped: their places are the last ones."""
    refunded: int = 0
    """Units refunded after they were shipped: their places are the first ones."""
    shipped: int = 0
    taken_out: int = 0
    arrived: int = 0
    kept: int = 0
    reservations: tuple[UUID, ...] = ()
    short: int = 0
    backordered: int = 0
    produced: int = 0
    came_back: int = 0
    returned: int = 0
    runs: tuple[Run, ...] = ()
    invoiced: int = 0

    @property
    def line(self) -> int:
        """Its place in the order."""
        return self.ordered.line

    @property
    def is_goods(self) -> bool:
        """Whether it counts for the state; charges do not."""
        return self.ordered.kind != "charge"

    @property
    def sent(self) -> int:
        """Units shipped, less those that a resolved problem took out of a shipment."""
        return self.shipped - self.taken_out

    @property
    def rest(self) -> int:
        """Units still to be shipped."""
        return max(self.wanted - self.sent, 0)

    @property
    def shelf(self) -> int:
        """Units ready to be shipped: allocated, or made."""
        return max(min(self.rest, self._at_hand), 0)

    @property
    def _at_hand(self) -> int:
        """The same, where as many are still to be shipped."""
        match self.ordered.kind:
            case "from_stock":
                return self.kept
            case "made_to_order":
                return self.produced + self.came_back - self.shipped
            case "untracked" | "charge":
                return 0
            case _ as never:
                assert_never(never)

    @property
    def shippable(self) -> int:
        """Units that may be shipped now; of untracked lines all that is not shipped."""
        return self.rest if self.ordered.kind == "untracked" else self.shelf

    @property
    def run(self) -> Run | None:
        """The latest run."""
        return self.runs[-1] if self.runs else None

    @property
    def in_production(self) -> bool:
        """Whether a run started and is not completed."""
        return bool(self.runs) and not self.runs[-1].completed

    @property
    def worth(self) -> Worth:
        """What the whole line is worth."""
        return Worth(self.ordered.net, self.ordered.tax, self.ordered.gross)

    def state(self, confirmed: bool) -> LineState:
        """The first state that holds; `confirmed` says whether the order has its OrderConfirmed."""
        wanted = self.wanted
        if wanted <= 0:
            return "dropped"
        if self.arrived >= wanted:
            return "delivered"
        rest = wanted - self.shipped + self.taken_out
        if rest <= 0:
            return "shipping"
        if not confirmed:
            return "placed"
        if self._at_hand >= rest:
            return "ready_to_ship"
        return "in_production" if self.ordered.kind == "made_to_order" and self.in_production else "confirmed"

    def worth_of(self, start: int, count: int) -> Worth:
        """What the units at these places are worth; places beyond the line are worth nothing."""
        quantity = self.ordered.quantity
        start = min(max(start, 0), quantity)
        count = min(max(count, 0), quantity - start)
        return part_of(self.worth, quantity, start, count, self.ordered.tax_included)

    def plan_item(self, item: str) -> PlanItem | None:
        """The item of the plan by this name."""
        return next((planned for planned in self.ordered.plan if planned.item == item), None)


class Places(Struct, frozen=True):
    """So many units of a line, from this place on."""

    line: int
    start: int
    count: int
