"""Rows as lines of COPY's text form (PostgreSQL, COPY, "Text Format"): what a batch writes most of its time.

The driver asks of every value how it is to be written; the types of a read model's columns are few, and known.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Copy

from order_ledger.following.contract import Row

_ROWS_A_WRITE = 500
_SPECIAL = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_IN_ARRAY = str.maketrans({"\\": "\\\\", '"': '\\"'})


def write_rows(copy: Copy, rows: Iterable[Row]) -> None:
    """Writes these rows into a COPY of the text form. A value of a type that is not among ours goes by the driver."""
    lines: list[str] = []
    for row in rows:
        try:
            lines.append("\t".join([_TEXTS[type(value)](value) for value in row]))
        except KeyError:
            _write(copy, lines)
            copy.write_row(row)
        if len(lines) == _ROWS_A_WRITE:
            _write(copy, lines)
    _write(copy, lines)


def _write(copy: Copy, lines: list[str]) -> None:
    if lines:
        lines.append("")
        copy.write("\n".join(lines))
        lines.clear()


def _escaped(text: str) -> str:
    # Of what must be escaped, the backslash alone is printable.
    return text if text.isprintable() and "\\" not in text else text.translate(_SPECIAL)


def _array(values: list[Any]) -> str:
    elements = ["NULL" if value is None else f'"{_element(value)}"' for value in values]
    return _escaped(f"{{{','.join(elements)}}}")


def _element(value: Any) -> str:
    return value.translate(_IN_ARRAY) if type(value) is str else _TEXTS[type(value)](value)


_TEXTS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "\\N",
    bool: lambda value: "t" if value else "f",
    bytes: lambda value: f"\\\\x{value.hex()}",
    date: date.isoformat,
    datetime: datetime.isoformat,
    Decimal: str,
    int: str,
    list: _array,
    str: _escaped,
    UUID: lambda value: f"{value.int:032x}",
}
