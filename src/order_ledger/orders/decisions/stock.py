"""What stock makes of an order: allocations, shortages, and what is settled about them."""

from order_ledger.amounts import Worth
from order_ledger.orders.commands import AllocateStock, FindShortage, ResolveShortage, ShortageChoice
from order_ledger.orders.decisions.ending import ends_with
from order_ledger.orders.decisions.placing import priced_lines, unlisted
from order_ledger.orders.decisions.rules import (
    BEFORE_SHIPPING,
    ZERO,
    Blockers,
    Context,
    Rules,
    blocker,
    charges_of,
    ended,
    grant,
    in_the_past,
    money_of,
    nothing_left,
    summed,
    too_many,
    unless_ended,
    worth_withdrawn,
)
from order_ledger.orders.events import (
    OrderCancelled,
    OrderEvent,
    OrderLine,
    ShortageOutcome,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
)
from order_ledger.orders.order import Order
from order_ledger.values import Units

__all__ = ["ALLOCATE_STOCK", "FIND_SHORTAGE", "RESOLVE_SHORTAGE"]


# Allocating


def _allocation_asked(order: Order, command: AllocateStock, context: Context) -> Blockers:
    new = [allocation for allocation in command.lines if not _is_known(order, allocation.line, allocation.reservation)]
    for allocation in new:
        line = order.lines.get(allocation.line)
        if line is not None and line.ordered.kind != "from_stock":
            yield blocker("not_from_stock", f"Line {line.line} does not come from stock.", line=line.line)
    yield from too_many(
        order,
        (Units(allocation.line, allocation.quantity) for allocation in new),
        lambda line: line.rest - line.kept,
        "more_than_wanted",
        "Line {line} lacks {most}, not {asked}.",
    )


def _is_known(order: Order, number: int, reservation: object) -> bool:
    line = order.lines.get(number)
    return line is not None and reservation in line.reservations


def _allocate(order: Order, command: AllocateStock, context: Context) -> tuple[OrderEvent, ...]:
    new = tuple(
        allocation for allocation in command.lines if not _is_known(order, allocation.line, allocation.reservation)
    )
    return (StockAllocated(new),)


ALLOCATE_STOCK = Rules[AllocateStock](
    events=_allocate,
    standing=unless_ended,
    asked=_allocation_asked,
    repeated=lambda order, command: all(
        _is_known(order, allocation.line, allocation.reservation) for allocation in command.lines
    ),
)


# Shortages


def _shortage_asked(order: Order, command: FindShortage, context: Context) -> Blockers:
    taken = summed(Units(allocation.line, allocation.quantity) for allocation in command.withdrawn)
    for allocation in command.withdrawn:
        if not _is_known(order, allocation.line, allocation.reservation):
            what = f"Line {allocation.line} has no reservation {allocation.reservation}."
            yield blocker("unknown_reservation", what, line=allocation.line)
    yield from too_many(
        order,
        (Units(allocation.line, allocation.quantity) for allocation in command.withdrawn),
        lambda line: line.kept,
        "more_than_kept",
        "Of line {line}, {most} are kept, not {asked}.",
    )
    yield from too_many(
        order,
        order.units(command.lines),
        lambda line: line.rest - line.shelf + taken.get(line.line, 0),
        "more_than_wanted",
        "Line {line} lacks {most}, not {asked}.",
    )


def _find(order: Order, command: FindShortage, context: Context) -> tuple[OrderEvent, ...]:
    return (StockShortageFound(max(order.shortages, default=0) + 1, command.lines, command.withdrawn),)


def _already_found(order: Order, command: FindShortage) -> bool:
    units = summed(order.units(command.lines))
    return (
        not command.withdrawn
        and bool(units)
        and all(line in order.lines and order.lines[line].short >= quantity for line, quantity in units.items())
    )


FIND_SHORTAGE = Rules[FindShortage](events=_find, standing=unless_ended, asked=_shortage_asked, repeated=_already_found)


