"""How each kind of stream is folded, for those who keep the states of several."""

from collections.abc import Mapping

from order_ledger.entries import Kind
from order_ledger.items import item
from order_ledger.journal.standings import Evolve
from order_ledger.orders import evolving
from order_ledger.parties import organisation, person
from order_ledger.stock import stock

EVOLVES: Mapping[Kind, Evolve] = {
    "order": evolving.evolve,
    "item": item.evolve,
    "stock": stock.evolve,
    "organisation": organisation.evolve,
    "person": person.evolve,
}
