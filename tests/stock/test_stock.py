"""What a stock's commands come to, outcome by outcome, and what holds whatever happens."""

from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import ValidationError

from order_ledger.refusals import Refused
from order_ledger.stock.commands import STOCK_COMMANDS, AdjustStock, Issue, ReceiveStock, Release, Reserve, Restock
from order_ledger.stock.decisions import Context, decide
from order_ledger.stock.events import (
    StockAdjusted,
    StockIssued,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
)
from order_ledger.stock.stock import Reservation, Stock, evolve, reservation_key
from tests.examples import LEDGER, NOW
from tests.scenario import Stream, command_id

SHELF = UUID("0198c1c9-0000-5000-8000-000000000001")
STOCK = Stream("stock", SHELF, evolve, decide, Context, stream=SHELF)
given = STOCK.given

ORDER, SHIPMENT = UUID(int=10), UUID(int=20)
FIRST, SECOND, THIRD = UUID(int=31), UUID(int=32), UUID(int=33)


def received(quantity: int) -> StockReceived:
    return StockReceived(quantity, "DN-1")


def reserved(reservation: UUID, quantity: int) -> StockReserved:
    return StockReserved(reservation, ORDER, 1, quantity)


def reserve(reservation: UUID, quantity: int) -> Reserve:
    return Reserve(reservation=reservation, order=ORDER, line=1, quantity=quantity)


def release(reservation: UUID, quantity: int) -> Release:
    return Release(reservation=reservation, quantity=quantity, cause="cancelled")


def issue(reservation: UUID, quantity: int, shipment: UUID = SHIPMENT) -> Issue:
    return Issue(reservation=reservation, shipment=shipment, quantity=quantity)


def restock(quantity: int, condition: Literal["resellable", "repairable", "scrap"] = "resellable") -> Restock:
    return Restock(order=ORDER, rma="RMA-1", line=1, quantity=quantity, condition=condition)


def count(counted: int) -> AdjustStock:
    return AdjustStock(counted=counted, reason_code="count")


def lost(quantity: int) -> AdjustStock:
    return AdjustStock(change=-quantity, reason_code="loss")


def test_received() -> None:
    given().when(ReceiveStock(quantity=5, reference="DN-1")).then(received(5))


def test_received_again_is_more() -> None:
    given(received(5)).when(ReceiveStock(quantity=5, reference="DN-1")).then(received(5))


@pytest.mark.parametrize("command", [ReceiveStock(quantity=5, reference="DN-1"), count(5), lost(1)])
def test_ignored_when_the_same_command_is_retried(command: ReceiveStock | AdjustStock) -> None:
    given(received(5)).when(command, command=command_id(1)).then_nothing()


def test_counted_as_recorded() -> None:
    given(received(5)).when(count(5)).then(StockAdjusted(0, 5, "count"))


def test_counted_more() -> None:
    given(received(5)).when(count(7)).then(StockAdjusted(2, 7, "count"))


def test_counted_before_anything_was_received() -> None:
    given().when(count(3)).then(StockAdjusted(3, 3, "count"))


def test_counted_less_than_is_kept_releases_the_newest_first() -> None:
    history = (received(9), reserved(FIRST, 3), reserved(SECOND, 2), reserved(THIRD, 2))
    given(*history).when(count(4)).then(
        StockAdjusted(-5, 4, "count"), StockReleased(THIRD, 2, "counted"), StockReleased(SECOND, 1, "counted")
    )


def test_counted_as_much_as_is_kept_releases_nothing() -> None:
    given(received(9), reserved(FIRST, 3)).when(count(3)).then(StockAdjusted(-6, 3, "count"))


def test_counted_nothing_releases_everything() -> None:
    given(received(3), reserved(FIRST, 1), reserved(SECOND, 2)).when(count(0)).then(
        StockAdjusted(-3, 0, "count"), StockReleased(SECOND, 2, "counted"), StockReleased(FIRST, 1, "counted")
    )


def test_a_reservation_partly_released_keeps_its_place() -> None:
    history = (received(5), reserved(FIRST, 3), reserved(SECOND, 2), StockReleased(FIRST, 1, "cancelled"))
    given(*history).when(count(3)).then(StockAdjusted(-2, 3, "count"), StockReleased(SECOND, 1, "counted"))


