"""Amounts add up to the cent: parts to the whole, taxes to the tax of the sum, net and tax to gross."""

import random
from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_ledger.amounts import (
    ToPrice,
    Worth,
    line_amounts,
    order_totals,
    part,
    part_of,
    price_lines,
    share,
    split,
)
from order_ledger.values import CURRENCY_EXPONENTS, Money, money

CURRENCIES = ("EUR", "JPY", "KWD")
RATES = ("0", "5.50", "7.00", "19.00", "20.00", "33.33", "100")


def minor_unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(-CURRENCY_EXPONENTS.get(currency, 2))


def rounded(exact: Fraction, currency: str) -> Decimal:
    """Half up by way of a decimal with digits to spare: another road than the one under test."""
    places = CURRENCY_EXPONENTS.get(currency, 2)
    whole, rest = divmod(exact * 10**places, 1)
    return Decimal(int(whole) + (1 if rest >= Fraction(1, 2) else 0)).scaleb(-places)


def holds(worth: Worth) -> None:
    assert worth.gross.amount == worth.net.amount + worth.tax.amount
    assert min(worth.net.amount, worth.tax.amount) >= 0
    for amount in (worth.net, worth.tax, worth.gross):
        assert Money.checked(amount=amount.amount, currency=amount.currency) == amount


def total(amounts: Sequence[Money]) -> Decimal:
    return sum((amount.amount for amount in amounts), Decimal(0))


currencies = st.sampled_from(CURRENCIES)
prices = st.integers(0, 60_000).map(lambda units: Decimal(units).scaleb(-4)) | st.integers(0, 900).map(
    lambda units: Decimal(units).scaleb(-2)
)
rates = st.sampled_from(RATES).map(Decimal)


@st.composite
def lines_to_price(draw: st.DrawFn, currency: str, tax_included: bool | None = None) -> ToPrice:
    price, quantity = draw(prices), draw(st.integers(1, 6))
    price_of_all = (price * quantity).quantize(minor_unit(currency), rounding=ROUND_HALF_UP)
    discount = draw(st.integers(0, int(price_of_all / minor_unit(currency)))) * minor_unit(currency)
    return ToPrice(
        unit_price=price,
        quantity=quantity,
        discount=discount,
        tax_included=draw(st.booleans()) if tax_included is None else tax_included,
        tax_category=draw(st.sampled_from(("S", "AA", None))),
        tax_rate=draw(rates | st.none()),
    )


@st.composite
def orders(draw: st.DrawFn, tax_included: bool | None = None) -> tuple[str, list[ToPrice]]:
    currency = draw(currencies)
    return currency, draw(st.lists(lines_to_price(currency, tax_included), min_size=1, max_size=6))


@pytest.mark.parametrize(
    ("price", "quantity", "discount", "rate", "included", "currency", "expected"),
    [
        ("119.00", 1, "0", "19.00", True, "EUR", ("100.00", "19.00", "119.00")),
        ("9.99", 3, "0", "19.00", True, "EUR", ("25.18", "4.79", "29.97")),
        ("9.99", 3, "0.97", "19.00", True, "EUR", ("24.37", "4.63", "29.00")),
        ("10.00", 3, "0", "19.00", False, "EUR", ("30.00", "5.70", "35.70")),
        ("0.0050", 1, "0", "0.00", False, "EUR", ("0.01", "0.00", "0.01")),
        ("0.0049", 1, "0", "0.00", False, "EUR", ("0.00", "0.00", "0.00")),
        ("110", 1, "0", "10.00", True, "JPY", ("100", "10", "110")),
        ("15", 1, "0", "10.00", False, "JPY", ("15", "2", "17")),
        ("1.2345", 2, "0", "5.00", False, "KWD", ("2.469", "0.123", "2.592")),
        ("58.90", 1, "0", None, True, "BRL", ("58.90", "0.00", "58.90")),
        ("999999999.9999", 999_999_999, "0", "19.00", False, "EUR", None),
    ],
)
def test_a_line(
    price: str,
    quantity: int,
    discount: str,
    rate: str | None,
    included: bool,
    currency: str,
    expected: tuple[str, str, str] | None,
) -> None:
    worth = line_amounts(
        Decimal(price), quantity, Decimal(discount), None if rate is None else Decimal(rate), included, currency
    )
    holds(worth)
    if expected is None:
        assert worth.net.amount == rounded(Fraction(price) * quantity, currency)
    else:
        assert tuple(str(amount.amount) for amount in (worth.net, worth.tax, worth.gross)) == expected


