"""What an order is made of, in plain numbers: lines and their runs, parcels, returns, and the shelves of its items."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from order_ledger.values import Organisation

ZERO = Decimal(0)
STEPS = ("milling", "polishing")
PLAN = {"bore": "milling", "surface": "polishing", "weight": "polishing"}
REQUIRED = ("bore", "surface")


def by_line(units: Iterable[Any]) -> Counter[int]:
    """How many units of each line are named."""
    found: Counter[int] = Counter()
    for one in units:
        found[one.line] += one.quantity
    return found


@dataclass
class Run:
    """One making of a line."""

    quantity: int
    steps: list[str] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    completed: bool = False

    @property
    def missing(self) -> list[str]:
        """The steps that are not done and the required items that neither passed nor were conceded."""
        steps = [step for step in STEPS if step not in self.steps]
        return steps + [item for item in REQUIRED if self.results.get(item) not in ("passed", "conceded")]


@dataclass
class Line:
    """A line, by the quantities of the table of states."""

    kind: str
    sku: str
    price: Decimal
    ordered: int
    maker: Organisation | None
    keeper: Organisation | None
    charge_for: int | None = None
    cancelled: int = 0
    refunded: int = 0
    """Units that a problem's refund took out of a shipment."""
    resent: int = 0
    """Units that are to be sent again."""
    settled: int = 0
    """Units that came back under a return and are not paid any more; of charges those refunded."""
    shipped: int = 0
    kept: int = 0
    short: int = 0
    backordered: int = 0
    made: int = 0
    back: int = 0
    came_back: int = 0
    runs: list[Run] = field(default_factory=list)

    @property
    def wanted(self) -> int:
        return self.ordered - self.cancelled - self.refunded

    @property
    def sent(self) -> int:
        return self.shipped - self.resent - self.refunded

    @property
    def rest(self) -> int:
        return self.wanted - self.sent

    @property
    def shelf(self) -> int:
        if self.kind == "from_stock":
            return self.kept
        return max(0, min(self.rest, self.made + self.back - self.shipped)) if self.kind == "made_to_order" else 0

    @property
    def shippable(self) -> int:
        return self.rest if self.kind == "untracked" else self.shelf

    @property
    def open_run(self) -> Run | None:
        return self.runs[-1] if self.runs and not self.runs[-1].completed else None


@dataclass
class Parcel:
    """What was sent, what a problem took out of it, and whether it arrived."""

    units: Counter[int]
    sender: UUID | None
    number: str
    taken: Counter[int] = field(default_factory=Counter)
    again: Counter[int] = field(default_factory=Counter)
    came_back: Counter[int] = field(default_factory=Counter)
    delivered: str | None = None
    delivered_at: datetime | None = None
    rma: str | None = None

    def left(self, line: int) -> int:
        return self.units[line] - self.taken[line]


@dataclass
class Return:
    """Units on their way back."""

    state: str
    lines: Counter[int]
    wish: str
    approved: Counter[int] = field(default_factory=Counter)
    received: Counter[int] = field(default_factory=Counter)
    send_by: Any = None

    def holds(self, line: int) -> int:
        """Units of a line that nothing else can be done about meanwhile."""
        match self.state:
            case "requested":
                return self.lines[line]
            case "approved" | "on_its_way" | "received":
                return self.approved[line]
            case "resolved":
                return self.received[line]
            case _:
                return 0


@dataclass
class Shelf:
    """The stock of one item."""

    on_hand: int = 0
    kept: dict[UUID, tuple[UUID, int, int]] = field(default_factory=dict)
    """By reservation, in the order in which they were made: the order, the line, the quantity."""

    @property
    def reserved(self) -> int:
        return sum(quantity for _, _, quantity in self.kept.values())

    def kept_for(self, order: UUID, line: int) -> int:
        return sum(quantity for of, number, quantity in self.kept.values() if (of, number) == (order, line))

    def apply(self, events: Iterable[Any]) -> None:
        """What happened to the stock of the item."""
        for event in events:
            match type(event).__name__:
                case "StockReceived" | "StockReturned":
                    self.on_hand += event.quantity
                case "StockAdjusted":
                    self.on_hand += event.change
                case "StockReserved":
                    self.kept[event.reservation] = (event.order, event.line, event.quantity)
                case "StockReleased" | "StockIssued" as name:
                    of, line, quantity = self.kept[event.reservation]
                    assert quantity >= event.quantity
                    self.kept[event.reservation] = (of, line, quantity - event.quantity)
                    self.on_hand -= event.quantity if name == "StockIssued" else 0
                case name:
                    raise AssertionError(name)
