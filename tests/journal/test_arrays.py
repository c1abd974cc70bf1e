"""Arrays arrive as they were sent, whatever their elements are."""

from collections.abc import Sequence

import psycopg
import pytest

from order_ledger.journal.arrays import array, of_bytes, quoted


@pytest.mark.parametrize(
    "elements", [(), (b"",), (b"\0\xff",), (None,), (b"one", None, b"two" * 30_000), (b"\\x41", b"{a,b}", b"NULL")]
)
def test_bytes(database: str, elements: Sequence[bytes | None]) -> None:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT %s::bytea[], %s::bytea[] = %s", 2 * [of_bytes(elements)] + [list(elements)])
        found, equal = row.fetchone() or ((), None)
    assert tuple(found) == tuple(elements)
    assert equal


@pytest.mark.parametrize("elements", [(), ("",), ("a", "NULL", 'say "no"', "a\\b", "{},", " blank ", "é\n")])
def test_texts(database: str, elements: Sequence[str]) -> None:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT %s::text[]", (array(map(quoted, elements)),)).fetchone()
    assert row is not None and tuple(row[0]) == tuple(elements)
