"""What the decisions of an order have in common: what they may know, how they say no, and how money goes back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from msgspec import Struct

from order_ledger.amounts import Worth, split
from order_ledger.entries import By, Role
from order_ledger.items.item import Item
from order_ledger.orders.commands import Command
from order_ledger.orders.events import LinesCancelled, OrderEvent, RefundBasis, RefundGranted
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.refusals import Blocker
from order_ledger.values import Amounts, Money, Units

ZERO = Decimal(0)
BEFORE_SHIPPING = frozenset(("placed", "confirmed", "in_production", "ready_to_ship"))


class Context(Struct, frozen=True, kw_only=True):
    """What a decision may know beside the order: the time, who asks, the command's id, and the order's.

    `listings` are the items of the seller that a command names, by SKU; `seller` is the order's seller as it stands
    now; `organisations` are those that a command names, by id.
    """

    now: datetime
    by: By
    command: UUID
    order_id: UUID
    listings: Mapping[str, Item] = {}
    seller: RegisteredOrganisation | None = None
    organisations: Mapping[UUID, RegisteredOrganisation] = {}

    @property
    def role(self) -> Role:
        """The role whose rights count: customer service acting for a consumer has the consumer's, and no others."""
        return "consumer" if self.by.on_behalf_of is not None else self.by.role

    def id_for(self, label: str) -> UUID:
        """An id for something that this command makes, the same whenever it is tried again."""
        return uuid5(self.command, label)

    def today(self, zone: str) -> date:
        """The day it is now in this zone."""
        return _day(self.now, zone)


@lru_cache(256)
def _day(moment: datetime, zone: str) -> date:
    # One decision asks for its day several times for every line.
    return moment.astimezone(ZoneInfo(zone)).date()


C = TypeVar("C", bound=Command)
Blockers = Iterator[Blocker]


def nothing(*_: Any) -> Blockers:
    """No objection."""
    return iter(())


def unless_ended(order: Order, context: Context) -> Blockers:
    """Something that is done about an order that is still open."""
    return ended(order)


def never(*_: Any) -> bool:
    """A command of which a repeat cannot be told; its idempotency key does."""
    return False


class Rules(Struct, Generic[C], frozen=True, kw_only=True):
    """One command: what it makes happen, and what stands in its way.

    `standing` needs no body; `asked` looks at what is asked for; `overview` is what people see before they ask, in
    place of `asked`. Where `repeated` holds, the ledger has it already, and nothing happens.
    """

    events: Callable[[Order, C, Context], tuple[OrderEvent, ...]]
    standing: Callable[[Order, Context], Blockers] = nothing
    asked: Callable[[Order, C, Context], Blockers] = nothing
    overview: Callable[[Order, Context], Blockers] = nothing
    repeated: Callable[[Order, C], bool] = never


def blocker(code: str, what: str, *who: Role, line: int | None = None, item: str | None = None) -> Blocker:
    """One thing that stands in the way."""
    return Blocker(code, what, who, line, item)


# What many commands are refused for


def ended(order: Order) -> Blockers:
    """Nothing is left to do about an order that was rejected, cancelled, or completed."""
    state = order.state
    if state in ("rejected", "cancelled", "completed"):
        yield blocker("ended", f"The order is {state}.")


def rejected_or_cancelled(order: Order) -> Blockers:
    """An order that came to nothing."""
    state = order.state
    if state in ("rejected", "cancelled"):
        yield blocker("ended", f"The order is {state}.")


def held(order: Order) -> Blockers:
    """It waits until it is released."""
    if order.held:
        yield blocker("held", "The order is on hold.", "ip_owner", "customer_service")


def unpaid(order: Order) -> Blockers:
    """What is paid in advance is made and shipped when it is paid."""
    if order.terms.pay == "prepaid" and not order.paid_for:
        yield blocker("unpaid", "The order is to be paid in advance, and is not paid yet.", "consumer")


def unconfirmed(order: Order) -> Blockers:
    """The seller has not taken it on."""
    if not order.confirmed:
        yield blocker("not_confirmed", "The order is not confirmed.", "ip_owner")


def unknown_line(number: int) -> Blocker:
    """There is no such line."""
    return blocker("unknown_line", f"The order has no line {number}.", line=number)


def unknown_shipment(number: object) -> Blocker:
    """There is no such shipment."""
    return blocker("unknown_shipment", f"The order has no shipment {number}.")


def in_the_past(what: str, at: datetime | None, context: Context) -> Blockers:
    """A promise is about the time to come."""
    if at is not None and at <= context.now:
        yield blocker("in_the_past", f"{what} must lie ahead.")


def about_anything(command: Command, context: Context) -> Blockers:
    """What any command is refused for: a time to come, and a reason owed."""
    fields = command.__dict__
    for name in ("at", "started_at"):
        at = fields.get(name)
        if at is not None and at > context.now:
            yield blocker("in_the_future", "What happened cannot have happened later than now.")
            break
    if fields.get("reason") is None:
        code = fields.get("reason_code")
        if code == "other":
            yield blocker("reason_required", "The reason `other` is owed in words.")
        elif context.by.on_behalf_of is not None and code is None:
            yield blocker("reason_required", "Who acts for a consumer says why.")


