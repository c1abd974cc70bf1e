"""A whole state in one column."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct

from order_ledger.following.compact import Compact


class Part(Struct, frozen=True):
    name: str
    weight: Decimal | None = None


class Whole(Struct, frozen=True):
    id: UUID
    at: datetime
    kind: Literal["large", "small"]
    parts: dict[int, Part] = {}
    first: Part | None = None
    others: tuple[Part, ...] = ()
    seen: frozenset[str] = frozenset()
    maybe: tuple[Part | None, ...] = ()


WHOLE = Whole(
    UUID(int=7),
    datetime(2026, 11, 21, 20, 15, 3, 123456, tzinfo=UTC),
    "large",
    {2: Part("leg", Decimal("1.50")), 1: Part("seat")},
    Part("seat"),
    (Part("screw"),),
    frozenset(("x",)),
    (None, Part("nail")),
)


def test_reads_as_it_was_written() -> None:
    compact = Compact(Whole)
    again = compact.decode(compact.encode(WHOLE))
    assert repr(again) == repr(WHOLE)
    assert type(again.parts[2]) is Part


def test_names_of_fields_are_left_out() -> None:
    assert b"weight" not in Compact(Whole).encode(WHOLE)
    assert len(Compact(Whole).encode(WHOLE)) < len(msgspec.msgpack.encode(WHOLE)) / 1.5


def test_a_set_without_an_order_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="length <= 1"):
        Compact(Whole).encode(msgspec.structs.replace(WHOLE, seen=frozenset(("x", "y"))))


def test_another_form_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Compact(Part).decode(Compact(Whole).encode(WHOLE))


class InASet(Struct, frozen=True):
    parts: frozenset[Part]


class OneOfTwo(Struct, frozen=True):
    part: Part | str


class AsAKey(Struct, frozen=True):
    parts: dict[Part, int]


@pytest.mark.parametrize("form", [InASet, OneOfTwo, AsAKey])
def test_a_form_whose_names_could_not_be_told_apart_is_none(form: type[Struct]) -> None:
    with pytest.raises(AssertionError):
        Compact(form)
