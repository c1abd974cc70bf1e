"""How an order begins: its number, and its lines as they are priced and taxed when it is placed."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from order_ledger.amounts import ToPrice, price_lines
from order_ledger.orders.commands import Place, RecordHistory
from order_ledger.orders.decisions.rules import (
    ZERO,
    Blockers,
    Context,
    blocker,
)
from order_ledger.orders.events import (
    ExchangeOf,
    OrderEvent,
    OrderLine,
    OrderPlaced,
)
from order_ledger.parties.events import TaxRule
from order_ledger.values import Address, Contact, Country, Language, Money, Zone, unsealed

__all__ = [
    "incomplete_address",
    "order_number",
    "order_placed",
    "place",
    "place_asked",
    "priced_lines",
    "record_history",
    "record_history_asked",
    "rule_of",
    "total_asked",
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
    yield from incomplete_address("ship-to", command.ship_to)
    if command.bill_to is not None:
        yield from incomplete_address("bill-to", command.bill_to)


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
    elif country is not None and rule_of(sku, country, context) is None:
        what = f"The seller has no tax rule for {sku} in {country}."
        yield blocker("tax_unknown", what, "administrator", item=sku)


def _incomplete_contact(contact: Contact) -> Blockers:
    if contact.name is None and contact.company is None:
        yield blocker("contact_incomplete", "A contact needs a name or a company.")


def incomplete_address(which: str, address: Address) -> Blockers:
    """What a parcel or a letter needs, and the address lacks."""
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
    return order_placed(
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


def order_placed(
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
    """The order with these lines, as its seller agrees to it today: number, sums, terms and promise."""
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
    listed = [(context.listings[sku], rule_of(sku, country, context)) for sku, _, _ in wanted]
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


def rule_of(sku: str, country: str, context: Context) -> TaxRule | None:
    """The seller's tax rule of today for this item in this country; None where there is none."""
    seller = context.seller
    if seller is None:
        return None
    return seller.tax_rule(country, context.listings[sku].tax_class, context.today(seller.zone))


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
