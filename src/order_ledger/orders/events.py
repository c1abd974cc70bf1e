"""What happened to an order. A name or a field here is permanent once recorded.

Every field is always written; None says that there is nothing, or that an import's source does not say.
"""

from datetime import date
from typing import Literal, get_args
from uuid import UUID

from order_ledger.entries import Event, Role
from order_ledger.values import (
    Address,
    Amounts,
    Code,
    Contact,
    Country,
    Currency,
    Evidence,
    HttpsUrl,
    Instant,
    Money,
    Organisation,
    PlanItem,
    Price,
    Quantity,
    Rate,
    Reading,
    Sealed,
    Step,
    Terms,
    Units,
    Value,
)

LineKind = Literal["from_stock", "made_to_order", "untracked", "charge"]
ShortageOutcomeKind = Literal["backorder", "substitute", "remove"]
ConsentChannel = Literal["portal", "message", "email", "phone"]
ShipmentStatus = Literal[
    "announced",
    "in_transit",
    "delayed",
    "attempt_failed",
    "exception",
    "available_for_pickup",
    "out_for_delivery",
    "delivered",
    "returned_to_sender",
    "lost",
    "unknown",
]
DeliveryProof = Literal["carrier", "consumer", "staff", "unknown"]
CompletionCause = Literal["consumer", "timer"]
DelayKind = Literal["will_pass", "has_passed"]
ProblemKind = Literal[
    "not_received", "missing", "damaged", "wrong_item", "no_scan", "returned_to_sender", "cancel_wanted", "other"
]
ProblemOutcome = Literal["reship", "refund", "none"]
PaymentKind = Literal["authorised", "captured", "voided", "failed", "refunded", "refund_failed", "disputed"]
RefundBasis = Literal["cancellation", "rejection", "return", "problem", "compensation", "goodwill"]
ReturnReason = Literal["changed_mind", "damaged", "defective", "wrong_item", "not_as_described", "late", "other"]
ReturnWish = Literal["refund", "exchange"]
ReturnOutcome = Literal["refund", "exchange", "send_back"]
ReturnCondition = Literal["resellable", "repairable", "scrap"]
Postage = Literal["consumer", "seller"]
NoteAudience = Literal["everyone", "staff"]
Channel = Literal["email", "sms", "outbox"]
ReceiptKind = Literal["received", "refunded"]


# Placing


class OrderLine(Value, frozen=True, kw_only=True):
    """One line as it was ordered. `line` is its place in the order, from 1, and never used again.

    Amounts are for the whole quantity: price × quantity − discount, and gross = net + tax. Tax category (UNCL 5305)
    and rate are None only in imports, where the tax is not known.
    """

    line: int
    kind: LineKind
    item: UUID | None
    sku: str
    revision: int | None
    description: str
    quantity: Quantity
    unit: str
    unit_price: Price
    tax_included: bool
    discount: Money
    net: Money
    tax: Money
    gross: Money
    tax_category: str | None
    tax_rate: Rate | None
    exemption: str | None
    seller: Organisation | None
    manufacturer: Organisation | None
    warehouse: Organisation | None
    steps: tuple[Step, ...]
    plan: tuple[PlanItem, ...]
    return_days: int
    warranty_days: int
    ship_by: Instant | None
    charge_for: int | None


class ExchangeOf(Value, frozen=True):
    """The order and the return that an exchange order is sent for."""

    order: UUID
    rma: str


class OrderPlaced(Event, frozen=True, kw_only=True):
    """A consumer ordered; everything the order was promised at is frozen here."""

    number: str
    consumer: UUID
    contact: Sealed[Contact]
    bill_to: Sealed[Address]
    ship_to: Sealed[Address]
    bill_to_country: Country | None
    ship_to_country: Country | None
    ship_to_region: str | None
    zone: str
    language: str
    seller: Organisation
    lines: tuple[OrderLine, ...]
    net: Money
    tax: Money
    total: Money
    terms: Terms
    promised_by: Instant | None
    buyer_reference: str | None
    purchase_order: str | None
    basket: UUID | None
    exchange_of: ExchangeOf | None
    reference: str | None
    history: bool


class OrderConfirmed(Event, frozen=True):
    """The seller takes the order on, and says by when."""

    promised_by: Instant | None


class OrderRejected(Event, frozen=True):
    """The seller does not take the order on."""


class ManufacturerAssigned(Event, frozen=True):
    """These lines are made there."""

    lines: tuple[int, ...]
    manufacturer: Organisation