# Resolving


def _resolvable(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    if order.state not in BEFORE_SHIPPING and order.ended is None and order.state != "completed":
        yield blocker("already_shipped", "All of the order is shipped.")
    elif not any(line.short or line.backordered for line in order.open_lines):
        yield blocker("no_shortage", "Nothing is short.")


def _resolution_asked(order: Order, command: ResolveShortage, context: Context) -> Blockers:
    if command.shortage not in order.shortages:
        yield blocker("unknown_shortage", f"The order has no shortage {command.shortage}.")
    yield from too_many(
        order,
        (Units(outcome.line, outcome.quantity) for outcome in command.outcomes),
        lambda line: line.short + line.backordered,
        "more_than_short",
        "Of line {line}, {most} are short, not {asked}.",
    )
    for outcome in command.outcomes:
        match outcome.how:
            case "backorder":
                if outcome.expected_by is None:
                    what = f"A backorder of line {outcome.line} needs the date that it is expected by."
                    yield blocker("date_required", what, line=outcome.line)
                yield from in_the_past("The date of a backorder", outcome.expected_by, context)
            case "substitute":
                if outcome.sku is None:
                    what = f"A substitute for line {outcome.line} needs its item."
                    yield blocker("item_required", what, line=outcome.line)
                else:
                    yield from unlisted(outcome.sku, order.seller.id, order.ship_to_country, context)
            case "remove":
                pass
    if command.consent.at > context.now:
        yield blocker("in_the_future", "The consumer cannot have agreed later than now.")


def _resolve(order: Order, command: ResolveShortage, context: Context) -> tuple[OrderEvent, ...]:
    gone = summed(
        Units(choice.line, choice.quantity)
        for choice in command.outcomes
        if choice.how != "backorder" and choice.line in order.lines
    )
    substitutes = _substitutes(order, command, context)
    charges = {} if substitutes else charges_of(order, gone)
    outcomes = (
        *(
            ShortageOutcome(choice.line, choice.quantity, choice.how, choice.expected_by, substitutes.get(place))
            for place, choice in enumerate(command.outcomes)
        ),
        *(ShortageOutcome(line, quantity, "remove", None, None) for line, quantity in charges.items()),
    )
    worth = worth_withdrawn(order, {**gone, **charges})
    new = [Worth(line.net, line.tax, line.gross) for line in substitutes.values()]
    net = order.net.amount - sum((line.net.amount for line in worth), ZERO) + sum((w.net.amount for w in new), ZERO)
    tax = order.tax.amount - sum((line.tax.amount for line in worth), ZERO) + sum((w.tax.amount for w in new), ZERO)
    resolved = ShortageResolved(
        shortage=command.shortage,
        outcomes=outcomes,
        consent=command.consent,
        net=money_of(order, net),
        tax=money_of(order, tax),
        total=money_of(order, net + tax),
    )
    if gone and not substitutes and nothing_left(order, gone):
        return (resolved, OrderCancelled(), *ends_with(order, "cancellation"))
    if not gone:
        return (resolved,)
    return (resolved, *grant(order, "cancellation", "", worth, order.due_back(net + tax)))


def _substitutes(order: Order, command: ResolveShortage, context: Context) -> dict[int, OrderLine]:
    """The new lines, by the place of the choice that they come from."""
    chosen: list[tuple[int, ShortageChoice]] = [
        (place, choice) for place, choice in enumerate(command.outcomes) if choice.how == "substitute"
    ]
    wanted = [(choice.sku or "", choice.quantity, None) for _, choice in chosen]
    first = max(order.lines) + 1
    lines = priced_lines(wanted, order.ship_to_country or "", order.currency, context, first) if wanted else ()
    return {place: line for (place, _), line in zip(chosen, lines, strict=True)}


RESOLVE_SHORTAGE = Rules[ResolveShortage](events=_resolve, standing=_resolvable, asked=_resolution_asked)
