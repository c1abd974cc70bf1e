"""What can be asked of an order. The body of a request is the command; the names are the API's, and permanent.

Every command may carry a reason in words, which is kept sealed; where a reason is owed from a closed list, it has a
`reason_code` too. Ids that a body leaves out are derived from the command's own id.
"""

from datetime import date
from typing import Annotated, ClassVar, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from order_ledger.entries import Role
from order_ledger.orders.events import (
    Allocation,
    Buyer,
    Channel,
    Consent,
    CountedLine,
    DelayKind,
    DeliveryProof,
    ExchangeItem,
    NoteAudience,
    OrderPlaced,
    PaymentKind,
    Postage,
    ProblemKind,
    ProblemOutcome,
    RefundBasis,
    ResolvedLine,
    ReturnLine,
    ReturnWish,
    SentBack,
    ShipmentStatus,
)
from order_ledger.values import (
    Address,
    Code,
    Contact,
    Evidence,
    HttpsUrl,
    Instant,
    Language,
    Money,
    Quantity,
    Reading,
    Text,
    Units,
    Value,
    Zone,
)

RejectReason = Literal["cannot_make", "not_licensed", "price", "address", "duplicate", "other"]
CancelReason = Literal[
    "changed_mind", "delay_declined", "cannot_make", "out_of_stock", "unpaid", "fraud", "duplicate", "other"
]
HoldReason = Literal["payment", "fraud_check", "address", "design_question", "material", "other"]
PromiseReason = Literal["material", "capacity", "rework", "shortage", "carrier", "customs", "weather", "other"]
ConcessionReason = Literal["cosmetic", "within_function", "consumer_agreed", "other"]
TrackingReason = Literal["typo", "wrong_parcel", "carrier_changed", "other"]
RejectReturnReason = Literal["too_late", "used", "excluded", "not_ours", "other"]
GoodwillReason = Literal["late", "quality", "service", "other"]

LineNumber = Annotated[int, Field(ge=1, le=10_000, strict=True, description="The line's place in the order, from 1.")]
Number = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Rma = Annotated[str, Field(min_length=1, max_length=64, description="The return's number.")]
Sku = Annotated[str, Field(min_length=1, max_length=64)]
Reference = Annotated[str, Field(min_length=1, max_length=200)]
TrackingNumber = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./_-]*$")]
SomeUnits = Annotated[tuple[Units, ...], Field(min_length=1, max_length=200)]
AnyUnits = Annotated[tuple[Units, ...], Field(max_length=200)]
Files = Annotated[tuple[Evidence, ...], Field(max_length=50)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
HappenedAt = Annotated[
    Instant | None, Field(description="When it happened, if not just now; never later than now. UTC or with an offset.")
]


class Command(BaseModel):
    """Something asked of an order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]

    reason: Text | None = Field(
        default=None,
        description="Why, in words; kept sealed. Owed with the reason code `other`, and when acting for a consumer.",
    )


# Placing


class WantedLine(Value, frozen=True):
    """So many units of an item; a charge may name the line it belongs to. `seller` is the basket's unless given."""

    sku: Sku
    quantity: Quantity
    seller: UUID | None = None
    charge_for: LineNumber | None = None


class Place(Command):
    """Order items of one seller. Prices, tax, texts, steps, plans and terms are frozen as they stand now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "seller": "01932f0c-5a00-7000-8000-00000000000a",
                    "lines": [{"sku": "ROTOR-200", "quantity": 2}, {"sku": "FREIGHT", "quantity": 1}],
                    "contact": {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+49 30 1234567"},
                    "ship_to": {
                        "name": "Ada Lovelace",
                        "line1": "Unter den Linden 1",
                        "postcode": "10117",
                        "city": "Berlin",
                        "country": "DE",
                    },
                    "zone": "Europe/Berlin",
                    "language": "en",
                    "expected_total": {"amount": "242.90", "currency": "EUR"},
                }
            ]
        }
    )
    name = "place"

    seller: UUID = Field(description="Whose items these are. A basket of several sellers is placed as several orders.")
    lines: tuple[WantedLine, ...] = Field(min_length=1, max_length=200, description="What is ordered.")
    contact: Contact = Field(description="Whom to reach about the order.")
    ship_to: Address = Field(description="Where the goods go.")
    bill_to: Address | None = Field(default=None, description="Who is invoiced; the ship-to address unless given.")
    zone: Zone | None = Field(default=None, description="The consumer's time zone; the seller's unless given.")
    language: Language | None = Field(
        default=None, description="For messages and documents; the seller's unless given."
    )
    expected_total: Money = Field(description="The total that the consumer saw; refused if it is no longer right.")
    buyer_reference: Reference | None = Field(default=None, description="The buyer's reference (BT-10).")
    purchase_order: Reference | None = Field(default=None, description="The buyer's purchase order (BT-13).")
    basket: UUID | None = Field(default=None, description="What orders of one basket have in common.")


class RecordHistory(Command):
    """An order that another system placed, whole, as its import read it. Not asked through the API."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    name = "place"

    placed: OrderPlaced


class Assign(Command):
    """Say where lines are made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"lines": [1], "manufacturer": "01932f0c-5a00-7000-8000-00000000000b"},
            ]
        }
    )
    name = "assign"

    lines: tuple[LineNumber, ...] = Field(min_length=1, max_length=200, description="The lines, by their place.")
    manufacturer: UUID = Field(description="Who makes them: an organisation that is registered as a manufacturer.")


class Confirm(Command):
    """Take the order on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"promised_by": "2026-12-04T16:00:00Z"}]})
    name = "confirm"

    promised_by: Instant | None = Field(
        default=None, description="When all of it will have arrived; the promise made at placement stands if left out."
    )


