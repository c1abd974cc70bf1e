"""A document as it is rendered: the event, and what of it is sealed, opened. Pure."""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from order_ledger.orders.events import Buyer, CreditNoteIssued, InvoiceIssued, ReceiptIssued
from order_ledger.values import CURRENCY_EXPONENTS, Address, Contact

Document = InvoiceIssued | CreditNoteIssued | ReceiptIssued
"""The events that are documents."""


class OpenedInvoice(Struct, frozen=True):
    """An invoice or a credit note. Where the buyer was erased there is neither a buyer nor an address any more."""

    event: InvoiceIssued | CreditNoteIssued
    buyer: Buyer | None
    ship_to: Address | None

    @property
    def layout(self) -> str:
        """The version of its template."""
        return self.event.layout

    @property
    def erased(self) -> bool:
        """Whether the keys of what is sealed in it are gone."""
        return self.buyer is None or self.ship_to is None


class OpenedReceipt(Struct, frozen=True):
    """A receipt, in its order's language (BCP 47). Where the payer was erased there is none any more."""

    event: ReceiptIssued
    payer: Contact | None
    language: str

    @property
    def layout(self) -> str:
        """The version of its template; there is one for receipts."""
        return "1"

    @property
    def erased(self) -> bool:
        """Whether the key of what is sealed in it is gone."""
        return self.payer is None


Opened = OpenedInvoice | OpenedReceipt

SEALED: dict[str, Any] = {"buyer": Buyer, "ship_to": Address, "payer": Contact}
"""The sealed fields of documents, and what is in them."""


class NotMadeInThisForm(Exception):
    """A document that is not made in the form that was asked for; the message says why."""


def decimals(currency: str) -> int:
    """How many decimals an amount of this currency has."""
    return CURRENCY_EXPONENTS.get(currency, 2)


def price_and_basis(net: Decimal, quantity: int, unit_net: Decimal, currency: str) -> tuple[Decimal, int]:
    """The price of a line and the number of units that it is for (BT-146, BT-149): price ÷ basis × quantity is exactly
    the line's net.

    The price of one unit has four decimals at most. Where that is not enough, the price is that of all units.
    """
    exact = (unit_net * quantity).quantize(Decimal(1).scaleb(-decimals(currency)), rounding="ROUND_HALF_UP")
    return (unit_net, 1) if exact == net else (net, quantity)