class AddressChanged(Event, frozen=True):
    """The goods go elsewhere."""

    ship_to: Sealed[Address]
    ship_to_country: Country | None
    ship_to_region: str | None
    zone: str


# Stock


class Allocation(Value, frozen=True):
    """So many units of a line, kept for it in stock under this reservation."""

    line: int
    quantity: Quantity
    reservation: UUID


class StockAllocated(Event, frozen=True):
    """Stock is kept for these lines."""

    lines: tuple[Allocation, ...]


class StockShortageFound(Event, frozen=True):
    """Stock does not suffice: what is short, and which allocations a count took back."""

    shortage: int
    lines: tuple[Units, ...]
    withdrawn: tuple[Allocation, ...]


class ShortageOutcome(Value, frozen=True):
    """What becomes of the units of a line that are short."""

    line: int
    quantity: Quantity
    how: ShortageOutcomeKind
    expected_by: Instant | None
    replacement: OrderLine | None


class Consent(Value, frozen=True):
    """How and when the consumer agreed."""

    how: ConsentChannel
    at: Instant


class ShortageResolved(Event, frozen=True, kw_only=True):
    """What becomes of what is short, agreed with the consumer; the amounts are the order's, after it."""

    shortage: int
    outcomes: tuple[ShortageOutcome, ...]
    consent: Consent
    net: Money
    tax: Money
    total: Money


# Producing


class ProductionStarted(Event, frozen=True):
    """The making of a line began: run 1, and one more whenever it must be made again."""

    line: int
    run: int
    quantity: Quantity


class ProductionStepCompleted(Event, frozen=True, kw_only=True):
    """A step of a run is done; done again, it makes every item after it pending again."""

    line: int
    run: int
    step: Code
    attempt: int
    started_at: Instant | None
    rework_for: str | None


class InspectionItemCompleted(Event, frozen=True, kw_only=True):
    """An item of the inspection and test plan was checked, and passed or failed."""

    line: int
    run: int
    item: Code
    attempt: int
    passed: bool
    reading: Reading | None
    unit: str | None
    evidence: tuple[Evidence, ...]


class ConcessionApproved(Event, frozen=True):
    """The owner of the design accepts this failed attempt as it is."""

    line: int
    run: int
    item: Code
    attempt: int


class ProductionCompleted(Event, frozen=True):
    """Every step is done and every required item passed or conceded: so many units are ready."""

    line: int
    run: int
    quantity: Quantity


# Shipping


class OrderShipped(Event, frozen=True, kw_only=True):
    """Goods left with a carrier, and here is where to follow them.

    Carrier, number and link are None only in imports. `replaces` names the shipment that is sent again.
    """

    shipment: UUID
    lines: tuple[Units, ...]
    sender: Organisation | None
    carrier: Code | None
    tracking_number: str | None
    tracking_url: HttpsUrl | None
    replaces: UUID | None


class TrackingChecked(Event, frozen=True, kw_only=True):
    """The tracking link was looked at."""

    shipment: UUID
    tracking_url: HttpsUrl
    reachable: bool
    host_allowed: bool
    http_status: int | None


class TrackingCorrected(Event, frozen=True, kw_only=True):
    """The shipment is followed elsewhere from now on; the old link stays in history."""

    shipment: UUID
    carrier: Code
    tracking_number: str
    tracking_url: HttpsUrl


class ShipmentProgressed(Event, frozen=True, kw_only=True):
    """The carrier said something. Older or lower than what is known, it is kept and not applied.

    `raw` is the SHA-256 (hex) of the carrier's own message.
    """

    shipment: UUID
    carrier_event: str
    status: ShipmentStatus
    carrier_code: str
    carrier_text: str
    place: str | None
    expected_at: Instant | None
    applied: bool
    raw: str


class OrderDelivered(Event, frozen=True, kw_only=True):
    """A shipment arrived, and what proves it."""

    shipment: UUID
    proof: DeliveryProof
    carrier_event: str | None
    received_by: Sealed[str] | None


class DeliveryRetracted(Event, frozen=True):
    """A delivery was not one; the version is that of the OrderDelivered it takes back."""

    shipment: UUID
    delivered_version: int


class OrderCompleted(Event, frozen=True):
    """The consumer, or the time that passed, closed the order."""

    cause: CompletionCause


# Ending, holding


class OrderCancelled(Event, frozen=True):
    """The end of an order of which nothing was shipped."""


class LinesCancelled(Event, frozen=True, kw_only=True):
    """These units are no longer wanted; the amounts are the order's, after it."""

    lines: tuple[Units, ...]
    net: Money
    tax: Money
    total: Money


