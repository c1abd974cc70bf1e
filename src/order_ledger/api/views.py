"""An order as a role may see it. What a role may not see is left out; what was erased reads `erased`."""

from collections.abc import Iterable, Mapping
from typing import Any

from order_ledger.entries import Entry, Event, Role
from order_ledger.journal.codec import sealed_fields
from order_ledger.journal.sealing import CannotOpen, SealingKey
from order_ledger.orders.lines import Line
from order_ledger.orders.order import Order
from order_ledger.orders.shipments import Return, Shipment
from order_ledger.rights.checks import sees
from order_ledger.values import Contact, Sealed, round_money

ERASED = {"erased": True}


class Opener:
    """Opens sealed fields of entries with the keys that were read for this answer, and with no others."""

    def __init__(self, ledger: Any, keys: Mapping[str, SealingKey | None]) -> None:
        self._ledger = ledger
        self._keys = keys

    @property
    def opens_any(self) -> bool:
        """Whether there is a key at all."""
        return any(self._keys.values())

    def open(self, entry: Entry[Event], field: str) -> Any:
        """The value of this field; `ERASED` where its key is gone; None where the field is empty."""
        sealed = entry.reason if field == "reason" else getattr(entry.event, field)
        if sealed is None:
            return None
        key = self._keys.get(sealed.sealed)
        if key is None:
            return ERASED
        type_ = str if field == "reason" else sealed_fields(type(entry.event))[field]
        try:
            return key.open(sealed, self._ledger, entry.stream, entry.version, field, type_)
        except CannotOpen:
            return {"unreadable": True}  # `audit verify` names the entry


def key_ids(entries: Iterable[Entry[Event]], fields: Iterable[str] | None = None) -> set[str]:
    """The ids of the keys that these entries' sealed fields were sealed with."""
    wanted: set[str] = set()
    for entry in entries:
        for field in sealed_fields(type(entry.event)):
            value = getattr(entry.event, field)
            if isinstance(value, Sealed) and (fields is None or field in fields):
                wanted.add(value.sealed)
        if entry.reason is not None and (fields is None or "reason" in fields):
            wanted.add(entry.reason.sealed)
    return wanted


def order_view(order: Order, role: Role, own_lines: frozenset[int] | None = None) -> dict[str, Any]:
    """The order without anything sealed. `own_lines` are the lines that a maker or keeper sees; None is all."""
    prices = sees("prices", role) is not None
    lines = [line for number, line in order.lines.items() if own_lines is None or number in own_lines]
    view: dict[str, Any] = {
        "order_id": order.id,
        "number": order.number,
        "version": order.version,
        "status": order.state,
        "reads": order.reads,
        "held": order.held,
        "consumer": order.consumer,
        "seller": order.seller,
        "placed_at": order.placed_at,
        "promised_by": order.promised_by,
        "zone": order.zone,
        "language": order.placed.language,
        "reference": order.placed.reference,
        "history": order.history,
        "ship_to_country": order.ship_to_country,
        "ship_to_region": order.ship_to_region,
        "payment": order.payment,
        "stock": order.stock,
        "fulfilment": order.fulfilment,
        "return": order.return_,
        "document": order.document,
        "lines": [_line(order, line, role, prices) for line in lines],
        "shipments": [_shipment(shipment) for shipment in order.shipments.values()],
        "shortages": [
            {"shortage": number, "short": short}
            for number in order.shortages
            if (short := {line: quantity for line, quantity in order.short_in(number).items() if quantity})
        ],
        "problems": [
            {
                "problem": each.problem,
                "kind": each.kind,
                "shipment": each.shipment,
                "lines": each.lines,
                "how": each.how,
            }
            for each in order.problems.values()
        ],
        "returns": [_return(each) for each in order.returns.values()],
        "promises": [
            {
                "revision": each.revision,
                "promised_by": each.promised_by,
                "answer_by": each.answer_by,
                "answer": each.answer,
            }
            for each in order.revisions
        ],
        "questions": [
            {"note": each.note, "about": each.about, "for_role": each.for_role}
            for each in order.open_questions
            if role != "consumer" or each.audience == "everyone"
        ],
    }
    if prices:
        view |= {
            "currency": order.currency,
            "net": order.net.amount,
            "tax": order.tax.amount,
            "total": order.total.amount,
            "captured": round_money(order.captured, order.currency),
            "refunded": round_money(order.refunded, order.currency),
            "refund_owed": round_money(order.refund_owed, order.currency),
            "refunds": [
                {
                    "refund": r.refund,
                    "basis": r.basis,
                    "refers_to": r.refers_to,
                    "amount": r.amount,
                    "refunded": round_money(r.refunded, order.currency),
                }
                for r in order.refunds.values()
            ],
            "invoices": [
                {"number": each.number, "issued_on": each.issued_on, "gross": each.gross}
                for each in order.invoices.values()
            ],
        }
        if role != "analyst":
            view["payments"] = [
                {
                    "payment": each.payment,
                    "kind": each.kind,
                    "amount": each.amount,
                    "method": each.method,
                    "provider": each.provider,
                    "reference": each.reference,
                }
                for each in order.payments
            ]
    return view


