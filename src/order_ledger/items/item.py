"""An item as its entries leave it."""

from functools import lru_cache
from typing import assert_never
from uuid import UUID, uuid5

import msgspec

from order_ledger.entries import Entry
from order_ledger.items.events import ItemDelisted, ItemEvent, ItemKind, ItemListed, PriceChanged
from order_ledger.values import Code, Currency, Organisation, PlanItem, Price, Step

__all__ = ["Item", "evolve", "item_id", "stock_id"]

_NAMESPACE = UUID("539dba93-c529-5b53-ad42-3d07a5b6a176")


@lru_cache(10_000)
def item_id(seller: UUID, sku: str) -> UUID:
    """The stream of this seller's item: two sellers may use one SKU."""
    return uuid5(_NAMESPACE, f"item/{seller}/{sku}")


def stock_id(seller: UUID, sku: str) -> UUID:
    """The stream of this item's stock, apart from the item's own, so that prices and reservations never fight."""
    return uuid5(_NAMESPACE, f"stock/{seller}/{sku}")


class Item(msgspec.Struct, frozen=True):
    """An item: what its latest revision says, its price today, and whether it is offered."""

    id: UUID
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
    listed: bool


def evolve(item: Item | None, entry: Entry[ItemEvent]) -> Item:
    """The item after this entry. Refuses nothing: what is recorded has happened."""
    event = entry.event
    if isinstance(event, ItemListed):
        return Item(id=entry.stream, listed=True, **msgspec.structs.asdict(event))
    assert item is not None, "an item's first entry lists it"
    match event:
        case ItemDelisted():
            return msgspec.structs.replace(item, listed=False)
        case PriceChanged(unit_price=unit_price, tax_included=tax_included):
            return msgspec.structs.replace(item, unit_price=unit_price, tax_included=tax_included)
        case _:
            assert_never(event)
