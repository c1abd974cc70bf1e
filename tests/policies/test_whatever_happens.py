"""Whatever happens to orders, the policy issues all that is owed and no more: the proof of all documents holds."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from order_ledger.audit.documents import examine
from order_ledger.orders.events import (
    LinesCancelled,
    OrderCancelled,
    OrderCompleted,
    OrderEvent,
    PaymentRecorded,
    RefundGranted,
)
from tests.orders.test_properties import live
from tests.policies.shop import DOCUMENTS, Shop, gapless

FOLLOWING = (RefundGranted, LinesCancelled, OrderCancelled, OrderCompleted, PaymentRecorded)
"""What may follow from the same decision as what stands before it: they are in the journal together, or not at all."""


@pytest.mark.parametrize("seed", (7, 16, 21, 22))
def test_all_that_is_owed_is_issued(shop: Shop, seed: int) -> None:
    """Issued after every few things that happen, or when all of it has happened."""
    dice = Random(seed)
    orders = []
    for _ in range(5):
        events: list[Any] = [entry.event for entry in live(dice, 40) if not isinstance(entry.event, DOCUMENTS)]
        order = shop.ordered(events[0])
        for some in _in_pieces(dice, events[1:]):
            shop.happens(order, *some)
            if dice.random() < 0.5:
                shop.issues()
        orders.append(order)
    shop.issues()
    assert shop.cases() == []
    assert examine([shop.entries(order) for order in orders]).findings == ()
    assert gapless(shop.issued(*orders))


def _in_pieces(dice: Random, events: list[OrderEvent]) -> Iterator[list[OrderEvent]]:
    piece: list[OrderEvent] = []
    for event in events:
        if piece and not isinstance(event, FOLLOWING) and dice.random() < 0.3:
            yield piece
            piece = []
        piece.append(event)
    if piece:
        yield piece
