"""What would ordinarily come next: most of a life goes as it should."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid5

from order_ledger.orders import commands as ask
from order_ledger.orders.events import Allocation, CountedLine, ResolvedLine
from order_ledger.stock.commands import ReceiveStock
from order_ledger.values import Units
from tests.examples import BERLIN, CARRIER, CONSUMER, CONTACT, KEEPER, LEDGER, PHOTO, SELLER, eur
from tests.orders.programs.program import PRICES, Program


class Ordinary(Program):
    """Orders that go on in the ordinary way."""

    def another(self, dice: Random) -> None:
        """The next order, and how far it gets."""
        skus = dice.sample(("VALVE", "GASKET", "ROTOR", "BOOK"), dice.randint(1, 3))
        prepaid, paid, freight = dice.random() < 0.4, dice.random() < 0.7, dice.choice((None, 0, 1))
        wanted = [ask.WantedLine(sku, dice.randint(1, 3)) for sku in skus]
        if freight is not None:
            wanted.append(ask.WantedLine("FREIGHT", 1, charge_for=freight or None))
        total = sum(PRICES[line.sku] * line.quantity for line in wanted)
        self.begin(prepaid)
        command = ask.Place(
            seller=SELLER.id, lines=tuple(wanted), contact=CONTACT, ship_to=BERLIN, expected_total=eur(total)
        )
        self.append(self.ledger.place(self.next(), command, CONSUMER))
        if paid:
            self.take(self.payment(total))
        self.go_on(dice.choice((0, 2, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30)))

    def go_on(self, steps: int) -> None:
        """What would ordinarily come next; the model says what that is."""
        for _ in range(steps):
            for command in self.ordinary():
                by_itself = {"deliver": CARRIER, "complete": LEDGER}.get(command.name)
                if self.take(command, by_itself if self.dice.random() < 0.5 else None):
                    break

    def ordinary(self) -> Iterator[Any]:
        model = self.model
        yield from self.going_back()
        if model.over:
            return
        if model.held:
            yield ask.Release(reason="It is settled.")
        if model.prepaid and not model.paid_for and self.dice.random() < 0.6:
            missing = model.costs - model.captured + model.refunded
            yield self.payment(missing)
        for number, line in model.open.items():
            if line.kind == "from_stock" and line.kept < line.rest:
                yield self.allocation(number, line.rest - line.kept)
        if not model.confirmed:
            yield ask.Confirm()
        for number, line in model.open.items():
            run = line.open_run
            if line.kind == "made_to_order" and model.line_state(number) == "confirmed":
                yield ask.StartProduction(line=number)
            if run is not None:
                missing_ = run.missing
                if not missing_:
                    yield ask.CompleteProduction(line=number)
                elif missing_[0] in ("milling", "polishing"):
                    yield ask.CompleteStep(line=number, step=missing_[0])
                else:
                    yield self.check(number, missing_[0], True)
        for number, line in model.open.items():
            if line.shippable:
                yield ask.Ship(lines=(Units(number, line.shippable),), **self.to())
        for shipment, parcel in model.outward.items():
            if not parcel.delivered:
                yield ask.Deliver(shipment=shipment)
        if model.state == "delivered" and self.dice.random() < 0.3:
            self.wait(15)
            yield ask.Complete()

    def going_back(self) -> Iterator[Any]:
        for rma, known in self.model.returns.items():
            if known.state == "requested":
                yield ask.ApproveReturn(rma=rma)
            for line, quantity in (known.approved - known.received).items():
                if known.state in ("approved", "on_its_way"):
                    yield ask.ReceiveReturn(rma=rma, lines=(CountedLine(line, quantity, "resellable"),))
            if known.state == "received":
                how: Any = known.wish
                lines = tuple(ResolvedLine(line, quantity, how) for line, quantity in known.received.items())
                yield ask.ResolveReturn(rma=rma, lines=lines)

    def payment(self, amount: Decimal | int) -> Any:
        return ask.RecordPayment(
            kind="captured", amount=eur(amount), method="card", provider="p", reference=str(self.next())
        )

    def allocation(self, number: int, quantity: int) -> Any:
        shelf = self.model.shelf_of(number)
        if shelf.on_hand - shelf.reserved < quantity:
            self.take_stock(self.model.lines[number].sku, ReceiveStock(quantity=quantity, reference="DN"), KEEPER)
        reservation = uuid5(self.id, f"reservation {self.next()}")
        return ask.AllocateStock(lines=(Allocation(number, quantity, reservation),))

    def check(self, number: int, what: str, passed: bool, reading: str = "12.00", evidence: bool = True) -> Any:
        return ask.CompleteInspectionItem(
            line=number,
            item=what,
            passed=passed,
            reading=Decimal(reading) if what == "bore" else None,
            evidence=(PHOTO,) if what == "surface" and evidence else (),
        )

    def wait(self, days: int) -> None:
        """Time goes by."""
        self.ledger.now += timedelta(days=days)