class Reject(Command):
    """Do not take the order on. What was paid is granted back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason_code": "not_licensed"}]})
    name = "reject"

    reason_code: RejectReason = Field(description="Why.")


class ChangeAddress(Command):
    """Send the goods elsewhere: the consumer until it is confirmed, customer service until something ships."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ship_to": {
                        "name": "Ada Lovelace",
                        "line1": "Friedrichstr. 5",
                        "postcode": "10117",
                        "city": "Berlin",
                        "country": "DE",
                    }
                }
            ]
        }
    )
    name = "change-address"

    ship_to: Address = Field(description="Where the goods go now.")
    zone: Zone | None = Field(default=None, description="The time zone there; the order's unless given.")


# Stock


class AllocateStock(Command):
    """Stock was reserved for these lines."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"lines": [{"line": 1, "quantity": 2, "reservation": "01932f0c-5a00-7000-8000-00000000000c"}]}]
        }
    )
    name = "allocate-stock"

    lines: tuple[Allocation, ...] = Field(min_length=1, max_length=200, description="What is kept, for which line.")


class FindShortage(Command):
    """Stock does not suffice, or a count took back what was reserved."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lines": [{"line": 1, "quantity": 1}]}]})
    name = "find-shortage"

    lines: SomeUnits = Field(description="What is short.")
    withdrawn: tuple[Allocation, ...] = Field(
        default=(), max_length=200, description="The allocations that a count took back."
    )


class ShortageChoice(Value, frozen=True):
    """What becomes of units of a line: backorder with a date, substitute by an item, or remove."""

    line: LineNumber
    quantity: Quantity
    how: Literal["backorder", "substitute", "remove"]
    expected_by: Instant | None = None
    sku: Sku | None = None


class ResolveShortage(Command):
    """Settle with the consumer what becomes of what is short, or of a backorder that is not served."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shortage": 1,
                    "outcomes": [{"line": 1, "quantity": 1, "how": "backorder", "expected_by": "2026-12-18T12:00:00Z"}],
                    "consent": {"how": "phone", "at": "2026-11-22T09:30:00Z"},
                }
            ]
        }
    )
    name = "resolve-shortage"

    shortage: Number = Field(description="The shortage, by its number.")
    outcomes: tuple[ShortageChoice, ...] = Field(min_length=1, max_length=200, description="What becomes of the units.")
    consent: Consent = Field(description="How and when the consumer agreed.")


# Producing


class StartProduction(Command):
    """Begin to make a line, or to make it again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"line": 1}]})
    name = "start-production"

    line: LineNumber
    at: HappenedAt = None


