"""Amounts that add up: what lines, orders, and parts of lines are worth. Pure, exact, and never negative.

Everything is counted in whole minor units (cents, yen, fils) and rounded half up, once, where it says so. Prices have
at most 4 decimals, rates are per cent. Invoices of parts sum to the order, and credit notes to the invoices, to the
cent, because a part is the difference of two cumulative shares.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from order_ledger.values import CURRENCY_EXPONENTS, Money

__all__ = [
    "ToPrice",
    "Worth",
    "line_amounts",
    "order_totals",
    "part",
    "part_of",
    "price_lines",
    "share",
    "split",
]

_PRICE_DECIMALS = 4
_RATE_DECIMALS = 4
_WHOLE = 100 * 10**_RATE_DECIMALS
_NOTHING = Decimal(0)


class Worth(Struct, frozen=True):
    """What something is worth; gross = net + tax."""

    net: Money
    tax: Money
    gross: Money


class ToPrice(Struct, frozen=True):
    """What decides the worth of a line. `discount` is for the whole line; a rate of None is a tax that is not known."""

    unit_price: Decimal
    quantity: int
    tax_included: bool
    tax_category: str | None
    tax_rate: Decimal | None
    discount: Decimal = _NOTHING


def line_amounts(
    unit_price: Decimal,
    quantity: int,
    discount: Decimal,
    rate: Decimal | None,
    tax_included: bool,
    currency: str,
) -> Worth:
    """What a line is worth by itself.

    Tax included: gross = price × quantity − discount, tax = gross − gross / (1 + rate) rounded, net is the rest.
    Net price: net = price × quantity − discount, tax = net × rate rounded; where several lines share a category and
    a rate, `price_lines` shares the tax of their sum instead. Raises ValueError where the discount exceeds the price.
    """
    exponent = CURRENCY_EXPONENTS.get(currency, 2)
    paid = _paid(unit_price, quantity, discount, exponent)
    scaled_rate = _scaled(rate, _RATE_DECIMALS) if rate else 0
    if tax_included:
        tax = _half_up(paid * scaled_rate, _WHOLE + scaled_rate)
        return _worth(paid - tax, tax, currency, exponent)
    return _worth(paid, _half_up(paid * scaled_rate, _WHOLE), currency, exponent)


def price_lines(lines: Sequence[ToPrice], currency: str) -> tuple[Worth, ...]:
    """What each line of an order is worth, in their order.

    Lines with tax included stand by themselves. Of net-priced lines the tax of each category and rate is basis × rate,
    rounded (EN 16931 BR-CO-17), and shared among its lines by largest remainder.
    """
    exponent = CURRENCY_EXPONENTS.get(currency, 2)
    worths: list[Worth | None] = [None] * len(lines)
    together: dict[tuple[str | None, Decimal], list[tuple[int, int]]] = {}
    for place, line in enumerate(lines):
        if line.tax_included or not line.tax_rate:
            worths[place] = line_amounts(
                line.unit_price, line.quantity, line.discount, line.tax_rate, line.tax_included, currency
            )
        else:
            net = _paid(line.unit_price, line.quantity, line.discount, exponent)
            together.setdefault((line.tax_category, line.tax_rate), []).append((place, net))
    for (_, rate), nets in together.items():
        scaled_rate = _scaled(rate, _RATE_DECIMALS)
        basis = sum(net for _, net in nets)
        taxes = _largest_remainder(
            _half_up(basis * scaled_rate, _WHOLE), [net * scaled_rate for _, net in nets], _WHOLE
        )
        for (place, net), tax in zip(nets, taxes, strict=True):
            worths[place] = _worth(net, tax, currency, exponent)
    return tuple(worth for worth in worths if worth is not None)


def order_totals(lines: Iterable[Worth], currency: str) -> Worth:
    """What lines are worth together; nothing of the currency where there are none."""
    exponent = CURRENCY_EXPONENTS.get(currency, 2)
    net = tax = 0
    for line in lines:
        net += _minor(line.net)
        tax += _minor(line.tax)
    return _worth(net, tax, currency, exponent)


def share(amount: Money, quantity: int, up_to: int) -> Money:
    """What the first `up_to` of `quantity` units are worth: amount × up_to / quantity, rounded."""
    return _money(_share(_minor(amount), quantity, up_to), amount.currency)


def part(amount: Money, quantity: int, done: int, now: int) -> Money:
    """What the next `now` units are worth after `done` of them: share(done + now) − share(done)."""
    whole = _minor(amount)
    return _money(_share(whole, quantity, done + now) - _share(whole, quantity, done), amount.currency)


def part_of(line: Worth, quantity: int, done: int, now: int, tax_included: bool) -> Worth:
    """What the next `now` units of a line are worth after `done` of them; gross = net + tax, and never negative.

    What the price was agreed in is shared by the unit: with tax included the gross, whose tax follows in proportion;
    otherwise the net and the tax, each by itself. (Sharing all three by themselves breaks gross = net + tax, and
    taking one as the difference of the others can turn negative.)
    """
    net, tax = _minor(line.net), _minor(line.tax)
    if tax_included:
        before, after = (_share(net + tax, quantity, up_to) for up_to in (done, done + now))
        tax_now = _tax_within(after, net, tax) - _tax_within(before, net, tax)
        net_now = after - before - tax_now
    else:
        net_now = _share(net, quantity, done + now) - _share(net, quantity, done)
        tax_now = _share(tax, quantity, done + now) - _share(tax, quantity, done)
    return _worth(net_now, tax_now, line.net.currency, CURRENCY_EXPONENTS.get(line.net.currency, 2))


def split(amount: Money, lines: Sequence[Worth], credited: Sequence[Money] | None = None) -> tuple[Worth, ...]:
    """A gross amount, such as a compensation, spread over lines in proportion to what is left of each.

    `credited` is the gross that earlier splits took from each line. By largest remainder, and never more from a line
    than is left of it; the tax of each piece follows the line's, so that pieces that use up a line use up its tax.
    Raises ValueError where the amount exceeds what is left of all lines.
    """
    taken = [_minor(gross) for gross in credited] if credited is not None else [0] * len(lines)
    left = [_minor(line.gross) - before for line, before in zip(lines, taken, strict=True)]
    wanted, available = _minor(amount), sum(left)
    if wanted > available or min(left, default=0) < 0:
        raise ValueError("more than the lines are worth")
    pieces = _largest_remainder(wanted, [wanted * rest for rest in left], available or 1)
    exponent = CURRENCY_EXPONENTS.get(amount.currency, 2)
    worths = []
    for line, before, piece in zip(lines, taken, pieces, strict=True):
        net, tax = _minor(line.net), _minor(line.tax)
        tax_now = _tax_within(before + piece, net, tax) - _tax_within(before, net, tax)
        worths.append(_worth(piece - tax_now, tax_now, amount.currency, exponent))
    return tuple(worths)


def _paid(unit_price: Decimal, quantity: int, discount: Decimal, exponent: int) -> int:
    price = _half_up(_scaled(unit_price, _PRICE_DECIMALS) * quantity, int(10 ** (_PRICE_DECIMALS - exponent)))
    paid = price - (_scaled(discount, exponent) if discount else 0)
    if paid < 0:
        raise ValueError("the discount exceeds the price")
    return paid


def _tax_within(gross: int, net: int, tax: int) -> int:
    """The tax in the first `gross` of a line. It grows by 0 or 1 with each minor unit, hence so does the net."""
    return _half_up(tax * gross, net + tax) if net + tax else 0


def _share(amount: int, quantity: int, up_to: int) -> int:
    assert 0 <= up_to <= quantity, "a share is of units that there are"
    return _half_up(amount * up_to, quantity) if up_to else 0


def _largest_remainder(total: int, numerators: Sequence[int], denominator: int) -> list[int]:
    """Whole shares that sum to the total, each its exact share rounded down or up; of equal remainders the first."""
    shares, remainders = [], []
    for numerator in numerators:
        whole, remainder = divmod(numerator, denominator)
        shares.append(whole)
        remainders.append(remainder)
    missing = total - sum(shares)
    if missing:
        for place in sorted(range(len(shares)), key=lambda place: -remainders[place])[:missing]:
            shares[place] += 1
    return shares


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _scaled(value: Decimal, decimals: int) -> int:
    scaled = value.scaleb(decimals)
    whole = int(scaled)
    if whole != scaled:
        raise ValueError(f"{value} has more than {decimals} decimals")
    return whole


def _minor(amount: Money) -> int:
    return int(amount.amount.scaleb(CURRENCY_EXPONENTS.get(amount.currency, 2)))


def _money(minor: int, currency: str) -> Money:
    return Money(Decimal(minor).scaleb(-CURRENCY_EXPONENTS.get(currency, 2)), currency)


def _worth(net: int, tax: int, currency: str, exponent: int) -> Worth:
    return Worth(
        Money(Decimal(net).scaleb(-exponent), currency),
        Money(Decimal(tax).scaleb(-exponent), currency),
        Money(Decimal(net + tax).scaleb(-exponent), currency),
    )