def _line(order: Order, line: Line, role: Role, prices: bool) -> dict[str, Any]:
    ordered = line.ordered
    view: dict[str, Any] = {
        "line": line.line,
        "kind": ordered.kind,
        "sku": ordered.sku,
        "description": ordered.description,
        "quantity": ordered.quantity,
        "unit": ordered.unit,
        "wanted": line.wanted,
        "sent": line.sent,
        "arrived": line.arrived,
        "returned": line.returned,
        "manufacturer": line.manufacturer,
        "warehouse": ordered.warehouse,
    }
    if line.is_goods:
        view |= {"state": line.state(order.confirmed), "ready": line.shippable, "production": _production(line, role)}
    if prices:
        view |= {
            "unit_price": ordered.unit_price,
            "discount": ordered.discount.amount,
            "net": ordered.net.amount,
            "tax": ordered.tax.amount,
            "gross": ordered.gross.amount,
            "tax_rate": ordered.tax_rate,
        }
    return view


def _production(line: Line, role: Role) -> dict[str, Any] | None:
    run, seen = line.run, sees("results", role)
    if line.ordered.kind != "made_to_order":
        return None
    plan = [item for item in line.ordered.plan if seen == "yes" or (seen == "shown_and_last" and item.shown)]
    return {
        "run": run.run if run else None,
        "completed": run.completed if run else False,
        "steps": [
            {"step": step.step, "name": step.name, "done": run.steps.get(step.step, 0) if run else 0}
            for step in line.ordered.steps
        ],
        "items": [
            {
                "item": item.item,
                "name": item.name,
                "after_step": item.after_step,
                "required": item.required,
                "state": run.check(item.item).state if run else "pending",
                **({"attempts": run.check(item.item).attempts if run else 0} if seen == "yes" else {}),
            }
            for item in plan
        ],
    }


def _shipment(shipment: Shipment) -> dict[str, Any]:
    return {
        "shipment": shipment.shipment,
        "lines": [{"line": line, "quantity": quantity} for line, quantity in shipment.units.items()],
        "sender": shipment.sender,
        "carrier": shipment.carrier,
        "tracking_number": shipment.tracking_number,
        "tracking_url": shipment.tracking_url,
        "link_reachable": shipment.link_reachable,
        "replaces": shipment.replaces,
        "rma": shipment.rma,
        "shipped_at": shipment.at,
        "progress": shipment.progress,
        "progressed_at": shipment.progressed_at,
        "expected_at": shipment.expected_at,
        "delivered": shipment.delivered,
        "delivered_at": shipment.delivered_at,
    }


def _return(each: Return) -> dict[str, Any]:
    return {
        "rma": each.rma,
        "state": each.state,
        "wanted": each.wanted,
        "lines": [
            {"line": line, "quantity": quantity, "reason": each.reasons.get(line)}
            for line, quantity in each.lines.items()
        ],
        "approved": each.approved,
        "received": each.received,
        "send_to": each.send_to,
        "send_by": each.send_by,
        "refund": each.refund,
        "exchange_order": each.exchange_order,
    }


def sealed_view(
    order: Order, role: Role, placed: Entry[Event], addressed: Entry[Event], opener: Opener
) -> dict[str, Any]:
    """What of an order is personal, as far as this role sees it."""
    view: dict[str, Any] = {}
    ship_to = sees("ship_to", role)
    on_its_way = order.confirmed and order.state not in ("delivered", "completed", "cancelled", "rejected")
    if ship_to == "yes" or (ship_to == "confirmed_until_delivered" and on_its_way):
        view["ship_to"] = opener.open(addressed, "ship_to")
        contact = opener.open(placed, "contact")
        view["phone"] = contact.phone if isinstance(contact, Contact) else contact
    if sees("bill_to", role) == "yes":
        view["bill_to"] = opener.open(placed, "bill_to")
        view["contact"] = opener.open(placed, "contact")
    return view


def shows_personal_data(order: Order, role: Role) -> bool:
    """Whether `sealed_view` would show anything."""
    ship_to = sees("ship_to", role)
    on_its_way = order.confirmed and order.state not in ("delivered", "completed", "cancelled", "rejected")
    return ship_to == "yes" or (ship_to == "confirmed_until_delivered" and on_its_way) or sees("bill_to", role) == "yes"


__all__ = ["ERASED", "Opener", "key_ids", "order_view", "sealed_view", "shows_personal_data"]
