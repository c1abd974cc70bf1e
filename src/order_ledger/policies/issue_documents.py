"""Invoices, credit notes and receipts, issued by the ledger when they are owed.

Invoice: at each dispatch that replaces no shipment, or at the confirmation where the order's terms say so, and then
again for a substitute that comes into the order later. Receipt: each payment captured or refunded. Credit note: what of
an invoice is no longer to be paid, at once or as soon as the invoice exists. Nothing for orders that were placed by an
import.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from order_ledger.documents.numbers import Counters, DocumentKind, Drawn, mend_counters
from order_ledger.entries import Entry, Event
from order_ledger.orders.commands import IssueCreditNote, IssueInvoice, IssueReceipt
from order_ledger.orders.decisions import Context, credits_due, decide, invoice_due
from order_ledger.orders.events import (
    AddressChanged,
    ConcessionApproved,
    CreditNoteIssued,
    DelayAccepted,
    DelayDeclined,
    DelayExpected,
    DeliveryRetracted,
    InspectionItemCompleted,
    InvoiceIssued,
    LinesCancelled,
    ManufacturerAssigned,
    NoteAdded,
    NotificationFailed,
    NotificationSent,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    OrderShipped,
    PaymentRecorded,
    ProblemResolved,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
    PromiseRevised,
    ReceiptIssued,
    RefundGranted,
    ReturnResolved,
    ShipmentProgressed,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
    TrackingChecked,
    TrackingCorrected,
)
from order_ledger.orders.events import Buyer as BuyerValue
from order_ledger.orders.order import Order
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.policies.engine.contract import Policy
from order_ledger.policies.engine.desk import LEDGER, Desk, Task
from order_ledger.refusals import Blocker, Refused
from order_ledger.values import Address, Contact

LAYOUT = "1"
"""The version of the templates that documents issued now are rendered with, for ever."""

IGNORED: frozenset[type[Event]] = frozenset(
    (
        ConcessionApproved,
        DelayAccepted,
        DelayDeclined,
        DelayExpected,
        DeliveryRetracted,
        InspectionItemCompleted,
        ManufacturerAssigned,
        NoteAdded,
        NotificationFailed,
        NotificationSent,
        ProductionCompleted,
        ProductionStarted,
        ProductionStepCompleted,
        PromiseRevised,
        ReceiptIssued,
        ShipmentProgressed,
        StockAllocated,
        StockShortageFound,
        TrackingChecked,
        TrackingCorrected,
    )
)
"""What happens to an order and concerns no document, and mends nothing that one was refused for."""

_KINDS: dict[str, DocumentKind] = {"invoice": "INV", "credit": "CRN", "receipt": "RCP"}
_WHOLE_ORDER = "order"
_NO_REFUND = "none"


def tasks(entry: Entry[Any], order: Any) -> Iterator[str]:
    """The documents that this entry asks for, as far as they are owed now: `invoice/…`, `receipt/…`, `credit/…`."""
    if not isinstance(order, Order) or order.history:
        return
    match entry.event:
        case OrderShipped(shipment=shipment) if order.terms.invoice_at == "dispatch":
            if invoice_due(order, shipment):
                yield f"invoice/{shipment}"
        case OrderConfirmed() if order.terms.invoice_at == "confirmation":
            if invoice_due(order, None):
                yield f"invoice/{_WHOLE_ORDER}"
        case PaymentRecorded(kind="captured" | "refunded", payment=payment):
            if payment not in order.receipts:
                yield f"receipt/{payment}"
        case RefundGranted(refund=refund):
            yield from (_credit(*due) for due in credits_due(order) if due[1] == refund)
        case InvoiceIssued(number=number):
            yield from (_credit(*due) for due in credits_due(order) if due[0] == number)
        case CreditNoteIssued(invoice=invoice):
            # What it took may now be lacking for another refund, which is credited on the next invoice then.
            yield from (_credit(*due) for due in credits_due(order) if due[0] != invoice.number)
        case (
            LinesCancelled()
            | OrderCancelled()
            | OrderRejected()
            | ProblemResolved()
            | ReturnResolved()
            | ShortageResolved()
        ):
            # Where a refund was granted with it, that entry asks.
            yield from (_credit(*due) for due in credits_due(order) if due[1] is None)
            if isinstance(entry.event, ShortageResolved) and _adds_to_what_was_invoiced(order):
                yield f"invoice/{_WHOLE_ORDER}"
        case _:
            return


def waits_for(order: Any) -> tuple[UUID, ...]:
    """What a document was refused for may be mended by its seller."""
    return (order.seller.id,)


def _adds_to_what_was_invoiced(order: Order) -> bool:
    """Whether a substitute came into an order whose confirmation had been invoiced, or is about to be."""
    return order.confirmed and order.terms.invoice_at == "confirmation" and bool(invoice_due(order, None))


def _credit(invoice: str, refund: int | None) -> str:
    return f"credit/{invoice}/{_NO_REFUND if refund is None else refund}"


class _Issuing:
    """The documents of one transaction; the counters of all that may be needed are locked first, in one order."""

    def __init__(self, desk: Desk, all_tasks: Sequence[Task]) -> None:
        self._desk = desk
        desk.load(("organisation", self._order(task).seller.id) for task in all_tasks)
        self._counters = Counters(desk.connection, self._wanted(all_tasks))

    def handle(self, task: Task) -> None:
        order = self._order(task)
        what, _, which = task.what.partition("/")
        kind = _KINDS[what]
        if not self._owed(order, kind, which):
            return
        seller = self._seller(order)
        drawn = self._counters.next(seller.code, kind, self._day(self._desk.now, seller))
        command = self._command(order, seller, kind, which, drawn)
        context = Context(
            now=self._desk.now, by=LEDGER, command=task.command(POLICY.name), order_id=order.id, seller=seller
        )
        events = decide(order, command, context)
        if events:
            self._desk.append(task, "order", order.id, events, command.name)
            self._counters.take(seller.code, kind, drawn)

    def close(self) -> None:
        self._counters.write()

    def _order(self, task: Task) -> Order:
        order = self._desk.state("order", task.stream)
        assert isinstance(order, Order), "a task is about an order that was placed"
        return order

    def _wanted(self, all_tasks: Sequence[Task]) -> Iterator[tuple[str, DocumentKind]]:
        for task in all_tasks:
            seller = self._order(task).seller.id
            # Of one that cannot be read no document can be issued: that is said when it is tried.
            if self._desk.is_readable("organisation", seller):
                registered = self._desk.state("organisation", seller)
                if registered is not None:
                    yield registered.code, _KINDS[task.what.partition("/")[0]]

    def _seller(self, order: Order) -> RegisteredOrganisation:
        seller = self._desk.state("organisation", order.seller.id)
        if seller is None:
            what = "The seller was never registered here, and has no legal identity."
            raise Refused(Blocker("seller_incomplete", what, ("administrator",)))
        assert isinstance(seller, RegisteredOrganisation)
        return seller

    @staticmethod
    def _owed(order: Order, kind: DocumentKind, which: str) -> bool:
        """Whether it is still to be issued: meanwhile it may have been, or there may be nothing left of it."""
        match kind:
            case "INV":
                return bool(invoice_due(order, _shipment(which)))
            case "RCP":
                return UUID(which) not in order.receipts
            case "CRN":
                return any(_credit(*due) == f"credit/{which}" for due in credits_due(order))

    def _command(
        self, order: Order, seller: RegisteredOrganisation, kind: DocumentKind, which: str, drawn: Drawn
    ) -> IssueInvoice | IssueCreditNote | IssueReceipt:
        known: dict[str, Any] = {
            "number": drawn.number,
            "series": drawn.series,
            "sequence": drawn.sequence,
            "issued_on": drawn.issued_on,
            "layout": LAYOUT,
        }
        match kind:
            case "INV":
                shipment = _shipment(which)
                buyer, ship_to = self._buyer(order)
                return IssueInvoice(
                    **known,
                    supply_on=self._supply_on(order, shipment, seller),
                    shipment=shipment,
                    buyer=buyer,
                    ship_to=ship_to,
                )
            case "RCP":
                return IssueReceipt(**known, payment=UUID(which), payer=self._payer(order))
            case "CRN":
                number, _, refund = which.rpartition("/")
                invoice = self._invoice(order, number)
                return IssueCreditNote(
                    **known,
                    supply_on=invoice.event.supply_on,
                    invoice=number,
                    refund=None if refund == _NO_REFUND else int(refund),
                    buyer=self._opened(invoice, "buyer", BuyerValue),
                    ship_to=self._opened(invoice, "ship_to", Address),
                )

    def _supply_on(self, order: Order, shipment: UUID | None, seller: RegisteredOrganisation) -> date:
        at = order.confirmed_at if shipment is None else order.shipments[shipment].at
        return self._day(at or self._desk.now, seller)

    @staticmethod
    def _day(moment: datetime, seller: RegisteredOrganisation) -> date:
        return moment.astimezone(ZoneInfo(seller.zone)).date()

    # Whom it is for

    def _buyer(self, order: Order) -> tuple[BuyerValue, Address]:
        """Who is invoiced and where the goods went, as agreed and changed since."""
        agreed = self._desk.entries(order.id, OrderPlaced, AddressChanged)
        contact = self._opened(agreed[0], "contact", Contact)
        bill_to = self._opened(agreed[0], "bill_to", Address)
        return BuyerValue(contact, bill_to), self._opened(agreed[-1], "ship_to", Address)

    def _payer(self, order: Order) -> Contact:
        contact: Contact = self._opened(self._desk.entries(order.id, OrderPlaced)[0], "contact", Contact)
        return contact

    def _invoice(self, order: Order, number: str) -> Entry[InvoiceIssued]:
        invoices = self._desk.entries(order.id, InvoiceIssued)
        return next(entry for entry in invoices if entry.event.number == number)

    def _opened(self, entry: Entry[Any], field: str, form: Any) -> Any:
        value = self._desk.opened(entry, field, form)
        if value is None:
            what = "The buyer was forgotten before the document was issued: nobody knows any more whom it is for."
            raise Refused(Blocker("buyer_erased", what, ("administrator",)))
        return value


def _shipment(which: str) -> UUID | None:
    return None if which == _WHOLE_ORDER else UUID(which)


POLICY = Policy(
    name="issue_documents",
    kinds=("order", "organisation"),
    ignores=IGNORED,
    tasks=tasks,
    sit=_Issuing,
    waits_for=waits_for,
    check=mend_counters,
)
