"""What becomes of goods that came back: the money, an exchange, or back to the consumer."""

from decimal import Decimal
from typing import Any

from order_ledger.orders.commands import GrantRefund, ResolveReturn
from order_ledger.orders.decisions import exchange_order
from order_ledger.orders.events import (
    CountedLine,
    ExchangeItem,
    ExchangeOf,
    LinesCancelled,
    OrderPlaced,
    PaymentRecorded,
    RefundGranted,
    ResolvedLine,
    ReturnApproved,
    ReturnLine,
    ReturnReceived,
    ReturnRequested,
    ReturnResolved,
    SentBack,
)
from order_ledger.values import Amounts, Money, Units, unsealed
from tests.examples import (
    ADA,
    ARRIVED,
    BERLIN,
    CAME_BACK,
    CONFIRMED,
    CONTACT,
    DELIVERED,
    EXCHANGE_ID,
    HAMBURG,
    ON_ITS_WAY_BACK,
    REFUND_PAYMENT,
    RMA,
    SELLER,
    SERVICE,
    TODAY,
    eur,
    line,
    paid,
    placed,
    shipped,
)
from tests.orders.streams import blocked, context, given
from tests.scenario import made

REFUND = (ResolvedLine(1, 1, "refund"),)
BOOK = Amounts(1, 1, eur("5.88"), eur("1.12"), eur("7.00"))
PAID = (*CAME_BACK, paid("21.00"))
PARCEL = SentBack("dhl", "77", "https://www.dhl.com/track?id=77")


def resolve(*lines: ResolvedLine, **changed: Any) -> ResolveReturn:
    return ResolveReturn(**{"rma": RMA, "lines": lines or REFUND, **changed})


def resolved(*lines: ResolvedLine, **changed: Any) -> ReturnResolved:
    known: dict[str, Any] = {
        "rma": RMA,
        "lines": lines or REFUND,
        "refund": None,
        "exchange_order": None,
        "sent_back": None,
    }
    return ReturnResolved(**{**known, **changed})


def refund(amount: str, *lines: Amounts) -> RefundGranted:
    return RefundGranted(refund=1, basis="return", refers_to=RMA, lines=lines, amount=eur(amount))


def exchanged(*items: ExchangeItem) -> tuple[Any, ...]:
    """Ada wants these for one of her books, which came back."""
    wanted = ReturnRequested(
        rma=RMA, lines=(ReturnLine(1, 1, "defective"),), wanted="exchange", exchange_for=items, evidence=()
    )
    approved = ReturnApproved(rma=RMA, lines=(Units(1, 1),), send_to=SELLER, send_by=TODAY, postage="seller")
    received = ReturnReceived(rma=RMA, shipment=None, lines=(CountedLine(1, 1, "scrap"),), evidence=())
    return (*ARRIVED, wanted, approved, received)


def test_refunded() -> None:
    history = given(*PAID).when(resolve(), by=SERVICE)
    history.then(resolved(refund=1), refund("7.00", BOOK)).comes_to(
        return_="resolved", refund_owed=Decimal("7.00"), total=eur("14.00"), state="delivered"
    )


def test_what_was_paid_too_much_makes_nothing_dearer() -> None:
    twice = (*PAID, paid("21.00", payment=REFUND_PAYMENT, reference="2"))
    history = given(*twice).when(resolve(), by=SERVICE).happens()
    history.comes_to(total=eur("14.00"), refund_owed=Decimal("7.00"), payment="overpaid")
    overpaid = GrantRefund(basis="cancellation", amount=eur("21.00"))
    history.when(overpaid, by=SERVICE).happens().comes_to(total=eur("14.00"), refund_owed=Decimal("28.00"))


def test_charges_of_an_overpaid_order_go_off_what_it_costs() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "FREIGHT"))
    history = given(order, *CAME_BACK[1:], paid("50.00")).when(resolve(refund_charges=True), by=SERVICE).happens()
    history.comes_to(total=eur("14.00"), refund_owed=Decimal("12.95"))


