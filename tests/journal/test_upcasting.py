"""Entries of older schemas: read as what they would be today, and never guessed at."""

from typing import Any, ClassVar

import pytest

from order_ledger.entries import Event
from order_ledger.journal.codec import Codec, Unreadable
from tests.journal.golden_entries import LEDGER, changed_entry


class Weighed(Event, frozen=True):
    """Once in pounds; then in grams; now it says whose scales."""

    schema: ClassVar[int] = 3
    grams: int
    scales: str


def grams(data: dict[str, Any]) -> dict[str, Any]:
    return {"grams": data["pounds"] * 454}


def scales(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "scales": "unknown"}


@pytest.mark.parametrize(
    ("schema", "data", "read"),
    [
        (1, {"pounds": 2}, Weighed(908, "unknown")),
        (2, {"grams": 5}, Weighed(5, "unknown")),
        (3, {"grams": 5, "scales": "ours"}, Weighed(5, "ours")),
    ],
)
def test_an_older_schema_is_read_through_every_upcaster_after_it(
    schema: int, data: dict[str, Any], read: Weighed
) -> None:
    codec = Codec(LEDGER, [Weighed], {("Weighed", 1): grams, ("Weighed", 2): scales})
    state = changed_entry(name="Weighed", schema=schema, data=data)
    assert codec.decode(state).event == read
    present = changed_entry(name="Weighed", schema=3, data={"grams": 7, "scales": "ours"})
    lines = codec.decode_lines(b"\n".join((state, present)), 2)
    assert [line.event for line in lines] == [read, Weighed(7, "ours")]


@pytest.mark.parametrize("upcasters", [{}, {("Weighed", 2): scales}, {("Weighed", 1): grams}])
def test_a_gap_in_the_upcasters_leaves_it_unread(upcasters: dict[tuple[str, int], Any]) -> None:
    with pytest.raises(Unreadable, match="no way to read Weighed"):
        Codec(LEDGER, [Weighed], upcasters).decode(changed_entry(name="Weighed", schema=1, data={"pounds": 2}))


@pytest.mark.parametrize("data", [{"kilos": 2}, {"pounds": "heavy"}, []])
def test_what_an_upcaster_cannot_read_is_unreadable(data: Any) -> None:
    codec = Codec(LEDGER, [Weighed], {("Weighed", 1): grams, ("Weighed", 2): scales})
    with pytest.raises(Unreadable):
        codec.decode(changed_entry(name="Weighed", schema=1, data=data))
