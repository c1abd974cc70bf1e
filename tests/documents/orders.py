"""Invented orders taken through the real decisions to all their documents: every way of pricing, taxing, shipping in
parts, paying, giving back and refunding, a seeded generator choosing.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct

from order_ledger.amounts import ToPrice, price_lines
from order_ledger.documents.opened import Document
from order_ledger.orders.commands import (
    AllocateStock,
    Cancel,
    Confirm,
    FindShortage,
    GrantRefund,
    IssueCreditNote,
    IssueInvoice,
    IssueReceipt,
    RecordPayment,
    ReportProblem,
    ResolveProblem,
    ResolveShortage,
    Ship,
    ShortageChoice,
)
from order_ledger.orders.decisions import credits_due, invoice_due
from order_ledger.orders.events import (
    Allocation,
    Buyer,
    Consent,
    CreditNoteIssued,
    InvoiceIssued,
    OrderLine,
    ReceiptIssued,
)
from order_ledger.orders.order import Order
from order_ledger.parties.organisation import RegisteredOrganisation
from order_ledger.refusals import Refused
from order_ledger.values import Contact, Terms, Units, money, round_money
from tests.examples import (
    BERLIN,
    CONTACT,
    HAMBURG,
    LEDGER,
    NOW,
    OWNER,
    SERVICE,
    TODAY,
    VIENNA,
    line,
    placed,
    seller,
    uuid,
)
from tests.orders.streams import given
from tests.scenario import History

DOCUMENTS = (InvoiceIssued, CreditNoteIssued, ReceiptIssued)
FIRM = Buyer(Contact(name="Grace Hopper", company="Hopper SARL", email="g@example.com", vat_id="AT U12345678"), VIENNA)
SMALL_SELLER = seller(vat_id=None, tax_number="12/345/67890", legal_id="HRB 12345", legal_scheme="0002")

Taxes = tuple[tuple[str, str, str | None], ...]
DOMESTIC: Taxes = (("S", "19.00", None), ("S", "7.00", None), ("Z", "0.00", None), ("E", "0.00", "Exempt, article 132"))
UNION: Taxes = (("K", "0.00", "Supply within the Union"),)
EXPORT: Taxes = (("G", "0.00", "Export"),)
REVERSE: Taxes = (("AE", "0.00", "Reverse charge"),)
OUTSIDE: Taxes = (("O", "0.00", "Not subject to VAT"),)


class Dealt(Struct, frozen=True):
    """An order with its seller and buyer, and all its documents."""

    history: History[Order]
    seller: RegisteredOrganisation
    buyer: Buyer

    @property
    def order(self) -> Order:
        return self.history.state

    @property
    def documents(self) -> list[Document]:
        return [event for event in self.history.events if isinstance(event, DOCUMENTS)]

    @property
    def invoices(self) -> list[InvoiceIssued]:
        return [event for event in self.documents if isinstance(event, InvoiceIssued)]

    @property
    def credit_notes(self) -> list[CreditNoteIssued]:
        return [event for event in self.documents if isinstance(event, CreditNoteIssued)]


class Dealing:
    """One order on its way."""

    def __init__(self, random: Random, number: int) -> None:
        self.random = random
        self.ids = uuid(number + 1000)
        self.made = 0
        self.issued = 0
        taxes = random.choice((DOMESTIC, DOMESTIC, DOMESTIC, UNION, EXPORT, REVERSE, OUTSIDE))
        self.is_domestic = taxes is DOMESTIC
        self.seller = SMALL_SELLER if taxes is OUTSIDE else seller()
        self.buyer = FIRM if taxes in (UNION, REVERSE) else Buyer(CONTACT, random.choice((BERLIN, HAMBURG)))
        self.currency = random.choice(("EUR", "EUR", "USD", "JPY"))
        terms = Terms(
            random.choice(("prepaid", "on_invoice")),
            random.choice((0, 14, 30)),
            random.choice(("card", "transfer", "boleto")),
            random.choice(("dispatch", "dispatch", "confirmation")),
            14,
        )
        lines = self._lines(taxes)
        total = [sum((getattr(one, part).amount for one in lines), Decimal(0)) for part in ("net", "tax", "gross")]
        net, tax, gross = (money(amount, self.currency) for amount in total)
        order = placed(
            *lines, net=net, tax=tax, total=gross, terms=terms,
            language=random.choice(("de", "en", "fr-CA", "pt", "fi")),
            buyer_reference=random.choice((None, "04011000-12345-03")), purchase_order=random.choice((None, "PO-7")),
        )  # fmt: skip
        self.history = given(order)

    def _lines(self, taxes: Taxes) -> list[OrderLine]:
        random, included = self.random, self.random.random() < 0.5
        count = random.randint(1, 4)
        found = []
        for number in range(1, count + 1):
            charge = number == count and number > 1 and random.random() < 0.6
            category, rate, exemption = random.choice(taxes)
            quantity = 1 if charge else random.choice((1, 2, 3, 5, 7, 40, 1000))
            price = Decimal(random.randint(1, 99_999)) / random.choice((1, 100, 10_000))
            exponent = 0 if self.currency == "JPY" else 2
            gross = (price * quantity).quantize(Decimal(1).scaleb(-exponent), rounding="ROUND_FLOOR")
            discount = (gross * random.choice((0, 0, 0, 1, 3)) / 10).quantize(Decimal(1).scaleb(-exponent))
            found.append((number, charge, quantity, price, discount, category, Decimal(rate), exemption))
        worths = price_lines(
            [ToPrice(price, quantity, included, category, rate, discount)
             for _, _, quantity, price, discount, category, rate, _ in found],
            self.currency,
        )  # fmt: skip
        return [
            line(
                number, "FREIGHT" if charge else "BOOK", quantity, unit_price=price, tax_included=included,
                discount=money(discount, self.currency), net=worth.net, tax=worth.tax, gross=worth.gross,
                tax_category=category, tax_rate=rate, exemption=exemption,
                description=random.choice(("Buch", "Œuvre", "<&>")),
            )
            for (number, charge, quantity, price, discount, category, rate, exemption), worth in zip(
                found, worths, strict=True
            )
        ]  # fmt: skip

    def run(self) -> Dealt:
        """To the end, issuing what is owed after every step."""
        random = self.random
        self.ask(Confirm(), by=OWNER)
        if self.history.state.terms.pay == "prepaid" or random.random() < 0.5:
            self.pay(self.history.state.total.amount)
        elif random.random() < 0.3:
            self.pay(round_money(self.history.state.total.amount / 3, self.currency))
        if random.random() < 0.4:
            self.be_short()
        if random.random() < 0.2:
            self.ask(Cancel(lines=self.some(lambda one: one.rest), reason_code="out_of_stock"), by=OWNER)
        for _ in range(random.randint(1, 3)):
            self.ship()
        for _ in range(random.randint(0, 2)):
            random.choice((self.give_back, self.give_back, self.be_kind))()
        self.refund()
        return Dealt(self.history, self.seller, self.buyer)

    def ship(self) -> None:
        if parts := self.some(lambda one: one.rest):
            number = str(self.made)
            url = f"https://www.dhl.com/{number}"
            ship = Ship(lines=parts, carrier="dhl", tracking_number=number, tracking_url=url, shipment=self.an_id())
            self.ask(ship, by=OWNER)

    def be_short(self) -> None:
        """Some units are not to be had: something else comes for them, or nothing."""
        if short := self.some(lambda one: one.rest):
            self.ask(FindShortage(lines=short), by=LEDGER)
            # What is listed is priced in euros, and taxed as at home.
            listed = self.is_domestic and self.currency == "EUR"
            how: Any = self.random.choice(("remove", "substitute", "substitute")) if listed else "remove"
            choices = tuple(ShortageChoice(one.line, one.quantity, how, sku="GASKET") for one in short)
            self.ask(ResolveShortage(shortage=1, outcomes=choices, consent=Consent("phone", NOW)), by=SERVICE)
            for new in (one for one in self.history.state.lines.values() if one.ordered.sku == "GASKET"):
                kept = (Allocation(new.line, new.wanted, self.an_id()),)
                self.ask(AllocateStock(lines=kept), by=LEDGER)

    def pay(self, amount: Decimal) -> None:
        if amount > 0:
            method = self.random.choice(("card", "transfer", "boleto"))
            self.record("captured", amount, method)

    def give_back(self) -> None:
        """Something of a parcel was damaged: its units are refunded, or credited where nothing was paid."""
        order = self.history.state
        parcels = [parcel for parcel in order.shipments.values() if any(left > 0 for left in parcel.units.values())]
        if not parcels:
            return
        parcel = self.random.choice(parcels)
        lines = tuple(
            Units(one, self.random.randint(1, left)) for one, left in parcel.units.items() if left > 0
        )[: self.random.randint(1, 3)]  # fmt: skip
        self.ask(ReportProblem(kind="damaged", shipment=parcel.shipment, lines=lines), by=SERVICE)
        self.ask(ResolveProblem(problem=max(self.history.state.problems, default=1), how="refund"), by=SERVICE)

    def be_kind(self) -> None:
        order = self.history.state
        if order.refundable > 0:
            amount = money(order.refundable / self.random.choice((3, 7, 20)), self.currency)
            if amount.amount > 0:
                self.ask(GrantRefund(basis="goodwill", amount=amount, reason_code="late"), by=SERVICE)

    def refund(self) -> None:
        for refund in self.history.state.refunds.values():
            if refund.refunded < refund.amount:
                self.record("refunded", refund.amount - refund.refunded, "card", refund.refund)

    def record(self, kind: Any, amount: Decimal, method: str, refund: int | None = None) -> None:
        payment = self.an_id()
        of = next((known.payment for known in self.history.state.payments if known.kind == "captured"), None)
        command = RecordPayment(
            kind=kind, amount=money(amount, self.currency), method=method, provider="acme-pay", reference=str(payment),
            payment=payment, of=of if refund is not None else None, refund=refund,
        )  # fmt: skip
        self.ask(command, by=SERVICE)

    def ask(self, command: Any, by: Any) -> None:
        """Once more, with what the decision makes of it; what is refused does not happen."""
        try:
            outcome = self.history.when(command, by=by, seller=self.seller)
            if outcome.events:
                self.history = outcome.happens()
        except Refused:
            return
        self.issue()

    def issue(self) -> None:
        """All that is owed now, one after the other."""
        while (command := next(self.owed(), None)) is not None:
            self.history = self.history.when(command, seller=self.seller).happens()

    def owed(self) -> Iterator[IssueInvoice | IssueCreditNote | IssueReceipt]:
        order = self.history.state
        shipments = list(order.shipments) if order.terms.invoice_at == "dispatch" else [None]
        for shipment in shipments if order.confirmed else ():
            if invoice_due(order, shipment):
                yield IssueInvoice(**self.drawn("INV"), **self.parties(), supply_on=TODAY, shipment=shipment)
        for payment in order.payments:
            if payment.payment not in order.receipts:
                yield IssueReceipt(**self.drawn("RCP"), payment=payment.payment, payer=self.buyer.contact)
        for invoice, refund in credits_due(order):
            yield IssueCreditNote(
                **self.drawn("CRN"), **self.parties(), supply_on=TODAY, invoice=invoice, refund=refund
            )

    def parties(self) -> dict[str, Any]:
        return {"buyer": self.buyer, "ship_to": self.buyer.bill_to}

    def drawn(self, kind: str) -> dict[str, Any]:
        self.issued += 1
        series = f"ACME-{kind}-2026"
        day = TODAY + timedelta(days=self.issued)
        number = f"{series}-{self.issued:06}"
        return {"number": number, "series": series, "sequence": self.issued, "issued_on": day, "layout": "1"}

    def some(self, left: Any) -> tuple[Units, ...]:
        """Some units of some lines, at most what is left of each."""
        lines = [(one.line, left(one)) for one in self.history.state.open_lines if left(one) > 0]
        chosen = self.random.sample(lines, self.random.randint(1, len(lines))) if lines else []
        return tuple(Units(number, self.random.choice((most, self.random.randint(1, most)))) for number, most in chosen)

    def an_id(self) -> UUID:
        self.made += 1
        return uuid5(self.ids, str(self.made))


def deal(seed: int) -> Dealt:
    """One invented order, whole; the same seed gives the same."""
    return Dealing(Random(seed), seed).run()
