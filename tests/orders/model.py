"""An order and the stock of its items as the domain's tables have them, in plain numbers.

A random program of commands is checked against this. Nothing here comes from the code that it checks: quantities and
states are those of the table of states, the rights those of the table of rights. `happens` says beforehand whether a
command makes anything happen, where the tables say so; `apply` checks of each event that it was allowed to happen.
All prices are whole, with tax included, so that n units are worth n times one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from order_ledger.entries import By
from order_ledger.values import Organisation
from tests.examples import ADA, SELLER

ZERO = Decimal(0)
STEPS = ("milling", "polishing")
PLAN = {"bore": "milling", "surface": "polishing", "weight": "polishing"}
REQUIRED = ("bore", "surface")
RETURN_DAYS, WARRANTY_DAYS, COMPLETE_AFTER_DAYS = 30, 730, 14
CUTS = ("compensation", "goodwill")
ENDING = {"OrderRejected", "OrderCancelled", "LinesCancelled"}

RIGHTS = """
confirm                     I sold   Y all
reject                      I sold
assign                      I sold
approve-concession          I sold
change-address              C own    S all
resolve-shortage            S all
resolve-problem             S all
resolve-return              S all
grant-refund                S all
start-production            M made
complete-step               M made
complete-inspection-item    M made
complete-production         M made
ship                        M made   W kept
correct-tracking            M sent   W sent   S all
record-progress             Y all    carrier all
check-tracking              Y all
expect-delay                Y all
allocate-stock              Y all
find-shortage               Y all
deliver                     C own    S all    Y all    carrier all
complete                    C own    Y all
cancel                      C own    I sold   S all
hold                        I sold   S all
release                     I sold   S all
revise-promise              M made   S all    Y all
accept-delay                C own
decline-delay               C own
report-problem              C own    M made   W kept   S all   Y all
record-payment              S all    Y all    payment_provider all
request-return              C own    S all
withdraw-return             C own    S all    Y all
ship-return                 C own    S all
approve-return              I sold   S all
reject-return               I sold   S all
receive-return              M made   W kept
add-note                    C own    I sold   M made   W kept   S all
receive-stock               W kept
adjust-stock                W kept
reserve                     Y all
release-stock               Y all
"""
ROLES = {
    "C": "consumer",
    "I": "ip_owner",
    "M": "manufacturer",
    "W": "warehouse",
    "S": "customer_service",
    "Y": "ledger",
}


def _cells() -> dict[str, dict[str, str]]:
    cells = {}
    for row in RIGHTS.strip().splitlines():
        command, *words = row.split()
        cells[command] = {ROLES.get(who, who): whose for who, whose in zip(words[::2], words[1::2], strict=True)}
    return cells


CELLS = _cells()


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

    # What follows

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

    # What may be

    def allowed(self, command: str, by: By, lines: Iterable[int] = (), shipment: UUID | None = None) -> bool:
        """Whether the table of rights has a cell for this."""
        role, person = (str(by.role), by.person) if by.on_behalf_of is None else ("consumer", by.on_behalf_of)
        whose = CELLS[command].get(role)
        if by.on_behalf_of is not None and by.role != "customer_service":
            return False
        numbers = list(lines)
        named = [self.lines[number] for number in numbers if number in self.lines]
        match whose:
            case "own":
                return person == ADA
            case "sold":
                return by.organisation == SELLER.id
            case "made" | "kept":
                asked = named if numbers else list(self.goods.values())
                theirs = [line.maker if whose == "made" else line.keeper for line in asked]
                mine = [one is not None and one.id == by.organisation for one in theirs]
                return bool(mine) and all(mine) if numbers else any(mine)
            case "sent":
                known = [self.parcels[shipment]] if shipment in self.parcels else list(self.parcels.values())
                return any(parcel.sender is not None and parcel.sender == by.organisation for parcel in known)
            case _:
                return whose == "all"

    def happens(self, command: Any, by: By, now: datetime) -> bool | None:
        """Whether this makes anything happen; None where the tables leave it to the order's own money or texts."""
        name = command.name.replace("-", "_")
        decide = getattr(self, f"_may_{name}", None)
        role = "consumer" if by.on_behalf_of is not None else by.role
        return decide(command, role, now) if decide is not None else None

    def _may_confirm(self, command: Any, role: str, now: datetime) -> bool:
        covered = all(
            line.kept + line.backordered >= line.rest for line in self.open.values() if line.kind == "from_stock"
        )
        by_hand = role == "ledger" and any(line.kind != "from_stock" for line in self.open.values())
        return not self.over and not self.confirmed and not self.held and covered and not by_hand

    def _may_reject(self, command: Any, role: str, now: datetime) -> bool:
        return not self.over and not self.confirmed

    def _may_assign(self, command: Any, role: str, now: datetime) -> bool:
        lines = [self.lines.get(number) for number in command.lines]
        if all(line is not None and line.maker is not None and line.maker.id == command.manufacturer for line in lines):
            return False
        return not self.over and all(
            number in self.lines
            and self.lines[number].kind == "made_to_order"
            and not self.lines[number].runs
            and self.line_state(number) in ("placed", "confirmed")
            for number in command.lines
        )

    def _may_change_address(self, command: Any, role: str, now: datetime) -> bool:
        states = ("placed",) if role == "consumer" else ("placed", "confirmed", "in_production", "ready_to_ship")
        return self.state in states and command.ship_to.country == "DE"

    def _may_allocate_stock(self, command: Any, role: str, now: datetime) -> bool:
        return not self.over and all(
            one.line in self.lines
            and self.lines[one.line].kind == "from_stock"
            and one.quantity <= self.lines[one.line].rest - self.lines[one.line].kept
            and one.quantity <= self.shelf_of(one.line).on_hand - self.shelf_of(one.line).reserved
            for one in command.lines
        )

    def shelf_of(self, number: int) -> Shelf:
        return self.shelves[self.lines[number].sku]

    def _may_find_shortage(self, command: Any, role: str, now: datetime) -> bool:
        lines = [(self.lines.get(one.line), one.quantity) for one in command.lines]
        new = any(line is None or line.short < quantity for line, quantity in lines)
        return (
            not self.over
            and new
            and all(line is not None and quantity <= line.rest - line.shelf for line, quantity in lines)
        )

    def _may_resolve_shortage(self, command: Any, role: str, now: datetime) -> bool:
        asked: Counter[int] = Counter()
        for one in command.outcomes:
            asked[one.line] += one.quantity
        return (
            self.before_shipping
            and command.shortage in self.shortages
            and any(line.short or line.backordered for line in self.open.values())
            and all(
                number in self.lines and quantity <= self.lines[number].short + self.lines[number].backordered
                for number, quantity in asked.items()
            )
        )

    def _may_start_production(self, command: Any, role: str, now: datetime) -> bool:
        line = self.lines.get(command.line)
        return (
            not self.over
            and line is not None
            and line.kind == "made_to_order"
            and self.line_state(command.line) == "confirmed"
            and not self.held
            and line.maker is not None
            and (not self.prepaid or self.paid_for)
        )

    def _being_made(self, number: int) -> Run | None:
        """What is being made of a line: the line itself must be in production."""
        if self.over or number not in self.lines or self.line_state(number) != "in_production":
            return None
        return self.lines[number].open_run

    def _may_complete_step(self, command: Any, role: str, now: datetime) -> bool:
        run = self._being_made(command.line)
        if run is None or command.step not in STEPS:
            return False
        before = STEPS[: STEPS.index(command.step)]
        return not before or before[-1] in run.steps

    def _may_complete_inspection_item(self, command: Any, role: str, now: datetime) -> bool:
        run = self._being_made(command.line)
        if run is None or command.item not in PLAN or PLAN[command.item] not in run.steps:
            return False
        if not command.passed:
            return True
        if command.item == "bore":
            return command.reading is not None and Decimal("11.98") <= command.reading <= Decimal("12.02")
        return command.item != "surface" or bool(command.evidence)

    def _may_approve_concession(self, command: Any, role: str, now: datetime) -> bool:
        run = self._being_made(command.line)
        return run is not None and run.results.get(command.item) == "failed"

    def _may_complete_production(self, command: Any, role: str, now: datetime) -> bool:
        run = self._being_made(command.line)
        return run is not None and not run.missing and not self.held

    def _may_ship(self, command: Any, role: str, now: datetime) -> bool:
        units: Counter[int] = Counter()
        for one in command.lines:
            units[one.line] += one.quantity
        replaced = self.parcels.get(command.replaces) if command.replaces is not None else None
        return (
            not self.over
            and self.confirmed
            and not self.held
            and (not self.prepaid or self.paid_for)
            and "dhl.com" in str(command.tracking_url)
            and (command.replaces is None or replaced is not None)
            and all(number in self.goods for number in units)
            and all(quantity <= self.lines[number].shippable for number, quantity in units.items())
            and (replaced is None or all(quantity <= replaced.again[number] for number, quantity in units.items()))
        )

    def _may_correct_tracking(self, command: Any, role: str, now: datetime) -> bool:
        return command.shipment in self.parcels and self.ended is None and self.completed != "consumer"

    def _may_record_progress(self, command: Any, role: str, now: datetime) -> bool:
        return command.shipment in self.parcels

    def _may_deliver(self, command: Any, role: str, now: datetime) -> bool:
        parcel = self.outward.get(command.shipment)
        return parcel is not None and not parcel.delivered and self.state not in ("rejected", "cancelled")

    def _may_complete(self, command: Any, role: str, now: datetime) -> bool:
        settled = all(one["how"] for one in self.problems.values()) and all(
            returned.state in ("resolved", "rejected", "withdrawn") for returned in self.returns.values()
        )
        if role == "consumer":
            return settled and self.state in ("shipping", "delivered")
        late = self.since is not None and now >= self.since + timedelta(days=COMPLETE_AFTER_DAYS)
        return settled and self.state == "delivered" and not self.held and late

    def _may_cancel(self, command: Any, role: str, now: datetime) -> bool:
        asked: Counter[int] = Counter()
        for one in command.lines:
            asked[one.line] += one.quantity
        return (
            (role != "consumer" or self.state == "placed")
            and self.ended is None
            and any(line.rest for line in self.open.values())
            and all(number in self.lines and quantity <= self.lines[number].rest for number, quantity in asked.items())
        )

    def _may_hold(self, command: Any, role: str, now: datetime) -> bool:
        return not self.held and not self.over

    def _may_release(self, command: Any, role: str, now: datetime) -> bool:
        return self.held and not self.over and command.reason is not None

    def _may_accept_delay(self, command: Any, role: str, now: datetime) -> bool:
        return self.open_revision is not None and not self.over

    def _may_decline_delay(self, command: Any, role: str, now: datetime) -> bool:
        unshipped = any(line.rest for line in self.open.values())
        return self.open_revision is not None and not self.over and unshipped

    def _may_resolve_problem(self, command: Any, role: str, now: datetime) -> bool | None:
        known = self.problems.get(command.problem)
        if known is None or known["how"]:
            return False
        if command.how == "none":
            return True
        parcel = self.outward.get(known["shipment"])
        if parcel is None or self.state in ("rejected", "cancelled"):
            return False
        if command.how == "reship" and self.state == "completed":
            return False
        lines = known["lines"] or Counter({line: parcel.left(line) for line in parcel.units if parcel.left(line)})
        if any(self.in_returns(line) for line in lines):
            return None
        return bool(lines) and all(quantity <= parcel.left(line) for line, quantity in lines.items())

    def _may_record_payment(self, command: Any, role: str, now: datetime) -> bool | None:
        amount = command.amount.amount
        before = self.payments.get(command.of) if command.of is not None else None
        match command.kind:
            case "captured" | "authorised":
                return True
            case "refunded":
                known = self.refunds.get(command.refund)
                owed = self.granted - self.refunded
                if command.refund is not None:
                    owed = ZERO if known is None else min(owed, known["amount"] - known["paid"])
                return bool(amount <= owed)
            case "voided":
                return bool(amount <= self.authorised)
            case "refund_failed" if before is not None and before["kind"] == "refunded":
                return bool(before["failed"] + amount <= before["amount"])
        return None

    def _may_grant_refund(self, command: Any, role: str, now: datetime) -> bool | None:
        if command.basis == "goodwill":
            return bool(ZERO < command.amount.amount <= self.captured - self.granted)
        return None

    def _may_request_return(self, command: Any, role: str, now: datetime) -> bool:
        for one in command.lines:
            if one.line not in self.lines:
                return False
            days = RETURN_DAYS if one.reason == "changed_mind" else WARRANTY_DAYS
            in_time = sum(
                parcel.left(one.line)
                for parcel in self.outward.values()
                if parcel.delivered_at is not None and now <= parcel.delivered_at + timedelta(days=days)
            )
            if one.quantity > min(in_time, self.arrived(one.line)) - self.in_returns(one.line):
                return False
        return self.state not in ("rejected", "cancelled")

    def _return_in(self, rma: str | None, *states: str) -> bool:
        return rma in self.returns and self.returns[rma].state in states

    def _may_approve_return(self, command: Any, role: str, now: datetime) -> bool:
        return self._return_in(command.rma, "requested") and all(
            one.quantity <= self.returns[command.rma].lines[one.line] for one in command.lines
        )

    def _may_reject_return(self, command: Any, role: str, now: datetime) -> bool:
        return self._return_in(command.rma, "requested")

    def _may_withdraw_return(self, command: Any, role: str, now: datetime) -> bool:
        if role == "ledger":
            return self._return_in(command.rma, "approved") and now.date() > self.returns[command.rma].send_by
        return self._return_in(command.rma, "requested", "approved")

    def _may_ship_return(self, command: Any, role: str, now: datetime) -> bool:
        return self._return_in(command.rma, "approved", "on_its_way", "received")

    def _may_receive_return(self, command: Any, role: str, now: datetime) -> bool:
        if command.rma is not None:
            known = self.returns.get(command.rma)
            return (
                known is not None
                and self._return_in(command.rma, "approved", "on_its_way", "received")
                and all(one.quantity <= known.approved[one.line] - known.received[one.line] for one in command.lines)
            )
        parcel = self.outward.get(command.shipment)
        return (
            parcel is not None
            and not parcel.delivered
            and all(one.quantity <= parcel.units[one.line] - parcel.came_back[one.line] for one in command.lines)
        )

    def _may_resolve_return(self, command: Any, role: str, now: datetime) -> bool:
        known = self.returns.get(command.rma)
        settled: Counter[int] = Counter()
        for one in command.lines:
            settled[one.line] += one.quantity
        exchange = any(one.how == "exchange" for one in command.lines)
        return (
            known is not None
            and known.state == "received"
            and settled == +known.received
            and (not exchange or known.wish == "exchange")
        )

    def _may_add_note(self, command: Any, role: str, now: datetime) -> bool:
        return True

    # What happened

    def apply(self, events: Iterable[Any], now: datetime) -> None:
        """Each event in turn; raises `AssertionError` where one must not have happened."""
        happened = list(events)
        for place, event in enumerate(happened):
            getattr(self, f"_{type(event).__name__}", lambda *_: None)(event, now, happened[:place])
            for line in self.goods.values():
                line.kept = max(0, min(line.kept, line.rest))
                line.backordered = max(0, min(line.backordered, line.rest - line.kept))
                line.short = max(0, min(line.short, line.rest - line.kept - line.backordered))
            if self.state == "delivered":
                self.since = self.since or now
            elif self.state != "completed":
                self.since = None
        if ENDING & {type(event).__name__ for event in happened} and self.plain_money:
            assert self.due == 0, "what was paid for units that are gone is granted in the same decision"

    @property
    def due(self) -> Decimal:
        """What was captured, less refunds granted, less what the order still costs."""
        return max(ZERO, min(self.captured - self.granted_for_units - self.costs, self.captured - self.granted))

    def _OrderPlaced(self, event: Any, now: datetime, before: list[Any]) -> None:
        for one in event.lines:
            self._add(one)

    def _add(self, one: Any) -> None:
        self.lines[one.line] = Line(
            one.kind, one.sku, one.unit_price, one.quantity, one.manufacturer, one.warehouse, one.charge_for
        )
        assert one.gross.amount == one.unit_price * one.quantity

    def _OrderConfirmed(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.confirmed = True

    def _OrderRejected(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.ended = "rejected"

    def _OrderCancelled(self, event: Any, now: datetime, before: list[Any]) -> None:
        assert not any(line.shipped for line in self.lines.values()), "an order of which something left has no end"
        self.ended = "cancelled"

    def _OrderHeld(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.held = True

    def _OrderReleased(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.held = False

    def _ManufacturerAssigned(self, event: Any, now: datetime, before: list[Any]) -> None:
        for number in event.lines:
            self.lines[number].maker = event.manufacturer

    def _StockAllocated(self, event: Any, now: datetime, before: list[Any]) -> None:
        for one in event.lines:
            self.lines[one.line].kept += one.quantity

    def _StockShortageFound(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.shortages.add(event.shortage)
        for one in event.withdrawn:
            self.lines[one.line].kept -= one.quantity
            assert self.lines[one.line].kept >= 0
        for one in event.lines:
            self.lines[one.line].short += one.quantity

    def _ShortageResolved(self, event: Any, now: datetime, before: list[Any]) -> None:
        for one in event.outcomes:
            line = self.lines[one.line]
            was_short = line.short
            line.short = max(0, was_short - one.quantity)
            if one.how == "backorder":
                line.backordered += min(was_short, one.quantity)
                continue
            line.backordered -= max(0, one.quantity - was_short)
            line.cancelled += one.quantity
            if one.replacement is not None:
                self._add(one.replacement)
        assert event.total.amount == event.net.amount + event.tax.amount

    def _ProductionStarted(self, event: Any, now: datetime, before: list[Any]) -> None:
        line = self.lines[event.line]
        assert event.run == len(line.runs) + 1
        assert event.quantity == line.rest - line.shelf > 0
        line.runs.append(Run(event.quantity))

    def _ProductionStepCompleted(self, event: Any, now: datetime, before: list[Any]) -> None:
        run = self.lines[event.line].runs[event.run - 1]
        assert not run.completed
        run.steps.append(event.step)
        assert event.attempt == run.steps.count(event.step)
        for item, after in PLAN.items():
            if STEPS.index(after) >= STEPS.index(event.step):
                run.results[item] = "pending"

    def _InspectionItemCompleted(self, event: Any, now: datetime, before: list[Any]) -> None:
        run = self.lines[event.line].runs[event.run - 1]
        run.results[event.item] = "passed" if event.passed else "failed"

    def _ConcessionApproved(self, event: Any, now: datetime, before: list[Any]) -> None:
        run = self.lines[event.line].runs[event.run - 1]
        assert run.results[event.item] == "failed"
        run.results[event.item] = "conceded"

    def _ProductionCompleted(self, event: Any, now: datetime, before: list[Any]) -> None:
        line = self.lines[event.line]
        run = line.runs[event.run - 1]
        assert not run.missing, "a gate was passed"
        assert not run.completed
        assert event.quantity == run.quantity
        run.completed = True
        line.made += event.quantity

    def _OrderShipped(self, event: Any, now: datetime, before: list[Any]) -> None:
        units: Counter[int] = Counter()
        for one in event.lines:
            units[one.line] += one.quantity
        for number, quantity in units.items():
            line = self.lines[number]
            line.shipped += quantity
            line.kept -= quantity if line.kind == "from_stock" else 0
        if event.replaces is not None:
            self.parcels[event.replaces].again -= units
        sender = event.sender.id if event.sender is not None else None
        self.parcels[event.shipment] = Parcel(units, sender, event.tracking_number)

    def _OrderDelivered(self, event: Any, now: datetime, before: list[Any]) -> None:
        parcel = self.outward[event.shipment]
        assert not parcel.delivered
        parcel.delivered, parcel.delivered_at = event.proof, now

    def _DeliveryRetracted(self, event: Any, now: datetime, before: list[Any]) -> None:
        parcel = self.outward[event.shipment]
        assert parcel.delivered == "carrier", "what people said stands"
        parcel.delivered = parcel.delivered_at = None
        if self.completed == "timer":
            self.completed = None

    def _TrackingCorrected(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.parcels[event.shipment].number = event.tracking_number

    def _ShipmentProgressed(self, event: Any, now: datetime, before: list[Any]) -> None:
        parcel = self.parcels[event.shipment]
        if event.applied and parcel.rma is not None and self.returns[parcel.rma].state == "approved":
            self.returns[parcel.rma].state = "on_its_way"

    def _OrderCompleted(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.completed = event.cause
        assert self.state == "completed", "nothing was still on its way"

    def _LinesCancelled(self, event: Any, now: datetime, before: list[Any]) -> None:
        for one in event.lines:
            line = self.lines[one.line]
            line.cancelled += one.quantity
            assert line.kind == "charge" or line.rest >= 0
        assert event.total.amount == event.net.amount + event.tax.amount

    def _PromiseRevised(self, event: Any, now: datetime, before: list[Any]) -> None:
        assert event.revision == len(self.revisions) + 1
        assert not self.over
        offered = event.compensation.amount if event.compensation is not None else ZERO
        self.revisions.append({"asked": event.answer_by is not None, "answer": None, "offered": offered})

    def _DelayAccepted(self, event: Any, now: datetime, before: list[Any]) -> None:
        assert self.open_revision is not None
        self.open_revision["answer"] = "accepted"

    def _DelayDeclined(self, event: Any, now: datetime, before: list[Any]) -> None:
        assert self.open_revision is not None
        self.open_revision["answer"] = "declined"

    def _ProblemReported(self, event: Any, now: datetime, before: list[Any]) -> None:
        lines: Counter[int] = Counter()
        for one in event.lines:
            lines[one.line] += one.quantity
        self.problems[event.problem] = {"shipment": event.shipment, "lines": lines, "how": None}

    def _ProblemResolved(self, event: Any, now: datetime, before: list[Any]) -> None:
        problem = self.problems[event.problem]
        problem["how"] = event.how
        problem["worth"] = ZERO
        if event.how == "none":
            return
        parcel = self.outward[problem["shipment"]]
        for one in event.lines:
            line = self.lines[one.line]
            parcel.taken[one.line] += one.quantity
            assert parcel.left(one.line) >= 0
            problem["worth"] += line.price * one.quantity
            if event.how == "refund":
                line.refunded += one.quantity
            else:
                line.resent += one.quantity
                parcel.again[one.line] += one.quantity

    def _PaymentRecorded(self, event: Any, now: datetime, before: list[Any]) -> None:
        amount = event.amount.amount
        self.payments[event.payment] = {"kind": event.kind, "amount": amount, "failed": ZERO, "refund": event.refund}
        of = self.payments.get(event.of) if event.of is not None else None
        match event.kind:
            case "captured":
                self.captured += amount
                if of is not None and of["kind"] == "authorised":
                    self.authorised = max(ZERO, self.authorised - amount)
            case "authorised":
                self.authorised += amount
            case "voided":
                self.authorised -= amount
            case "refunded":
                self._pay_back(event.refund, amount)
            case "refund_failed" if of is not None:
                of["failed"] += amount
                self._pay_back(of["refund"], -amount)
            case _:
                pass

    def _pay_back(self, refund: int | None, amount: Decimal) -> None:
        self.refunded += amount
        if refund is not None:
            self.refunds[refund]["paid"] += amount

    def _RefundGranted(self, event: Any, now: datetime, before: list[Any]) -> None:
        """Within the cap of its basis, and all together within what was captured."""
        amount, basis = event.amount.amount, event.basis
        by_hand = not before
        due = self.due
        charges = sum(
            (line.price * (line.wanted - line.settled) for line in self.lines.values() if line.kind == "charge"), ZERO
        )
        already = sum(
            (
                known["amount"]
                for known in self.refunds.values()
                if (known["basis"], known["refers_to"]) == (basis, event.refers_to)
            ),
            ZERO,
        )
        match basis:
            case "cancellation" | "rejection":
                assert amount <= due, f"{amount} granted, {due} due"
                if self.plain_money and not by_hand:
                    assert amount == due, f"{amount} granted, {due} due"
            case "return":
                returned = self.returns[event.refers_to]
                worth = sum((self.lines[n].price * quantity for n, quantity in returned.received.items()), ZERO)
                assert already + amount <= worth + charges, "more than came back"
            case "problem":
                assert already + amount <= self.problems[int(event.refers_to)]["worth"] + charges
            case "compensation":
                revision = self.revisions[int(event.refers_to) - 1]
                assert revision["answer"] != "declined"
                assert already + amount <= revision["offered"]
            case _:
                pass
        assert amount > 0
        self.granted += amount
        assert self.granted <= self.captured, "more granted than was captured"
        self.refunds[event.refund] = {
            "basis": basis,
            "amount": amount,
            "paid": ZERO,
            "refers_to": event.refers_to,
            "by_hand": by_hand,
        }
        for one in event.lines:
            if self.lines[one.line].kind == "charge" and basis in ("return", "problem"):
                self.lines[one.line].settled += one.quantity

    def _ReturnRequested(self, event: Any, now: datetime, before: list[Any]) -> None:
        lines: Counter[int] = Counter()
        for one in event.lines:
            lines[one.line] += one.quantity
        self.returns[event.rma] = Return("requested", lines, event.wanted)

    def _ReturnApproved(self, event: Any, now: datetime, before: list[Any]) -> None:
        known = self.returns[event.rma]
        known.state, known.send_by = "approved", event.send_by
        for one in event.lines:
            known.approved[one.line] += one.quantity

    def _ReturnRejected(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.returns[event.rma].state = "rejected"

    def _ReturnWithdrawn(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.returns[event.rma].state = "withdrawn"

    def _ReturnShipped(self, event: Any, now: datetime, before: list[Any]) -> None:
        known = self.returns[event.rma]
        if known.state == "approved":
            known.state = "on_its_way"
        self.parcels[event.shipment] = Parcel(Counter(), None, event.tracking_number, rma=event.rma)

    def _ReturnReceived(self, event: Any, now: datetime, before: list[Any]) -> None:
        for one in event.lines:
            line = self.lines[one.line]
            if event.rma is not None:
                self.returns[event.rma].state = "received"
                self.returns[event.rma].received[one.line] += one.quantity
                line.came_back += one.quantity
            else:
                self.parcels[event.shipment].came_back[one.line] += one.quantity
                line.back += one.quantity if one.condition == "resellable" else 0

    def _ReturnResolved(self, event: Any, now: datetime, before: list[Any]) -> None:
        self.returns[event.rma].state = "resolved"
        for one in event.lines:
            if one.how != "send_back":
                self.lines[one.line].settled += one.quantity

    # The shelves

    def shelve(self, sku: str, events: Iterable[Any]) -> None:
        """What happened to the stock of an item."""
        shelf = self.shelves[sku]
        for event in events:
            match type(event).__name__:
                case "StockReceived" | "StockReturned":
                    shelf.on_hand += event.quantity
                case "StockAdjusted":
                    shelf.on_hand += event.change
                case "StockReserved":
                    shelf.kept[event.reservation] = (event.order, event.line, event.quantity)
                case "StockReleased" | "StockIssued" as name:
                    of, line, quantity = shelf.kept[event.reservation]
                    assert quantity >= event.quantity
                    shelf.kept[event.reservation] = (of, line, quantity - event.quantity)
                    shelf.on_hand -= event.quantity if name == "StockIssued" else 0
                case name:
                    raise AssertionError(name)

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
