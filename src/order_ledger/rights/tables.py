"""Who may do what, who may read what, and what of an order each role sees: the tables.

What is not listed is refused. A cell says *whose*:

    own     the order's consumer is this person
    sold    the role is held in the order's (or the item's) seller
    made    the role is held in the organisation that makes the lines
    kept    the role is held in the warehouse that keeps their stock
    sent    the role is held in the organisation that sent the shipment
    member  the role is held in this organisation
    self    this person
    all     every one
    for     on behalf of a consumer, never in one's own name

and sometimes *only* what of it; the decision, or the query, sees to that part. Customer service that acts on behalf of
a consumer has the cells of the consumer, for that consumer, and no others.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from order_ledger.entries import Kind, Role

__all__ = [
    "COMMANDS",
    "PARTS",
    "READS",
    "Grant",
    "Of",
    "Only",
    "Part",
    "Read",
    "Reader",
    "View",
    "Whose",
]

Whose = Literal["own", "sold", "made", "kept", "sent", "member", "self", "all", "for"]

Only = Literal[
    "",
    "carrier",
    "contacts",
    "counts",
    "from_stock",
    "names",
    "not_sent_in_time",
    "not_shipped",
    "nothing_sealed",
    "placed",
    "shown",
    "timer",
    "totals",
    "tracking",
    "until_shipped",
    "webhook",
]
"""What a cell is confined to: a state (`placed`, `until_shipped`), units (`not_shipped`), a cause (`carrier`, `timer`,
`webhook`, `not_sent_in_time`, `from_stock`: each line allocated or backordered, where the seller lets it), or a part
of what is read (`tracking`: state, promise, carrier, link)."""

Of = Literal[Kind, "ledger"]
"""What a command is about: a stream of this kind, or the ledger as a whole."""

Reader = Role | Literal["nobody"]
"""Who reads; `nobody` is without a login."""

Read = Literal[
    "order",
    "list",
    "timeline",
    "stream",
    "past_versions",
    "tracking_page",
    "documents",
    "payments",
    "evidence",
    "stored_bytes",
    "replay",
    "diff",
    "verify",
    "export_entries",
    "messages",
    "cases",
    "queues",
    "analytics",
    "catalogue",
    "stock_figures",
    "export",
    "rebuild",
    "compare",
    "organisations",
    "persons",
    "metrics",
    "readyz",
    "healthz",
]

Part = Literal["ship_to", "bill_to", "prices", "results", "reasons", "who"]
"""What is in an order: ship-to and phone; e-mail and bill-to; prices, payments and refunds; readings, attempts and
concessions; reasons and staff notes; who did it."""

View = Literal[
    "yes",
    "confirmed_until_delivered",
    "country_and_region",
    "amounts",
    "shown_and_last",
    "for_everyone",
    "codes",
    "role",
    "role_and_organisation",
    "name",
    "id_name_and_role",
]
"""How much of a part is seen."""


class Grant(Struct, frozen=True):
    """A cell of the table."""

    whose: Whose
    only: Only = ""

    def __str__(self) -> str:
        return f"{self.whose}, {self.only.replace('_', ' ')}" if self.only else self.whose


_OWN, _SOLD, _MADE, _KEPT = Grant("own"), Grant("sold"), Grant("made"), Grant("kept")
_SENT, _MEMBER, _SELF, _ALL, _FOR = Grant("sent"), Grant("member"), Grant("self"), Grant("all"), Grant("for")

Row = dict[Role, Grant]

_SELLERS_WORD: Row = {"ip_owner": _SOLD}
_SERVICE: Row = {"customer_service": _ALL}
_MAKING: Row = {"manufacturer": _MADE}
_LEDGER: Row = {"ledger": _ALL}
_FROM_CARRIERS: Row = {"ledger": _ALL, "carrier": _ALL}
_CONSUMERS_WORD: Row = {"consumer": _OWN}
_RETURNING: Row = {"consumer": _OWN, "customer_service": _ALL}
_JUDGING_RETURNS: Row = {"ip_owner": _SOLD, "customer_service": _ALL}
_LISTING: Row = {"ip_owner": _SOLD, "administrator": _ALL}
_SHELVING: Row = {"warehouse": _KEPT}
_ADMINISTRATION: Row = {"administrator": _ALL}
_ABOUT_ONESELF: Row = {
    "consumer": _SELF,
    "ip_owner": _SELF,
    "manufacturer": _SELF,
    "warehouse": _SELF,
    "customer_service": _SELF,
    "administrator": _ALL,
}

COMMANDS: Mapping[tuple[Of, str], Mapping[Role, Grant]] = {
    ("order", "place"): {"consumer": _OWN, "customer_service": _FOR},
    ("order", "confirm"): {"ip_owner": _SOLD, "ledger": Grant("all", "from_stock")},
    ("order", "reject"): _SELLERS_WORD,
    ("order", "assign"): _SELLERS_WORD,
    ("order", "approve-concession"): _SELLERS_WORD,
    ("order", "change-address"): {
        "consumer": Grant("own", "placed"),
        "customer_service": Grant("all", "until_shipped"),
    },
    ("order", "resolve-shortage"): _SERVICE,
    ("order", "resolve-problem"): _SERVICE,
    ("order", "resolve-return"): _SERVICE,
    ("order", "grant-refund"): _SERVICE,
    ("order", "start-production"): _MAKING,
    ("order", "complete-step"): _MAKING,
    ("order", "complete-inspection-item"): _MAKING,
    ("order", "complete-production"): _MAKING,
    ("order", "ship"): {"manufacturer": _MADE, "warehouse": _KEPT},
    ("order", "correct-tracking"): {"manufacturer": _SENT, "warehouse": _SENT, "customer_service": _ALL},
    ("order", "record-progress"): _FROM_CARRIERS,
    ("order", "check-tracking"): _LEDGER,
    ("order", "expect-delay"): _LEDGER,
    ("order", "allocate-stock"): _LEDGER,
    ("order", "find-shortage"): _LEDGER,
    ("order", "issue-invoice"): _LEDGER,
    ("order", "issue-credit-note"): _LEDGER,
    ("order", "issue-receipt"): _LEDGER,
    ("order", "record-notification"): _LEDGER,
    ("order", "deliver"): {
        "consumer": _OWN,
        "customer_service": _ALL,
        "ledger": Grant("all", "carrier"),
        "carrier": Grant("all", "carrier"),
    },
    ("order", "complete"): {"consumer": _OWN, "ledger": Grant("all", "timer")},
    ("order", "cancel"): {
        "consumer": Grant("own", "placed"),
        "ip_owner": Grant("sold", "not_shipped"),
        "customer_service": Grant("all", "not_shipped"),
    },
    ("order", "hold"): {"ip_owner": _SOLD, "customer_service": _ALL},
    ("order", "release"): {"ip_owner": _SOLD, "customer_service": _ALL},
    ("order", "revise-promise"): {"manufacturer": _MADE, "customer_service": _ALL, "ledger": _ALL},
    ("order", "accept-delay"): _CONSUMERS_WORD,
    ("order", "decline-delay"): _CONSUMERS_WORD,
    ("order", "report-problem"): {
        "consumer": _OWN,
        "manufacturer": _MADE,
        "warehouse": _KEPT,
        "customer_service": _ALL,
        "ledger": _ALL,
    },
    ("order", "record-payment"): {
        "customer_service": _ALL,
        "ledger": Grant("all", "webhook"),
        "payment_provider": Grant("all", "webhook"),
    },
    ("order", "request-return"): _RETURNING,
    ("order", "withdraw-return"): {**_RETURNING, "ledger": Grant("all", "not_sent_in_time")},
    ("order", "ship-return"): _RETURNING,
    ("order", "approve-return"): _JUDGING_RETURNS,
    ("order", "reject-return"): _JUDGING_RETURNS,
    ("order", "receive-return"): {"manufacturer": _MADE, "warehouse": _KEPT},
    ("order", "add-note"): {
        "consumer": _OWN,
        "ip_owner": _SOLD,
        "manufacturer": _MADE,
        "warehouse": _KEPT,
        "customer_service": _ALL,
    },
    ("item", "list"): _LISTING,
    ("item", "delist"): _LISTING,
    ("item", "change-price"): _LISTING,
    ("stock", "receive-stock"): _SHELVING,
    ("stock", "adjust-stock"): _SHELVING,
    ("stock", "reserve"): _LEDGER,
    ("stock", "release"): _LEDGER,
    ("stock", "issue"): _LEDGER,
    ("stock", "restock"): _LEDGER,
    ("organisation", "register-organisation"): _ADMINISTRATION,
    ("organisation", "change-organisation"): _ADMINISTRATION,
    ("person", "grant-role"): _ADMINISTRATION,
    ("person", "withdraw-role"): _ADMINISTRATION,
    ("person", "forget-person"): _ADMINISTRATION,
    ("person", "register-person"): _ABOUT_ONESELF,
    ("person", "change-contact"): _ABOUT_ONESELF,
    ("person", "choose-preferences"): _ABOUT_ONESELF,
    ("ledger", "import"): _ADMINISTRATION,
    ("ledger", "swap"): _ADMINISTRATION,
    ("ledger", "retry"): _ADMINISTRATION,
}
"""For each command, by what it is about and its name: the roles that may, and whose."""

_Readers = Mapping[Reader, Grant]
_ORDERS: _Readers = {
    "consumer": _OWN,
    "ip_owner": _SOLD,
    "manufacturer": _MADE,
    "warehouse": _KEPT,
    "customer_service": _ALL,
    "auditor": _ALL,
    "analyst": _ALL,
}
_MONEY: _Readers = {
    "consumer": _OWN,
    "ip_owner": _SOLD,
    "customer_service": _ALL,
    "auditor": _ALL,
    "analyst": Grant("all", "totals"),
}
_AUDIT: _Readers = {"auditor": _ALL}
_OPERATION: _Readers = {"auditor": _ALL, "analyst": _ALL, "administrator": _ALL}
_NOTHING_SEALED: _Readers = {"auditor": _ALL, "analyst": Grant("all", "nothing_sealed")}

READS: Mapping[Read, Mapping[Reader, Grant]] = {
    "order": _ORDERS,
    "list": _ORDERS,
    "timeline": _ORDERS,
    "stream": _ORDERS,
    "past_versions": _ORDERS,
    "tracking_page": {"nobody": Grant("all", "tracking")},
    "documents": _MONEY,
    "payments": _MONEY,
    "evidence": {
        "consumer": Grant("own", "shown"),
        "ip_owner": _SOLD,
        "manufacturer": _MADE,
        "customer_service": _ALL,
        "auditor": _ALL,
    },
    "stored_bytes": _AUDIT,
    "replay": _AUDIT,
    "diff": _AUDIT,
    "verify": _AUDIT,
    "export_entries": _AUDIT,
    "messages": {
        "consumer": _OWN,
        "customer_service": _ALL,
        "auditor": _ALL,
        "analyst": Grant("all", "counts"),
    },
    "cases": _ORDERS,
    "queues": _ORDERS,
    "analytics": {role: grant for role, grant in _ORDERS.items() if role != "consumer"},
    "catalogue": {**_ORDERS, "consumer": _ALL, "administrator": _ALL},
    "stock_figures": {
        "ip_owner": _SOLD,
        "warehouse": _KEPT,
        "customer_service": _ALL,
        "auditor": _ALL,
        "analyst": _ALL,
        "administrator": _ALL,
    },
    "export": _NOTHING_SEALED,
    "rebuild": {**_NOTHING_SEALED, "administrator": _ALL},
    "compare": _NOTHING_SEALED,
    "organisations": {
        "consumer": Grant("all", "names"),
        "ip_owner": _MEMBER,
        "manufacturer": _MEMBER,
        "warehouse": _MEMBER,
        "customer_service": _ALL,
        "auditor": _ALL,
        "analyst": Grant("all", "names"),
        "administrator": _ALL,
    },
    "persons": {
        "consumer": _SELF,
        "ip_owner": _SELF,
        "manufacturer": _SELF,
        "warehouse": _SELF,
        "customer_service": Grant("all", "contacts"),
        "auditor": _ALL,
        "administrator": _ALL,
    },
    "metrics": _OPERATION,
    "readyz": _OPERATION,
    "healthz": {"nobody": _ALL},
}
"""For each read: the roles that may, and whose. `readyz` is the page in detail."""

PARTS: Mapping[Part, Mapping[Role, View]] = {
    "ship_to": {
        "consumer": "yes",
        "ip_owner": "yes",
        "manufacturer": "confirmed_until_delivered",
        "warehouse": "confirmed_until_delivered",
        "customer_service": "yes",
        "auditor": "yes",
        "analyst": "country_and_region",
    },
    "bill_to": {"consumer": "yes", "ip_owner": "yes", "customer_service": "yes", "auditor": "yes"},
    "prices": {
        "consumer": "yes",
        "ip_owner": "yes",
        "customer_service": "yes",
        "auditor": "yes",
        "analyst": "amounts",
    },
    "results": {
        "consumer": "shown_and_last",
        "ip_owner": "yes",
        "manufacturer": "yes",
        "customer_service": "yes",
        "auditor": "yes",
        "analyst": "yes",
    },
    "reasons": {
        "consumer": "for_everyone",
        "ip_owner": "yes",
        "manufacturer": "yes",
        "warehouse": "yes",
        "customer_service": "yes",
        "auditor": "yes",
        "analyst": "codes",
    },
    "who": {
        "consumer": "role",
        "ip_owner": "role_and_organisation",
        "manufacturer": "role_and_organisation",
        "warehouse": "role_and_organisation",
        "customer_service": "name",
        "auditor": "id_name_and_role",
        "analyst": "role",
    },
}
"""For each part of an order that may be read at all: how much of it a role sees. Makers and keepers see it of their
lines."""