class CompleteStep(Command):
    """A step is done. Done again, every item of the plan after it is to be checked again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"line": 1, "step": "milling"}]})
    name = "complete-step"

    line: LineNumber
    step: Code = Field(description="The step, of the line's own.")
    attempt: Number | None = Field(
        default=None, description="Which time this is, so that a repeat is recognised; the next one if left out."
    )
    started_at: Instant | None = Field(default=None, description="When it was begun.")
    rework_for: Code | None = Field(default=None, description="The item of the plan whose failure this mends.")
    at: HappenedAt = None


class CompleteInspectionItem(Command):
    """An item of the inspection and test plan was checked. Every attempt stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"line": 1, "item": "bore", "passed": True, "reading": "12.01"}]}
    )
    name = "complete-inspection-item"

    line: LineNumber
    item: Code = Field(description="The item, of the line's own plan.")
    passed: bool = Field(description="Whether it passed. A pass needs its reading within limits, and its evidence.")
    attempt: Number | None = Field(
        default=None, description="Which time this is, so that a repeat is recognised; the next one if left out."
    )
    reading: Reading | None = Field(default=None, description="What was measured, in the plan's unit.")
    evidence: Files = Field(default=(), description="What shows it; uploaded before.")
    at: HappenedAt = None


class ApproveConcession(Command):
    """Accept an item that failed, as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"line": 1, "item": "bore", "reason_code": "within_function"}]}
    )
    name = "approve-concession"

    line: LineNumber
    item: Code = Field(description="The item whose last result is a failure.")
    reason_code: ConcessionReason = Field(description="Why it is acceptable.")


class CompleteProduction(Command):
    """The line is made: every step done, every required item passed or conceded."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"line": 1}]})
    name = "complete-production"

    line: LineNumber
    at: HappenedAt = None


# Shipping


class Ship(Command):
    """Hand units to a carrier, with a link to follow them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "lines": [{"line": 1, "quantity": 2}],
                    "carrier": "dhl",
                    "tracking_number": "00340434161094042557",
                    "tracking_url": "https://www.dhl.com/track?id=00340434161094042557",
                }
            ]
        }
    )
    name = "ship"

    lines: SomeUnits = Field(description="What is in the parcel.")
    carrier: Code = Field(description="The carrier's short name.")
    tracking_number: TrackingNumber = Field(description="The carrier's number of the parcel.")
    tracking_url: HttpsUrl = Field(description="Where to follow it: https, at one of the seller's tracking hosts.")
    shipment: UUID | None = Field(default=None, description="The shipment's id; derived if left out.")
    replaces: UUID | None = Field(default=None, description="The shipment that is sent again; not invoiced again.")
    at: HappenedAt = None


class CorrectTracking(Command):
    """Follow a shipment elsewhere. Takes back a delivery that only the old number proved."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shipment": "01932f0c-5a00-7000-8000-00000000000d",
                    "carrier": "dhl",
                    "tracking_number": "00340434161094042558",
                    "tracking_url": "https://www.dhl.com/track?id=00340434161094042558",
                    "reason_code": "typo",
                }
            ]
        }
    )
    name = "correct-tracking"

    shipment: UUID = Field(description="The shipment.")
    carrier: Code = Field(description="The right carrier's short name.")
    tracking_number: TrackingNumber = Field(description="The right number.")
    tracking_url: HttpsUrl = Field(description="The right link.")
    reason_code: TrackingReason = Field(description="What was wrong.")


class CheckTracking(Command):
    """The tracking link was looked at; this is what was found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shipment": "01932f0c-5a00-7000-8000-00000000000d",
                    "tracking_url": "https://www.dhl.com/track?id=00340434161094042557",
                    "reachable": True,
                    "host_allowed": True,
                    "http_status": 200,
                }
            ]
        }
    )
    name = "check-tracking"

    shipment: UUID = Field(description="The shipment.")
    tracking_url: HttpsUrl = Field(description="The link that was looked at.")
    reachable: bool = Field(description="Whether it answered.")
    host_allowed: bool = Field(description="Whether its host is one of the seller's.")
    http_status: int | None = Field(default=None, ge=100, le=599, description="What it answered.")


class RecordProgress(Command):
    """What a carrier said about a parcel. Seen before it is nothing new; older or lower it is kept, not applied."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shipment": "01932f0c-5a00-7000-8000-00000000000d",
                    "carrier_event": "evt-20261123-1",
                    "status": "out_for_delivery",
                    "carrier_code": "OFD",
                    "carrier_text": "With the driver",
                    "place": "Berlin",
                    "raw": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "at": "2026-11-23T07:12:00Z",
                }
            ]
        }
    )
    name = "record-progress"

    shipment: UUID = Field(description="The shipment, outward or of a return.")
    carrier_event: Reference = Field(description="The carrier's own id of what it said.")
    status: ShipmentStatus = Field(description="What it means; `unknown` where the carrier's code is not known.")
    carrier_code: str = Field(max_length=200, description="The carrier's own code.")
    carrier_text: str = Field(max_length=2000, description="The carrier's own words.")
    place: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="Where.")
    expected_at: Instant | None = Field(default=None, description="When the carrier expects to deliver.")
    raw: Sha256 = Field(description="SHA-256 (hex) of the carrier's own message.")
    tracking_number: TrackingNumber | None = Field(
        default=None, description="The number it was said of; said of a number since corrected, it is not applied."
    )
    at: HappenedAt = None


