"""Random histories of orders: every event there is, in any order, over few ids and small numbers so that they meet."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid5

from msgspec.structs import replace

from order_ledger.entries import By, CommandRef, Entry, Role
from order_ledger.orders.events import (
    AddressChanged,
    Allocation,
    Buyer,
    ConcessionApproved,
    Consent,
    CountedLine,
    CreditNoteIssued,
    DelayAccepted,
    DelayDeclined,
    DelayExpected,
    DeliveryRetracted,
    DocumentLine,
    DocumentSeller,
    InspectionItemCompleted,
    InvoiceIssued,
    LinesCancelled,
    ManufacturerAssigned,
    NoteAdded,
    NotificationFailed,
    NotificationSent,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderHeld,
    OrderLine,
    OrderPlaced,
    OrderRejected,
    OrderReleased,
    OrderShipped,
    PaymentRecorded,
    PrecedingInvoice,
    ProblemReported,
    ProblemResolved,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
    PromiseRevised,
    ReceiptIssued,
    RefundGranted,
    ResolvedLine,
    ReturnApproved,
    ReturnLine,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    ReturnResolved,
    ReturnShipped,
    ReturnWithdrawn,
    ShipmentProgressed,
    ShortageOutcome,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
    TrackingChecked,
    TrackingCorrected,
)
from order_ledger.values import (
    Address,
    Amounts,
    Contact,
    Money,
    Organisation,
    PlanItem,
    Sealed,
    Step,
    Terms,
    Units,
    money,
)

START = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
BY = By(UUID("0198c000-0000-7000-8000-000000000001"), "ledger")
SEALED: Sealed[object] = Sealed("a key", "a box with Ada Lovelace in it")
SEALED_TEXT: Sealed[str] = Sealed("a key", "a box with Ada Lovelace in it")
SEALED_ADDRESS: Sealed[Address] = Sealed("a key", "a box with Ada Lovelace in it")
SEALED_CONTACT: Sealed[Contact] = Sealed("a key", "a box with Ada Lovelace in it")

_NAMES = UUID("0198c000-0000-7000-8000-000000000000")


def an_id(name: str) -> UUID:
    return uuid5(_NAMES, name)


CONSUMER = an_id("consumer")
SELLER = Organisation(an_id("seller"), "Studio Walnut")
MAKERS = (Organisation(an_id("maker 1"), "Makers North"), Organisation(an_id("maker 2"), "Makers South"))
WAREHOUSE = Organisation(an_id("warehouse"), "Shelf & Co")
SHIPMENTS = (an_id("shipment 1"), an_id("shipment 2"), an_id("shipment of a return"))
PAYMENTS = (an_id("payment 1"), an_id("payment 2"))
RMAS = ("RMA-1", "RMA-2")
LINK = "https://carrier.example/track"
_SELLER_ON_PAPER = DocumentSeller(
    legal_name="Studio Walnut", trade_name=None, address=Address(), country="DE", vat_id="DE1", tax_number=None,
    legal_id=None, legal_scheme=None, email=None, phone=None,
)  # fmt: skip


def eur(amount: int | str) -> Money:
    return money(amount, "EUR")


def line(number: int, kind: str, quantity: int = 2) -> OrderLine:
    return OrderLine(
        line=number, kind=kind, item=an_id(f"item {number}"), sku=f"SKU-{number}", revision=1,  # type: ignore[arg-type]
        description=f"Stool no. {number}", quantity=quantity, unit="C62", unit_price=Decimal("10.00"),
        tax_included=True, discount=eur(0), net=eur("16.81"), tax=eur("3.19"), gross=eur(20), tax_category="S",
        tax_rate=Decimal("19.00"), exemption=None, seller=None,
        manufacturer=MAKERS[0] if kind == "made_to_order" else None,
        warehouse=WAREHOUSE if kind == "from_stock" else None,
        steps=(Step("saw", "Saw"), Step("sand", "Sand")), plan=(PlanItem("final", "Final check", "sand"),),
        return_days=30, warranty_days=700, ship_by=None, charge_for=None,
    )  # fmt: skip


def placed(
    number: str = "A-1",
    lines: tuple[OrderLine, ...] | None = None,
    pay: str = "on_invoice",
    reference: str | None = None,
) -> OrderPlaced:
    lines = (line(1, "from_stock"), line(2, "made_to_order")) if lines is None else lines
    return OrderPlaced(
        number=number, consumer=CONSUMER, contact=SEALED_CONTACT, bill_to=SEALED_ADDRESS, ship_to=SEALED_ADDRESS,
        bill_to_country="DE", ship_to_country="DE", ship_to_region=None, zone="Europe/Berlin", language="de",
        seller=SELLER, lines=lines, net=eur("33.62"), tax=eur("6.38"), total=eur(40),
        terms=Terms(pay, 14, "card", "dispatch", 14), promised_by=START + timedelta(days=9),  # type: ignore[arg-type]
        buyer_reference=None, purchase_order=None, basket=None, exchange_of=None, reference=reference, history=False,
    )  # fmt: skip


def shipped(*units: Units, shipment: UUID = SHIPMENTS[0], number: str = "1Z-42") -> OrderShipped:
    return OrderShipped(
        shipment=shipment, lines=units, sender=WAREHOUSE, carrier="ups", tracking_number=number, tracking_url=LINK,
        replaces=None,
    )  # fmt: skip


def delivered(shipment: UUID = SHIPMENTS[0]) -> OrderDelivered:
    return OrderDelivered(shipment=shipment, proof="carrier", carrier_event="9", received_by=SEALED_TEXT)


def payment(kind: str = "captured", amount: int = 40, of: UUID | None = None) -> PaymentRecorded:
    return PaymentRecorded(
        payment=PAYMENTS[0], kind=kind, amount=eur(amount), method="card", provider="bank",  # type: ignore[arg-type]
        reference="r-1", of=of, refund=None, instalments=None, account_hint=None,
    )  # fmt: skip


def question(note: int, for_role: Role | None, answers: int | None = None) -> NoteAdded:
    return NoteAdded(
        note=note, text=SEALED_TEXT, audience="staff", about="order", for_role=for_role, answers_note=answers
    )


def entries_of(stream: UUID, *events: OrderEvent) -> list[Entry[OrderEvent]]:
    """The entries of one order, a minute apart."""
    return [
        Entry(
            "order", stream, version, event, START + timedelta(minutes=version), START + timedelta(minutes=version),
            BY, "api", CommandRef(an_id(f"command {version}"), "given"), reason_code="other", position=version,
        )
        for version, event in enumerate(events, 1)
    ]  # fmt: skip


def random_history(random: Random, most: int = 14) -> list[OrderEvent]:
    """An order placed, and then anything."""
    kinds = ["from_stock", "made_to_order", "untracked", "charge"]
    chosen = [line(number, random.choice(kinds), random.randint(1, 3)) for number in range(1, random.randint(1, 4))]
    first = placed(
        f"A-{random.randint(1, 999)}",
        tuple(chosen),
        random.choice(["prepaid", "on_invoice"]),
        random.choice([None, "REF-7"]),
    )
    return [first, *(random_event(random) for _ in range(random.randint(0, most)))]


def random_event(random: Random) -> OrderEvent:
    return random.choice(_MAKERS)(random)


def _units(random: Random) -> tuple[Units, ...]:
    return tuple(Units(random.randint(1, 3), random.randint(1, 3)) for _ in range(random.randint(0, 2)))


def _amounts(random: Random) -> tuple[Amounts, ...]:
    return tuple(
        Amounts(units.line, units.quantity, eur("8.40"), eur("1.60"), eur(random.choice([5, 10])))
        for units in _units(random)
    )


def _allocations(random: Random) -> tuple[Allocation, ...]:
    return tuple(Allocation(u.line, u.quantity, an_id(f"reservation {u.line}")) for u in _units(random))


def _when(random: Random) -> datetime | None:
    return random.choice([None, START + timedelta(days=random.randint(1, 9))])


def _outcome(random: Random) -> ShortageOutcome:
    how = random.choice(["backorder", "substitute", "remove"])
    new = line(random.randint(4, 5), "from_stock", 1) if how == "substitute" else None
    return ShortageOutcome(random.randint(1, 3), random.randint(1, 2), how, None, new)  # type: ignore[arg-type]


def _series(random: Random) -> str:
    """One of its own for every document: the journal takes no number twice."""
    return f"STU-{random.getrandbits(80):020x}"


def _document(random: Random) -> dict[str, Any]:
    lines = tuple(
        DocumentLine(
            no=no, order_line=u.line, description="Stool", sku="SKU", quantity=u.quantity, unit="C62",
            unit_net=Decimal("8.40"), net=eur("8.40"), tax=eur("1.60"), gross=eur(10), tax_category="S",
            tax_rate=Decimal("19.00"),
        )
        for no, u in enumerate(_units(random), 1)
    )  # fmt: skip
    sealed_buyer: Sealed[Buyer] = Sealed("a key", "a box")
    return {
        "number": f"STU-INV-2026-{random.randint(1, 2):06}", "series": _series(random), "sequence": 1,
        "issued_on": date(2026, 11, 21), "supply_on": date(2026, 11, 21), "seller": _SELLER_ON_PAPER,
        "buyer": sealed_buyer, "buyer_country": "DE", "ship_to": SEALED_ADDRESS, "ship_to_country": "DE",
        "buyer_reference": None, "purchase_order": None, "order_number": "A-1", "shipment": None, "currency": "EUR",
        "lines": lines, "tax": (), "net_total": eur("8.40"), "tax_total": eur("1.60"), "gross_total": eur(10),
        "prepaid": eur(0), "due": eur(10), "due_on": date(2026, 12, 5), "terms": "14 days", "means_code": "58",
        "iban": None, "payment_reference": "A-1", "language": "de", "layout": "1",
    }  # fmt: skip


def _notification(random: Random) -> dict[str, Any]:
    return {
        "message_id": f"m-{random.randint(1, 2)}", "about": 1, "recipient": CONSUMER, "recipient_role": "consumer",
        "channel": "email", "template": "placed", "template_version": 1, "address": SEALED_TEXT,
        "body_sha256": "0" * 64,
    }  # fmt: skip


def _payment(random: Random) -> PaymentRecorded:
    kinds = ["authorised", "captured", "voided", "failed", "refunded", "refund_failed", "disputed"]
    return PaymentRecorded(
        payment=random.choice(PAYMENTS), kind=random.choice(kinds), amount=eur(random.choice([5, 20, 40])),  # type: ignore[arg-type]
        method="card", provider="bank", reference="r", of=random.choice([None, *PAYMENTS]),
        refund=random.choice([None, 1, 2]), instalments=None, account_hint=None,
    )  # fmt: skip


def _money_after(random: Random) -> dict[str, Money]:
    return {"net": eur("8.40"), "tax": eur("1.60"), "total": eur(random.choice([10, 20]))}


_MAKERS: tuple[Callable[[Random], OrderEvent], ...] = (
    lambda r: OrderConfirmed(_when(r)),
    lambda r: OrderConfirmed(_when(r)),
    lambda r: OrderRejected(),
    lambda r: ManufacturerAssigned((r.randint(1, 3),), r.choice(MAKERS)),
    lambda r: AddressChanged(SEALED_ADDRESS, "FR", None, "Europe/Paris"),
    lambda r: StockAllocated(_allocations(r)),
    lambda r: StockShortageFound(r.randint(1, 2), _units(r), _allocations(r)),
    lambda r: ShortageResolved(
        shortage=r.randint(1, 2), outcomes=(_outcome(r),), consent=Consent("portal", START), **_money_after(r)
    ),
    lambda r: ProductionStarted(r.randint(1, 3), r.randint(1, 2), r.randint(1, 2)),
    lambda r: ProductionStepCompleted(
        line=r.randint(1, 3), run=r.randint(1, 2), step=r.choice(["saw", "sand"]), attempt=1, started_at=None,
        rework_for=None,
    ),
    lambda r: InspectionItemCompleted(
        line=r.randint(1, 3), run=r.randint(1, 2), item="final", attempt=r.randint(1, 2), passed=r.random() < 0.5,
        reading=None, unit=None, evidence=(),
    ),
    lambda r: ConcessionApproved(r.randint(1, 3), r.randint(1, 2), "final", 1),
    lambda r: ProductionCompleted(r.randint(1, 3), r.randint(1, 2), r.randint(1, 2)),
    lambda r: shipped(*_units(r), shipment=r.choice(SHIPMENTS), number=r.choice(["1Z-42", "1Z-43"])),
    lambda r: OrderShipped(
        shipment=r.choice(SHIPMENTS), lines=_units(r), sender=None, carrier=None, tracking_number=None,
        tracking_url=None, replaces=r.choice([None, *SHIPMENTS]),
    ),
    lambda r: TrackingChecked(
        shipment=r.choice(SHIPMENTS), tracking_url=LINK, reachable=True, host_allowed=True, http_status=200
    ),
    lambda r: TrackingCorrected(
        shipment=r.choice(SHIPMENTS), carrier="dhl", tracking_number="JD-7", tracking_url=LINK
    ),
    lambda r: ShipmentProgressed(
        shipment=r.choice(SHIPMENTS), carrier_event=str(r.randint(1, 3)),
        status=r.choice(["in_transit", "out_for_delivery", "delivered"]), carrier_code="X", carrier_text="x",
        place=None, expected_at=_when(r), applied=r.random() < 0.8, raw="0" * 64,
    ),
    lambda r: delivered(r.choice(SHIPMENTS)),
    lambda r: delivered(r.choice(SHIPMENTS)),
    lambda r: DeliveryRetracted(r.choice(SHIPMENTS), r.randint(1, 9)),
    lambda r: OrderCompleted(r.choice(["consumer", "timer"])),
    lambda r: OrderCancelled(),
    lambda r: LinesCancelled(lines=_units(r), **_money_after(r)),
    lambda r: OrderHeld(),
    lambda r: OrderReleased(),
    lambda r: DelayExpected("will_pass", "producing", _when(r)),
    lambda r: PromiseRevised(r.randint(1, 2), _when(r), r.choice([None, eur(5)]), _when(r)),
    lambda r: DelayAccepted(r.randint(1, 2)),
    lambda r: DelayDeclined(r.randint(1, 2)),
    lambda r: ProblemReported(
        problem=r.randint(1, 2), kind="damaged", shipment=r.choice([None, *SHIPMENTS]), lines=_units(r), evidence=()
    ),
    lambda r: ProblemResolved(r.randint(1, 2), r.choice(["reship", "refund", "none"]), _units(r)),
    _payment,
    _payment,
    lambda r: RefundGranted(
        refund=r.randint(1, 2), basis=r.choice(["cancellation", "return", "problem", "goodwill"]), refers_to="x",
        lines=_amounts(r), amount=eur(r.choice([5, 10])),
    ),
    lambda r: ReturnRequested(
        rma=r.choice(RMAS), lines=tuple(ReturnLine(u.line, u.quantity, "damaged") for u in _units(r)),
        wanted="refund", exchange_for=(), evidence=(),
    ),
    lambda r: ReturnApproved(
        rma=r.choice(RMAS), lines=_units(r), send_to=r.choice([WAREHOUSE, *MAKERS]), send_by=date(2026, 12, 24),
        postage="seller",
    ),
    lambda r: ReturnRejected(r.choice(RMAS)),
    lambda r: ReturnWithdrawn(r.choice(RMAS)),
    lambda r: ReturnShipped(
        rma=r.choice(RMAS), shipment=SHIPMENTS[2], carrier="dhl", tracking_number="RET-1", tracking_url=LINK
    ),
    lambda r: ReturnReceived(
        rma=r.choice([None, *RMAS]), shipment=r.choice([None, *SHIPMENTS]),
        lines=tuple(CountedLine(u.line, u.quantity, "resellable") for u in _units(r)), evidence=(),
    ),
    lambda r: ReturnResolved(
        rma=r.choice(RMAS), lines=tuple(ResolvedLine(u.line, u.quantity, "refund") for u in _units(r)), refund=1,
        exchange_order=None, sent_back=None,
    ),
    lambda r: question(
        r.randint(1, 2), r.choice([None, "consumer", "ip_owner", "manufacturer", "warehouse", "customer_service"]),
        r.choice([None, 1, 2]),
    ),
    lambda r: NotificationSent(**_notification(r)),
    lambda r: NotificationFailed(**_notification(r), code="bounced", final=True),
    lambda r: InvoiceIssued(**_document(r), kind=380),
    lambda r: CreditNoteIssued(
        **_document(r), kind=381, invoice=PrecedingInvoice("STU-INV-2026-000001", date(2026, 11, 21)),
        refund=r.choice([None, 1]),
    ),
    lambda r: ReceiptIssued(
        number="R", series=_series(r), sequence=1, issued_on=date(2026, 11, 21), seller=_SELLER_ON_PAPER,
        payer=SEALED_CONTACT, payment=r.choice(PAYMENTS), kind="received", amount=eur(5), method="card",
        provider="bank", reference="r", account_hint=None, order_number="A-1", invoices=(),
    ),
)  # fmt: skip


def without_time(entry: Entry[OrderEvent]) -> Entry[OrderEvent]:
    """The same, by a source that does not say when it happened."""
    return replace(entry, at=None)
