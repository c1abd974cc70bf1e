"""How an order begins, and what is settled before it is made: number, lines, confirmation, and where it goes."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from msgspec.structs import replace

from order_ledger.amounts import ToPrice, part, part_of, price_lines
from order_ledger.entries import Event
from order_ledger.orders.commands import Assign, ChangeAddress, Confirm, Place, RecordHistory
from order_ledger.orders.decisions.rules import (
    BEFORE_SHIPPING,
    ZERO,
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
from order_ledger.orders.events import (
    AddressChanged,
    ExchangeItem,
    ExchangeOf,
    ManufacturerAssigned,
    OrderConfirmed,
    OrderEvent,
    OrderLine,
    OrderPlaced,
    PaymentRecorded,
    ReturnResolved,
)
from order_ledger.orders.order import Line, Order
from order_ledger.parties.events import TaxRule
from order_ledger.values import Address, Contact, Country, Language, Money, Organisation, Zone, unsealed

__all__ = [
    "ASSIGN",
    "CHANGE_ADDRESS",
    "CONFIRM",
    "exchange_lines",
    "exchange_order",
    "order_number",
    "place",
    "place_asked",
    "priced_lines",
    "record_history",
    "record_history_asked",
    "unlisted",
]

_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""What reads aloud and by eye without a doubt: no 0 and O, no 1, I and L, no U beside V."""


_PAIRS = [first + second for second in _LETTERS for first in _LETTERS]
_NUMBERS = len(_LETTERS) ** 10


def order_number(order_id: UUID, day: date) -> str:
    """An order's number, such as 261121-K7Q4M-9TXWB: the day (UTC), and 49 bits drawn from the order's id."""
    # The low 62 bits of a UUID of version 7 are random; its high ones are the time, which the day says already.
    drawn = (order_id.int & ((1 << 62) - 1)) % _NUMBERS
    text = ""
    for _ in range(5):
        drawn, pair = divmod(drawn, len(_PAIRS))
        text += _PAIRS[pair]
    return f"{day.year % 100:02}{day.month:02}{day.day:02}-{text[:5]}-{text[5:]}"


# Placing


def place_asked(command: Place, context: Context) -> Blockers:
    """What stands in the way of an order that is not there yet."""
    seller = context.seller
    if seller is None or seller.id != command.seller or "seller" not in seller.kinds:
        yield blocker("unknown_seller", "There is no such seller.", "administrator")
        return
    if _consumer(context) is None:
        yield blocker("no_consumer", "An order is a person's.")
    yield from _lines_asked(command, context)
    yield from _incomplete_contact(command.contact)
    yield from _incomplete_address("ship-to", command.ship_to)
    if command.bill_to is not None:
        yield from _incomplete_address("bill-to", command.bill_to)


def total_asked(placed: OrderPlaced, command: Place) -> Blockers:
    """What stands in the way of an order at prices that the consumer did not see."""
    if placed.total != command.expected_total:
        what = f"The total is {placed.total.amount} {placed.total.currency} now, not {command.expected_total.amount}."
        yield blocker("total_changed", what, "consumer")


def _lines_asked(command: Place, context: Context) -> Blockers:
    sellers: dict[UUID, list[str]] = {}
    goods = 0
    for number, wanted in enumerate(command.lines, 1):
        item = context.listings.get(wanted.sku)
        owner = wanted.seller or (item.seller.id if item is not None else command.seller)
        sellers.setdefault(owner, []).append(wanted.sku)
        if owner != command.seller:
            continue
        for why in unlisted(wanted.sku, command.seller, command.ship_to.country, context):
            yield blocker(why.code, why.what, line=number, item=wanted.sku)
        if item is None:
            continue
        goods += item.kind != "charge"
        if wanted.charge_for is not None:
            meant = command.lines[wanted.charge_for - 1] if wanted.charge_for <= len(command.lines) else None
            other = context.listings.get(meant.sku) if meant is not None else None
            if item.kind != "charge" or other is None or other.kind == "charge":
                what = f"Line {number} can only be a charge for a line of goods."
                yield blocker("wrong_charge", what, line=number, item=wanted.sku)
    if len(sellers) > 1:
        split = "; ".join(f"{owner}: {', '.join(skus)}" for owner, skus in sellers.items())
        yield blocker("several_sellers", f"Place one order for each seller ({split}).", "consumer")
    elif not goods and all(wanted.sku in context.listings for wanted in command.lines):
        yield blocker("no_goods", "An order has at least one line of goods.", "consumer")


def unlisted(sku: str, seller: UUID, country: str | None, context: Context) -> Blockers:
    """Why an item cannot be ordered from this seller for this country."""
    item = context.listings.get(sku)
    if item is None or item.seller.id != seller:
        yield blocker("unknown_item", f"The seller has no item {sku}.", item=sku)
    elif not item.listed:
        yield blocker("not_listed", f"{sku} is no longer offered.", item=sku)
    elif context.seller is not None and item.currency != context.seller.currency:
        what = f"{sku} is priced in {item.currency}, not in {context.seller.currency}."
        yield blocker("wrong_currency", what, "administrator", item=sku)
    elif country is not None and _rule(sku, country, context) is None:
        what = f"The seller has no tax rule for {sku} in {country}."
        yield blocker("tax_unknown", what, "administrator", item=sku)


