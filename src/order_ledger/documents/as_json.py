"""A document as JSON: every field of the event, and what was sealed in the clear or as erased."""

from typing import Any

import msgspec

from order_ledger.documents.opened import Opened, OpenedInvoice

MEDIA_TYPE = "application/json"
_ERASED = {"erased": True}


def as_json(document: Opened) -> bytes:
    """The bytes; the same document gives the same. Amounts are decimal strings, days ISO 8601."""
    told: dict[str, Any] = msgspec.to_builtins(document.event)
    if isinstance(document, OpenedInvoice):
        told["buyer"] = _ERASED if document.buyer is None else msgspec.to_builtins(document.buyer)
        told["ship_to"] = _ERASED if document.ship_to is None else msgspec.to_builtins(document.ship_to)
    else:
        told["payer"] = _ERASED if document.payer is None else msgspec.to_builtins(document.payer)
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"
