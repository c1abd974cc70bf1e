"""`report stock`: how much of every item is on hand, kept for orders, free, and waited for."""

import psycopg

from order_ledger.cli.answers import AsFormat, AsJsonToo, answer_csv, answer_json, answer_rows
from order_ledger.cli.up_to_date import bring_up_to_date
from order_ledger.embedded_postgres import server_for
from order_ledger.journal.migrations import migrate
from order_ledger.queries.stock import Asked, list_stock_now
from order_ledger.settings import Settings

COLUMNS = ("item_id", "sku", "description", "seller_name", "on_hand", "reserved", "available", "backordered")


def stock(form: AsFormat = "table", as_json: AsJsonToo = False) -> None:
    """How much of every item is on hand, kept for orders, free, and waited for."""
    with server_for(Settings()) as url:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            bring_up_to_date(connection, url, "stock")
            found = list_stock_now(connection, Asked())
    if as_json or form == "json":
        answer_json(found)
        return
    rows = [tuple(getattr(item, column) for column in COLUMNS) for item in found.items]
    if form == "csv":
        answer_csv(COLUMNS, rows)
    else:
        answer_rows(COLUMNS, rows, title=f"at position {found.position}")
