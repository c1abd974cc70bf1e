"""An order as its entries leave it: what stands, and what follows from it.

What events say is kept (`evolving/`); what follows from it (states, axes, what is open) is computed when asked.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Generic, Literal, TypeVar, assert_never, get_args
from uuid import UUID

from msgspec import Struct

from order_ledger.orders.correspondence import Note, NotificationState, Problem, Revision
from order_ledger.orders.events import CompletionCause, OrderPlaced
from order_ledger.orders.lines import THE_ONE_UNIT, Line, LineState
from order_ledger.orders.money import PRICE_CUTS, Invoice, Payment, Refund, Settlement
from order_ledger.orders.shipments import RETURN_ADVANCE, Return, ReturnState, Shipment
from order_ledger.values import Address, Money, Organisation, Sealed, Terms, Units

__all__ = ["STATES", "Order", "OrderState"]

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
DocumentState = Literal["none", "partly_invoiced", "invoiced", "partly_credited", "credited"]

STATES: tuple[OrderState, ...] = get_args(OrderState)

_ADVANCE: dict[LineState, int] = {
    "placed": 0,
    "confirmed": 1,
    "in_production": 2,
    "ready_to_ship": 3,
    "shipping": 4,
    "delivered": 5,
}
_ZERO = Decimal(0)

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
        if not self.problems:
            return ()
        return tuple(problem for problem in self.problems.values() if problem.how is None)

    @property
    def open_returns(self) -> tuple[Return, ...]:
        """Returns that something is still to be done about."""
        if not self.returns:
            return ()
        return tuple(returned for returned in self.returns.values() if returned.is_open)

    @property
    def open_shortages(self) -> tuple[int, ...]:
        """Shortages found and not yet resolved."""
        if not self.shortages:
            return ()
        return tuple(number for number in self.shortages if any(self.short_in(number).values()))

    @property
    def open_questions(self) -> tuple[Note, ...]:
        """Questions that wait for a role."""
        if not self.notes:
            return ()
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
        from_stock = awaited = unchecked = left = False
        for line in self.open_lines:
            if line.short:
                return "short"
            awaited = awaited or line.backordered > 0
            if line.ordered.kind == "from_stock":
                from_stock, rest = True, line.rest
                unchecked = unchecked or line.kept < rest
                left = left or rest > 0
        if awaited:
            return "backordered"
        if not from_stock:
            return "none"
        if unchecked:
            return "unchecked"
        return "allocated" if left else "issued"

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
            return min(still_open, key=RETURN_ADVANCE.__getitem__)
        return next(reversed(self.returns.values())).state

    @property
    def document(self) -> DocumentState:
        """How much of the order is invoiced, or credited."""
        if not self.invoices:
            return "none"
        gross = sum((invoice.gross for invoice in self.invoices.values()), _ZERO)
        credited = sum((invoice.gross_credited for invoice in self.invoices.values()), _ZERO)
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
