"""Where policies begin: with the migration, before anybody can ask for anything."""

from order_ledger.policies.engine import status
from order_ledger.policies.engine.finding import names
from order_ledger.policies.engine.running import begin
from tests.commands import Ran
from tests.examples import BOOK_PLACED, CONFIRMED, shipped
from tests.policies.shop import Shop


def test_a_migration_lets_new_policies_begin_and_moves_no_other(shop: Shop) -> None:
    url = shop.journal.url
    before = shop.ordered(BOOK_PLACED, CONFIRMED, shipped((1, 3)))
    assert Ran(url, "migrate").code == 0
    after = shop.ordered(BOOK_PLACED, CONFIRMED, shipped((1, 3)))
    with shop.connected() as connection:
        assert not begin(connection, "issue_documents")
        assert {each.name: each.position for each in status.status(connection)} == dict.fromkeys(names(), 4)
    shop.issues()
    assert (shop.issued(before), len(shop.issued(after))) == ([], 1)