class OrderHeld(Event, frozen=True):
    """The order waits until it is released."""


class OrderReleased(Event, frozen=True):
    """The order goes on."""


# Delays


class DelayExpected(Event, frozen=True):
    """The promise will pass, or has passed, unkept; once per promise."""

    kind: DelayKind
    stage: Code
    expected_by: Instant | None


class PromiseRevised(Event, frozen=True):
    """A new promise, or none yet. `answer_by` is None where nothing is left to ship, and nothing is asked."""

    revision: int
    promised_by: Instant | None
    compensation: Money | None
    answer_by: Instant | None


class DelayAccepted(Event, frozen=True):
    """The consumer agrees to the revised promise."""

    revision: int


class DelayDeclined(Event, frozen=True):
    """The consumer does not agree to the revised promise."""

    revision: int


# Problems


class ProblemReported(Event, frozen=True, kw_only=True):
    """Something is wrong with the order or with a shipment."""

    problem: int
    kind: ProblemKind
    shipment: UUID | None
    lines: tuple[Units, ...]
    evidence: tuple[Evidence, ...]


class ProblemResolved(Event, frozen=True):
    """What is done about a problem, and for which units of its shipment."""

    problem: int
    how: ProblemOutcome
    lines: tuple[Units, ...]


# Money


class PaymentRecorded(Event, frozen=True, kw_only=True):
    """Money was promised, came, went back, or failed to."""

    payment: UUID
    kind: PaymentKind
    amount: Money
    method: Code
    provider: str
    reference: str
    of: UUID | None
    refund: int | None
    instalments: int | None
    account_hint: str | None


class RefundGranted(Event, frozen=True, kw_only=True):
    """The consumer is owed this much back. `refers_to` names the return, problem or revision."""

    refund: int
    basis: RefundBasis
    refers_to: str
    lines: tuple[Amounts, ...]
    amount: Money


# Returns


class ReturnLine(Value, frozen=True):
    """So many units of a line that shall go back, and why."""

    line: int
    quantity: Quantity
    reason: ReturnReason


class ExchangeItem(Value, frozen=True):
    """What is wanted in exchange."""

    sku: str
    quantity: Quantity


class CountedLine(Value, frozen=True):
    """So many units of a line that came back, and in which condition."""

    line: int
    quantity: Quantity
    condition: ReturnCondition


class ResolvedLine(Value, frozen=True):
    """What becomes of the units of a line that came back."""

    line: int
    quantity: Quantity
    how: ReturnOutcome


class SentBack(Value, frozen=True):
    """The parcel in which returned goods go back to the consumer."""

    carrier: Code
    tracking_number: str
    tracking_url: HttpsUrl


class ReturnRequested(Event, frozen=True, kw_only=True):
    """The consumer wants to give goods back; this is the return's number."""

    rma: str
    lines: tuple[ReturnLine, ...]
    wanted: ReturnWish
    exchange_for: tuple[ExchangeItem, ...]
    evidence: tuple[Evidence, ...]


class ReturnApproved(Event, frozen=True, kw_only=True):
    """The goods may come back, there, by that day (in the order's zone)."""

    rma: str
    lines: tuple[Units, ...]
    send_to: Organisation
    send_by: date
    postage: Postage


class ReturnRejected(Event, frozen=True):
    """The goods may not come back."""

    rma: str


class ReturnWithdrawn(Event, frozen=True):
    """The goods do not come back after all."""

    rma: str


class ReturnShipped(Event, frozen=True, kw_only=True):
    """The goods are on their way back."""

    rma: str
    shipment: UUID
    carrier: Code
    tracking_number: str
    tracking_url: HttpsUrl


class ReturnReceived(Event, frozen=True, kw_only=True):
    """Goods came back: under a return, or undelivered."""

    rma: str | None
    shipment: UUID | None
    lines: tuple[CountedLine, ...]
    evidence: tuple[Evidence, ...]


class ReturnResolved(Event, frozen=True, kw_only=True):
    """What becomes of the goods that came back under a return."""

    rma: str
    lines: tuple[ResolvedLine, ...]
    refund: int | None
    exchange_order: UUID | None
    sent_back: SentBack | None


# Notes and messages


class NoteAdded(Event, frozen=True, kw_only=True):
    """Somebody wrote something down, or asked a role."""

    note: int
    text: Sealed[str]
    audience: NoteAudience
    about: str
    for_role: Role | None
    answers_note: int | None


