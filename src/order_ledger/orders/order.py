"""An order as its entries leave it: what stands, and what follows from it.

What events say is kept (`evolving.py`); what follows from it (states, axes, what is open) is computed when asked.

A line's units have places, 0 to ordered − 1. Invoices take places from the start; units that go before they are
shipped leave at the end; units refunded after they were shipped are counted from the start again. So the worth of
any units is the difference of two cumulative shares, and all parts sum to the line.
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Generic, Literal, TypeVar, assert_never
from uuid import UUID

from msgspec import Struct

from order_ledger.amounts import Worth, part_of
from order_ledger.entries import Role
from order_ledger.orders.events import (
    CompletionCause,
    ExchangeItem,
    OrderLine,
    OrderPlaced,
    ProblemKind,
    ProblemOutcome,
    ReturnReason,
    ReturnWish,
    ShipmentStatus,
)
from order_ledger.values import Address, Amounts, Money, Organisation, PlanItem, Sealed, Terms, Units

__all__ = [
    "ENDED",
    "ITEM_STATES",
    "PRICE_CUTS",
    "STATES",
    "THE_ONE_UNIT",
    "Check",
    "Invoice",
    "InvoicedLine",
    "Line",
    "LineState",
    "Note",
    "NotificationState",
    "Order",
    "OrderState",
    "Payment",
    "Places",
    "Problem",
    "Refund",
    "Return",
    "ReturnState",
    "Revision",
    "Run",
    "Settlement",
    "Shipment",
]

LineState = Literal["dropped", "placed", "confirmed", "in_production", "ready_to_ship", "shipping", "delivered"]
OrderState = Literal[
    "placed",
    "confirmed",
    "in_production",
    "ready_to_ship",
    "shipping",
    "delivered",
    "completed",
    "rejected",
    "cancelled",
]
PaymentState = Literal["unpaid", "authorised", "partly_paid", "paid", "overpaid", "partly_refunded", "refunded"]
StockState = Literal["none", "unchecked", "allocated", "short", "backordered", "issued"]
FulfilmentState = Literal["unshipped", "partly_shipped", "shipped", "partly_delivered", "delivered"]
ReturnState = Literal["requested", "approved", "on_its_way", "received", "resolved", "rejected", "withdrawn"]
DocumentState = Literal["none", "partly_invoiced", "invoiced", "partly_credited", "credited"]
ItemState = Literal["pending", "passed", "failed", "conceded"]
NotificationState = Literal["sent", "failed", "given_up"]

STATES: tuple[OrderState, ...] = (
    "placed",
    "confirmed",
    "in_production",
    "ready_to_ship",
    "shipping",
    "delivered",
    "completed",
    "rejected",
    "cancelled",
)
ENDED: frozenset[OrderState] = frozenset(("rejected", "cancelled"))
ITEM_STATES: tuple[ItemState, ...] = ("pending", "passed", "failed", "conceded")
PRICE_CUTS = frozenset(("compensation", "goodwill"))
"""Refunds that are not for units: they are not taken off what the order costs."""

_ADVANCE: dict[LineState, int] = {
    "placed": 0,
    "confirmed": 1,
    "in_production": 2,
    "ready_to_ship": 3,
    "shipping": 4,
    "delivered": 5,
}
_RETURN_ADVANCE: dict[ReturnState, int] = {"requested": 0, "approved": 1, "on_its_way": 2, "received": 3}
_ZERO = Decimal(0)


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
    """A line as it stands. The quantities are those of the domain's table, by the same names."""

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
        match self.ordered.kind:
            case "from_stock":
                return self.kept
            case "made_to_order":
                return max(min(self.rest, self.produced + self.came_back - self.shipped), 0)
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
        if self.shipped - self.taken_out >= wanted:
            return "shipping"
        if not confirmed:
            return "placed"
        if self.ordered.kind != "untracked" and self.shelf >= self.rest:
            return "ready_to_ship"
        if self.ordered.kind == "made_to_order" and self.in_production:
            return "in_production"
        return "confirmed"

    def worth_of(self, start: int, count: int) -> Worth:
        """What the units at these places are worth; places beyond the line are worth nothing."""
        quantity = self.ordered.quantity
        start = min(max(start, 0), quantity)
        count = min(max(count, 0), quantity - start)
        return part_of(self.worth, quantity, start, count, self.ordered.tax_included)

    def plan_item(self, item: str) -> PlanItem | None:
        """The item of the plan by this name."""
        return next((planned for planned in self.ordered.plan if planned.item == item), None)


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


