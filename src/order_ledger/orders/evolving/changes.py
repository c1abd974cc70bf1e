"""How what an event makes of an order is written down: one function for each event, in a table of its topic."""

from collections.abc import Callable, Mapping
from typing import Any

from order_ledger.entries import Entry, Event
from order_ledger.orders.events import OrderEvent
from order_ledger.orders.order import Order

__all__ = ["Change", "Changes"]

Change = Callable[[Order, Any, Entry[OrderEvent]], Order]
"""The order before, the event and its entry, and the order after, whose `version` and `recorded_at` are its caller's
affair."""

Changes = Mapping[type[Event], Change]
"""What each of some events makes of an order."""
