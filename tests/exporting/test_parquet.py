"""Entries and read models as Parquet files: all of them, in the types that an analyst expects, nothing opened."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from order_ledger.entries import By, Cause, CommandRef, Fact
from order_ledger.exporting import parquet
from order_ledger.exporting.parquet import NotExported, export_parquet
from order_ledger.following.live import Follower
from order_ledger.following.projections import find, names
from order_ledger.journal.copying import copy_in
from order_ledger.orders.events import OrderHeld
from tests.commands import Ran
from tests.exporting.histories import ENTRIES, ORDER
from tests.following.histories import an_id
from tests.following.writing import Writing

ALL = ENTRIES + 3
TIME = pa.timestamp("us", tz="UTC")


def exported(writing: Writing, path: Path) -> parquet.Exported:
    url = writing.journal.url
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names():
            Follower(url, find(name)).catch_up(ALL)
        return export_parquet(connection, url, [find(name) for name in names()], path)


def test_every_entry_is_a_row_of_its_kinds_file_in_the_order_of_positions(filled: Writing, tmp_path: Path) -> None:
    told = exported(filled, tmp_path / "out")

    assert (told.position, sum(told.entries.values())) == (ALL, ALL)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "out"], "no draft is left"
    tables = {file.stem: pq.read_table(file) for file in (tmp_path / "out" / "entries").iterdir()}
    assert {kind: table.num_rows for kind, table in tables.items()} == told.entries
    rows = sorted((row for table in tables.values() for row in table.to_pylist()), key=lambda row: row["position"])
    with psycopg.connect(filled.journal.url) as connection:
        stored = connection.execute("SELECT position, stream, version, name, entry FROM journal.entries").fetchall()
    for row, (position, stream, version, name, entry) in zip(rows, sorted(stored), strict=True):
        assert (row["position"], UUID(row["stream"]), row["version"], row["name"]) == (position, stream, version, name)
        assert json.loads(row["data"]) == entry["data"]
        assert (row["role"], row["command"], row["reason_code"]) == ("ledger", "given", "other")
        assert row["at"] is None or row["at"].isoformat().replace("+00:00", "Z") == entry["at"]
    assert [row["at"] for row in rows].count(None) == 1
    assert tables["order"].schema.equals(parquet.ENTRY)


def test_nothing_sealed_is_opened(filled: Writing, tmp_path: Path) -> None:
    exported(filled, tmp_path / "out")
    (first, *_) = pq.read_table(tmp_path / "out" / "entries" / "order.parquet").to_pylist()
    assert set(json.loads(first["data"])["contact"]) == {"sealed", "box"}


def test_read_models_come_with_their_position_in_types_that_keep_amounts_and_times(
    filled: Writing, tmp_path: Path
) -> None:
    told = exported(filled, tmp_path / "out")

    assert told.read_models.keys() == set(names())
    assert all(model.position == ALL for model in told.read_models.values())
    assert json.loads((tmp_path / "out" / "export.json").read_text())["position"] == ALL
    orders = pq.read_table(tmp_path / "out" / "read_models" / "order_status" / "orders.parquet")
    assert orders.schema.metadata[b"order_ledger.position"] == str(ALL).encode()
    assert orders.schema.field("placed_at").type == TIME
    assert pa.types.is_decimal128(orders.schema.field("total").type)
    assert "folded" not in orders.schema.names
    (row,) = [row for row in orders.to_pylist() if row["order_id"] == str(ORDER)]
    assert (row["total"], row["state"]) == (Decimal("30.00"), "delivered")
    with psycopg.connect(filled.journal.url) as connection:
        for name, model in told.read_models.items():
            for table, rows in model.tables.items():
                assert connection.execute(f"SELECT count(*) FROM {name}.{table}".encode()).fetchone() == (rows,)
                assert pq.read_metadata(tmp_path / "out" / "read_models" / name / f"{table}.parquet").num_rows == rows


def test_what_is_not_settled_is_left_out(filled: Writing, tmp_path: Path) -> None:
    journal = filled.journal
    with psycopg.connect(journal.url) as other:
        _, head = journal.load(an_id("third"), "order")
        cause = Cause(By(None, "ledger"), "policy", CommandRef(an_id("third"), "example"))
        copy_in(other, journal.encode("order", an_id("third"), head, [Fact(OrderHeld(), None)], cause).entries)
        filled.write(an_id("fourth"), OrderHeld())
        assert exported(filled, tmp_path / "out").position == ALL


def test_rows_are_never_all_in_memory(filled: Writing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "LARGEST_BATCH_BYTES", 2_000)
    exported(filled, tmp_path / "out")
    assert pq.ParquetFile(tmp_path / "out" / "entries" / "order.parquet").num_row_groups > 3


def test_refused_where_something_is(filled: Writing, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(NotExported, match="is there already"):
        exported(filled, tmp_path / "out")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_database_that_cannot_be_read_leaves_nothing_behind(filled: Writing, tmp_path: Path) -> None:
    url = filled.journal.url
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(NotExported, match="could not be read"):
        export_parquet(connection, url, [find("stock")], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_command(filled: Writing, tmp_path: Path) -> None:
    url, path = filled.journal.url, str(tmp_path / "out")
    told = Ran(url, "export", "parquet", path, "--json").document
    assert (told["position"], told["entries"]["order"], told["path"]) == (ALL, 14, path)
    Ran(url, "export", "parquet", path).failed_saying("is there already")


def test_without_the_extra_it_says_what_to_install(database: str, tmp_path: Path) -> None:
    program = "import sys; sys.modules['pyarrow'] = None; from order_ledger.cli import main; main()"
    command: list[Any] = [sys.executable, "-c", program, "export", "parquet", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'order-ledger[parquet]'" in done.stderr and "Traceback" not in done.stderr
