"""Rows of every type that columns have: a few are inserted, many are copied, and both are the same."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from order_ledger.following.contract import Row, Table
from order_ledger.following.folding import FoldedStream
from order_ledger.following.projections import find
from order_ledger.following.writing import Writer
from order_ledger.journal.feed import FeedRow

MANY = 20
SUMMER = timezone(timedelta(hours=2))
VALUES = [
    ("smallint", -32_768),
    ("int", 2**31 - 1),
    ("bigint", -(2**63)),
    ("numeric", Decimal("-1.50")),
    ("numeric", Decimal("0E-10")),
    ("numeric", Decimal("12E+20")),
    ("numeric(8, 2)", Decimal("7.005")),
    ("numeric", 7),
    ("text", "tab\t, line\n, back\\slash, \\N, ž, 🜚"),
    ("varchar(9)", "nine"),
    ("char(9)", "nine"),
    ("boolean", True),
    ("bytea", b"\x00\\\xff"),
    ("uuid", UUID(int=7)),
    ("date", date(2026, 11, 21)),
    ("timestamptz", datetime(2026, 11, 21, 20, 15, 3, 123456, tzinfo=UTC)),
    ("timestamptz", datetime(1969, 7, 20, 22, 17, tzinfo=SUMMER)),
    ("text[]", ["a", None, 'quoted "\\"', ""]),
    ("text[]", []),
    ("uuid[]", [UUID(int=7)]),
    ("int", None),
]


@pytest.fixture
def connection(database: str) -> Any:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def table(connection: Connection[TupleRow], *types: str) -> Writer:
    columns = [f"column_{number}" for number, _ in enumerate(types, 1)]
    listed = ", ".join(f"{column} {name}" for column, name in zip(columns, types, strict=True))
    connection.execute(f"CREATE TABLE written (stream uuid PRIMARY KEY, {listed})".encode())
    return Writer(connection, [Table("written", ("stream", *columns))])


def stream(number: int, *values: Any) -> FoldedStream:
    uuid = UUID(int=number)
    entry = FeedRow(number, uuid, 1, "", "order", b"")
    return FoldedStream(uuid, find("order_status").foldings[0], (entry,), {}, after={"written": [(uuid, *values)]})


def written(connection: Connection[TupleRow]) -> list[Row]:
    return connection.execute("SELECT written::text FROM written ORDER BY stream").fetchall()


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_many_rows_are_written_as_a_few_are(connection: Connection[TupleRow], name: str, value: Any) -> None:
    writer = table(connection, name)
    writer.write_or_mark([stream(number, value) for number in range(1, MANY + 1)])
    copied = written(connection)
    connection.execute("TRUNCATE written")
    for number in range(1, MANY + 1):
        writer.write_or_mark([stream(number, value)])
    assert len(copied) == MANY and copied == written(connection)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smallint", 2**15),
        ("int", 2**31),
        ("int", 2**70),
        ("bigint", -(2**63) - 1),
        ("text", "\0"),
        ("text", "\ud800"),
        ("text[]", ("a", "tuple")),
    ],
)
def test_what_no_column_holds_marks_its_stream_alone(connection: Connection[TupleRow], name: str, value: Any) -> None:
    streams = [stream(number, value if number == 7 else None) for number in range(1, MANY + 1)]
    table(connection, name).write_or_mark(streams)
    assert [each.stream.int for each in streams if each.failed_at is not None] == [7]
    assert len(written(connection)) == MANY - 1


def test_a_value_of_another_type_is_taken_where_the_column_takes_it(connection: Connection[TupleRow]) -> None:
    streams = [stream(number, 7 if number == 7 else "7") for number in range(1, MANY + 1)]
    table(connection, "text").write_or_mark(streams)
    assert len(written(connection)) == MANY and all(each.failed_at is None for each in streams)


def test_rows_of_a_type_that_the_driver_does_not_know(connection: Connection[TupleRow]) -> None:
    connection.execute("CREATE TYPE colour AS ENUM ('red', 'blue')")
    writer = table(connection, "colour", "int")
    writer.write_or_mark([stream(number, "blue", number) for number in range(1, MANY + 1)])
    assert len(written(connection)) == MANY


def test_tables_that_were_dropped_meanwhile_are_missing(connection: Connection[TupleRow]) -> None:
    """As any statement about them would say it: whoever follows looks for another copy then."""
    with pytest.raises(psycopg.errors.UndefinedTable):
        Writer(connection, [Table("written", ("stream",))])
