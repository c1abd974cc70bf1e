"""What an entry says, in the words of OCEL: an event, the objects that it is about, and what became of them. Pure."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import Entry, Event
from order_ledger.items.events import ItemListed, PriceChanged
from order_ledger.items.item import stock_id
from order_ledger.orders.bare import evolve_bare
from order_ledger.orders.events import (
    CreditNoteIssued,
    InvoiceIssued,
    OrderLine,
    OrderPlaced,
    OrderShipped,
    ReceiptIssued,
    ReturnApproved,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    ReturnResolved,
    ReturnShipped,
    ReturnWithdrawn,
    ShortageResolved,
    TrackingCorrected,
)
from order_ledger.orders.order import Order
from order_ledger.parties.events import OrganisationChanged, OrganisationRegistered
from order_ledger.values import Money, Organisation

Form = Literal["string", "time", "integer", "float", "boolean"]
"""The types that an attribute may have."""

Plain = str | int | bool | Decimal | datetime


class Told(NamedTuple):
    """An event of the log. Attributes are those that have a value."""

    id: str
    type: str
    time: datetime
    attributes: dict[str, Plain]
    relations: tuple[tuple[str, str], ...]


class Thing(Struct):
    """An object of the log: what its attributes came to be, each with the time from which on; and its relations."""

    id: str
    type: str
    attributes: list[tuple[str, Plain, datetime]] = []
    relations: dict[tuple[str, str], None] = {}

    def become(self, time: datetime, **attributes: Plain | None) -> None:
        """Remember those that have changed."""
        stands = {name: value for name, value, _ in self.attributes}
        for name, value in attributes.items():
            if value is not None and stands.get(name) != value:
                self.attributes.append((name, value, time))

    def relate(self, to: str, qualifier: str) -> None:
        """Remember that it has to do with that one."""
        self.relations[to, qualifier] = None


COMMON: dict[str, Form] = {
    "version": "integer",
    "recorded_at": "time",
    "time_known": "boolean",
    "by_role": "string",
    "through": "string",
    "command": "string",
    "reason_code": "string",
}
"""What every event of the log says: of the entry's attributes, those that are of use to whoever looks at a process."""

OBJECTS: dict[str, dict[str, Form]] = {
    "order": {
        "number": "string", "reference": "string", "currency": "string", "total": "float", "country": "string",
        "history": "boolean", "promised_by": "time", "state": "string",
    },
    "item": {"sku": "string", "description": "string", "kind": "string", "price": "float", "currency": "string"},
    "stock": {},
    "shipment": {"carrier": "string", "tracking_number": "string", "status": "string"},
    "return": {"rma": "string", "state": "string"},
    "document": {
        "kind": "string", "number": "string", "amount": "float", "currency": "string", "issued_on": "string",
    },
    "organisation": {"name": "string"},
    "person": {},
}  # fmt: skip
"""The types of objects, and the attributes that each may have."""


@cache
def attributes_of(event: type[Event]) -> dict[str, Form]:
    """The attributes of an event of this type: its plain fields, and amounts with their currency."""
    found: dict[str, Form] = dict(COMMON)
    for name, hint in get_type_hints(event).items():
        if name in event.__struct_fields__ and (form := _form(hint)) is not None:
            found[name] = form
            if Money in _parts(hint):
                found["currency"] = "string"
    return found


