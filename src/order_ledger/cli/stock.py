"""`report stock`: how much of every item is on hand, kept for orders, free, and waited for."""

from order_ledger.cli.answers import AsFormat, AsJsonToo, answer_csv, answer_json, answer_rows
from order_ledger.cli.moments import AsOf, AsRecorded, AtPosition, moment_of
from order_ledger.cli.up_to_date import asked
from order_ledger.queries.stock import Asked, list_stock_now

COLUMNS = ("item_id", "sku", "description", "seller_name", "on_hand", "reserved", "available", "backordered")


def stock(
    as_of: AsOf = None,
    as_recorded: AsRecorded = None,
    position: AtPosition = None,
    form: AsFormat = "table",
    as_json: AsJsonToo = False,
) -> None:
    """How much of every item is on hand, kept for orders, free, and waited for, now or at a moment of the past."""
    with asked("stock", at=moment_of(as_of, as_recorded, position)) as connection:
        found = list_stock_now(connection, Asked())
    if as_json or form == "json":
        answer_json(found)
        return
    rows = [tuple(getattr(item, column) for column in COLUMNS) for item in found.items]
    if form == "csv":
        answer_csv(COLUMNS, rows)
    else:
        answer_rows(COLUMNS, rows, title=f"at position {found.position}")
