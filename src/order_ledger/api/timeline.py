"""One entry as a line of a timeline, for the audience it is shown to."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from order_ledger.api.views import Opener
from order_ledger.entries import Entry, Event, Role
from order_ledger.journal.codec import sealed_fields
from order_ledger.orders.events import (
    ConcessionApproved,
    CreditNoteIssued,
    InspectionItemCompleted,
    InvoiceIssued,
    NoteAdded,
    NotificationFailed,
    NotificationSent,
    OrderPlaced,
    PaymentRecorded,
    ReceiptIssued,
    RefundGranted,
)
from order_ledger.rights.checks import sees

_MONEY = (PaymentRecorded, RefundGranted, InvoiceIssued, CreditNoteIssued, ReceiptIssued)
_RESULTS = (InspectionItemCompleted, ConcessionApproved)
_PRICED = ("net", "tax", "total", "lines", "terms", "compensation")


def timeline_view(entry: Entry[Event], role: Role, opener: Opener, names: Mapping[UUID, str]) -> dict[str, Any] | None:
    """What this role reads of the entry; None where it is nothing to them."""
    event = entry.event
    if isinstance(event, _MONEY) and sees("prices", role) is None:
        return None
    if isinstance(event, _RESULTS) and sees("results", role) in (None, "shown_and_last"):
        return None
    if isinstance(event, NotificationSent | NotificationFailed) and role in ("manufacturer", "warehouse"):
        return None
    for_everyone = not isinstance(event, NoteAdded) or event.audience == "everyone"
    reasons = sees("reasons", role)
    if isinstance(event, NoteAdded) and not for_everyone and reasons not in ("yes", "codes"):
        return None
    view: dict[str, Any] = {
        "version": entry.version,
        "name": type(event).__name__,
        "at": entry.at,
        "recorded_at": entry.recorded_at,
        "by": _by(entry, role, names),
        "through": entry.through,
        "command": entry.command.name,
        "reason_code": entry.reason_code,
        "data": _data(event, role),
    }
    if entry.breaches:
        view["breaches"] = entry.breaches
    if reasons == "yes" or (reasons == "for_everyone" and entry.by.role == "consumer"):
        view["reason"] = opener.open(entry, "reason")
    if isinstance(event, NoteAdded) and reasons in ("yes", "for_everyone"):
        view["text"] = opener.open(entry, "text")
    return view


def _by(entry: Entry[Event], role: Role, names: Mapping[UUID, str]) -> dict[str, Any]:
    told: dict[str, Any] = {"role": entry.by.role}
    match sees("who", role):
        case "role_and_organisation":
            told["organisation"] = entry.by.organisation
        case "name":
            told |= {
                "organisation": entry.by.organisation,
                "name": names.get(entry.by.person) if entry.by.person else None,
            }
        case "id_name_and_role":
            told |= {
                "organisation": entry.by.organisation,
                "person": entry.by.person,
                "name": names.get(entry.by.person) if entry.by.person else None,
                "on_behalf_of": entry.by.on_behalf_of,
            }
        case _:
            pass
    return told


def _data(event: Event, role: Role) -> dict[str, Any]:
    """The event's fields that are not sealed, without money for those who see none."""
    hidden = set(sealed_fields(type(event)))
    if sees("prices", role) is None:
        hidden |= set(_PRICED)
    if isinstance(event, OrderPlaced):
        hidden.add("lines")  # the order itself shows them
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name not in hidden}
    told = msgspec.to_builtins(fields)
    assert isinstance(told, dict)
    return told