class _Notification(Event, frozen=True, kw_only=True):
    message_id: str
    about: int
    recipient: UUID
    recipient_role: Role
    channel: Channel
    template: str
    template_version: int
    address: Sealed[str]
    body_sha256: str


class NotificationSent(_Notification, frozen=True, kw_only=True):
    """A message about the entry of this version went out."""


class NotificationFailed(_Notification, frozen=True, kw_only=True):
    """A message did not go out; after a final failure it is not tried again."""

    code: str
    final: bool


# Documents, whole: what was issued never changes


class DocumentSeller(Value, frozen=True, kw_only=True):
    """The seller as it stood when the document was issued (EN 16931 BG-4)."""

    legal_name: str
    trade_name: str | None
    address: Address
    country: Country
    vat_id: str | None
    tax_number: str | None
    legal_id: str | None
    legal_scheme: str | None
    email: str | None
    phone: str | None


class Buyer(Value, frozen=True):
    """Who is invoiced (EN 16931 BG-7, BG-8)."""

    contact: Contact
    bill_to: Address


class DocumentLine(Value, frozen=True, kw_only=True):
    """A line of a document (BG-25): the units of an order's line that it covers."""

    no: int
    order_line: int
    description: str
    sku: str
    quantity: Quantity
    unit: str
    unit_net: Price
    net: Money
    tax: Money
    gross: Money
    tax_category: str
    tax_rate: Rate


class TaxSubtotal(Value, frozen=True):
    """What a document's lines of one category and rate sum to (BG-23)."""

    category: str
    rate: Rate
    basis: Money
    tax: Money
    exemption: str | None


class PrecedingInvoice(Value, frozen=True):
    """The invoice that a credit note corrects (BG-3)."""

    number: str
    issued_on: date


class _Document(Event, frozen=True, kw_only=True):
    number: str
    series: str
    sequence: int
    kind: Literal[380, 381]
    issued_on: date
    supply_on: date
    seller: DocumentSeller
    buyer: Sealed[Buyer]
    buyer_country: Country
    ship_to: Sealed[Address]
    ship_to_country: Country
    buyer_reference: str | None
    purchase_order: str | None
    order_number: str
    shipment: UUID | None
    currency: Currency
    lines: tuple[DocumentLine, ...]
    tax: tuple[TaxSubtotal, ...]
    net_total: Money
    tax_total: Money
    gross_total: Money
    prepaid: Money
    due: Money
    due_on: date | None
    terms: str
    means_code: str
    iban: str | None
    payment_reference: str
    language: str
    layout: str


class InvoiceIssued(_Document, frozen=True, kw_only=True):
    """An invoice (UNTDID 1001: 380) for what was dispatched, or for the order at its confirmation."""


class CreditNoteIssued(_Document, frozen=True, kw_only=True):
    """A credit note (381) to one invoice; `refund` is None where nothing had been paid for what was dropped."""

    invoice: PrecedingInvoice
    refund: int | None


class ReceiptIssued(Event, frozen=True, kw_only=True):
    """A receipt for a payment received or refunded."""

    number: str
    series: str
    sequence: int
    issued_on: date
    seller: DocumentSeller
    payer: Sealed[Contact]
    payment: UUID
    kind: ReceiptKind
    amount: Money
    method: Code
    provider: str
    reference: str
    account_hint: str | None
    order_number: str
    invoices: tuple[str, ...]


OrderEvent = (
    OrderPlaced
    | OrderConfirmed
    | OrderRejected
    | ManufacturerAssigned
    | AddressChanged
    | StockAllocated
    | StockShortageFound
    | ShortageResolved
    | ProductionStarted
    | ProductionStepCompleted
    | InspectionItemCompleted
    | ConcessionApproved
    | ProductionCompleted
    | OrderShipped
    | TrackingChecked
    | TrackingCorrected
    | ShipmentProgressed
    | OrderDelivered
    | DeliveryRetracted
    | OrderCompleted
    | OrderCancelled
    | LinesCancelled
    | OrderHeld
    | OrderReleased
    | DelayExpected
    | PromiseRevised
    | DelayAccepted
    | DelayDeclined
    | ProblemReported
    | ProblemResolved
    | PaymentRecorded
    | RefundGranted
    | ReturnRequested
    | ReturnApproved
    | ReturnRejected
    | ReturnWithdrawn
    | ReturnShipped
    | ReturnReceived
    | ReturnResolved
    | NoteAdded
    | NotificationSent
    | NotificationFailed
    | InvoiceIssued
    | CreditNoteIssued
    | ReceiptIssued
)

ORDER_EVENTS: tuple[type[Event], ...] = get_args(OrderEvent)