class Deliver(Command):
    """A shipment arrived."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"shipment": "01932f0c-5a00-7000-8000-00000000000d", "proof": "consumer"}]}
    )
    name = "deliver"

    shipment: UUID = Field(description="The shipment.")
    proof: DeliveryProof | None = Field(
        default=None, description="What proves it; if left out, what follows from who says so."
    )
    carrier_event: Reference | None = Field(default=None, description="The carrier's event that says so.")
    received_by: Text | None = Field(default=None, description="Who took it in; kept sealed.")
    at: HappenedAt = None


class Complete(Command):
    """Close the order. While it is on its way this says that all of it arrived."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})
    name = "complete"


# Ending, holding


class Cancel(Command):
    """Cancel what is not shipped: all of it, or the units named. What was paid for it is granted back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason_code": "changed_mind"}]})
    name = "cancel"

    lines: AnyUnits = Field(default=(), description="The units; all that is not shipped if left out.")
    reason_code: CancelReason = Field(description="Why.")


class Hold(Command):
    """Let the order wait: it is not confirmed, made, shipped or completed by time until it is released."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason_code": "fraud_check"}]})
    name = "hold"

    reason_code: HoldReason = Field(description="Why.")


class Release(Command):
    """Let the order go on. A reason is owed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The payment was checked."}]})
    name = "release"


# Delays


class ExpectDelay(Command):
    """The promise will pass, or has passed, unkept. Opens a case, once per promise."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "will_pass", "stage": "in_production"}]})
    name = "expect-delay"

    kind: DelayKind = Field(description="Whether it will pass, or has.")
    stage: Code = Field(description="Where the order is stuck.")
    expected_by: Instant | None = Field(default=None, description="When it is expected instead.")


class RevisePromise(Command):
    """Give a new promise, or say that none can be given yet; the consumer may decline it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "promised_by": "2026-12-18T16:00:00Z",
                    "reason_code": "material",
                    "compensation": {"amount": "10.00", "currency": "EUR"},
                }
            ]
        }
    )
    name = "revise-promise"

    promised_by: Instant | None = Field(description="The new promise; null where it is not known yet.")
    reason_code: PromiseReason = Field(description="Why.")
    compensation: Money | None = Field(default=None, description="What is granted back if the consumer accepts.")
    answer_by: Instant | None = Field(default=None, description="Until when an answer is asked; in a week if left out.")


class AcceptDelay(Command):
    """Agree to the revised promise."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"revision": 1}]})
    name = "accept-delay"

    revision: Number | None = Field(default=None, description="The revision; the one that is open if left out.")


class DeclineDelay(Command):
    """Do not agree to the revised promise: what is not shipped is cancelled, and what was paid for it granted back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"revision": 1}]})
    name = "decline-delay"

    revision: Number | None = Field(default=None, description="The revision; the one that is open if left out.")
    reason_code: Literal["delay_declined"] = Field(default="delay_declined", description="Why it is cancelled.")


# Problems


class ReportProblem(Command):
    """Say what is wrong with a shipment, or with the order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "damaged",
                    "shipment": "01932f0c-5a00-7000-8000-00000000000d",
                    "lines": [{"line": 1, "quantity": 1}],
                    "reason": "The housing is cracked.",
                }
            ]
        }
    )
    name = "report-problem"

    kind: ProblemKind = Field(description="What is wrong.")
    shipment: UUID | None = Field(
        default=None, description="Which shipment; only `cancel_wanted` and `other` need none."
    )
    lines: AnyUnits = Field(default=(), description="Which units of it; all of them if left out.")
    evidence: Files = Field(default=(), description="What shows it; uploaded before.")