class Revision(Struct, frozen=True):
    """A revised promise, and what the consumer made of it."""

    revision: int
    promised_by: datetime | None
    promised_before: datetime | None
    compensation: Money | None
    answer_by: datetime | None
    answer: Literal["accepted", "declined"] | None = None


class Problem(Struct, frozen=True):
    """Something wrong that was reported, and what was done about it."""

    problem: int
    kind: ProblemKind
    shipment: UUID | None
    lines: tuple[Units, ...]
    how: ProblemOutcome | None = None
    resolved: tuple[Units, ...] = ()


class Payment(Struct, frozen=True):
    """A payment as it was recorded."""

    payment: UUID
    kind: str
    amount: Decimal
    method: str
    provider: str
    reference: str
    of: UUID | None
    refund: int | None
    account_hint: str | None


class Refund(Struct, frozen=True):
    """Money that the consumer is owed back, and how much of it went."""

    refund: int
    basis: str
    refers_to: str
    lines: tuple[Amounts, ...]
    amount: Decimal
    refunded: Decimal = _ZERO
    extra: Decimal = _ZERO
    """What of it was granted beyond the worth of any units, and made the order cheaper."""


class Places(Struct, frozen=True):
    """So many units of a line, from this place on."""

    line: int
    start: int
    count: int


class Settlement(Struct, frozen=True):
    """Units that are no longer to be paid, and the refund granted for them, if any; invoices for them are credited."""

    version: int
    parts: tuple[Places, ...]
    refund: int | None = None
    lines: tuple[Amounts, ...] = ()
    credited: frozenset[str] = frozenset()


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
        return self.state in _RETURN_ADVANCE

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


class Note(Struct, frozen=True):
    """A note, or a question that waits for a role."""

    note: int
    about: str
    audience: str
    for_role: Role | None
    by_role: Role
    answered: bool = False


class InvoicedLine(Struct, frozen=True):
    """The places of a line that an invoice covers, and what they were invoiced at."""

    line: int
    start: int
    count: int
    worth: Worth


class Invoice(Struct, frozen=True):
    """An invoice issued, and how much of it was credited: by line, and by refund."""

    number: str
    issued_on: date
    shipment: UUID | None
    lines: tuple[InvoicedLine, ...]
    gross: Decimal
    prepaid: Decimal
    credited: dict[int, Decimal] = {}
    refunds: dict[int, Decimal] = {}


T = TypeVar("T")


class _computed_once(Generic[T]):
    """A property that is computed when it is first asked for. The standard library's takes a lock each time."""

    def __init__(self, compute: "Callable[[Order], T]") -> None:
        self.compute = compute
        self.name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, order: "Order", owner: object = None) -> T:
        value = order.__dict__[self.name] = self.compute(order)
        return value