def test_charges_that_were_not_paid_go_with_what_came_back() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "FREIGHT"))
    history = given(order, *CAME_BACK[1:]).when(resolve(refund_charges=True), by=SERVICE).happens()
    gone = LinesCancelled(lines=(Units(2, 1),), net=eur("11.77"), tax=eur("2.23"), total=eur("14.00"))
    assert history.events[-1] == gone
    history.comes_to(total=eur("14.00"), refund_owed=Decimal("0"))


def test_nothing_is_refunded_that_was_not_paid() -> None:
    given(*CAME_BACK).when(resolve(), by=SERVICE).then(resolved()).comes_to(total=eur("14.00"))


def test_less_than_it_is_worth() -> None:
    less = Amounts(1, 1, eur("4.20"), eur("0.80"), eur("5.00"))
    history = given(*PAID).when(resolve(amount=eur("5.00")), by=SERVICE)
    history.then(resolved(refund=1), refund("5.00", less)).comes_to(total=eur("16.00"))


def test_charges_go_back_too_where_so_decided() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "FREIGHT"))
    history = given(order, *CAME_BACK[1:], paid("26.95")).when(resolve(refund_charges=True), by=SERVICE)
    freight = Amounts(2, 1, eur("5.00"), eur("0.95"), eur("5.95"))
    after = history.then(resolved(refund=1), refund("12.95", BOOK, freight)).comes_to(total=eur("14.00"))
    assert after.state.lines[2].refunded == 1


def test_sent_back_to_the_consumer() -> None:
    back = ResolvedLine(1, 1, "send_back")
    history = given(*PAID).when(resolve(back, sent_back=PARCEL), by=SERVICE)
    history.then(resolved(back, sent_back=PARCEL)).comes_to(total=eur("21.00"), refund_owed=Decimal("0"))


def test_exchanged_for_the_same() -> None:
    swap = ResolvedLine(1, 1, "exchange")
    history = given(*exchanged(ExchangeItem("BOOK", 1)), paid("21.00"))
    outcome = history.when(resolve(swap, exchange_order=EXCHANGE_ID), by=SERVICE, listings={})
    paid_back = PaymentRecorded(
        payment=made("exchange-refunded"),
        kind="refunded",
        amount=eur("7.00"),
        method="exchange",
        provider="ledger",
        reference=str(EXCHANGE_ID),
        of=None,
        refund=1,
        instalments=None,
        account_hint=None,
    )
    after = outcome.then(resolved(swap, refund=1, exchange_order=EXCHANGE_ID), refund("7.00", BOOK), paid_back)
    after.comes_to(refund_owed=Decimal("0.00"), payment="partly_refunded")


def test_the_exchange_is_an_order_of_its_own_and_paid() -> None:
    swap = ResolvedLine(1, 1, "exchange")
    history = given(*exchanged(ExchangeItem("BOOK", 1)), paid("21.00"))
    decided = history.when(resolve(swap, exchange_order=EXCHANGE_ID), by=SERVICE).events
    new = exchange_order(
        history.state,
        decided,
        CONTACT,
        BERLIN,
        HAMBURG,
        context(SERVICE, order_id=EXCHANGE_ID),
    )
    order, payment = new
    assert isinstance(order, OrderPlaced)
    assert order.exchange_of == ExchangeOf(history.state.id, RMA)
    assert order.consumer == ADA
    assert order.ship_to == unsealed(HAMBURG, ADA)
    assert [(one.sku, one.quantity, one.gross) for one in order.lines] == [("BOOK", 1, eur("7.00"))]
    assert order.number != history.state.number
    assert isinstance(payment, PaymentRecorded)
    assert (payment.kind, payment.amount, payment.method) == ("captured", eur("7.00"), "exchange")


def test_exchanged_for_something_cheaper_the_rest_is_owed() -> None:
    swap = ResolvedLine(1, 1, "exchange")
    history = given(*exchanged(ExchangeItem("GASKET", 1)), paid("21.00")).when(resolve(swap), by=SERVICE)
    history.happens().comes_to(refund_owed=Decimal("3.00"))
    first = history.events[0]
    assert isinstance(first, ReturnResolved)
    assert first.exchange_order == made("exchange")


