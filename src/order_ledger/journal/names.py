"""Every event that an entry can hold, by its permanent name."""

from collections.abc import Mapping

from order_ledger.entries import Event
from order_ledger.items.events import ITEM_EVENTS
from order_ledger.journal.codec import Upcaster
from order_ledger.orders.events import ORDER_EVENTS
from order_ledger.parties.events import ORGANISATION_EVENTS, PERSON_EVENTS
from order_ledger.stock.events import STOCK_EVENTS

EVENTS: tuple[type[Event], ...] = (
    *ORDER_EVENTS,
    *ITEM_EVENTS,
    *STOCK_EVENTS,
    *ORGANISATION_EVENTS,
    *PERSON_EVENTS,
)

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""From (name, schema) to what its data looks like in the next schema. Nothing has changed yet."""
