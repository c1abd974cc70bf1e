"""What stands on the page of a document, in the words, numbers and days of its language. Pure.

Languages are English, German, French and Portuguese; any other one is written in English.
"""

import json
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from order_ledger.documents.as_xml import together, vat_number
from order_ledger.documents.opened import Opened, OpenedInvoice, OpenedReceipt, decimals, price_and_basis
from order_ledger.orders.events import CreditNoteIssued, DocumentLine, DocumentSeller
from order_ledger.values import Address, Contact, Money

FALLBACK = "en"
LANGUAGES = ("en", "de", "fr", "pt")

_NARROW = "\u202f"  # a blank that no line breaks at
_HARD = "\u00a0"


class _Manner(NamedTuple):
    """How numbers and days are written."""

    point: str
    thousands: str
    day: str


_MANNERS = {
    "en": _Manner(".", ",", "{:%Y-%m-%d}"),
    "de": _Manner(",", ".", "{:%d.%m.%Y}"),
    "fr": _Manner(",", _NARROW, "{:%d/%m/%Y}"),
    "pt": _Manner(",", ".", "{:%d/%m/%Y}"),
}


def language_of(language: str) -> str:
    """The language that is written for this BCP 47 tag."""
    plain = language.partition("-")[0].lower()
    return plain if plain in LANGUAGES else FALLBACK


def page(document: Opened, layout: str) -> dict[str, Any]:
    """All that the layout writes, as text."""
    if isinstance(document, OpenedReceipt):
        return _receipt(document, _Words(layout, language_of(document.language)))
    return _invoice(document, _Words(layout, language_of(document.event.language)))


