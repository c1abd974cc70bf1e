"""What a command makes happen to an item. Pure: no clock, no I/O."""

from collections.abc import Iterator
from datetime import datetime
from typing import assert_never
from uuid import UUID

from msgspec import Struct

from order_ledger.entries import By
from order_ledger.items.commands import ChangePrice, DelistItem, ItemCommand, ListItem
from order_ledger.items.events import ItemDelisted, ItemEvent, ItemListed, PriceChanged
from order_ledger.items.item import Item, item_id
from order_ledger.refusals import Blocker, NotFound, Refused
from order_ledger.values import Organisation

__all__ = ["Context", "decide"]

_SELLERS = ("ip_owner", "administrator")


class Context(Struct, frozen=True, kw_only=True):
    """What a decision may know beside the item: the time, who asks, the command's id, the stream's, and, for a
    listing, the organisations that it names. None is one that is not registered, or not as such."""

    now: datetime
    by: By
    command: UUID
    stream: UUID
    seller: Organisation | None = None
    seller_currency: str | None = None
    manufacturer: Organisation | None = None
    warehouse: Organisation | None = None


def decide(item: Item | None, command: ItemCommand, context: Context) -> tuple[ItemEvent, ...]:
    """What happens, in order; nothing for a retry. Raises `Refused`, and `NotFound` for an item never listed."""
    match command:
        case ListItem():
            return _list(item, command, context)
        case DelistItem():
            if item is None:
                raise NotFound
            return (ItemDelisted(),) if item.listed else ()
        case ChangePrice():
            return _change_price(item, command)
        case _:
            assert_never(command)


def _list(item: Item | None, command: ListItem, context: Context) -> tuple[ItemEvent, ...]:
    if context.stream != item_id(command.seller, command.sku):
        raise NotFound
    blockers = (*_wrong_with_parties(command, context), *_wrong_with_steps(command), *_wrong_with_plan(command))
    if blockers:
        raise Refused(*blockers)
    assert context.seller is not None, "a listing without a seller is refused"
    listed = ItemListed(
        sku=command.sku,
        seller=context.seller,
        revision=1 if item is None else item.revision + 1,
        description=command.description,
        kind=command.kind,
        unit=command.unit,
        unit_price=command.unit_price,
        currency=command.currency,
        tax_included=command.tax_included,
        tax_class=command.tax_class,
        lead_days=command.lead_days,
        manufacturer=context.manufacturer if command.manufacturer is not None else None,
        warehouse=context.warehouse if command.warehouse is not None else None,
        steps=command.steps,
        plan=command.plan,
        return_days=command.return_days,
        warranty_days=command.warranty_days,
    )
    return () if item is not None and item.listed and _says_nothing_new(item, listed) else (listed,)


def _says_nothing_new(item: Item, listed: ItemListed) -> bool:
    return all(
        getattr(item, field) == getattr(listed, field) for field in listed.__struct_fields__ if field != "revision"
    )


def _wrong_with_parties(command: ListItem, context: Context) -> Iterator[Blocker]:
    if context.seller is None:
        yield Blocker("unknown_seller", "The seller is not registered as one.", ("administrator",))
    elif command.currency != context.seller_currency:
        what = f"The seller's prices are in {context.seller_currency}."
        yield Blocker("currency_differs", what, _SELLERS)
    if command.manufacturer is not None and context.manufacturer is None:
        yield Blocker("unknown_manufacturer", "The manufacturer is not registered as one.", ("administrator",))
    if command.warehouse is not None and context.warehouse is None:
        yield Blocker("unknown_warehouse", "The warehouse is not registered as one.", ("administrator",))
    if command.kind == "made_to_order" and command.manufacturer is None:
        yield Blocker("no_manufacturer", "What is made to order needs a manufacturer.", _SELLERS)
    if command.kind == "from_stock" and command.warehouse is None:
        yield Blocker("no_warehouse", "What comes from stock needs a warehouse.", _SELLERS)


def _wrong_with_steps(command: ListItem) -> Iterator[Blocker]:
    steps = [step.step for step in command.steps]
    if command.kind == "made_to_order" and not steps:
        yield Blocker("no_steps", "What is made to order needs the steps of making it.", _SELLERS)
    if command.kind != "made_to_order" and (steps or command.plan):
        yield Blocker("not_made", "Only what is made to order has steps and a plan.", _SELLERS)
    for step in sorted({step for step in steps if steps.count(step) > 1}):
        yield Blocker("step_twice", f"There are two steps {step}.", _SELLERS, item=step)


def _wrong_with_plan(command: ListItem) -> Iterator[Blocker]:
    steps, items = {step.step for step in command.steps}, [planned.item for planned in command.plan]
    for planned in command.plan:
        if planned.after_step not in steps:
            what = f"{planned.item} is checked after {planned.after_step}, which is no step."
            yield Blocker("no_such_step", what, _SELLERS, item=planned.item)
        if planned.low is not None and planned.high is not None and planned.low > planned.high:
            what = f"The lower limit of {planned.item} is above its upper limit."
            yield Blocker("limits_reversed", what, _SELLERS, item=planned.item)
    for item in sorted({item for item in items if items.count(item) > 1}):
        yield Blocker("item_twice", f"There are two items {item} in the plan.", _SELLERS, item=item)


def _change_price(item: Item | None, command: ChangePrice) -> tuple[ItemEvent, ...]:
    if item is None:
        raise NotFound
    if not item.listed:
        raise Refused(Blocker("not_listed", "The item is not offered; list it again.", _SELLERS))
    if (item.unit_price, item.tax_included) == (command.unit_price, command.tax_included):
        return ()
    return (PriceChanged(command.unit_price, command.tax_included),)