def _incomplete_contact(contact: Contact) -> Blockers:
    if contact.name is None and contact.company is None:
        yield blocker("contact_incomplete", "A contact needs a name or a company.")


def _incomplete_address(which: str, address: Address) -> Blockers:
    missing = [part for part in ("line1", "city", "country") if getattr(address, part) is None]
    if missing:
        yield blocker("address_incomplete", f"The {which} address lacks {', '.join(missing)}.")


def _consumer(context: Context) -> UUID | None:
    return context.by.on_behalf_of or context.by.person


def place(command: Place, context: Context) -> OrderPlaced:
    """The order placed; its prices, taxes, texts, plans, terms and promise as they stand now."""
    seller, consumer, country = context.seller, _consumer(context), command.ship_to.country
    assert seller is not None and consumer is not None and country is not None, "an order without them is refused"
    lines = priced_lines(_wanted(command), country, seller.currency, context)
    bill_to = command.bill_to or command.ship_to
    return _order_placed(
        consumer=consumer,
        contact=command.contact,
        bill_to=bill_to,
        ship_to=command.ship_to,
        zone=command.zone or seller.zone,
        language=command.language or seller.language,
        lines=lines,
        context=context,
        buyer_reference=command.buyer_reference,
        purchase_order=command.purchase_order,
        basket=command.basket,
        exchange_of=None,
    )


def _order_placed(
    *,
    consumer: UUID,
    contact: Contact,
    bill_to: Address,
    ship_to: Address,
    zone: Zone,
    language: Language,
    lines: tuple[OrderLine, ...],
    context: Context,
    buyer_reference: str | None,
    purchase_order: str | None,
    basket: UUID | None,
    exchange_of: ExchangeOf | None,
) -> OrderPlaced:
    seller = context.seller
    assert seller is not None, "an order is placed with its seller"
    net, tax = sum((line.net.amount for line in lines), ZERO), sum((line.tax.amount for line in lines), ZERO)
    listed = (context.listings.get(line.sku) for line in lines if line.kind != "charge")
    days = max((item.lead_days for item in listed if item is not None), default=None)
    return OrderPlaced(
        number=order_number(context.order_id, context.today("UTC")),
        consumer=consumer,
        contact=unsealed(contact, consumer),
        bill_to=unsealed(bill_to, consumer),
        ship_to=unsealed(ship_to, consumer),
        bill_to_country=bill_to.country,
        ship_to_country=ship_to.country,
        ship_to_region=ship_to.region,
        zone=zone,
        language=language,
        seller=seller.named,
        lines=lines,
        net=Money(net, seller.currency),
        tax=Money(tax, seller.currency),
        total=Money(net + tax, seller.currency),
        terms=seller.terms,
        promised_by=context.now + timedelta(days=days) if days is not None else None,
        buyer_reference=buyer_reference,
        purchase_order=purchase_order,
        basket=basket,
        exchange_of=exchange_of,
        reference=None,
        history=False,
    )


Wanted = tuple[str, int, int | None]
"""A SKU, how many, and the line that it is a charge for."""


def _wanted(command: Place) -> list[Wanted]:
    return [(line.sku, line.quantity, line.charge_for) for line in command.lines]


def priced_lines(
    wanted: Sequence[Wanted], country: Country, currency: str, context: Context, first: int = 1
) -> tuple[OrderLine, ...]:
    """The lines as they stand today, priced and taxed for this country, numbered from `first`."""
    listed = [(context.listings[sku], _rule(sku, country, context)) for sku, _, _ in wanted]
    to_price = [
        ToPrice(item.unit_price, quantity, item.tax_included, rule.category, rule.rate)
        for (_, quantity, _), (item, rule) in zip(wanted, listed, strict=True)
        if rule is not None
    ]
    worths = price_lines(to_price, currency)
    lines = []
    for number, ((_, quantity, charge_for), (item, rule), worth) in enumerate(
        zip(wanted, listed, worths, strict=True), first
    ):
        assert rule is not None, "an item without a tax rule is refused"
        lines.append(
            OrderLine(
                line=number,
                kind=item.kind,
                item=item.id,
                sku=item.sku,
                revision=item.revision,
                description=item.description,
                quantity=quantity,
                unit=item.unit,
                unit_price=item.unit_price,
                tax_included=item.tax_included,
                discount=Money(worth.net.amount * 0, currency),
                net=worth.net,
                tax=worth.tax,
                gross=worth.gross,
                tax_category=rule.category,
                tax_rate=rule.rate,
                exemption=rule.exemption,
                seller=None,
                manufacturer=item.manufacturer,
                warehouse=item.warehouse,
                steps=item.steps,
                plan=item.plan,
                return_days=item.return_days,
                warranty_days=item.warranty_days,
                ship_by=None,
                charge_for=charge_for,
            )
        )
    return tuple(lines)


