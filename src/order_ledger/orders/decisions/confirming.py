"""What is settled before an order is made or sent: who makes it, that the seller takes it on, and where it goes."""

from order_ledger.orders.commands import Assign, ChangeAddress, Confirm
from order_ledger.orders.decisions.placing import incomplete_address, rule_of
from order_ledger.orders.decisions.rules import (
    BEFORE_SHIPPING,
    Blockers,
    Context,
    Rules,
    blocker,
    ended,
    held,
    in_the_past,
    unknown_line,
    unless_ended,
)
from order_ledger.orders.events import AddressChanged, ManufacturerAssigned, OrderConfirmed, OrderEvent
from order_ledger.orders.order import Order
from order_ledger.values import Organisation, unsealed

__all__ = ["ASSIGN", "CHANGE_ADDRESS", "CONFIRM"]


# Assigning


def _assignable(order: Order, context: Context) -> Blockers:
    if not any(line.ordered.kind == "made_to_order" and not line.runs for line in order.open_lines):
        yield blocker("nothing_to_assign", "No line made to order waits to be started.")


def _assign_asked(order: Order, command: Assign, context: Context) -> Blockers:
    maker = context.organisations.get(command.manufacturer)
    if maker is None or "manufacturer" not in maker.kinds:
        yield blocker("unknown_manufacturer", "There is no such manufacturer.", "administrator")
    for number in command.lines:
        line = order.lines.get(number)
        if line is None:
            yield unknown_line(number)
        elif line.ordered.kind != "made_to_order":
            yield blocker("not_made_to_order", f"Line {number} is not made to order.", line=number)
        elif line.runs:
            yield blocker("production_started", f"The making of line {number} was begun.", line=number)
        elif order.line_state(number) not in ("placed", "confirmed"):
            yield blocker("not_wanted", f"Line {number} does not wait to be made.", line=number)


def _assign(order: Order, command: Assign, context: Context) -> tuple[OrderEvent, ...]:
    maker = context.organisations.get(command.manufacturer)
    named = maker.named if maker is not None else Organisation(command.manufacturer, "")
    return (ManufacturerAssigned(command.lines, named),)


def _assigned(order: Order, command: Assign) -> bool:
    lines = [order.lines.get(number) for number in command.lines]
    return all(
        line is not None and line.manufacturer is not None and line.manufacturer.id == command.manufacturer
        for line in lines
    )


ASSIGN = Rules[Assign](
    events=_assign, standing=unless_ended, asked=_assign_asked, overview=_assignable, repeated=_assigned
)


# Confirming


def _confirmable(order: Order, context: Context) -> Blockers:
    yield from ended(order)
    if order.confirmed:
        yield blocker("already_confirmed", "The order is confirmed already.")
    yield from held(order)
    for line in order.open_lines:
        if line.ordered.kind == "from_stock" and line.kept + line.backordered < line.rest:
            if line.short:
                what = f"Of line {line.line}, {line.short} are short: settle it with the consumer."
                yield blocker("shortage_open", what, "customer_service", line=line.line)
            else:
                what = f"Stock is not allocated to line {line.line} yet."
                yield blocker("not_allocated", what, "ledger", "warehouse", line=line.line)
    if context.role == "ledger":
        if any(line.ordered.kind != "from_stock" for line in order.open_lines):
            yield blocker("not_from_stock", "Not all of the order comes from stock.", "ip_owner")
        if context.seller is not None and context.seller.confirm_stock_orders != "ledger":
            yield blocker("confirmed_by_hand", "The seller confirms its orders by hand.", "ip_owner")


def _confirm_asked(order: Order, command: Confirm, context: Context) -> Blockers:
    return in_the_past("A promise", command.promised_by, context)


def _confirm(order: Order, command: Confirm, context: Context) -> tuple[OrderEvent, ...]:
    return (OrderConfirmed(command.promised_by),)


CONFIRM = Rules[Confirm](
    events=_confirm,
    standing=_confirmable,
    asked=_confirm_asked,
    repeated=lambda order, command: order.confirmed and order.ended is None,
)


# Changing where it goes


def _movable(order: Order, context: Context) -> Blockers:
    state = order.state
    yield from ended(order)
    if state in ("shipping", "delivered"):
        yield blocker("already_shipped", "All of the order is shipped.")
    elif context.role == "consumer" and state in BEFORE_SHIPPING and state != "placed":
        yield blocker(
            "already_confirmed", "The order is confirmed; customer service can change it.", "customer_service"
        )


def _move_asked(order: Order, command: ChangeAddress, context: Context) -> Blockers:
    yield from incomplete_address("ship-to", command.ship_to)
    country = command.ship_to.country
    if country is None or country == order.ship_to_country:
        return
    for line in order.open_lines:
        sku = line.ordered.sku
        rule = rule_of(sku, country, context) if sku in context.listings else None
        if rule is None or (rule.category, rule.rate) != (line.ordered.tax_category, line.ordered.tax_rate):
            what = f"The tax of line {line.line} would change: cancel, and order anew for {country}."
            yield blocker("tax_changes", what, "customer_service", line=line.line)


def _move(order: Order, command: ChangeAddress, context: Context) -> tuple[OrderEvent, ...]:
    ship_to = command.ship_to
    return (
        AddressChanged(unsealed(ship_to, order.consumer), ship_to.country, ship_to.region, command.zone or order.zone),
    )


CHANGE_ADDRESS = Rules[ChangeAddress](events=_move, standing=_movable, asked=_move_asked)