class Telling:
    """Tells entries one after the other, those of a stream together and in the order of their versions."""

    def __init__(self) -> None:
        self._stream: UUID | None = None
        self._order: Order | None = None
        self._time: datetime | None = None
        self._things: dict[str, Thing] = {}
        # What several streams speak of is told at the end: there are few of these, however many orders there are.
        self._shared: dict[str, Thing] = {}
        self._item_of_stock: dict[str, str] = {}

    def tell(self, entry: Entry[Any]) -> tuple[Told, list[Thing]]:
        """The event that this entry is, and the objects of the stream that ended with the entry before."""
        finished: list[Thing] = []
        if entry.stream != self._stream:
            finished = list(self._things.values())
            self._stream, self._order, self._time, self._things = entry.stream, None, None, {}
        time = self._time = entry.at or self._time or entry.recorded_at
        related = dict.fromkeys(self._about(entry, time))
        attributes = _common(entry) | _plain_fields(entry.event)
        told = Told(f"{entry.stream}/{entry.version}", type(entry.event).__name__, time, attributes, tuple(related))
        return told, finished

    def rest(self) -> Iterator[Thing]:
        """The objects that were not told yet."""
        yield from self._things.values()
        for stock, item in self._item_of_stock.items():
            if stock in self._shared:
                self._shared[stock].relate(item, "of")
        yield from self._shared.values()

    # What an entry is about: the objects and in which way, each brought up to what the entry says

    def _about(self, entry: Entry[Any], time: datetime) -> Iterator[tuple[str, str]]:
        event = entry.event
        if entry.by.organisation is not None:
            yield self._organisation(Organisation(entry.by.organisation, ""), time), "acting"
        for name in event.__struct_fields__:
            if isinstance(value := getattr(event, name), Organisation):
                yield self._organisation(value, time), name
        match entry.kind:
            case "order":
                yield from self._about_order(entry, time)
            case "item":
                yield self._listed(entry, time), "item"
            case "stock":
                yield self._shared_thing(str(entry.stream), "stock").id, "stock"
                yield from self._about_stock(event)
            case "organisation":
                thing = self._shared_thing(str(entry.stream), "organisation")
                if isinstance(event, OrganisationRegistered | OrganisationChanged):
                    thing.become(time, name=event.trade_name or event.legal_name)
                yield thing.id, "organisation"
            case "person":
                yield self._thing(str(entry.stream), "person").id, "person"

    def _about_order(self, entry: Entry[Any], time: datetime) -> Iterator[tuple[str, str]]:
        event, own = entry.event, str(entry.stream)
        order = self._order = evolve_bare(self._order, entry)
        thing = self._thing(own, "order")
        thing.become(time, state=order.state, promised_by=order.promised_by, total=order.total.amount)
        if isinstance(event, OrderPlaced):
            thing.become(
                time,
                number=event.number,
                reference=event.reference,
                currency=event.total.currency,
                country=event.ship_to_country,
                history=event.history,
            )
            thing.relate(self._organisation(event.seller, time), "seller")
        yield own, "order"
        for line in _lines(event):
            if line in order.lines and (item := self._item(order, order.lines[line].ordered, time)) is not None:
                thing.relate(item, "contains")
                yield item, "item"
        shipment = getattr(event, "shipment", None)
        if shipment is not None:
            yield self._shipment(str(shipment), own, event, time), "shipment"
        rma = getattr(event, "rma", None)
        if rma is not None:
            yield self._return(rma, own, event, time), "return"
        if isinstance(event, InvoiceIssued | CreditNoteIssued | ReceiptIssued):
            yield from self._document(own, event, time)

    def _about_stock(self, event: Any) -> Iterator[tuple[str, str]]:
        order, shipment, rma = (getattr(event, name, None) for name in ("order", "shipment", "rma"))
        if order is not None:
            yield str(order), "order"
        if shipment is not None:
            yield str(shipment), "shipment"
        if rma is not None:
            yield f"{order}/{rma}", "return"

    def _listed(self, entry: Entry[Any], time: datetime) -> str:
        event = entry.event
        thing = self._shared_thing(str(entry.stream), "item")
        if isinstance(event, ItemListed):
            thing.become(time, sku=event.sku, description=event.description, kind=event.kind, currency=event.currency)
            thing.relate(self._organisation(event.seller, time), "seller")
            self._item_of_stock[str(stock_id(event.seller.id, event.sku))] = thing.id
        if isinstance(event, ItemListed | PriceChanged):
            thing.become(time, price=event.unit_price)
        return thing.id

    def _item(self, order: Order, line: OrderLine, time: datetime) -> str | None:
        """The item of a line; one that its seller does not list here is named by seller and SKU."""
        if line.item is not None:
            return self._shared_thing(str(line.item), "item").id
        if not line.sku or line.kind == "charge":
            return None
        seller = line.seller or order.seller
        thing = self._shared_thing(f"{seller.id}/{line.sku}", "item")
        if not thing.attributes:
            thing.become(time, sku=line.sku, description=line.description, kind=line.kind)
            thing.relate(self._organisation(seller, time), "seller")
        return thing.id

    def _shipment(self, number: str, order: str, event: Any, time: datetime) -> str:
        thing = self._thing(number, "shipment")
        thing.relate(order, "of")
        if isinstance(event, OrderShipped | TrackingCorrected | ReturnShipped):
            thing.become(time, carrier=event.carrier, tracking_number=event.tracking_number)
        if isinstance(event, ReturnShipped):
            thing.relate(f"{order}/{event.rma}", "carries")
        if getattr(event, "applied", False):
            thing.become(time, status=event.status)
        if isinstance(event, OrderShipped) and event.replaces is not None:
            thing.relate(self._thing(str(event.replaces), "shipment").id, "replaces")
        return thing.id

    def _return(self, rma: str, order: str, event: Any, time: datetime) -> str:
        thing = self._thing(f"{order}/{rma}", "return")
        thing.relate(order, "of")
        thing.become(time, rma=rma, state=_RETURN_STATES.get(type(event)))
        return thing.id

    def _document(
        self, order: str, event: InvoiceIssued | CreditNoteIssued | ReceiptIssued, time: datetime
    ) -> Iterator[tuple[str, str]]:
        amount = event.amount if isinstance(event, ReceiptIssued) else event.gross_total
        thing = self._thing(event.number, "document")
        thing.relate(order, "of")
        thing.become(
            time,
            kind=_DOCUMENTS[type(event)],
            number=event.number,
            amount=amount.amount,
            currency=amount.currency,
            issued_on=event.issued_on.isoformat(),
        )
        yield thing.id, "document"
        corrected = (event.invoice.number,) if isinstance(event, CreditNoteIssued) else ()
        for number in corrected if not isinstance(event, ReceiptIssued) else event.invoices:
            invoice = self._thing(number, "document")
            thing.relate(invoice.id, "about")
            yield invoice.id, "about"

    def _organisation(self, organisation: Organisation, time: datetime) -> str:
        thing = self._shared_thing(str(organisation.id), "organisation")
        if not thing.attributes and organisation.name:
            thing.become(time, name=organisation.name)
        return thing.id

    def _thing(self, id: str, type_: str) -> Thing:
        return self._things.setdefault(id, Thing(id, type_))

    def _shared_thing(self, id: str, type_: str) -> Thing:
        return self._shared.setdefault(id, Thing(id, type_))


