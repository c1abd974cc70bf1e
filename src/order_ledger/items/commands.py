"""What can be asked of an item. The body of a request is the command."""

from typing import Annotated, ClassVar, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from order_ledger.items.events import ItemKind
from order_ledger.values import Code, Currency, PlanItem, Price, Step, Text

__all__ = ["ITEM_COMMANDS", "ChangePrice", "DelistItem", "ItemCommand", "ListItem"]

Sku = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s\x00-\x1f\x7f]+( [^\s\x00-\x1f\x7f]+)*$")]
Days = Annotated[int, Field(ge=0, le=36_500, strict=True)]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]


class ListItem(_Command):
    """Offer an item. Listed again it is the next revision; orders keep theirs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sku": "PUMP-7",
                    "seller": "0198c1c0-52f1-7b0a-8d3c-6a1e4f9b2d70",
                    "description": "Gear pump, anodised",
                    "kind": "made_to_order",
                    "unit": "C62",
                    "unit_price": "249.90",
                    "currency": "EUR",
                    "tax_included": True,
                    "tax_class": "standard",
                    "lead_days": 14,
                    "manufacturer": "0198c1c1-0e44-7f92-b6a8-1d5c7e3f8a09",
                    "steps": [{"step": "mill", "name": "Milling"}, {"step": "anodise", "name": "Anodising"}],
                    "plan": [
                        {
                            "item": "bore",
                            "name": "Bore diameter",
                            "after_step": "mill",
                            "method": "Bore gauge",
                            "unit": "mm",
                            "low": "11.98",
                            "high": "12.02",
                            "evidence": True,
                        }
                    ],
                    "return_days": 30,
                    "warranty_days": 730,
                }
            ]
        }
    )

    name: ClassVar[str] = "list"

    sku: Sku = Field(description="The seller's own number of the item.")
    seller: UUID = Field(description="The organisation that sells it.")
    description: Text = Field(description="What it is, as orders and documents call it.")
    kind: ItemKind = Field(description="Where its units come from.")
    unit: Annotated[str, Field(pattern="^[A-Z0-9]{2,3}$")] = Field(
        default="C62", description="The unit it is sold in, a code of UN/ECE Recommendation 20."
    )
    unit_price: Price = Field(description="The price of a unit, with at most 4 decimals.")
    currency: Currency = Field(description="The seller's accounting currency.")
    tax_included: bool = Field(description="Whether the price includes tax.")
    tax_class: Code = Field(description="The class of goods that the seller's tax rules speak of.")
    lead_days: Days = Field(description="How many days an order of it takes; gives an order its first promise.")
    manufacturer: UUID | None = Field(default=None, description="Who makes it, where it is made to order.")
    warehouse: UUID | None = Field(default=None, description="Who keeps it, where it comes from stock.")
    steps: Annotated[tuple[Step, ...], Field(max_length=100)] = Field(
        default=(), description="How it is made, in this order."
    )
    plan: Annotated[tuple[PlanItem, ...], Field(max_length=200)] = Field(
        default=(), description="The inspection and test plan."
    )
    return_days: Days = Field(default=0, description="For how many days after delivery it may be returned.")
    warranty_days: Days = Field(default=0, description="For how many days after delivery defects may be returned.")


class DelistItem(_Command):
    """Offer an item no longer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    name: ClassVar[str] = "delist"


class ChangePrice(_Command):
    """Ask another price from now on; the revision stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"unit_price": "259.00", "tax_included": True}]})

    name: ClassVar[str] = "change-price"

    unit_price: Price = Field(description="The price of a unit, with at most 4 decimals.")
    tax_included: bool = Field(description="Whether the price includes tax.")


ITEM_COMMANDS = (ListItem, DelistItem, ChangePrice)
ItemCommand: TypeAlias = ListItem | DelistItem | ChangePrice
