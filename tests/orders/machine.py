"""Commands on an order and on the stock of its items, taken to a real journal the way the door takes them.

Every command goes the whole way: the streams are loaded, the rights are asked, the decision is taken, its entries
are encoded and appended after the versions that were loaded, under a key. What an order makes of its reservations
goes into the stock's streams in the same append: allocated and reserved, shipped and issued, dropped and released.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from order_ledger.entries import By, Cause, CommandRef, Entry, Fact, Kind
from order_ledger.items.item import Item
from order_ledger.journal.appending import Appending, Key, Outcome
from order_ledger.journal.codec import Encoded, Head
from order_ledger.journal.journal import Journal
from order_ledger.orders.commands import AllocateStock, FindShortage, OrderCommand, Place, ReceiveReturn, ResolveReturn
from order_ledger.orders.decisions import Context, decide, exchange_order
from order_ledger.orders.events import Allocation, OrderShipped
from order_ledger.orders.evolving import evolve
from order_ledger.orders.order import Order
from order_ledger.orders.scope import scope_of
from order_ledger.refusals import NotFound
from order_ledger.rights.checks import Scope, may
from order_ledger.stock import decisions as shelving
from order_ledger.stock.commands import AdjustStock, Issue, Release, Reserve, Restock, StockCommand
from order_ledger.stock.events import StockReleased
from order_ledger.stock.stock import Stock
from order_ledger.stock.stock import evolve as evolve_stock
from order_ledger.values import Units, unsealed
from tests.examples import BERLIN, CONTACT, DEPOT, LEDGER, SELLER, WORKS, seller, uuid, workshop

OTHER_WORKS = workshop(id=uuid(24), code="SHOP", trade_name="Other Works")


class Written:
    """A command on its way: what would follow in each stream, or what did."""

    def __init__(self, command: UUID, key: Key, appendings: list[Appending]) -> None:
        self.command = command
        self.key = key
        self.appendings = appendings

    def of(self, stream: UUID) -> list[Any]:
        """The events of a stream."""
        encoded = next((each.entries for each in self.appendings if each.stream == stream), ())
        return [one.entry.event for one in encoded if one.entry is not None]

    @property
    def empty(self) -> bool:
        return not any(each.entries for each in self.appendings)


class _Batch:
    """What one command appends: streams, each after what was loaded of it."""

    def __init__(self, ledger: "Ledger", number: int, name: str) -> None:
        self.ledger = ledger
        self.id = uuid5(ledger.order_id, str(number))
        self.name = name
        self.order, self.order_head = ledger.load_order()
        self.stocks = {sku: ledger.load_stock(sku) for sku in ledger.stock_ids}
        self.encoded: dict[UUID, list[Encoded]] = {}
        self.others: list[UUID] = []

    def append(self, kind: Kind, stream: UUID, head: Head, events: Iterable[Any], by: By) -> list[Entry[Any]]:
        """More entries of a stream, after those that this batch has of it."""
        before = self.encoded.setdefault(stream, [])
        if before:
            head = Head(before[-1].version, before[-1].hash, before[-1].recorded_at)
        reason = unsealed("Asked by phone.", by.on_behalf_of) if by.on_behalf_of is not None else None
        cause = Cause(by, "api", CommandRef(self.id, self.name), reason=reason)
        now = self.ledger.now
        made = self.ledger.journal.encode(kind, stream, head, [Fact(event, now) for event in events], cause, now)
        before += made.entries
        return [one.entry for one in made.entries if one.entry is not None]

    def on_order(self, command: OrderCommand, by: By) -> list[Any]:
        """Decides, and follows in the stock."""
        context = self.ledger.context(self.id, by)
        events = decide(self.order, command, context)
        for entry in self.append("order", self.ledger.order_id, self.order_head, events, by):
            self.order = evolve(self.order, entry)
        return list(events)

    def on_stock(self, sku: str, command: StockCommand, by: By) -> list[Any]:
        """Decides about the stock of one item."""
        stock, head = self.stocks[sku]
        stream = self.ledger.stock_ids[sku]
        identity = uuid5(self.id, f"{sku}/{len(self.encoded.get(stream, ()))}") if by is LEDGER else self.id
        context = shelving.Context(now=self.ledger.now, by=by, command=identity, stream=stream)
        events = shelving.decide(stock, command, context)
        for entry in self.append("stock", stream, head, events, by):
            stock = evolve_stock(stock, entry)
        self.stocks[sku] = (stock, head)
        return list(events)

    def written(self) -> Written:
        bases = {self.ledger.order_id: self.order_head.version}
        bases |= {self.ledger.stock_ids[sku]: head.version for sku, (_, head) in self.stocks.items()}
        appendings = [
            Appending(stream, bases.get(stream, 0), entries) for stream, entries in sorted(self.encoded.items())
        ]
        return Written(self.id, Key(self.ledger.order_id, str(self.id), b"machine", b""), appendings)


class Ledger:
    """One order and its stocks in the journal, and the states kept of them between commands."""

    def __init__(self, journal: Journal, order_id: UUID, listings: dict[str, Item], now: datetime) -> None:
        self.journal = journal
        self.order_id = order_id
        self.listings = listings
        self.stock_ids = {sku: uuid5(order_id, sku) for sku, item in listings.items() if item.kind == "from_stock"}
        self.now = now
        self.seller = seller()
        self.order: Order | None = None
        self.stocks: dict[str, Stock | None] = dict.fromkeys(self.stock_ids)

    def context(self, command: UUID, by: By, order_id: UUID | None = None) -> Context:
        """What a decision may know."""
        return Context(
            now=self.now,
            by=by,
            command=command,
            order_id=order_id or self.order_id,
            listings=self.listings,
            seller=self.seller,
            organisations={WORKS.id: workshop(), OTHER_WORKS.id: OTHER_WORKS},
        )

    def load_order(self) -> tuple[Order | None, Head]:
        """The order as the database has it."""
        entries, head = self.journal.load(self.order_id, "order")
        order: Order | None = None
        for entry in entries:
            order = evolve(order, entry)  # type: ignore[arg-type]
        return order, head

    def load_stock(self, sku: str) -> tuple[Stock | None, Head]:
        """The stock of an item as the database has it."""
        entries, head = self.journal.load(self.stock_ids[sku], "stock")
        stock: Stock | None = None
        for entry in entries:
            stock = evolve_stock(stock, entry)  # type: ignore[arg-type]
        return stock, head

    # What would follow; each raises a `Refusal`

    def place(self, number: int, command: Place, by: By) -> Written:
        """A new order."""
        batch = _Batch(self, number, command.name)
        may("place", by, Scope(consumer=by.on_behalf_of or by.person))
        batch.on_order(command, by)
        return batch.written()

    def ask(self, number: int, command: OrderCommand, by: By) -> Written:
        """A command on the order, with what it means for the stock."""
        batch = _Batch(self, number, command.name)
        if batch.order is None:
            raise NotFound
        may(command.name, by, scope_of(batch.order))
        may(command.name, by, scope_of(batch.order, command))
        before = batch.order
        if isinstance(command, AllocateStock):
            for one in command.lines:
                self._reserve(batch, before, one)
        events = batch.on_order(command, by)
        assert batch.order is not None
        if isinstance(command, ReceiveReturn) and events:
            self._restock(batch, batch.order, command)
        self._settle(batch, batch.order, events)
        if isinstance(command, ResolveReturn) and any(one.how == "exchange" for one in command.lines):
            new = uuid5(batch.id, "exchange")
            context = self.context(batch.id, by, new)
            placed = exchange_order(before, events, CONTACT, BERLIN, BERLIN, context)
            _, head = self.journal.load(new, "order")
            batch.append("order", new, head, placed, by)
        return batch.written()

    def ask_stock(self, number: int, sku: str, command: StockCommand, by: By) -> Written:
        """A command on the stock; what a count takes from the order, the order is told in the same append."""
        batch = _Batch(self, number, command.name)
        may(command.name, by, Scope(kind="stock", seller=SELLER.id, keepers=frozenset({DEPOT.id})))
        stock = batch.stocks[sku][0]
        kept = dict(stock.reservations) if stock is not None else {}
        events = batch.on_stock(sku, command, by)
        lost = tuple(
            Allocation(kept[event.reservation].line, event.quantity, event.reservation)
            for event in events
            if isinstance(event, StockReleased) and kept[event.reservation].order == self.order_id
        )
        if lost and isinstance(command, AdjustStock):
            units: dict[int, int] = {}
            for one in lost:
                units[one.line] = units.get(one.line, 0) + one.quantity
            lines = tuple(Units(line, quantity) for line, quantity in units.items())
            batch.on_order(FindShortage(lines=lines, withdrawn=lost), LEDGER)
        return batch.written()

    def _reserve(self, batch: _Batch, order: Order, one: Allocation) -> None:
        line = order.lines.get(one.line)
        if line is not None and line.ordered.sku in self.stock_ids:
            wanted = Reserve(reservation=one.reservation, order=self.order_id, line=one.line, quantity=one.quantity)
            batch.on_stock(line.ordered.sku, wanted, LEDGER)

    def _restock(self, batch: _Batch, order: Order, command: ReceiveReturn) -> None:
        for one in command.lines:
            sku = order.lines[one.line].ordered.sku
            if sku in self.stock_ids and one.condition == "resellable":
                back = sum(
                    line.quantity for line in command.lines if (line.line, line.condition) == (one.line, "resellable")
                )
                stock = batch.stocks[sku][0]
                under = command.rma or str(command.shipment)
                earlier = stock.done(f"return/{self.order_id}/{under}/{one.line}") if stock is not None else 0
                restock = Restock(
                    order=self.order_id,
                    rma=command.rma,
                    shipment=command.shipment,
                    line=one.line,
                    quantity=earlier + back,
                    condition="resellable",
                )
                batch.on_stock(sku, restock, LEDGER)
                return

    def _settle(self, batch: _Batch, order: Order, events: Sequence[Any]) -> None:
        """What was shipped is issued, of the oldest reservation first; what is kept no longer is released."""
        parcels = [event for event in events if isinstance(event, OrderShipped)]
        for line in order.lines.values():
            if line.ordered.sku not in self.stock_ids:
                continue
            for parcel in parcels:
                left = sum(units.quantity for units in parcel.lines if units.line == line.line)
                for reservation, kept in self._kept(batch, line.ordered.sku, line.line):
                    if quantity := min(left, kept):
                        issue = Issue(reservation=reservation, shipment=parcel.shipment, quantity=quantity)
                        batch.on_stock(line.ordered.sku, issue, LEDGER)
                        left -= quantity
                assert left == 0, "what left the house was reserved"
            excess = sum(kept for _, kept in self._kept(batch, line.ordered.sku, line.line))
            excess -= 0 if order.ended is not None else line.kept
            for reservation, kept in reversed(self._kept(batch, line.ordered.sku, line.line)):
                if quantity := min(excess, kept):
                    release = Release(reservation=reservation, quantity=quantity, cause="cancelled")
                    batch.on_stock(line.ordered.sku, release, LEDGER)
                    excess -= quantity

    def _kept(self, batch: _Batch, sku: str, line: int) -> list[tuple[UUID, int]]:
        stock = batch.stocks[sku][0]
        if stock is None:
            return []
        return [
            (one.reservation, one.quantity)
            for one in stock.reservations.values()
            if (one.order, one.line) == (self.order_id, line)
        ]

    # What does follow

    def send(self, written: Written, through: Journal | None = None) -> Outcome:
        """To the journal; where it was appended, the states kept here go on."""
        outcome = (through or self.journal).append_one(written.appendings, written.command, written.key)
        if outcome.outcome == "appended":
            for each in written.appendings:
                for encoded in each.entries:
                    self._keep(each.stream, encoded.entry)
        return outcome

    def _keep(self, stream: UUID, entry: Any) -> None:
        if stream == self.order_id:
            self.order = evolve(self.order, entry)
        for sku, known in self.stock_ids.items():
            if known == stream:
                self.stocks[sku] = evolve_stock(self.stocks[sku], entry)
