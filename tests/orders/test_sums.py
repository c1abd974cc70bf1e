"""What is invoiced of an order, part by part, sums to the order to the cent."""

import random
from decimal import Decimal

import pytest

from order_ledger.orders.decisions import decide
from order_ledger.orders.decisions.rules import Context
from order_ledger.orders.events import (
    InvoiceIssued,
    OrderLine,
)
from order_ledger.orders.evolving import evolve, fold
from order_ledger.orders.order import Order
from tests.examples import (
    CONFIRMED,
    LEDGER,
    LISTINGS,
    NOW,
    ORDER_ID,
    line,
    placed,
    seller,
    shipped,
    uuid,
)
from tests.orders.streams import ORDER
from tests.orders.test_issue_invoice import issue

ZERO = Decimal(0)


def random_line(number: int, dice: random.Random) -> OrderLine:
    quantity = dice.randint(1, 5)
    price = Decimal(dice.randint(0, 5_0000)).scaleb(-4) if dice.random() < 0.5 else Decimal(dice.randint(1, 500)) / 100
    rate = Decimal(dice.choice(("0.00", "5.50", "7.00", "19.00", "25.00")))
    return line(
        number, "BOOK", quantity, unit_price=price, tax_included=dice.random() < 0.5, tax_rate=rate, tax_category="S"
    )


def dispatched(order: Order, dice: random.Random) -> Order:
    """Everything shipped in random parcels."""
    number = 0
    while left := [one for one in order.open_lines if one.rest]:
        number += 1
        units = [(one.line, dice.randint(0 if len(left) > 1 else 1, one.rest)) for one in left]
        parcel = [(of_line, quantity) for of_line, quantity in units if quantity]
        if parcel:
            event = shipped(*parcel, shipment=uuid(500 + number), number=str(number))
            order = evolve(order, ORDER.entry(event, order.version + 1))
    return order


@pytest.mark.parametrize("seed", range(4))
def test_parts_sum_to_the_order_to_the_cent(seed: int) -> None:
    """5,000 orders each: what each shipment is invoiced at, by line, is never negative and sums to the line."""
    dice = random.Random(seed)
    for _ in range(5_000):
        one = placed(*(random_line(number, dice) for number in range(1, dice.randint(1, 2) + 1)))
        order = dispatched(fold([ORDER.entry(one, 1), ORDER.entry(CONFIRMED, 2)]), dice)
        done: dict[int, int] = dict.fromkeys(order.lines, 0)
        sums: dict[int, list[Decimal]] = {number: [ZERO, ZERO, ZERO] for number in order.lines}
        for shipment in order.shipments.values():
            for number, quantity in shipment.shipped.items():
                worth = order.lines[number].worth_of(done[number], quantity)
                parts = (worth.net.amount, worth.tax.amount, worth.gross.amount)
                assert min(parts) >= 0
                assert parts[0] + parts[1] == parts[2]
                sums[number] = [before + now for before, now in zip(sums[number], parts, strict=True)]
                done[number] += quantity
        for ordered in one.lines:
            assert sums[ordered.line] == [ordered.net.amount, ordered.tax.amount, ordered.gross.amount]


def test_invoices_sum_to_the_order_to_the_cent() -> None:
    """300 orders, by the decisions themselves, in whatever order their shipments are invoiced."""
    dice = random.Random(2)
    for _ in range(300):
        one = placed(*(random_line(number, dice) for number in range(1, 3)), line(3, "FREIGHT"))
        order = dispatched(fold([ORDER.entry(one, 1), ORDER.entry(CONFIRMED, 2)]), dice)
        shipments = list(order.shipments)
        dice.shuffle(shipments)
        invoices = []
        for number, shipment in enumerate(shipments, 1):
            (invoice,) = decide(
                order,
                issue(number, shipment=shipment),
                Context(
                    now=NOW,
                    by=LEDGER,
                    command=uuid(10_000 + number),
                    order_id=ORDER_ID,
                    listings=LISTINGS,
                    seller=seller(),
                ),
            )
            assert isinstance(invoice, InvoiceIssued)
            assert invoice.net_total.amount == sum(subtotal.basis.amount for subtotal in invoice.tax)
            invoices.append(invoice)
            order = evolve(order, ORDER.entry(invoice, order.version + 1))
        assert sum(invoice.net_total.amount for invoice in invoices) == one.net.amount
        assert sum(invoice.tax_total.amount for invoice in invoices) == one.tax.amount
        assert sum(invoice.gross_total.amount for invoice in invoices) == one.total.amount
        assert order.document == "invoiced"
