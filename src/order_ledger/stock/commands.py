"""What can be asked of an item's stock. The body of a request is the command."""

from typing import Annotated, ClassVar, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from order_ledger.stock.events import AdjustmentReason
from order_ledger.values import Quantity, Text

__all__ = [
    "STOCK_COMMANDS",
    "AdjustStock",
    "Issue",
    "ReceiveStock",
    "Release",
    "Reserve",
    "Restock",
    "StockCommand",
]

_RESERVATION = "0198c1d2-7a3e-7f10-8b52-5f6d1c2e9a41"
_ORDER = "0198c1d0-11aa-7c3d-9e21-3b7f5a8d6c02"
_SHIPMENT = "0198c1d9-4b6f-7d88-a1c4-92e0f3b57d16"

Line = Annotated[int, Field(ge=1, strict=True, description="The line of the order.")]
Counted = Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)]
Change = Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000, strict=True)]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]


class ReceiveStock(_Command):
    """Put new units on the shelf."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 40, "reference": "DN-2026-0815"}]})

    name: ClassVar[str] = "receive-stock"

    quantity: Quantity = Field(description="How many units arrived.")
    reference: Annotated[Text, Field(max_length=100)] = Field(description="The delivery note or purchase order.")


class AdjustStock(_Command):
    """Say what is really on the shelf: what a count found, or how many units were lost or found."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"counted": 37, "reason_code": "count"}]})

    name: ClassVar[str] = "adjust-stock"

    counted: Counted | None = Field(default=None, description="How many units a count found. Either this or `change`.")
    change: Change | None = Field(default=None, description="How many units more (or, below zero, fewer) there are.")
    reason_code: AdjustmentReason = Field(description="Why the record was wrong.")
    reason: Text | None = Field(default=None, description="More about it, in words; kept sealed.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.counted is None) == (self.change is None):
            raise PydanticCustomError("counted_or_change", "Give either what was counted or the change.")
        if self.change == 0:
            raise PydanticCustomError("no_change", "A change of 0 changes nothing.")
        if self.reason_code == "count" and self.counted is None:
            raise PydanticCustomError("count_without_counted", "Of a count, give what was counted.")
        return self


class Reserve(_Command):
    """Keep units for a line of an order: all of them, or none."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reservation": _RESERVATION, "order": _ORDER, "line": 1, "quantity": 2}]}
    )

    name: ClassVar[str] = "reserve"

    reservation: UUID = Field(description="The reservation's own id; the same id again reserves nothing more.")
    order: UUID = Field(description="The order that the units are kept for.")
    line: Line
    quantity: Quantity = Field(description="How many units to keep.")


class Release(_Command):
    """Keep units no longer: as many as this, or as many as are still kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reservation": _RESERVATION, "quantity": 1, "cause": "cancelled"}]}
    )

    name: ClassVar[str] = "release"

    reservation: UUID = Field(description="The reservation.")
    quantity: Quantity = Field(description="How many of its units to keep no longer.")
    cause: Literal["cancelled", "resolved"] = Field(description="Why they are no longer kept.")


class Issue(_Command):
    """Take reserved units off the shelf, for a shipment."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reservation": _RESERVATION, "shipment": _SHIPMENT, "quantity": 2}]}
    )

    name: ClassVar[str] = "issue"

    reservation: UUID = Field(description="The reservation; the same shipment again issues nothing more of it.")
    shipment: UUID = Field(description="The shipment that the units left with.")
    quantity: Quantity = Field(description="How many units left.")


class Restock(_Command):
    """Put units back on the shelf that came back from an order, fit to be sold again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"order": _ORDER, "rma": "RMA-1042-1", "line": 1, "quantity": 1, "condition": "resellable"}]
        }
    )

    name: ClassVar[str] = "restock"

    order: UUID = Field(description="The order that the units were sent for.")
    rma: Annotated[Text, Field(max_length=64)] | None = Field(
        default=None, description="The return that they came back under. Either this or `shipment`."
    )
    shipment: UUID | None = Field(default=None, description="The shipment that they came back with, undelivered.")
    line: Line
    quantity: Quantity = Field(
        description="How many resellable units of the line have come back so in all, earlier parcels included: "
        "what is already back on the shelf is not counted twice."
    )
    condition: Literal["resellable", "repairable", "scrap"] = Field(description="In what condition they are.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.rma is None) == (self.shipment is None):
            raise PydanticCustomError("rma_or_shipment", "Give either the return or the shipment.")
        return self


STOCK_COMMANDS = (ReceiveStock, AdjustStock, Reserve, Release, Issue, Restock)
StockCommand: TypeAlias = ReceiveStock | AdjustStock | Reserve | Release | Issue | Restock
