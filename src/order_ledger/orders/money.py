"""Money of an order: what was paid, what is owed back, and what was invoiced and credited."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from order_ledger.amounts import Worth
from order_ledger.orders.lines import Places
from order_ledger.values import Amounts

__all__ = ["PRICE_CUTS", "Invoice", "InvoicedLine", "Payment", "Refund", "Settlement"]

PRICE_CUTS = frozenset(("compensation", "goodwill"))
"""Refunds that are not for units: they are not taken off what the order costs."""

_ZERO = Decimal(0)


class Payment(Struct, frozen=True):
    """A payment as it was recorded."""

    payment: UUID
    kind: str
    amount: Decimal
    method: str
    provider: str
    reference: str
    of: UUID | None
    refund: int | None
    account_hint: str | None


class Refund(Struct, frozen=True):
    """Money that the consumer is owed back, and how much of it went."""

    refund: int
    basis: str
    refers_to: str
    lines: tuple[Amounts, ...]
    amount: Decimal
    refunded: Decimal = _ZERO
    extra: Decimal = _ZERO
    """What of it was granted beyond the worth of any units, and made the order cheaper."""


class Settlement(Struct, frozen=True):
    """Units that are no longer to be paid, and the refund granted for them, if any; invoices for them are credited."""

    version: int
    parts: tuple[Places, ...]
    refund: int | None = None
    lines: tuple[Amounts, ...] = ()
    credited: frozenset[str] = frozenset()


class InvoicedLine(Struct, frozen=True):
    """The places of a line that an invoice covers, and what they were invoiced at."""

    line: int
    start: int
    count: int
    worth: Worth


class Invoice(Struct, frozen=True):
    """An invoice issued, and how much of it was credited: by line, by refund, and for units that no refund was for."""

    number: str
    issued_on: date
    shipment: UUID | None
    lines: tuple[InvoicedLine, ...]
    gross: Decimal
    prepaid: Decimal
    credited: dict[int, Decimal] = {}
    refunds: dict[int, Decimal] = {}
    set_off: Decimal = _ZERO

    @property
    def gross_credited(self) -> Decimal:
        """What was credited of it, all lines together."""
        return sum(self.credited.values(), _ZERO)