def test_lost_units_are_released_too() -> None:
    given(received(3), reserved(FIRST, 3)).when(lost(1)).then(
        StockAdjusted(-1, None, "loss"), StockReleased(FIRST, 1, "counted")
    )


def test_losing_more_than_there_is_refused() -> None:
    given(received(3)).when(lost(4)).then_refused_for("below_zero", saying="Only 3 are on hand", who=("warehouse",))


def test_losing_all_there_is() -> None:
    given(received(3)).when(lost(3)).then(StockAdjusted(-3, None, "loss"))


def test_reserved() -> None:
    given(received(5)).when(reserve(FIRST, 5)).then(reserved(FIRST, 5))


def test_reservation_refused_when_short() -> None:
    given(received(5), reserved(FIRST, 3)).when(reserve(SECOND, 4)).then_refused_for(
        "short", saying="2 of 4 units are missing", who=("customer_service", "warehouse")
    )


def test_reservation_refused_when_nothing_was_ever_received() -> None:
    given().when(reserve(FIRST, 2)).then_refused_for("short", saying="2 of 2 units are missing")


@pytest.mark.parametrize(
    "since",
    [
        (),
        (StockReleased(FIRST, 3, "cancelled"),),
        (StockIssued(FIRST, SHIPMENT, 3),),
        (StockReleased(FIRST, 1, "counted"), StockIssued(FIRST, SHIPMENT, 2)),
    ],
    ids=["kept", "released", "issued", "both"],
)
def test_reservation_ignored_when_retried(since: tuple[StockReleased | StockIssued, ...]) -> None:
    given(received(9), reserved(FIRST, 3), *since).when(reserve(FIRST, 3)).then_nothing()


def test_released() -> None:
    given(received(5), reserved(FIRST, 3)).when(release(FIRST, 2)).then(StockReleased(FIRST, 2, "cancelled"))


def test_released_as_many_as_are_still_kept() -> None:
    history = (received(5), reserved(FIRST, 3), StockReleased(FIRST, 1, "counted"))
    given(*history).when(release(FIRST, 3)).then(StockReleased(FIRST, 2, "cancelled"))


def test_release_ignored_when_nothing_is_kept() -> None:
    history = (received(5), reserved(FIRST, 3), StockReleased(FIRST, 3, "counted"))
    given(*history).when(release(FIRST, 3)).then_nothing()


def test_release_of_a_part_ignored_when_the_same_command_is_retried() -> None:
    history = (received(5), reserved(FIRST, 3), StockReleased(FIRST, 1, "cancelled"))
    given(*history).when(release(FIRST, 1), command=command_id(3)).then_nothing()
    given(*history).when(release(FIRST, 1)).then(StockReleased(FIRST, 1, "cancelled"))


def test_release_refused_when_never_reserved() -> None:
    given(received(5)).when(release(FIRST, 3)).then_refused_for("no_such_reservation", who=("ledger",))


def test_issued() -> None:
    given(received(5), reserved(FIRST, 3)).when(issue(FIRST, 3)).then(StockIssued(FIRST, SHIPMENT, 3))


def test_issued_in_parts() -> None:
    history = (received(5), reserved(FIRST, 3), StockIssued(FIRST, SHIPMENT, 2))
    given(*history).when(issue(FIRST, 1, UUID(int=21))).then(StockIssued(FIRST, UUID(int=21), 1))


def test_issue_ignored_when_retried() -> None:
    given(received(5), reserved(FIRST, 4), StockIssued(FIRST, SHIPMENT, 2)).when(issue(FIRST, 2)).then_nothing()


@pytest.mark.parametrize(
    ("history", "saying"),
    [
        ((), "3 of 3"),
        ((reserved(FIRST, 2),), "1 of 3"),
        ((reserved(FIRST, 3), StockReleased(FIRST, 1, "counted")), "1 of 3"),
        ((reserved(SECOND, 5),), "3 of 3"),
    ],
    ids=["never reserved", "fewer reserved", "lost to a count", "kept for another"],
)
def test_issue_refused_without_the_reservation(history: tuple[Any, ...], saying: str) -> None:
    given(received(5), *history).when(issue(FIRST, 3)).then_refused_for(
        "not_reserved", saying=f"{saying} units are not reserved", who=("customer_service", "warehouse")
    )


