"""The one home of example values: people, organisations, items, orders, and what happens to them.

Amounts are easy to check by head: from stock a valve at 10.00, made to order a rotor at 119.00, freight at 5.95, all
with 19 % of tax included.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from order_ledger.amounts import line_amounts
from order_ledger.entries import By
from order_ledger.items.item import Item, item_id
from order_ledger.orders.events import (
    Allocation,
    Buyer,
    Consent,
    CountedLine,
    InspectionItemCompleted,
    LineKind,
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderPlaced,
    OrderShipped,
    PaymentKind,
    PaymentRecorded,
    ProductionCompleted,
    ProductionStarted,
    ProductionStepCompleted,
    ReturnApproved,
    ReturnLine,
    ReturnReceived,
    ReturnRequested,
    ReturnShipped,
    ShortageOutcome,
    ShortageResolved,
    StockAllocated,
    StockShortageFound,
)
from order_ledger.parties.events import TaxRule
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.values import (
    Address,
    Contact,
    Evidence,
    Money,
    Organisation,
    PlanItem,
    Step,
    Terms,
    Units,
    unsealed,
)

NOW = datetime(2026, 11, 21, 20, 15, 3, tzinfo=UTC)
TODAY = date(2026, 11, 21)
LATER = NOW + timedelta(days=10)


def uuid(number: int) -> UUID:
    """An id that reads as what it is: an example."""
    return UUID(f"01932f0c-0000-7000-8000-{number:012x}")


ORDER_ID, EXCHANGE_ID = uuid(1), uuid(2)
ADA, BOB = uuid(10), uuid(11)
SELLER = Organisation(uuid(20), "Acme")
OTHER_SELLER = Organisation(uuid(21), "Bolt & Co")
WORKS = Organisation(uuid(22), "Precision Works")
DEPOT = Organisation(uuid(23), "North Depot")
SHIPMENT, SECOND_SHIPMENT, RETURN_SHIPMENT = uuid(30), uuid(31), uuid(32)
RESERVATION, SECOND_RESERVATION = uuid(40), uuid(41)
PAYMENT, SECOND_PAYMENT, REFUND_PAYMENT = uuid(50), uuid(51), uuid(52)

CONSUMER = By(ADA, "consumer")
FOR_CONSUMER = By(uuid(12), "customer_service", on_behalf_of=ADA)
OWNER = By(uuid(13), "ip_owner", SELLER.id)
MAKER = By(uuid(14), "manufacturer", WORKS.id)
KEEPER = By(uuid(15), "warehouse", DEPOT.id)
SERVICE = By(uuid(16), "customer_service")
LEDGER = By(None, "ledger")
CARRIER = By(None, "carrier")
PROVIDER = By(None, "payment_provider")
UNKNOWN = By(None, "unknown")

CONTACT = Contact(name="Ada Lovelace", email="ada@example.com", phone="+49 30 1234567")
BERLIN = Address(name="Ada Lovelace", line1="Unter den Linden 1", postcode="10117", city="Berlin", country="DE")
HAMBURG = Address(name="Ada Lovelace", line1="Jungfernstieg 1", postcode="20095", city="Hamburg", country="DE")
VIENNA = Address(name="Ada Lovelace", line1="Graben 1", postcode="1010", city="Wien", country="AT")
BUYER = Buyer(CONTACT, BERLIN)

PHOTO = Evidence("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "image/jpeg", 48_213, "Housing")
RAW = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"

STEPS = (Step("milling", "Milling"), Step("polishing", "Polishing"))
PLAN = (
    PlanItem("bore", "Bore", "milling", unit="mm", low=Decimal("11.98"), high=Decimal("12.02")),
    PlanItem("surface", "Surface", "polishing", evidence=True, shown=True),
    PlanItem("weight", "Weight", "polishing", required=False),
)

ON_INVOICE = Terms("on_invoice", 14, "transfer", "dispatch", 14)
PREPAID = Terms("prepaid", 0, "card", "dispatch", 14)
AT_CONFIRMATION = Terms("on_invoice", 14, "transfer", "confirmation", 14)


def eur(amount: str | int | Decimal) -> Money:
    """Euros."""
    return Money(Decimal(amount).quantize(Decimal("0.01")), "EUR")


# A seller and what it lists


def seller(**changed: Any) -> RegisteredOrganisation:
    """The seller, as it stands today."""
    known: dict[str, Any] = {
        "id": SELLER.id,
        "code": "ACME",
        "kinds": ("seller",),
        "legal_name": "Acme GmbH",
        "trade_name": "Acme",
        "address": Address(line1="Werkstr. 1", postcode="20095", city="Hamburg", country="DE"),
        "country": "DE",
        "vat_id": "DE123456789",
        "tax_number": None,
        "legal_id": None,
        "legal_scheme": None,
        "email": "office@acme.example",
        "phone": None,
        "iban": "DE89370400440532013000",
        "currency": "EUR",
        "zone": "Europe/Berlin",
        "language": "de",
        "tax_rules": (
            TaxRule("DE", "standard", "S", Decimal("19.00"), date(2020, 1, 1), None),
            TaxRule("AT", "standard", "S", Decimal("20.00"), date(2020, 1, 1), None),
        ),
        "terms": ON_INVOICE,
        "confirm_stock_orders": "ledger",
        "tracking_hosts": ("dhl.com",),
    }
    return RegisteredOrganisation(**{**known, **changed})


def workshop(**changed: Any) -> RegisteredOrganisation:
    """The manufacturer, as it stands today."""
    return seller(**{"id": WORKS.id, "code": "WORKS", "kinds": ("manufacturer",), "trade_name": WORKS.name, **changed})


_PRICES = {"VALVE": "10.00", "ROTOR": "119.00", "BOOK": "7.00", "FREIGHT": "5.95", "GASKET": "4.00"}
_KINDS: dict[str, LineKind] = {
    "VALVE": "from_stock",
    "ROTOR": "made_to_order",
    "BOOK": "untracked",
    "FREIGHT": "charge",
    "GASKET": "from_stock",
}


def item(sku: str, **changed: Any) -> Item:
    """An item as the seller lists it."""
    kind = _KINDS[sku]
    made = kind == "made_to_order"
    known: dict[str, Any] = {
        "id": item_id(SELLER.id, sku),
        "sku": sku,
        "seller": SELLER,
        "revision": 1,
        "description": sku.capitalize(),
        "kind": kind,
        "unit": "C62",
        "unit_price": Decimal(_PRICES[sku]),
        "currency": "EUR",
        "tax_included": True,
        "tax_class": "standard",
        "lead_days": 10 if made else 3,
        "manufacturer": WORKS if made else None,
        "warehouse": DEPOT if kind == "from_stock" else None,
        "steps": STEPS if made else (),
        "plan": PLAN if made else (),
        "return_days": 30,
        "warranty_days": 730,
        "listed": True,
    }
    return Item(**{**known, **changed})


LISTINGS = {sku: item(sku) for sku in _KINDS}


# Orders


def line(number: int, sku: str = "VALVE", quantity: int = 1, **changed: Any) -> OrderLine:
    """A line of an order."""
    listed = item(sku)
    discount = changed.get("discount", eur(0))
    price, rate = changed.get("unit_price", listed.unit_price), changed.get("tax_rate", Decimal("19.00"))
    included = changed.get("tax_included", True)
    worth = line_amounts(price, quantity, discount.amount, rate, included, "EUR")
    known: dict[str, Any] = {
        "line": number,
        "kind": listed.kind,
        "item": listed.id,
        "sku": sku,
        "revision": 1,
        "description": listed.description,
        "quantity": quantity,
        "unit": "C62",
        "unit_price": price,
        "tax_included": included,
        "discount": discount,
        "net": worth.net,
        "tax": worth.tax,
        "gross": worth.gross,
        "tax_category": "S",
        "tax_rate": rate,
        "exemption": None,
        "seller": None,
        "manufacturer": listed.manufacturer,
        "warehouse": listed.warehouse,
        "steps": listed.steps,
        "plan": listed.plan,
        "return_days": 30,
        "warranty_days": 730,
        "ship_by": None,
        "charge_for": None,
    }
    return OrderLine(**{**known, **changed})


def placed(*lines: OrderLine, **changed: Any) -> OrderPlaced:
    """An order of these lines, placed by Ada."""
    net = sum((one.net.amount for one in lines), Decimal(0))
    tax = sum((one.tax.amount for one in lines), Decimal(0))
    known: dict[str, Any] = {
        "number": "261121-K7Q4M-9TXWB",
        "consumer": ADA,
        "contact": unsealed(CONTACT, ADA),
        "bill_to": unsealed(BERLIN, ADA),
        "ship_to": unsealed(BERLIN, ADA),
        "bill_to_country": "DE",
        "ship_to_country": "DE",
        "ship_to_region": None,
        "zone": "Europe/Berlin",
        "language": "de",
        "seller": SELLER,
        "lines": lines,
        "net": eur(net),
        "tax": eur(tax),
        "total": eur(net + tax),
        "terms": ON_INVOICE,
        "promised_by": NOW + timedelta(days=10),
        "buyer_reference": None,
        "purchase_order": None,
        "basket": None,
        "exchange_of": None,
        "reference": None,
        "history": False,
    }
    return OrderPlaced(**{**known, **changed})


STOCK_PLACED = placed(line(1, "VALVE", 3))
MADE_PLACED = placed(line(1, "ROTOR", 2))
BOTH_PLACED = placed(line(1, "VALVE", 3), line(2, "ROTOR", 2), line(3, "FREIGHT"))
BOOK_PLACED = placed(line(1, "BOOK", 3))
PREPAID_PLACED = placed(line(1, "BOOK", 3), terms=PREPAID)
HISTORY_PLACED = placed(total=eur("50.00"), net=eur("50.00"), history=True)

CONFIRMED = OrderConfirmed(None)
ALLOCATED = StockAllocated((Allocation(1, 3, RESERVATION),))
STARTED = ProductionStarted(1, 1, 2)


def step_done(step: str, attempt: int = 1, run: int = 1, rework_for: str | None = None) -> ProductionStepCompleted:
    """A step of line 1 is done."""
    return ProductionStepCompleted(line=1, run=run, step=step, attempt=attempt, started_at=None, rework_for=rework_for)


def checked(item: str, passed: bool = True, attempt: int = 1, run: int = 1) -> InspectionItemCompleted:
    """An item of the plan of line 1 was checked."""
    reading = Decimal("12.00") if item == "bore" else None
    return InspectionItemCompleted(
        line=1,
        run=run,
        item=item,
        attempt=attempt,
        passed=passed,
        reading=reading,
        unit="mm" if reading is not None else None,
        evidence=(PHOTO,) if item == "surface" else (),
    )


STEPS_DONE = (step_done("milling"), step_done("polishing"))
CHECKS_PASSED = (checked("bore"), checked("surface"))
PRODUCED = ProductionCompleted(1, 1, 2)
IN_PRODUCTION = (MADE_PLACED, CONFIRMED, STARTED)
MADE = (*IN_PRODUCTION, *STEPS_DONE, *CHECKS_PASSED, PRODUCED)
SUBSTITUTED = (
    StockShortageFound(1, (Units(1, 1),), ()),
    ShortageResolved(
        shortage=1,
        outcomes=(ShortageOutcome(1, 1, "substitute", None, line(2, "GASKET", 1)),),
        consent=Consent("phone", NOW),
        net=eur("20.17"),
        tax=eur("3.83"),
        total=eur("24.00"),
    ),
)
"""One valve of `STOCK_PLACED` is short; a gasket comes in its place."""
READY = (STOCK_PLACED, ALLOCATED, CONFIRMED)
BOOK_CONFIRMED = (BOOK_PLACED, CONFIRMED)

NUMBER = "00340434161094042557"
URL = f"https://www.dhl.com/track?id={NUMBER}"


def shipped(
    *units: tuple[int, int],
    shipment: UUID = SHIPMENT,
    sender: Organisation | None = DEPOT,
    replaces: UUID | None = None,
    number: str | None = NUMBER,
) -> OrderShipped:
    """These units left."""
    return OrderShipped(
        shipment=shipment,
        lines=tuple(Units(of_line, quantity) for of_line, quantity in units),
        sender=sender,
        carrier="dhl",
        tracking_number=number,
        tracking_url=f"https://www.dhl.com/track?id={number}",
        replaces=replaces,
    )


def delivered(
    shipment: UUID = SHIPMENT,
    proof: Literal["carrier", "consumer", "staff", "unknown"] = "carrier",
    carrier_event: str | None = None,
) -> OrderDelivered:
    """It arrived."""
    return OrderDelivered(shipment=shipment, proof=proof, carrier_event=carrier_event, received_by=None)


SHIPPED = shipped((1, 3))
DELIVERED = delivered()
ON_ITS_WAY = (*BOOK_CONFIRMED, shipped((1, 3), sender=None))
ARRIVED = (*ON_ITS_WAY, DELIVERED)


def paid(
    amount: str,
    kind: PaymentKind = "captured",
    payment: UUID = PAYMENT,
    reference: str = "ch_1",
    of: UUID | None = None,
    refund: int | None = None,
    method: str = "card",
) -> PaymentRecorded:
    """Money moved, in euros."""
    return PaymentRecorded(
        payment=payment,
        kind=kind,
        amount=eur(amount),
        method=method,
        provider="acme-pay",
        reference=reference,
        of=of,
        refund=refund,
        instalments=None,
        account_hint="4242",
    )


# Returns: one of three books comes back

RMA = "261121-K7Q4M-9TXWB-R1"
REQUESTED = ReturnRequested(
    rma=RMA, lines=(ReturnLine(1, 1, "changed_mind"),), wanted="refund", exchange_for=(), evidence=()
)
APPROVED = ReturnApproved(
    rma=RMA, lines=(Units(1, 1),), send_to=SELLER, send_by=TODAY + timedelta(days=14), postage="consumer"
)
RETURN_SHIPPED = ReturnShipped(
    rma=RMA,
    shipment=RETURN_SHIPMENT,
    carrier="dhl",
    tracking_number="9",
    tracking_url="https://www.dhl.com/track?id=9",
)
RECEIVED = ReturnReceived(rma=RMA, shipment=None, lines=(CountedLine(1, 1, "resellable"),), evidence=())
RETURN_REQUESTED = (*ARRIVED, REQUESTED)
RETURN_APPROVED = (*RETURN_REQUESTED, APPROVED)
ON_ITS_WAY_BACK = (*RETURN_APPROVED, RETURN_SHIPPED)
CAME_BACK = (*ON_ITS_WAY_BACK, RECEIVED)