class Order(Struct, frozen=True, dict=True):
    """An order after `version` entries. `placed` is what was agreed at first; the rest is what became of it.

    `net`, `tax` and `total` are what the order costs now, units refunded or given back no longer counted.

    What is asked of it again and again is computed once; `replace` makes an order that has computed nothing yet.
    """

    id: UUID
    version: int
    placed: OrderPlaced
    placed_at: datetime | None
    recorded_at: datetime
    lines: dict[int, Line]
    implied: bool
    net: Money
    tax: Money
    total: Money
    ship_to: Sealed[Address]
    ship_to_country: str | None
    ship_to_region: str | None
    zone: str
    promised_by: datetime | None
    confirmed: bool = False
    confirmed_at: datetime | None = None
    ended: Literal["rejected", "cancelled"] | None = None
    completed_by: CompletionCause | None = None
    held: bool = False
    held_for: str | None = None
    held_since: datetime | None = None
    delivered_since: datetime | None = None
    delay_expected: bool = False
    revisions: tuple[Revision, ...] = ()
    shipments: dict[UUID, Shipment] = {}
    shortages: dict[int, dict[int, int]] = {}
    problems: dict[int, Problem] = {}
    payments: tuple[Payment, ...] = ()
    authorised: Decimal = _ZERO
    captured: Decimal = _ZERO
    granted: Decimal = _ZERO
    refunded: Decimal = _ZERO
    refunds: dict[int, Refund] = {}
    settlements: tuple[Settlement, ...] = ()
    returns: dict[str, Return] = {}
    notes: dict[int, Note] = {}
    notifications: dict[str, NotificationState] = {}
    invoices: dict[str, Invoice] = {}
    receipts: frozenset[UUID] = frozenset()

    # What was agreed

    @property
    def number(self) -> str:
        """What people call it by."""
        return self.placed.number

    @property
    def consumer(self) -> UUID:
        """The person who ordered."""
        return self.placed.consumer

    @property
    def seller(self) -> Organisation:
        """The one seller, who owns the designs."""
        return self.placed.seller

    @property
    def terms(self) -> Terms:
        """How it is paid and invoiced."""
        return self.placed.terms

    @property
    def currency(self) -> str:
        """The one currency of everything in it."""
        return self.placed.total.currency

    @property
    def history(self) -> bool:
        """Whether an import placed it: the ledger does nothing about it by itself."""
        return self.placed.history

    # States

    @property
    def goods(self) -> tuple[Line, ...]:
        """The lines that count for the state."""
        return tuple(line for line in self.lines.values() if line.ordered.kind != "charge")

    @_computed_once
    def open_lines(self) -> tuple[Line, ...]:
        """The goods lines of which something is still wanted."""
        return tuple(line for line in self.lines.values() if line.wanted > 0 and line.ordered.kind != "charge")

    @_computed_once
    def state(self) -> OrderState:
        """That of the least advanced open line, unless the order came to an end."""
        if self.ended is not None:
            return self.ended
        least: LineState | None = None
        advance = 6
        confirmed = self.confirmed
        for line in self.lines.values():
            if line.wanted > 0 and line.ordered.kind != "charge":
                state = line.state(confirmed)
                if _ADVANCE[state] < advance:
                    least, advance = state, _ADVANCE[state]
        if self.completed_by is not None and advance >= _ADVANCE["delivered"]:
            return "completed"
        if least is None or least == "dropped":
            return "cancelled"
        return least

    def line_state(self, line: int) -> LineState:
        """The state of one line."""
        return self.lines[line].state(self.confirmed)

    @property
    def nothing_sent(self) -> bool:
        """Whether no goods ever left."""
        return not any(line.shipped for line in self.lines.values())

    @property
    def unshipped(self) -> int:
        """Units of goods still to be shipped."""
        return sum(line.rest for line in self.open_lines)

    @property
    def open_revision(self) -> Revision | None:
        """The revised promise that waits for the consumer's answer."""
        if not self.revisions:
            return None
        last = self.revisions[-1]
        return last if last.answer is None and last.answer_by is not None else None

    @property
    def open_problems(self) -> tuple[Problem, ...]:
        """Problems that nothing was done about yet."""
        return tuple(problem for problem in self.problems.values() if problem.how is None)

    @property
    def open_returns(self) -> tuple[Return, ...]:
        """Returns that something is still to be done about."""
        return tuple(returned for returned in self.returns.values() if returned.is_open)

    @property
    def open_shortages(self) -> tuple[int, ...]:
        """Shortages found and not yet resolved."""
        return tuple(number for number in self.shortages if any(self.short_in(number).values()))

    @property
    def open_questions(self) -> tuple[Note, ...]:
        """Questions that wait for a role."""
        return tuple(note for note in self.notes.values() if note.for_role is not None and not note.answered)

    def short_in(self, shortage: int) -> dict[int, int]:
        """What of a shortage is still short, by line."""
        return {
            line: min(quantity, self.lines[line].short)
            for line, quantity in self.shortages.get(shortage, {}).items()
            if line in self.lines
        }

    # Money

    @property
    def costs(self) -> Decimal:
        """What the order costs: nothing once it came to an end. Compensation and goodwill are not taken off."""
        return _ZERO if self.ended is not None else self.total.amount

    @property
    def refund_owed(self) -> Decimal:
        """What was granted and not yet refunded."""
        return self.granted - self.refunded

    @property
    def refundable(self) -> Decimal:
        """What may still be granted: what was captured, less what was granted."""
        return max(self.captured - self.granted, _ZERO)

    def due_back(self, costs: Decimal) -> Decimal:
        """What is to be granted once the order costs this much: what was captured, less what was granted, less that.

        Compensation and goodwill are not counted as granted, since they are not taken off the costs either; but all
        that is granted together never exceeds what was captured.
        """
        granted = sum((refund.amount for refund in self.refunds.values() if refund.basis not in PRICE_CUTS), _ZERO)
        return max(min(self.captured - granted - costs, self.refundable), _ZERO)

    @property
    def paid_for(self) -> bool:
        """Whether what was captured and not refunded covers what the order costs.

        Compensation and goodwill that were paid back made it cheaper by as much.
        """
        cut = sum((refund.refunded for refund in self.refunds.values() if refund.basis in PRICE_CUTS), _ZERO)
        return self.captured - self.refunded >= self.costs - cut

    # Axes

    @property
    def payment(self) -> PaymentState:
        """How far the order is paid, or paid back."""
        if self.refunded > 0:
            return "refunded" if self.refunded >= self.captured else "partly_refunded"
        if self.captured == 0:
            return "authorised" if self.authorised > 0 else "unpaid"
        costs = self.costs
        if self.captured < costs:
            return "partly_paid"
        return "paid" if self.captured == costs else "overpaid"

    @property
    def stock(self) -> StockState:
        """How far stock covers the lines from stock; a shortage shows on any line."""
        lines = self.open_lines
        if any(line.short for line in lines):
            return "short"
        if any(line.backordered for line in lines):
            return "backordered"
        from_stock = [line for line in lines if line.ordered.kind == "from_stock"]
        if not from_stock:
            return "none"
        if any(line.kept < line.rest for line in from_stock):
            return "unchecked"
        return "allocated" if any(line.rest for line in from_stock) else "issued"

    @property
    def fulfilment(self) -> FulfilmentState:
        """How much of what is wanted left, and arrived."""
        wanted = sent = arrived = 0
        for line in self.open_lines:
            wanted += line.wanted
            sent += min(line.sent, line.wanted)
            arrived += min(line.arrived, line.wanted)
        if sent == 0:
            return "unshipped"
        if arrived >= wanted:
            return "delivered"
        if arrived:
            return "partly_delivered"
        return "shipped" if sent >= wanted else "partly_shipped"

    @property
    def return_(self) -> ReturnState | Literal["none"]:
        """The least advanced open return; else what became of the last one."""
        if not self.returns:
            return "none"
        still_open = [returned.state for returned in self.returns.values() if returned.is_open]
        if still_open:
            return min(still_open, key=_RETURN_ADVANCE.__getitem__)
        return next(reversed(self.returns.values())).state

    @property
    def document(self) -> DocumentState:
        """How much of the order is invoiced, or credited."""
        if not self.invoices:
            return "none"
        gross = sum((invoice.gross for invoice in self.invoices.values()), _ZERO)
        credited = sum((sum(invoice.credited.values(), _ZERO) for invoice in self.invoices.values()), _ZERO)
        if credited > 0:
            return "credited" if credited >= gross else "partly_credited"
        complete = all(line.invoiced >= line.ordered.quantity - line.withdrawn for line in self.lines.values())
        return "invoiced" if complete else "partly_invoiced"

    @property
    def reads(self) -> str:
        """What the consumer reads; that the order is held is shown beside it."""
        state = self.state
        match state:
            case "completed":
                return "Complete"
            case "cancelled":
                return "Cancelled"
            case "rejected":
                return "Rejected"
            case "delivered":
                return "Delivered"
            case "shipping":
                return self._reads_shipping()
            case "placed" | "confirmed" | "in_production" | "ready_to_ship":
                return self._reads_partly_shipped() or _READS[state]
            case _ as never:
                assert_never(never)

    def _reads_shipping(self) -> str:
        outward = [shipment for shipment in self.shipments.values() if shipment.rma is None]
        if any(not shipment.delivered and shipment.progress == "out_for_delivery" for shipment in outward):
            return "Out for delivery"
        return "Partly delivered" if any(shipment.delivered for shipment in outward) else "Shipped"

    def _reads_partly_shipped(self) -> str | None:
        lines = self.open_lines
        sent = sum(line.sent for line in lines)
        if not sent:
            return None
        wanted, arrived = sum(line.wanted for line in lines), sum(line.arrived for line in lines)
        return f"Partly shipped ({sent - arrived} of {wanted} units on their way, {arrived} delivered)"

    # What an event that names no lines means

    def units(self, lines: tuple[Units, ...]) -> tuple[Units, ...]:
        """The units that are meant: of an order without lines, naming none means the one it counts as."""
        return lines if lines or not self.implied else THE_ONE_UNIT

    def in_returns(self, line: int) -> int:
        """Units of a line that any return not rejected or withdrawn holds."""
        return sum(returned.units(line) for returned in self.returns.values())


_READS: dict[str, str] = {
    "placed": "Order received",
    "confirmed": "Processing",
    "in_production": "Processing: being made",
    "ready_to_ship": "Processing: ready to ship",
}
THE_ONE_UNIT = (Units(1, 1),)
"""What an order without lines counts as."""