class ResolveProblem(Command):
    """Settle a problem: send the units again, grant the money back, or neither."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"problem": 1, "how": "reship", "lines": [{"line": 1, "quantity": 1}]}]}
    )
    name = "resolve-problem"

    problem: Number = Field(description="The problem, by its number.")
    how: ProblemOutcome = Field(description="What is done about it.")
    lines: AnyUnits = Field(default=(), description="For which units of its shipment; those reported if left out.")


# Money


class RecordPayment(Command):
    """What a payment provider, or customer service, says about money."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "captured",
                    "amount": {"amount": "242.90", "currency": "EUR"},
                    "method": "card",
                    "provider": "acme-pay",
                    "reference": "ch_3PqX",
                    "account_hint": "4242",
                }
            ]
        }
    )
    name = "record-payment"

    kind: PaymentKind = Field(description="What happened to the money.")
    amount: Money = Field(description="How much.")
    method: Code = Field(description="How: card, transfer, boleto, voucher, exchange, …")
    provider: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="Who says so.")
    reference: Reference = Field(description="The provider's own; once per order and kind.")
    payment: UUID | None = Field(default=None, description="The payment's id; derived if left out.")
    of: UUID | None = Field(default=None, description="The payment it captures, voids, refunds, or takes back.")
    refund: Number | None = Field(default=None, description="The refund it pays, by its number.")
    instalments: Annotated[int, Field(ge=1, le=999, strict=True)] | None = Field(
        default=None, description="In how many."
    )
    account_hint: Annotated[str, Field(min_length=1, max_length=4)] | None = Field(
        default=None, description="At most the last four of the account."
    )
    at: HappenedAt = None


class GrantRefund(Command):
    """Grant money back, within what its basis allows and what was paid."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"basis": "goodwill", "amount": {"amount": "5.00", "currency": "EUR"}, "reason_code": "late"}]
        }
    )
    name = "grant-refund"

    basis: RefundBasis = Field(description="Why it is owed; each has its cap.")
    amount: Money = Field(description="How much.")
    refers_to: Annotated[str, Field(max_length=64)] = Field(
        default="", description="The return's number, the problem's, or the revision's."
    )
    lines: AnyUnits = Field(default=(), description="The units it is for, where it is for units.")
    reason_code: GoodwillReason | None = Field(default=None, description="Why; owed for goodwill.")


# Returns


class RequestReturn(Command):
    """Ask to give goods back, for the money or for an exchange."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"lines": [{"line": 1, "quantity": 1, "reason": "changed_mind"}], "wanted": "refund"},
            ]
        }
    )
    name = "request-return"

    lines: tuple[ReturnLine, ...] = Field(min_length=1, max_length=200, description="Which units, and why.")
    wanted: ReturnWish = Field(description="The money, or an exchange.")
    exchange_for: tuple[ExchangeItem, ...] = Field(default=(), max_length=200, description="What is wanted instead.")
    evidence: Files = Field(default=(), description="What shows it; uploaded before.")


class ApproveReturn(Command):
    """Let goods come back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rma": "261121-K7Q4M-9TXWB-R1", "postage": "seller", "send_by": "2026-12-20"}]}
    )
    name = "approve-return"

    rma: Rma
    lines: AnyUnits = Field(default=(), description="Which units; all that were asked for if left out.")
    send_to: UUID | None = Field(
        default=None, description="Where to: an organisation of the order; where the goods came from if left out."
    )
    send_by: date | None = Field(
        default=None, description="Until which day, in the order's zone; two weeks if left out."
    )
    postage: Postage | None = Field(
        default=None, description="Who pays it; the seller where goods were not as they should be, if left out."
    )


class RejectReturn(Command):
    """Do not let goods come back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rma": "261121-K7Q4M-9TXWB-R1", "reason_code": "used"}]})
    name = "reject-return"

    rma: Rma
    reason_code: RejectReturnReason = Field(description="Why.")


