"""What an item's commands come to, outcome by outcome."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import asdict, replace
from pydantic import ValidationError

from order_ledger.items.commands import ITEM_COMMANDS, ChangePrice, DelistItem, ListItem
from order_ledger.items.decisions import Context, decide
from order_ledger.items.events import ItemDelisted, ItemListed, PriceChanged
from order_ledger.items.item import evolve, item_id, stock_id
from order_ledger.refusals import NotFound
from order_ledger.values import Organisation, PlanItem, Step
from tests.scenario import Stream

SELLER = Organisation(UUID("0198c1c0-52f1-7b0a-8d3c-6a1e4f9b2d70"), "Acme")
WORKSHOP = Organisation(UUID("0198c1c1-0e44-7f92-b6a8-1d5c7e3f8a09"), "Workshop")
SHELF = Organisation(UUID("0198c1c2-3b7d-7a56-9c14-8e2f6d0b5a31"), "Shelf")

PUMP = item_id(SELLER.id, "PUMP-7")
ITEM = Stream("item", PUMP, evolve, decide, Context, stream=PUMP)
given = ITEM.given

LISTED = ItemListed(
    sku="PUMP-7",
    seller=SELLER,
    revision=1,
    description="Gear pump",
    kind="made_to_order",
    unit="C62",
    unit_price=Decimal("249.90"),
    currency="EUR",
    tax_included=True,
    tax_class="standard",
    lead_days=14,
    manufacturer=WORKSHOP,
    warehouse=None,
    steps=(Step("mill", "Milling"), Step("anodise", "Anodising")),
    plan=(PlanItem("bore", "Bore", "mill", low=Decimal("11.98"), high=Decimal("12.02")),),
    return_days=30,
    warranty_days=730,
)
DELISTED = ItemDelisted()
DEARER = PriceChanged(Decimal("259.00"), True)
KNOWN: dict[str, Any] = {
    "seller": SELLER,
    "seller_currency": "EUR",
    "manufacturer": WORKSHOP,
    "warehouse": SHELF,
}


def list_item(**changes: Any) -> ListItem:
    fields = asdict(LISTED) | {"seller": SELLER.id, "manufacturer": WORKSHOP.id} | changes
    del fields["revision"]
    return ListItem(**fields)


def change_price(price: str = "259.00") -> ChangePrice:
    return ChangePrice(unit_price=Decimal(price), tax_included=True)


def test_listed() -> None:
    given().when(list_item(), **KNOWN).then(LISTED)


def test_listed_from_stock() -> None:
    from_stock = replace(LISTED, kind="from_stock", manufacturer=None, warehouse=SHELF, steps=(), plan=())
    command = list_item(kind="from_stock", manufacturer=None, warehouse=SHELF.id, steps=(), plan=())
    given().when(command, **KNOWN).then(from_stock)


def test_listed_again_is_the_next_revision() -> None:
    again = replace(LISTED, revision=2, description="Better pump")
    given(LISTED).when(list_item(description="Better pump"), **KNOWN).then(again)


def test_listed_again_after_it_was_delisted() -> None:
    given(LISTED, DELISTED).when(list_item(), **KNOWN).then(replace(LISTED, revision=2))


def test_listing_ignored_when_retried() -> None:
    given(LISTED).when(list_item(), **KNOWN).then_nothing()


def test_listing_not_found_at_the_address_of_another_item() -> None:
    with pytest.raises(NotFound):
        given().when(list_item(sku="PUMP-8"), **KNOWN).decided()


@dataclass
class Wrong:
    changes: dict[str, Any]
    code: str
    known: dict[str, Any] | None = None


TWICE = (Step("mill", "Milling"), Step("mill", "Milling again"))


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong({}, "unknown_seller", {"seller": None}),
        Wrong({}, "unknown_manufacturer", {"manufacturer": None}),
        Wrong({"warehouse": SHELF.id}, "unknown_warehouse", {"warehouse": None}),
        Wrong({"currency": "USD"}, "currency_differs"),
        Wrong({"manufacturer": None}, "no_manufacturer"),
        Wrong({"kind": "from_stock", "steps": (), "plan": ()}, "no_warehouse"),
        Wrong({"steps": (), "plan": ()}, "no_steps"),
        Wrong({"kind": "untracked"}, "not_made"),
        Wrong({"steps": TWICE}, "step_twice"),
        Wrong({"plan": (PlanItem("bore", "Bore", "weld"),)}, "no_such_step"),
        Wrong({"plan": (PlanItem("bore", "B", "mill", low=Decimal(2), high=Decimal(1)),)}, "limits_reversed"),
        Wrong({"plan": (PlanItem("bore", "B", "mill"), PlanItem("bore", "C", "anodise"))}, "item_twice"),
    ],
    ids=lambda wrong: wrong.code,
)
def test_listing_refused(wrong: Wrong) -> None:
    given().when(list_item(**wrong.changes), **(KNOWN | (wrong.known or {}))).then_refused_for(wrong.code)


def test_a_refused_listing_says_all_that_is_wrong() -> None:
    command = list_item(manufacturer=None, plan=(PlanItem("bore", "Bore", "weld"),))
    given().when(command, **KNOWN).then_refused_for(
        "no_manufacturer", "no_such_step", saying="weld", who=("ip_owner", "administrator")
    )


def test_limits_may_be_equal_and_one_may_be_missing() -> None:
    plan = (
        PlanItem("bore", "Bore", "mill", low=Decimal(1), high=Decimal(1)),
        PlanItem("shine", "Shine", "anodise", low=Decimal(1)),
    )
    given().when(list_item(plan=plan), **KNOWN).then(replace(LISTED, plan=plan))


def test_delisted() -> None:
    given(LISTED).when(DelistItem()).then(DELISTED)


def test_delisting_ignored_when_retried() -> None:
    given(LISTED, DELISTED).when(DelistItem()).then_nothing()


def test_price_changed() -> None:
    given(LISTED).when(change_price()).then(DEARER)


def test_price_change_ignored_when_retried() -> None:
    given(LISTED, DEARER).when(change_price()).then_nothing()


def test_price_change_refused_when_delisted() -> None:
    given(LISTED, DELISTED).when(change_price()).then_refused_for("not_listed", who=("ip_owner", "administrator"))


@pytest.mark.parametrize("command", [DelistItem(), change_price()], ids=lambda command: command.name)
def test_an_item_never_listed_is_not_found(command: DelistItem | ChangePrice) -> None:
    with pytest.raises(NotFound):
        given().when(command).decided()


def test_the_price_changes_and_the_revision_stays() -> None:
    given(LISTED, DEARER).comes_to(unit_price=Decimal("259.00"), revision=1, listed=True, id=ITEM.id)
    given(LISTED, DEARER, DELISTED).comes_to(listed=False)


@pytest.mark.parametrize("event", [LISTED, DELISTED, DEARER], ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was_written(event: Any) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event


def test_two_sellers_may_use_one_sku_and_stock_is_a_stream_of_its_own() -> None:
    ids = {make(seller, "PUMP-7") for make in (item_id, stock_id) for seller in (SELLER.id, SHELF.id)}
    assert len(ids) == 4


def test_the_streams_of_an_item_never_move() -> None:
    assert item_id(SELLER.id, "PUMP-7") == UUID("21da710c-74b4-52e2-bc17-c0573697a946")
    assert stock_id(SELLER.id, "PUMP-7") == UUID("81273940-e2ac-51b4-bb13-331d238473f3")


@pytest.mark.parametrize("command", ITEM_COMMANDS, ids=lambda command: command.name)
def test_the_example_of_a_command_is_one(command: type[Any]) -> None:
    (example,) = command.model_json_schema()["examples"]
    assert command.model_validate_json(command.model_validate(example).model_dump_json()) == command(**example)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unit_price", "0.00001"),
        ("unit_price", "-1"),
        ("unit_price", 1.5),
        ("unit_price", "NaN"),
        ("sku", " PUMP"),
        ("sku", "PUMP\n7"),
        ("unit", "pieces"),
        ("lead_days", "3"),
        ("kind", "service"),
        ("colour", "red"),
    ],
)
def test_a_malformed_listing_is_no_command(field: str, value: object) -> None:
    (example,) = ListItem.model_json_schema()["examples"]
    with pytest.raises(ValidationError):
        ListItem.model_validate(example | {field: value})