_RETURN_STATES: dict[type[Event], str] = {
    ReturnRequested: "requested",
    ReturnApproved: "approved",
    ReturnShipped: "on_its_way",
    ReturnReceived: "received",
    ReturnResolved: "resolved",
    ReturnRejected: "rejected",
    ReturnWithdrawn: "withdrawn",
}
_DOCUMENTS: dict[type[Event], str] = {
    InvoiceIssued: "invoice",
    CreditNoteIssued: "credit_note",
    ReceiptIssued: "receipt",
}


def _common(entry: Entry[Any]) -> dict[str, Plain]:
    found: dict[str, Plain] = {
        "version": entry.version,
        "recorded_at": entry.recorded_at,
        "time_known": entry.at is not None,
        "by_role": entry.by.role,
        "through": entry.through,
        "command": entry.command.name,
    }
    if entry.reason_code is not None:
        found["reason_code"] = entry.reason_code
    return found


def _plain_fields(event: Event) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    forms = attributes_of(type(event))
    for name in event.__struct_fields__:
        if name not in forms:
            continue
        value = getattr(event, name)
        if isinstance(value, Money):
            found[name], found["currency"] = value.amount, value.currency
        elif isinstance(value, UUID | date) and not isinstance(value, datetime):
            found[name] = str(value)
        elif value is not None:
            found[name] = value
    return found


def _lines(event: Any) -> list[int]:
    """The lines of the order that an event names."""
    named = getattr(event, "lines", None) or ()
    if isinstance(event, ShortageResolved):
        named = event.outcomes
    lines = [getattr(each, "order_line", getattr(each, "line", each)) for each in named]
    line = getattr(event, "line", None)
    return list(dict.fromkeys([*lines, line] if line is not None else lines))


def _form(hint: Any) -> Form | None:
    """The type of attribute that a field is; None where it is no plain value."""
    parts = _parts(hint)
    if len(parts) != 1:
        return None
    (part,) = parts
    if get_origin(part) is Literal:
        return "integer" if isinstance(get_args(part)[0], int) else "string"
    return _FORMS.get(part)


def _parts(hint: Any) -> list[Any]:
    whole = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return [part for part in whole if part is not type(None)]


_FORMS: dict[Any, Form] = {
    str: "string",
    UUID: "string",
    date: "string",
    bool: "boolean",
    int: "integer",
    Decimal: "float",
    Money: "float",
    datetime: "time",
}
