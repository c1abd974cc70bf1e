"""A journal of invented orders: whole lives, as they happen beside each other, and as many entries as wanted.

Three of ten orders are made, the others come from stock. At any moment some thousands of them are open, and the next
entry is that of any of them, so that what a reader takes in one batch is of many orders, few of which begin there.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.identifiers import uuid7
from order_ledger.journal.codec import Codec, Encoded, Head, genesis
from order_ledger.journal.copying import copy_in
from order_ledger.journal.keys import Keyring
from order_ledger.journal.migrations import inspect
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import (
    Allocation,
    InspectionItemCompleted,
    LineKind,
    ManufacturerAssigned,
    OrderCompleted,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderLine,
    OrderPlaced,
    OrderShipped,
    PaymentRecorded,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
    ShipmentProgressed,
    ShipmentStatus,
    StockAllocated,
)
from order_ledger.values import Money, Organisation, PlanItem, Sealed, Step, Terms, Units, money

_ENTRIES_A_TRANSACTION = 10_000
_SEALED: Sealed[Any] = Sealed("q" * 43, "n" * 16 + "b" * 160)  # as long as a real one; nobody opens it here
_ON_ITS_WAY: tuple[ShipmentStatus, ...] = ("in_transit", "in_transit", "out_for_delivery")
_STEPS = tuple(Step(name, name.capitalize()) for name in ("cut", "print", "polish"))
_PLAN = tuple(PlanItem(f"check-{name}", f"Check after {name}", name) for name in ("cut", "print", "polish"))
_SELLERS = [Organisation(UUID(int=number << 64 | 1), f"Seller {number}") for number in range(1, 21)]
_MAKERS = [Organisation(UUID(int=number << 64 | 2), f"Maker {number}") for number in range(1, 11)]
_WAREHOUSE = Organisation(UUID(int=3), "Warehouse")
_CAUSE = Cause(By(UUID(int=4), "ledger"), "api", CommandRef(UUID(int=5), "invented"))
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def fill(
    url: str,
    entries: int,
    *,
    open_orders: int = 2_000,
    seed: int = 1,
    told: Callable[[int], None] = lambda entries: None,
) -> None:
    """Appends exactly so many entries to the journal of this database; `told` hears how many there are."""
    with psycopg.connect(url, autocommit=True) as connection:
        codec = Codec(inspect(connection), EVENTS, UPCASTERS)
        each = encoded(codec, entries, open_orders=open_orders, seed=seed)
        for done in range(0, entries, _ENTRIES_A_TRANSACTION):
            size = min(_ENTRIES_A_TRANSACTION, entries - done)
            copy_in(connection, (next(each) for _ in range(size)))
            told(done + size)
        connection.execute("ANALYZE journal.entry")


def encoded(codec: Codec, entries: int, *, open_orders: int = 2_000, seed: int = 1) -> Iterator[Encoded]:
    """The same entries, in the order in which they are appended."""
    random, keyring = Random(seed), Keyring(MasterKey(bytes(32)))
    now = _BEGIN
    alive = [_begin(codec, random, now) for _ in range(open_orders)]
    for _ in range(entries):
        place = random.randrange(open_orders)
        life = alive[place]
        event = next(life.events, None)
        if event is None:
            life = alive[place] = _begin(codec, random, now)
            event = next(life.events)
        now += timedelta(milliseconds=20)
        (entry,) = codec.encode("order", life.stream, life.head[0], [Fact(event, now)], _CAUSE, now, keyring)
        life.head[0] = Head(entry.version, entry.hash, now)
        yield entry


class _Life(NamedTuple):
    stream: UUID
    head: list[Head]
    events: Iterator[OrderEvent]


def _begin(codec: Codec, random: Random, now: datetime) -> _Life:
    stream = uuid7()
    head = Head(0, genesis(codec.ledger, "order", stream), None)
    return _Life(stream, [head], _made(random, now) if random.random() < 0.3 else _from_stock(random, now))


def _from_stock(random: Random, now: datetime) -> Iterator[OrderEvent]:
    lines = tuple(_line(number, "from_stock", random) for number in range(1, random.choice((1, 1, 1, 2)) + 1))
    placed = _placed(random, now, lines)
    yield placed
    yield _paid(placed, random)
    yield StockAllocated(tuple(Allocation(line.line, line.quantity, _own(random)) for line in lines))
    yield OrderConfirmed(None)
    yield from _sent(random, lines, _WAREHOUSE)


def _made(random: Random, now: datetime) -> Iterator[OrderEvent]:
    line = _line(1, "made_to_order", random)
    placed = _placed(random, now, (line,))
    maker = random.choice(_MAKERS)
    yield placed
    yield _paid(placed, random)
    yield OrderConfirmed(now + timedelta(days=20))
    yield ManufacturerAssigned((1,), maker)
    yield ProductionStarted(1, 1, line.quantity)
    for step, check in zip(_STEPS, _PLAN, strict=True):
        yield ProductionStepCompleted(line=1, run=1, step=step.step, attempt=1, started_at=now, rework_for=None)
        if random.random() < 0.1:
            yield _checked(check.item, 1, passed=False)
            yield ProductionStepCompleted(
                line=1, run=1, step=step.step, attempt=2, started_at=now, rework_for=check.item
            )
            yield _checked(check.item, 2, passed=True)
        else:
            yield _checked(check.item, 1, passed=True)
    yield ProductionCompleted(1, 1, line.quantity)
    yield from _sent(random, (line,), maker)


def _checked(item: str, attempt: int, *, passed: bool) -> InspectionItemCompleted:
    return InspectionItemCompleted(
        line=1, run=1, item=item, attempt=attempt, passed=passed, reading=None, unit=None, evidence=()
    )


def _sent(random: Random, lines: tuple[OrderLine, ...], sender: Organisation) -> Iterator[OrderEvent]:
    shipment, number = _own(random), f"1Z{random.getrandbits(60):016}"
    yield OrderShipped(
        shipment=shipment,
        lines=tuple(Units(line.line, line.quantity) for line in lines),
        sender=sender,
        carrier="ups",
        tracking_number=number,
        tracking_url=f"https://carrier.example/track/{number}",
        replaces=None,
    )
    for seen, status in enumerate(_ON_ITS_WAY, 1):
        yield ShipmentProgressed(
            shipment=shipment,
            carrier_event=f"{number}-{seen}",
            status=status,
            carrier_code=status.upper(),
            carrier_text="On its way",
            place="Leipzig",
            expected_at=None,
            applied=True,
            raw=f"{random.getrandbits(256):064x}",
        )
    yield OrderDelivered(shipment=shipment, proof="carrier", carrier_event=f"{number}-4", received_by=None)
    yield OrderCompleted("timer")


def _placed(random: Random, now: datetime, lines: tuple[OrderLine, ...]) -> OrderPlaced:
    consumer = UUID(int=random.randrange(1, 50_000) << 64 | 6)
    return OrderPlaced(
        number=f"{now:%y%m%d}-{random.getrandbits(40):010X}",
        consumer=consumer,
        contact=_SEALED,
        bill_to=_SEALED,
        ship_to=_SEALED,
        bill_to_country="DE",
        ship_to_country="DE",
        ship_to_region=None,
        zone="Europe/Berlin",
        language="de",
        seller=random.choice(_SELLERS),
        lines=lines,
        net=_sum(line.net for line in lines),
        tax=_sum(line.tax for line in lines),
        total=_sum(line.gross for line in lines),
        terms=Terms("prepaid", 0, "card", "dispatch", 14),
        promised_by=now + timedelta(days=10),
        buyer_reference=None,
        purchase_order=None,
        basket=None,
        exchange_of=None,
        reference=None,
        history=False,
    )


def _line(number: int, kind: LineKind, random: Random) -> OrderLine:
    quantity, price = random.randint(1, 3), Decimal(random.randrange(500, 20_000)) / 100
    gross = money(price * quantity, "EUR")
    net = money(gross.amount / Decimal("1.19"), "EUR")
    item = random.randrange(1, 500)
    made = kind == "made_to_order"
    return OrderLine(
        line=number,
        kind=kind,
        item=UUID(int=item << 64 | 7),
        sku=f"SKU-{item}",
        revision=1,
        description=f"A thing that somebody wants, number {item}",
        quantity=quantity,
        unit="C62",
        unit_price=price,
        tax_included=True,
        discount=money(0, "EUR"),
        net=net,
        tax=money(gross.amount - net.amount, "EUR"),
        gross=gross,
        tax_category="S",
        tax_rate=Decimal("19.00"),
        exemption=None,
        seller=None,
        manufacturer=None,
        warehouse=None if made else _WAREHOUSE,
        steps=_STEPS if made else (),
        plan=_PLAN if made else (),
        return_days=30,
        warranty_days=730,
        ship_by=None,
        charge_for=None,
    )


def _paid(placed: OrderPlaced, random: Random) -> PaymentRecorded:
    return PaymentRecorded(
        payment=_own(random),
        kind="captured",
        amount=placed.total,
        method="card",
        provider="bank",
        reference=f"p-{random.getrandbits(40):010x}",
        of=None,
        refund=None,
        instalments=None,
        account_hint="4242",
    )


def _sum(amounts: Iterator[Money]) -> Money:
    return money(sum((amount.amount for amount in amounts), Decimal()), "EUR")


def _own(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128))