def _rule(sku: str, country: str, context: Context) -> TaxRule | None:
    seller = context.seller
    if seller is None:
        return None
    return seller.tax_rule(country, context.listings[sku].tax_class, context.today(seller.zone))


# Exchanges


def exchange_lines(order: Order, wanted: Sequence[ExchangeItem], context: Context) -> tuple[OrderLine, ...]:
    """What is sent in exchange: an item of the order at what was paid for it, any other as it is listed today."""
    lines: list[OrderLine] = []
    for item in wanted:
        known = next((line for line in order.goods if line.ordered.sku == item.sku), None)
        if known is not None and item.quantity <= known.ordered.quantity:
            lines.append(_same_again(known, item.quantity, len(lines) + 1))
        else:
            new = [(item.sku, item.quantity, None)]
            lines += priced_lines(new, order.ship_to_country or "", order.currency, context, len(lines) + 1)
    return tuple(lines)


def _same_again(line: Line, quantity: int, number: int) -> OrderLine:
    ordered = line.ordered
    worth = part_of(line.worth, ordered.quantity, 0, quantity, ordered.tax_included)
    return replace(
        ordered,
        line=number,
        quantity=quantity,
        discount=part(ordered.discount, ordered.quantity, 0, quantity),
        net=worth.net,
        tax=worth.tax,
        gross=worth.gross,
        manufacturer=line.manufacturer,
        charge_for=None,
        ship_by=None,
    )


def exchange_order(
    order: Order,
    decided: Sequence[Event],
    contact: Contact,
    bill_to: Address,
    ship_to: Address,
    context: Context,
) -> tuple[OrderEvent, ...]:
    """The new stream of an exchange: what `resolve-return` decided about this order, as an order of its own.

    Contact and addresses are the order's, opened, since they are sealed anew; `context.order_id` is the new order's.
    What the goods that came back were worth is paid already, by exchange. Nothing where nothing is exchanged.
    """
    resolved = next((event for event in decided if isinstance(event, ReturnResolved)), None)
    if resolved is None or resolved.exchange_order is None:
        return ()
    returned = order.returns[resolved.rma]
    placed = _order_placed(
        consumer=order.consumer,
        contact=contact,
        bill_to=bill_to,
        ship_to=ship_to,
        zone=order.zone,
        language=order.placed.language,
        lines=exchange_lines(order, returned.exchange_for, context),
        context=context,
        buyer_reference=order.placed.buyer_reference,
        purchase_order=order.placed.purchase_order,
        basket=None,
        exchange_of=ExchangeOf(order.id, resolved.rma),
    )
    paid = next((event for event in decided if isinstance(event, PaymentRecorded)), None)
    if paid is None:
        return (placed,)
    captured = PaymentRecorded(
        payment=context.id_for("exchange-captured"),
        kind="captured",
        amount=paid.amount,
        method="exchange",
        provider=paid.provider,
        reference=str(order.id),
        of=None,
        refund=None,
        instalments=None,
        account_hint=None,
    )
    return placed, captured


# History


def record_history_asked(command: RecordHistory) -> Blockers:
    """What an imported order lacks, or breaks."""
    placed = command.placed
    if not placed.lines:
        yield blocker("no_lines", "The source names no lines.")
        return
    sellers = {line.seller.id for line in placed.lines if line.seller is not None}
    if len(sellers) > 1:
        yield blocker("several_sellers", "The order is of several sellers.")
    if sum((line.gross.amount for line in placed.lines), ZERO) != placed.total.amount:
        yield blocker("total_differs", "The lines do not sum to the total.")


def record_history(command: RecordHistory) -> tuple[OrderEvent, ...]:
    """The order as its source has it."""
    return (command.placed,)


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
    yield from _incomplete_address("ship-to", command.ship_to)
    country = command.ship_to.country
    if country is None or country == order.ship_to_country:
        return
    for line in order.open_lines:
        sku = line.ordered.sku
        rule = _rule(sku, country, context) if sku in context.listings else None
        if rule is None or (rule.category, rule.rate) != (line.ordered.tax_category, line.ordered.tax_rate):
            what = f"The tax of line {line.line} would change: cancel, and order anew for {country}."
            yield blocker("tax_changes", what, "customer_service", line=line.line)


def _move(order: Order, command: ChangeAddress, context: Context) -> tuple[OrderEvent, ...]:
    ship_to = command.ship_to
    return (
        AddressChanged(unsealed(ship_to, order.consumer), ship_to.country, ship_to.region, command.zone or order.zone),
    )


CHANGE_ADDRESS = Rules[ChangeAddress](events=_move, standing=_movable, asked=_move_asked)