def test_a_discount_above_the_price_is_refused() -> None:
    with pytest.raises(ValueError, match="discount"):
        line_amounts(Decimal("1.00"), 2, Decimal("2.01"), None, True, "EUR")


def test_a_price_of_more_than_four_decimals_is_refused() -> None:
    with pytest.raises(ValueError, match="4 decimals"):
        line_amounts(Decimal("1.00001"), 2, Decimal(0), None, True, "EUR")


@given(orders())
def test_net_is_price_by_quantity_less_discount_and_gross_is_net_and_tax(order: tuple[str, list[ToPrice]]) -> None:
    currency, lines = order
    worths = price_lines(lines, currency)
    assert len(worths) == len(lines)
    for line, worth in zip(lines, worths, strict=True):
        holds(worth)
        agreed = worth.gross if line.tax_included else worth.net
        paid = rounded(Fraction(line.unit_price) * line.quantity, currency) - line.discount
        assert agreed.amount == paid
        if line.tax_included:
            rate = Fraction(line.tax_rate or 0) / 100
            assert worth.tax.amount == rounded(Fraction(paid) - Fraction(paid) / (1 + rate), currency)


@given(orders(tax_included=False))
def test_the_tax_of_net_prices_is_the_tax_of_their_sum(order: tuple[str, list[ToPrice]]) -> None:
    currency, lines = order
    worths = price_lines(lines, currency)
    basis: defaultdict[tuple[str | None, Decimal], Decimal] = defaultdict(Decimal)
    shared: defaultdict[tuple[str | None, Decimal], Decimal] = defaultdict(Decimal)
    for line, worth in zip(lines, worths, strict=True):
        rate = line.tax_rate or Decimal(0)
        basis[line.tax_category, rate] += worth.net.amount
        shared[line.tax_category, rate] += worth.tax.amount
        exact = Fraction(worth.net.amount) * Fraction(rate) / 100
        assert abs(Fraction(worth.tax.amount) - exact) < Fraction(minor_unit(currency))
    assert shared == {key: rounded(Fraction(net) * Fraction(key[1]) / 100, currency) for key, net in basis.items()}


def test_of_equal_remainders_the_first_line_takes_the_cent() -> None:
    line = ToPrice(Decimal("0.50"), 1, False, "S", Decimal("7.00"))
    assert [str(worth.tax.amount) for worth in price_lines([line, line, line], "EUR")] == ["0.04", "0.04", "0.03"]


@given(orders())
def test_an_order_is_the_sum_of_its_lines(order: tuple[str, list[ToPrice]]) -> None:
    currency, lines = order
    worths = price_lines(lines, currency)
    totals = order_totals(worths, currency)
    holds(totals)
    assert totals.net.amount == total([worth.net for worth in worths])
    assert totals.gross.amount == total([worth.gross for worth in worths])


def test_an_order_without_lines_is_worth_nothing() -> None:
    assert order_totals((), "KWD") == Worth(money(0, "KWD"), money(0, "KWD"), money(0, "KWD"))


@given(st.integers(0, 40), st.integers(1, 12), currencies, st.data())
def test_a_share_is_the_amount_by_the_unit_rounded_half_up(
    units: int, quantity: int, currency: str, data: st.DataObject
) -> None:
    amount = Money(units * minor_unit(currency), currency)
    up_to = data.draw(st.integers(0, quantity))
    assert share(amount, quantity, up_to).amount == rounded(Fraction(amount.amount) * up_to / quantity, currency)


@given(st.integers(0, 40), st.lists(st.integers(1, 4), min_size=1, max_size=6), currencies)
def test_parts_sum_to_the_whole(units: int, parts: list[int], currency: str) -> None:
    amount = Money(units * minor_unit(currency), currency)
    pieces = [part(amount, sum(parts), sum(parts[:place]), now) for place, now in enumerate(parts)]
    assert total(pieces) == amount.amount
    assert min(piece.amount for piece in pieces) >= 0


