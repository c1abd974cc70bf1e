"""Orders of their own that are sent in exchange for what came back."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from order_ledger.amounts import part, part_of
from order_ledger.entries import Event
from order_ledger.orders.decisions.placing import order_placed, priced_lines, unlisted
from order_ledger.orders.decisions.rules import Blockers, Context
from order_ledger.orders.events import ExchangeItem, ExchangeOf, OrderEvent, OrderLine, PaymentRecorded, ReturnResolved
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order
from order_ledger.values import Address, Contact

__all__ = ["exchange_lines", "exchange_order", "unlisted_in_exchange"]


def exchange_lines(order: Order, wanted: Sequence[ExchangeItem], context: Context) -> tuple[OrderLine, ...]:
    """What is sent in exchange: an item of the order at what was paid for it, any other as it is listed today."""
    lines: list[OrderLine] = []
    for item in wanted:
        known = _ordered(order, item)
        if known is not None:
            lines.append(_same_again(known, item.quantity, len(lines) + 1))
        else:
            new = [(item.sku, item.quantity, None)]
            lines += priced_lines(new, order.ship_to_country or "", order.currency, context, len(lines) + 1)
    return tuple(lines)


def unlisted_in_exchange(order: Order, wanted: Iterable[ExchangeItem], context: Context) -> Blockers:
    """Why it cannot be sent in exchange: an item of the order always can, any other as it is listed today."""
    for item in wanted:
        if _ordered(order, item) is None:
            yield from unlisted(item.sku, order.seller.id, order.ship_to_country, context)


def _ordered(order: Order, item: ExchangeItem) -> Line | None:
    """The line of the order that this item is on, if as many were ordered."""
    known = next((line for line in order.goods if line.ordered.sku == item.sku), None)
    return known if known is not None and item.quantity <= known.ordered.quantity else None


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
    placed = order_placed(
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