def test_restocked_under_a_return() -> None:
    given().when(restock(2)).then(StockReturned(ORDER, "RMA-1", None, 1, 2))


def test_restocked_undelivered() -> None:
    command = Restock(order=ORDER, shipment=SHIPMENT, line=1, quantity=2, condition="resellable")
    given().when(command).then(StockReturned(ORDER, None, SHIPMENT, 1, 2))


def test_restocking_ignored_when_retried() -> None:
    given(StockReturned(ORDER, "RMA-1", None, 1, 2)).when(restock(2)).then_nothing()


def test_restocked_by_a_later_parcel_only_what_is_more() -> None:
    history = (StockReturned(ORDER, "RMA-1", None, 1, 2), StockReturned(ORDER, "RMA-1", None, 1, 1))
    given(*history).when(restock(4)).then(StockReturned(ORDER, "RMA-1", None, 1, 1))


def test_another_return_is_counted_for_itself() -> None:
    history = (StockReturned(ORDER, "RMA-2", None, 1, 2), StockReturned(ORDER, "RMA-1", None, 2, 2))
    given(*history).when(restock(2)).then(StockReturned(ORDER, "RMA-1", None, 1, 2))


@pytest.mark.parametrize("condition", ["repairable", "scrap"])
def test_restocking_refused_unless_resellable(condition: Literal["repairable", "scrap"]) -> None:
    given().when(restock(2, condition)).then_refused_for("not_resellable", saying=condition, who=("warehouse",))


def test_what_a_history_comes_to() -> None:
    given(
        received(9),
        reserved(FIRST, 3),
        reserved(SECOND, 4),
        StockReleased(FIRST, 1, "cancelled"),
        StockIssued(SECOND, SHIPMENT, 4),
        StockReturned(ORDER, "RMA-1", None, 1, 2),
        StockAdjusted(-1, None, "damage"),
    ).comes_to(id=STOCK.id, on_hand=6, reserved=2, available=4, reservations={FIRST: Reservation(FIRST, ORDER, 1, 2)})