@given(
    st.integers(0, 20),
    st.integers(0, 20),
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    currencies,
    st.booleans(),
)
def test_parts_of_a_line_sum_to_the_line_and_are_never_negative(
    net: int, tax: int, parts: list[int], currency: str, tax_included: bool
) -> None:
    unit = minor_unit(currency)
    line = Worth(Money(net * unit, currency), Money(tax * unit, currency), Money((net + tax) * unit, currency))
    quantity = sum(parts)
    pieces = [part_of(line, quantity, sum(parts[:place]), now, tax_included) for place, now in enumerate(parts)]
    for piece in pieces:
        holds(piece)
    assert order_totals(pieces, currency) == line
    done = 0
    for piece, now in zip(pieces, parts, strict=True):
        agreed = "gross" if tax_included else "net"
        assert getattr(piece, agreed) == part(getattr(line, agreed), quantity, done, now)
        done += now


def test_a_unit_of_a_price_with_tax_included_costs_the_price() -> None:
    line = line_amounts(Decimal("15.00"), 2, Decimal(0), Decimal("19.93"), True, "EUR")
    assert [part_of(line, 2, done, 1, True).gross for done in (0, 1)] == [money("15.00", "EUR")] * 2


def test_more_units_than_the_line_has_are_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        part(money("1.00", "EUR"), 3, 2, 2)


@st.composite
def compensations(draw: st.DrawFn) -> tuple[str, list[Worth], list[int]]:
    currency = draw(currencies)
    unit = minor_unit(currency)
    lines = [
        Worth(Money(net * unit, currency), Money(tax * unit, currency), Money((net + tax) * unit, currency))
        for net, tax in draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=4))
    ]
    left, pieces = int(total([line.gross for line in lines]) / unit), []
    while left:
        pieces.append(draw(st.integers(1, left)))
        left -= pieces[-1]
    return currency, lines, pieces


@given(compensations())
def test_compensations_spread_over_lines_sum_to_what_was_granted_and_then_to_the_lines(
    case: tuple[str, list[Worth], list[int]],
) -> None:
    currency, lines, pieces = case
    zero = money(0, currency)
    credited = [Worth(zero, zero, zero) for _ in lines]
    for units in pieces:
        amount = Money(units * minor_unit(currency), currency)
        spread = split(amount, lines, [worth.gross for worth in credited])
        assert order_totals(spread, currency).gross == amount
        for worth in spread:
            holds(worth)
        credited = [order_totals(pair, currency) for pair in zip(credited, spread, strict=True)]
        for line, so_far in zip(lines, credited, strict=True):
            assert so_far.gross.amount <= line.gross.amount
    assert credited == lines


def test_a_compensation_is_spread_in_proportion() -> None:
    lines = [line_amounts(Decimal(price), 1, Decimal(0), Decimal("19.00"), True, "EUR") for price in ("30", "60", "10")]
    assert [str(worth.gross.amount) for worth in split(money("10.01", "EUR"), lines)] == ["3.00", "6.01", "1.00"]


def test_more_than_the_lines_are_worth_cannot_be_spread() -> None:
    line = line_amounts(Decimal("1.00"), 1, Decimal(0), None, True, "EUR")
    with pytest.raises(ValueError, match="more than"):
        split(money("1.01", "EUR"), [line])
    with pytest.raises(ValueError, match="more than"):
        split(money("0.51", "EUR"), [line], [money("0.50", "EUR")])


def test_twenty_thousand_orders() -> None:
    chance = random.Random(20_000)
    for _ in range(20_000):
        currency = chance.choice(CURRENCIES)
        lines = [
            ToPrice(
                Decimal(chance.randrange(10_000_000)).scaleb(-4),
                chance.randint(1, 9),
                chance.random() < 0.5,
                "S",
                Decimal(chance.choice(RATES)),
            )
            for _ in range(chance.randint(1, 4))
        ]
        worths = price_lines(lines, currency)
        totals = order_totals(worths, currency)
        assert totals.gross.amount == total([worth.gross for worth in worths])
        for line, worth in zip(lines, worths, strict=True):
            cut = chance.randint(0, line.quantity)
            first = part_of(worth, line.quantity, 0, cut, line.tax_included)
            rest = part_of(worth, line.quantity, cut, line.quantity - cut, line.tax_included)
            assert order_totals((first, rest), currency) == worth
            assert min(first.net.amount, first.tax.amount, rest.net.amount, rest.tax.amount) >= 0