def test_exchanged_for_something_dearer_all_of_it_is_used() -> None:
    swap = ResolvedLine(1, 1, "exchange")
    history = given(*exchanged(ExchangeItem("VALVE", 1)), paid("21.00")).when(resolve(swap), by=SERVICE)
    history.happens().comes_to(refund_owed=Decimal("0.00"))


def test_nothing_is_placed_where_nothing_is_exchanged() -> None:
    history = given(*PAID)
    decided = history.when(resolve(), by=SERVICE).events
    assert exchange_order(history.state, decided, CONTACT, BERLIN, BERLIN, context(SERVICE)) == ()


def test_ignored_when_retried() -> None:
    given(*PAID, resolved(refund=1), refund("7.00", BOOK)).when(resolve(), by=SERVICE).then_nothing()


def test_refused_before_anything_came_back() -> None:
    given(*ON_ITS_WAY_BACK).when(resolve(), by=SERVICE).then_refused("return_on_its_way")
    assert blocked(given(*ON_ITS_WAY_BACK), "resolve-return", SERVICE) == ["no_such_return"]


def test_refused_for_a_return_that_there_is_not() -> None:
    given(*PAID).when(resolve(rma="R9"), by=SERVICE).then_refused_for("unknown_return")


def test_refused_beyond_what_came_back() -> None:
    given(*PAID).when(resolve(ResolvedLine(1, 2, "refund")), by=SERVICE).then_refused_for("more_than_received")


def test_refused_while_it_says_nothing_of_a_part() -> None:
    order = placed(line(1, "BOOK", 3), line(2, "BOOK"))
    two = (
        order,
        CONFIRMED,
        shipped((1, 3), (2, 1), sender=None),
        DELIVERED,
        ReturnRequested(
            rma=RMA,
            lines=(ReturnLine(1, 1, "late"), ReturnLine(2, 1, "late")),
            wanted="refund",
            exchange_for=(),
            evidence=(),
        ),
        ReturnApproved(rma=RMA, lines=(Units(1, 1), Units(2, 1)), send_to=SELLER, send_by=TODAY, postage="consumer"),
        ReturnReceived(
            rma=RMA,
            shipment=None,
            lines=(CountedLine(1, 1, "resellable"), CountedLine(2, 1, "scrap")),
            evidence=(),
        ),
    )
    given(*two).when(resolve(), by=SERVICE).then_refused_for("not_all_settled")


def test_refused_to_send_back_without_a_parcel() -> None:
    given(*PAID).when(resolve(ResolvedLine(1, 1, "send_back")), by=SERVICE).then_refused_for("tracking_missing")


def test_refused_to_exchange_for_nothing() -> None:
    given(*PAID).when(resolve(ResolvedLine(1, 1, "exchange")), by=SERVICE).then_refused_for("exchange_items_missing")


def test_refused_to_exchange_for_an_item_no_longer_offered() -> None:
    swap = ResolvedLine(1, 1, "exchange")
    history = given(*exchanged(ExchangeItem("VALVE", 1)), paid("21.00"))
    history.when(resolve(swap), by=SERVICE, listings={}).then_refused("unknown_item", item="VALVE")


def test_refused_beyond_what_it_is_worth() -> None:
    given(*PAID).when(resolve(amount=eur("7.01")), by=SERVICE).then_refused_for("more_than_owed")


def test_refused_beyond_what_was_paid() -> None:
    given(*CAME_BACK, paid("5.00")).when(resolve(amount=eur("5.01")), by=SERVICE).then_refused_for("more_than_owed")


def test_refused_in_another_currency() -> None:
    dollars = resolve(amount=Money(Decimal("1.00"), "USD"))
    given(*PAID).when(dollars, by=SERVICE).then_refused_for("wrong_currency")
