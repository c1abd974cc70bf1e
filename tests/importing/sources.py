"""Small folders of invented orders, in the form of the public Olist files."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from order_ledger.importing.olist import CUSTOMERS, ITEMS, ORDERS, PAYMENTS, PRODUCTS
from order_ledger.importing.tables import Form

PLACED, APPROVED, HANDED_OVER, ARRIVED = (f"2018-03-0{day} 10:20:30" for day in (1, 2, 3, 4))
PROMISED = "2018-03-20 00:00:00"


def order(own: str = "o-1", status: str = "delivered", customer: str = "c-1", **times: str) -> tuple[str, ...]:
    """A row of the orders file; every time is there unless it is given as an empty one."""
    known = {"placed": PLACED, "approved": APPROVED, "handed_over": HANDED_OVER, "arrived": ARRIVED}
    known = {**known, "promised": PROMISED, **times}
    return (own, customer, status, *known.values())


def item(
    own: str = "o-1", number: str = "1", seller: str = "s-1", price: str = "10.00", freight: str = "2.50"
) -> tuple[str, ...]:
    """A row of the items file."""
    return (own, number, f"p-{number}", seller, "2018-03-03 00:00:00", price, freight)


def payment(own: str = "o-1", number: str = "1", value: str = "12.50", method: str = "credit_card") -> tuple[str, ...]:
    """A row of the payments file."""
    return (own, number, method, "3", value)


def customer(own: str = "c-1", unique: str = "u-1") -> tuple[str, ...]:
    """A row of the customers file."""
    return (own, unique, "01001", "sao paulo", "SP")


Rows = Iterable[Sequence[str]]


def write(
    folder: Path,
    orders: Rows = (),
    items: Rows | None = None,
    payments: Rows | None = None,
    customers: Rows | None = None,
    products: Rows | None = None,
) -> Path:
    """The folder with these files; those that are None are not there."""
    for form, rows in (
        (ORDERS, orders),
        (ITEMS, items),
        (PAYMENTS, payments),
        (CUSTOMERS, customers),
        (PRODUCTS, products),
    ):
        if rows is not None:
            write_file(folder, form, rows)
    return folder


def write_file(folder: Path, form: Form, rows: Rows, header: Sequence[str] | None = None) -> None:
    """One file with its header."""
    with (folder / form.name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header or form.columns, *rows])


def whole(folder: Path, count: int = 1) -> Path:
    """So many whole orders: placed, paid, confirmed, shipped and delivered."""
    names = [f"o-{number}" for number in range(count)]
    return write(
        folder,
        [order(name, customer=f"c-{name}") for name in names],
        [item(name) for name in names],
        [payment(name) for name in names],
        [customer(f"c-{name}", f"u-{name}") for name in names],
    )