@pytest.mark.parametrize(
    "event",
    [
        received(9),
        reserved(FIRST, 3),
        StockReleased(FIRST, 1, "counted"),
        StockIssued(FIRST, SHIPMENT, 2),
        StockReturned(ORDER, None, SHIPMENT, 1, 2),
        StockAdjusted(-1, None, "damage"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_is_read_as_it_was_written(event: Any) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event


def test_what_was_done_is_remembered_cheaply_and_for_ever() -> None:
    stock: Stock | None = None
    for number in range(1, 1001):
        stock = evolve(stock, STOCK.entry(received(1), 2 * number))
        stock = evolve(stock, STOCK.entry(reserved(UUID(int=number), 1), 2 * number + 1))
    assert stock is not None
    assert all(stock.done(reservation_key(UUID(int=number))) for number in range(1, 1001))
    assert not stock.done(reservation_key(UUID(int=1001)))
    assert len(stock.seen) <= 11, "as many dicts as the count has binary digits"


@pytest.mark.parametrize("command", STOCK_COMMANDS, ids=lambda command: command.name)
def test_the_example_of_a_command_is_one(command: type[Any]) -> None:
    (example,) = command.model_json_schema()["examples"]
    assert command.model_validate_json(command.model_validate(example).model_dump_json()) == command(**example)


@pytest.mark.parametrize(
    ("command", "body", "code"),
    [
        (AdjustStock, {"reason_code": "count"}, "counted_or_change"),
        (AdjustStock, {"reason_code": "count", "counted": 1, "change": 1}, "counted_or_change"),
        (AdjustStock, {"reason_code": "loss", "change": 0}, "no_change"),
        (AdjustStock, {"reason_code": "count", "change": 1}, "count_without_counted"),
        (AdjustStock, {"reason_code": "theft", "change": 1}, "literal_error"),
        (AdjustStock, {"reason_code": "count", "counted": -1}, "greater_than_equal"),
        (ReceiveStock, {"quantity": 0, "reference": "DN-1"}, "greater_than_equal"),
        (ReceiveStock, {"quantity": 1, "reference": "DN-1", "colour": "red"}, "extra_forbidden"),
        (
            Restock,
            {"order": ORDER, "line": 1, "quantity": 1, "condition": "resellable"},
            "rma_or_shipment",
        ),
        (
            Restock,
            {"order": ORDER, "rma": "R", "shipment": SHIPMENT, "line": 1, "quantity": 1, "condition": "resellable"},
            "rma_or_shipment",
        ),
    ],
)
def test_a_malformed_command_is_none(command: type[Any], body: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as invalid:
        command.model_validate(body)
    assert [error["type"] for error in invalid.value.errors()] == [code]


class AnyCommands(RuleBasedStateMachine):
    """Commands at random, beside a plain model of the shelf: units that there are, and units kept per reservation."""

    def __init__(self) -> None:
        super().__init__()
        self.stock: Stock | None = None
        self.version = 0
        self.on_hand = 0
        self.kept: dict[UUID, int] = {}
        self.returned = 0

    def tried(self, command: Any) -> bool:
        """Whether the command was accepted; what it made happen has happened, and a retry makes nothing more."""
        self.version += 1
        context = Context(now=NOW, by=LEDGER, command=uuid5(UUID(int=1), str(self.version)), stream=STOCK.id)
        try:
            events = decide(self.stock, command, context)
        except Refused:
            return False
        for event in events:
            self.stock = evolve(self.stock, STOCK.entry(event, self.version, context.command))
        assert decide(self.stock, command, context) == (), "a retry yields nothing"
        return True

    @rule(quantity=st.integers(1, 4))
    def receive(self, quantity: int) -> None:
        assert self.tried(ReceiveStock(quantity=quantity, reference="DN"))
        self.on_hand += quantity

    @rule(reservation=st.integers(1, 6), quantity=st.integers(1, 4))
    def reserve(self, reservation: int, quantity: int) -> None:
        key = UUID(int=reservation)
        fits = quantity <= self.on_hand - sum(self.kept.values())
        assert self.tried(reserve(key, quantity)) == (fits or key in self.kept)
        if fits:
            self.kept.setdefault(key, quantity)

    @rule(reservation=st.integers(1, 6), quantity=st.integers(1, 4))
    def release(self, reservation: int, quantity: int) -> None:
        key = UUID(int=reservation)
        assert self.tried(release(key, quantity)) == (key in self.kept)
        if key in self.kept:
            self.kept[key] = max(0, self.kept[key] - quantity)

    @rule(reservation=st.integers(1, 6), quantity=st.integers(1, 4))
    def issue(self, reservation: int, quantity: int) -> None:
        key = UUID(int=reservation)
        fits = quantity <= self.kept.get(key, 0)
        assert self.tried(issue(key, quantity, uuid5(key, str(self.version)))) == fits
        if fits:
            self.kept[key] -= quantity
            self.on_hand -= quantity

    @rule(change=st.integers(-4, 4).filter(bool))
    def adjust(self, change: int) -> None:
        fits = self.on_hand + change >= 0
        assert self.tried(AdjustStock(change=change, reason_code="other")) == fits
        if fits:
            self.found(self.on_hand + change)

    @rule(counted=st.integers(0, 8))
    def count(self, counted: int) -> None:
        assert self.tried(count(counted)), "a count is never refused"
        self.found(counted)

    def found(self, on_hand: int) -> None:
        self.on_hand = on_hand
        for key in reversed(self.kept):
            too_many = sum(self.kept.values()) - on_hand
            self.kept[key] -= min(self.kept[key], max(0, too_many))

    @rule(more=st.integers(0, 2))
    @precondition(lambda self: self.returned < 10)
    def restock(self, more: int) -> None:
        if self.returned + more:
            assert self.tried(restock(self.returned + more))
            self.returned += more
            self.on_hand += more

    @invariant()
    def never_negative_and_never_oversold(self) -> None:
        stock = self.stock or Stock(STOCK.id)
        assert 0 <= stock.reserved <= stock.on_hand
        assert stock.reserved == sum(kept.quantity for kept in stock.reservations.values())
        assert all(kept.quantity > 0 for kept in stock.reservations.values())

    @invariant()
    def as_the_model_says(self) -> None:
        stock = self.stock or Stock(STOCK.id)
        assert stock.on_hand == self.on_hand
        kept = [(key, kept.quantity) for key, kept in stock.reservations.items()]
        assert kept == [(key, quantity) for key, quantity in self.kept.items() if quantity]


TestAnyCommands = AnyCommands.TestCase
TestAnyCommands.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
