"""What happened to an item as its seller lists it. A name or a field here is permanent once recorded."""

from typing import Literal, TypeAlias

from order_ledger.entries import Event
from order_ledger.values import Code, Currency, Organisation, PlanItem, Price, Step

__all__ = ["ITEM_EVENTS", "ItemDelisted", "ItemEvent", "ItemKind", "ItemListed", "PriceChanged"]

ItemKind = Literal["from_stock", "made_to_order", "untracked", "charge"]
"""Where units come from: a shelf, a workshop, somewhere that is not followed here, or nowhere (freight, fees)."""


class ItemListed(Event, frozen=True):
    """The item is offered like this from now on. Listed again it is the next revision; orders keep theirs.

    `unit` is a code of UN/ECE Recommendation 20. `lead_days` gives an order its first promise.
    """

    sku: str
    seller: Organisation
    revision: int
    description: str
    kind: ItemKind
    unit: str
    unit_price: Price
    currency: Currency
    tax_included: bool
    tax_class: Code
    lead_days: int
    manufacturer: Organisation | None
    warehouse: Organisation | None
    steps: tuple[Step, ...]
    plan: tuple[PlanItem, ...]
    return_days: int
    warranty_days: int


class ItemDelisted(Event, frozen=True):
    """The item is no longer offered."""


class PriceChanged(Event, frozen=True):
    """The same revision costs this much from now on, per unit."""

    unit_price: Price
    tax_included: bool


ITEM_EVENTS = (ItemListed, ItemDelisted, PriceChanged)
ItemEvent: TypeAlias = ItemListed | ItemDelisted | PriceChanged