class WithdrawReturn(Command):
    """Do not give the goods back after all; or they were not sent in time."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rma": "261121-K7Q4M-9TXWB-R1"}]})
    name = "withdraw-return"

    rma: Rma


class ShipReturn(Command):
    """The goods are on their way back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rma": "261121-K7Q4M-9TXWB-R1",
                    "carrier": "dhl",
                    "tracking_number": "00340434161094099999",
                    "tracking_url": "https://www.dhl.com/track?id=00340434161094099999",
                }
            ]
        }
    )
    name = "ship-return"

    rma: Rma
    carrier: Code = Field(description="The carrier's short name.")
    tracking_number: TrackingNumber = Field(description="The carrier's number of the parcel.")
    tracking_url: HttpsUrl = Field(description="Where to follow it.")
    shipment: UUID | None = Field(default=None, description="The parcel's id; derived if left out.")
    at: HappenedAt = None


class ReceiveReturn(Command):
    """Goods came back, and were counted: under a return, or a shipment that was not delivered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"rma": "261121-K7Q4M-9TXWB-R1", "lines": [{"line": 1, "quantity": 1, "condition": "resellable"}]}
            ]
        }
    )
    name = "receive-return"

    rma: Rma | None = Field(default=None, description="The return; or else the shipment.")
    shipment: UUID | None = Field(default=None, description="The shipment that came back undelivered.")
    lines: tuple[CountedLine, ...] = Field(min_length=1, max_length=200, description="What was counted.")
    evidence: Files = Field(default=(), description="What shows it; uploaded before.")
    at: HappenedAt = None


class ResolveReturn(Command):
    """Settle what becomes of everything that came back under a return; it ends the return."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"rma": "261121-K7Q4M-9TXWB-R1", "lines": [{"line": 1, "quantity": 1, "how": "refund"}]}]
        }
    )
    name = "resolve-return"

    rma: Rma
    lines: tuple[ResolvedLine, ...] = Field(min_length=1, max_length=200, description="What becomes of which units.")
    refund_charges: bool = Field(default=False, description="Whether charges not yet refunded (freight) go back too.")
    amount: Money | None = Field(default=None, description="What is granted back; all it is worth if left out.")
    exchange_order: UUID | None = Field(default=None, description="The exchange order's id; derived if left out.")
    sent_back: SentBack | None = Field(default=None, description="The parcel of what is sent back to the consumer.")


# Notes and messages


class AddNote(Command):
    """Write something down about the order, or ask a role."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": "Is a radius of 0.4 mm acceptable?",
                    "audience": "staff",
                    "about": "item:1/bore",
                    "for_role": "ip_owner",
                }
            ]
        }
    )
    name = "add-note"

    text: Text = Field(description="The note; kept sealed.")
    audience: NoteAudience = Field(default="everyone", description="Who reads it.")
    about: Annotated[
        str, Field(max_length=120, pattern=r"^(order|(line|step|item|shipment|rma):[A-Za-z0-9_./-]+)$")
    ] = Field(
        default="order", description="What it is about: order, line:2, step:2/milling, item:2/bore, shipment:…, rma:…"
    )
    for_role: Literal["consumer", "ip_owner", "manufacturer", "warehouse", "customer_service"] | None = Field(
        default=None, description="The role that shall answer."
    )
    answers_note: Number | None = Field(default=None, description="The question that this answers.")


class Failure(Value, frozen=True):
    """Why a message did not go out, and whether it is tried again."""

    code: Code
    final: bool


class RecordNotification(Command):
    """A message went out, or did not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "message_id": "<shipped.8f2d@ledger.example>",
                    "about": 7,
                    "recipient": "01932f0c-5a00-7000-8000-00000000000e",
                    "recipient_role": "consumer",
                    "channel": "email",
                    "template": "shipped",
                    "template_version": 1,
                    "address": "ada@example.com",
                    "body_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                }
            ]
        }
    )
    name = "record-notification"

    message_id: Reference = Field(description="The message's id, made from what it is about.")
    about: Number = Field(description="The version of the entry it is about.")
    recipient: UUID = Field(description="The person.")
    recipient_role: Role = Field(description="In which role the person was written to.")
    channel: Channel = Field(description="How it went.")
    template: Code = Field(description="Its template.")
    template_version: Number = Field(description="Which version of it.")
    address: Annotated[str, Field(max_length=320)] = Field(description="Where it went; kept sealed.")
    body_sha256: Sha256 = Field(description="SHA-256 (hex) of its body.")
    failed: Failure | None = Field(default=None, description="Why it did not go out, if it did not.")


# Documents: number, series, sequence and day are drawn in the transaction that appends