def untraceable(carrier: str | None, number: str | None, url: str | None, context: Context | None) -> Blockers:
    """A parcel needs a carrier, a number and a link at one of the seller's tracking hosts (any, if there are none)."""
    if not carrier or not number or not url:
        yield blocker("tracking_missing", "A carrier, a tracking number and a link to follow the parcel are needed.")
        return
    hosts = context.seller.tracking_hosts if context is not None and context.seller is not None else ()
    if not url.startswith("https://"):
        yield blocker("link_not_https", "The tracking link must be an https address.")
    elif hosts:
        host = urlsplit(url).hostname or ""
        if not any(host == allowed or host.endswith(f".{allowed}") for allowed in hosts):
            what = f"{host} is none of the seller's tracking hosts ({', '.join(hosts)})."
            yield blocker("tracking_host_not_allowed", what, "administrator")


# Units and lines


def summed(units: Iterable[Units]) -> dict[int, int]:
    """Units by line; a line named twice counts once, with both."""
    total: dict[int, int] = {}
    for named in units:
        total[named.line] = total.get(named.line, 0) + named.quantity
    return total


def too_many(
    order: Order, units: Iterable[Units], at_most: Callable[[Line], int], code: str, what: str, *who: Role
) -> Blockers:
    """Lines that there are not, and lines of which more is asked than there is."""
    for number, quantity in summed(units).items():
        line = order.lines.get(number)
        if line is None:
            yield unknown_line(number)
        elif quantity > (most := at_most(line)):
            yield blocker(code, what.format(line=number, most=most, asked=quantity), *who, line=number)


# Money


def money_of(order: Order, amount: Decimal) -> Money:
    """Money in the order's currency."""
    return Money(amount, order.currency)


def amounts(line: int, quantity: int, worth: Worth) -> Amounts:
    """What so many units of a line are worth."""
    return Amounts(line, quantity, worth.net, worth.tax, worth.gross)


def gross_of(lines: Iterable[Amounts]) -> Decimal:
    """What they are worth together."""
    return sum((line.gross.amount for line in lines), ZERO)


def worth_withdrawn(order: Order, units: Mapping[int, int]) -> tuple[Amounts, ...]:
    """What units that were never shipped are worth: the last places of their lines."""
    found = []
    for number, quantity in units.items():
        line = order.lines.get(number)
        if line is None:
            continue
        start = line.ordered.quantity - line.withdrawn - quantity
        found.append(amounts(number, quantity, line.worth_of(start, quantity)))
    return tuple(found)


def worth_given_back(order: Order, units: Mapping[int, int]) -> tuple[Amounts, ...]:
    """What units that were shipped are worth: the first places of their lines that were not refunded."""
    return tuple(
        amounts(number, quantity, order.lines[number].worth_of(order.lines[number].refunded, quantity))
        for number, quantity in units.items()
        if number in order.lines
    )


def scaled(lines: tuple[Amounts, ...], amount: Money) -> tuple[Amounts, ...]:
    """The same units at less than they are worth, in proportion."""
    pieces = split(amount, [Worth(line.net, line.tax, line.gross) for line in lines])
    return tuple(amounts(line.line, line.quantity, piece) for line, piece in zip(lines, pieces, strict=True))


def charges_left(order: Order) -> dict[int, int]:
    """Units of charges that are still to be paid, by line."""
    return {
        line.line: left
        for line in order.lines.values()
        if not line.is_goods and (left := line.wanted - line.refunded) > 0
    }


def without_charges(order: Order, gone: Mapping[int, int], charges: Mapping[int, int]) -> tuple[LinesCancelled, ...]:
    """That charges go with units that are given back, where no refund says so, since nothing was paid."""
    if not charges:
        return ()
    return (lines_cancelled(order, charges, worth_given_back(order, {**gone, **charges})),)


def lines_cancelled(order: Order, units: Mapping[int, int], worth: Iterable[Amounts]) -> LinesCancelled:
    """These units cancelled, of an order that costs so much less then."""
    less = tuple(worth)
    net = max(order.net.amount - sum((line.net.amount for line in less), ZERO), ZERO)
    tax = max(order.tax.amount - sum((line.tax.amount for line in less), ZERO), ZERO)
    return LinesCancelled(
        lines=tuple(Units(line, quantity) for line, quantity in units.items()),
        net=money_of(order, net),
        tax=money_of(order, tax),
        total=money_of(order, net + tax),
    )


def charges_of(order: Order, gone: Mapping[int, int]) -> dict[int, int]:
    """The charges that go with units that are no longer wanted: those for a line of which nothing is left."""
    found = {}
    for line in order.lines.values():
        owner = order.lines.get(line.ordered.charge_for) if line.ordered.charge_for is not None else None
        if not line.is_goods and owner is not None and line.wanted > 0 and line.line not in gone:
            left = owner.wanted - gone.get(owner.line, 0)
            if left <= 0 and gone.get(owner.line):
                found[line.line] = line.wanted
    return found


def nothing_left(order: Order, gone: Mapping[int, int]) -> bool:
    """Whether the order ends with these units: nothing else of it is wanted, and nothing ever left."""
    return order.nothing_sent and all(line.wanted <= gone.get(line.line, 0) for line in order.open_lines)


def next_refund(order: Order) -> int:
    """The number of the next refund."""
    return max(order.refunds, default=0) + 1


def grant(
    order: Order, basis: RefundBasis, refers_to: str, lines: tuple[Amounts, ...], amount: Decimal
) -> tuple[RefundGranted, ...]:
    """The refund, where there is anything to refund."""
    if amount <= 0:
        return ()
    return (
        RefundGranted(
            refund=next_refund(order),
            basis=basis,
            refers_to=refers_to,
            lines=lines,
            amount=money_of(order, amount),
        ),
    )