@cache
def _all_words(layout: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((files(__package__) / f"layout_{layout}" / "words.json").read_text())
    return found


class _Words:
    """One language's words and manner of writing."""

    def __init__(self, layout: str, language: str) -> None:
        self.language = language
        self.words = _all_words(layout)[language]
        self._manner = _MANNERS[language]

    def __getitem__(self, name: str) -> str:
        word = self.words[name]
        assert isinstance(word, str), "a list of words is asked by its own name"
        return word

    def number(self, value: Decimal) -> str:
        """With as many decimals as it has."""
        whole, _, rest = f"{value:,f}".partition(".")
        whole = whole.replace(",", self._manner.thousands)
        return whole + self._manner.point + rest if rest else whole

    def money(self, money: Money) -> str:
        return f"{self.number(money.amount)}{_HARD}{money.currency}"

    def price(self, price: Decimal, currency: str) -> str:
        """With the decimals of the currency at least, and no needless ones."""
        least = Decimal(1).scaleb(-decimals(currency))
        short = price.quantize(least)
        return self.number(short if short == price else price.normalize())

    def per_cent(self, rate: Decimal) -> str:
        whole = rate.to_integral_value()
        return f"{self.number(whole if whole == rate else rate)}{_NARROW}%"

    def day(self, day: date) -> str:
        return self._manner.day.format(day)


def _invoice(document: OpenedInvoice, words: _Words) -> dict[str, Any]:
    event = document.event
    is_credit = isinstance(event, CreditNoteIssued)
    heading = words["credit_note" if is_credit else "invoice"]
    vat_id = vat_number(document.buyer.contact.vat_id, event.buyer_country) if document.buyer is not None else None
    facts = [
        (words["number"], event.number),
        (words["issued_on"], words.day(event.issued_on)),
        (words["supply_on"], words.day(event.supply_on)),
        (words["order"], event.order_number),
        (words["buyer_reference"], event.buyer_reference),
        (words["purchase_order"], event.purchase_order),
        (words["vat_id"], vat_id),
    ]
    if isinstance(event, CreditNoteIssued):
        facts.append((words["corrects"], f"{event.invoice.number}, {words.day(event.invoice.issued_on)}"))
    elif event.due_on is not None:
        facts.append((words["due_on"], words.day(event.due_on)))
    totals = [(words["net_total"], words.money(event.net_total))]
    totals += [
        (words["tax"].format(rate=words.per_cent(each.rate), basis=words.money(each.basis)), words.money(each.tax))
        for each in together(event.tax)
    ]
    totals.append((words["credited" if is_credit else "gross_total"], words.money(event.gross_total)))
    strong = [len(totals) - 1]
    if not is_credit:
        totals += [(words["prepaid"], words.money(event.prepaid)), (words["due"], words.money(event.due))]
        strong.append(len(totals) - 1)
    return {
        "lang": words.language,
        "title": f"{heading} {event.number}",
        "heading": heading,
        "seller": _writer(event.seller),
        "to": _buyer(document, words),
        "ship_to": _where(document, words),
        "facts": [fact for fact in facts if fact[1]],
        "lines": [_line(line, event.currency, words) for line in event.lines],
        "totals": totals,
        "strong": strong,
        "ruled": strong,
        "notes": _notes(document, words),
        "footer": _footer(event.seller, event.iban),
        "words": words.words,
    }


def _receipt(document: OpenedReceipt, words: _Words) -> dict[str, Any]:
    event = document.event
    heading = words[event.kind]
    method = words.words["methods"].get(event.method, event.method)
    facts = [
        (words["number"], event.number),
        (words["issued_on"], words.day(event.issued_on)),
        (words["order"], event.order_number),
        (words["method"], f"{method} •••• {event.account_hint}" if event.account_hint else method),
        (words["payment"], event.provider),
        (words["reference"], event.reference),
        (words["invoices"], ", ".join(event.invoices)),
    ]
    to = [words["erased"]] if document.payer is None else [each for each in _names(document.payer, None) if each]
    return {
        "lang": words.language,
        "title": f"{heading} {event.number}",
        "heading": heading,
        "seller": _writer(event.seller),
        "to": to,
        "ship_to": [],
        "facts": [fact for fact in facts if fact[1]],
        "lines": [],
        "totals": [(words["amount"], words.money(event.amount))],
        "strong": [0],
        "ruled": [0],
        "notes": [],
        "footer": _footer(event.seller, None),
        "words": words.words,
    }


def _writer(seller: DocumentSeller) -> dict[str, str]:
    address = seller.address
    parts = [seller.legal_name, address.line1, " ".join(filter(None, (address.postcode, address.city))), seller.country]
    return {"name": seller.trade_name or seller.legal_name, "line": " · ".join(part for part in parts if part)}


def _footer(seller: DocumentSeller, iban: str | None) -> list[str]:
    parts = (
        seller.legal_name,
        seller.vat_id,
        seller.tax_number,
        seller.legal_id,
        f"IBAN {iban}" if iban else None,
        seller.email,
        seller.phone,
    )
    return [part for part in parts if part]


def _buyer(document: OpenedInvoice, words: _Words) -> list[str]:
    if document.buyer is None:
        return [words["erased"], document.event.buyer_country]
    return _postal(document.buyer.contact, document.buyer.bill_to)


def _where(document: OpenedInvoice, words: _Words) -> list[str]:
    """Where the goods went, if that is not where the invoice goes."""
    if document.ship_to is None:
        return [words["erased"], document.event.ship_to_country]
    if document.buyer is not None and document.ship_to == document.buyer.bill_to:
        return []
    return _postal(None, document.ship_to)


def _postal(contact: Contact | None, address: Address) -> list[str]:
    place = " ".join(filter(None, (address.postcode, address.city)))
    parts = (*_names(contact, address), address.line1, address.line2, place, address.country)
    return [part for part in parts if part]


def _names(contact: Contact | None, address: Address | None) -> list[str | None]:
    company = (contact.company if contact else None) or (address.company if address else None)
    name = (contact.name if contact else None) or (address.name if address else None)
    return [company, name if name != company else None]


def _line(line: DocumentLine, currency: str, words: _Words) -> dict[str, str]:
    unit = words.words["units"].get(line.unit, line.unit)
    price, basis = price_and_basis(line.net.amount, line.quantity, line.unit_net, currency)
    # Where no price of four decimals comes to the line's net, the nearest one is shown: the net is what counts.
    shown = price if basis == 1 else line.unit_net
    return {
        "no": str(line.no),
        "description": line.description,
        "sku": line.sku,
        "quantity": f"{words.number(Decimal(line.quantity))}{_HARD}{unit}",
        "price": words.price(shown, currency),
        "tax_rate": words.per_cent(line.tax_rate),
        "net": words.number(line.net.amount),
    }


def _notes(document: OpenedInvoice, words: _Words) -> list[str]:
    event = document.event
    notes = [each.exemption for each in together(event.tax) if each.exemption]
    if isinstance(event, CreditNoteIssued):
        notes.append(words["paid_back" if event.refund is not None else "set_off"].format(number=event.invoice.number))
    elif event.due_on is None:
        notes.append(words["is_paid"])
    else:
        how = words["pay_by" if event.iban else "pay_until"]
        notes.append(how.format(day=words.day(event.due_on), iban=event.iban, reference=event.payment_reference))
    return notes