class _Issue(Command):
    number: Reference = Field(description="The document's number, from its series.")
    series: Reference = Field(description="The series: seller, kind and year.")
    sequence: Annotated[int, Field(ge=1, strict=True)] = Field(description="Its place in the series.")
    issued_on: date = Field(description="The day of issue, in the seller's zone.")
    layout: Code = Field(description="The template's version.")


class IssueInvoice(_Issue):
    """Invoice a shipment, or the order at its confirmation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "number": "ACME-INV-2026-000001",
                    "series": "ACME-INV-2026",
                    "sequence": 1,
                    "issued_on": "2026-11-22",
                    "layout": "1",
                    "supply_on": "2026-11-22",
                    "shipment": "01932f0c-5a00-7000-8000-00000000000d",
                    "buyer": {
                        "contact": {"name": "Ada Lovelace"},
                        "bill_to": {"line1": "Unter den Linden 1", "city": "Berlin", "country": "DE"},
                    },
                    "ship_to": {"line1": "Unter den Linden 1", "city": "Berlin", "country": "DE"},
                }
            ]
        }
    )
    name = "issue-invoice"

    supply_on: date = Field(description="The day of dispatch, or of confirmation, in the seller's zone.")
    shipment: UUID | None = Field(default=None, description="The shipment; none where the order is invoiced at once.")
    buyer: Buyer = Field(description="Who is invoiced, opened.")
    ship_to: Address = Field(description="Where the goods went, opened.")


class IssueCreditNote(_Issue):
    """Credit what of an invoice is no longer to be paid."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "number": "ACME-CRN-2026-000001",
                    "series": "ACME-CRN-2026",
                    "sequence": 1,
                    "issued_on": "2026-11-29",
                    "layout": "1",
                    "supply_on": "2026-11-22",
                    "invoice": "ACME-INV-2026-000001",
                    "refund": 1,
                    "buyer": {
                        "contact": {"name": "Ada Lovelace"},
                        "bill_to": {"line1": "Unter den Linden 1", "city": "Berlin", "country": "DE"},
                    },
                    "ship_to": {"line1": "Unter den Linden 1", "city": "Berlin", "country": "DE"},
                }
            ]
        }
    )
    name = "issue-credit-note"

    supply_on: date = Field(description="The invoice's own.")
    invoice: Reference = Field(description="The invoice, by its number.")
    refund: Number | None = Field(
        default=None, description="The refund; none where nothing had been paid for what is dropped."
    )
    buyer: Buyer = Field(description="Who was invoiced, opened.")
    ship_to: Address = Field(description="Where the goods went, opened.")


class IssueReceipt(_Issue):
    """Give a receipt for a payment captured or refunded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "number": "ACME-RCP-2026-000001",
                    "series": "ACME-RCP-2026",
                    "sequence": 1,
                    "issued_on": "2026-11-22",
                    "layout": "1",
                    "payment": "01932f0c-5a00-7000-8000-00000000000f",
                    "payer": {"name": "Ada Lovelace"},
                }
            ]
        }
    )
    name = "issue-receipt"

    payment: UUID = Field(description="The payment.")
    payer: Contact = Field(description="Who paid, opened.")


OrderCommand = (
    Place
    | RecordHistory
    | Assign
    | Confirm
    | Reject
    | ChangeAddress
    | AllocateStock
    | FindShortage
    | ResolveShortage
    | StartProduction
    | CompleteStep
    | CompleteInspectionItem
    | ApproveConcession
    | CompleteProduction
    | Ship
    | CorrectTracking
    | CheckTracking
    | RecordProgress
    | Deliver
    | Complete
    | Cancel
    | Hold
    | Release
    | ExpectDelay
    | RevisePromise
    | AcceptDelay
    | DeclineDelay
    | ReportProblem
    | ResolveProblem
    | RecordPayment
    | GrantRefund
    | RequestReturn
    | ApproveReturn
    | RejectReturn
    | WithdrawReturn
    | ShipReturn
    | ReceiveReturn
    | ResolveReturn
    | AddNote
    | RecordNotification
    | IssueInvoice
    | IssueCreditNote
    | IssueReceipt
)

COMMANDS: dict[str, type[Command]] = {
    command.name: command for command in get_args(OrderCommand) if command is not RecordHistory
}
"""What may be asked of an order, by the API's name."""
