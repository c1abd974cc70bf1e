"""The ledger as a folder of Parquet files: entries, a file per kind of stream, and every table of every read model.

Rows go from the database to the files as Arrow record batches (ADBC), so that they are never all in memory. Entries are
those up to one settled position; a read model is at the position that its bookmark says, in the same snapshot. Sealed
values stay sealed. `export.json` in the folder says which ledger this is, the positions, and how many rows there are.

Needs the extra `parquet`; nothing else of the ledger does.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from order_ledger.faults import Fault
from order_ledger.following.contract import Projection
from order_ledger.journal.feed import settled

LARGEST_BATCH_BYTES = 8 << 20
"""How much of a query's answer is in memory at a time."""

_AMOUNT = pa.decimal128(38, 9)
_TIME = pa.timestamp("us", tz="UTC")
_FOLDED = "folded"  # what a fold remembers for itself: no column to read

ENTRY = pa.schema(
    [
        ("position", pa.int64()),
        ("kind", pa.string()),
        ("stream", pa.string()),
        ("version", pa.int64()),
        ("name", pa.string()),
        ("schema", pa.int32()),
        ("at", _TIME),
        ("recorded_at", _TIME),
        ("role", pa.string()),
        ("person", pa.string()),
        ("organisation", pa.string()),
        ("on_behalf_of", pa.string()),
        ("through", pa.string()),
        ("command", pa.string()),
        ("command_id", pa.string()),
        ("reason_code", pa.string()),
        ("reason", pa.string()),
        ("answers_stream", pa.string()),
        ("answers_version", pa.int64()),
        ("breaches", pa.list_(pa.string())),
        ("source_system", pa.string()),
        ("source_batch", pa.string()),
        ("source_row", pa.int64()),
        ("source_status", pa.string()),
        ("hash", pa.string()),
        ("data", pa.string()),
    ]
)
"""The columns of entries: what every entry carries, and the event itself as JSON. Ids are written as text."""

_ENTRIES = """
    SELECT e.notification_id AS position, e.kind, e.originator_id::text AS stream, e.originator_version AS version,
        e.topic AS name, b.schema, b.at, e.recorded_at, b.by->>'role' AS role, b.by->>'person' AS person,
        b.by->>'organisation' AS organisation, b.by->>'on_behalf_of' AS on_behalf_of, b.through,
        b.command->>'name' AS command, b.command->>'id' AS command_id, b.reason_code, b.reason::text AS reason,
        b.answers->>'stream' AS answers_stream, (b.answers->>'version')::bigint AS answers_version, b.breaches,
        b.source->>'system' AS source_system, b.source->>'batch' AS source_batch,
        (b.source->>'row')::bigint AS source_row, b.source->>'status' AS source_status, encode(e.hash, 'hex') AS hash,
        b.data::text AS data
    FROM journal.entry e CROSS JOIN LATERAL json_to_record(convert_from(e.state, 'UTF8')::json) AS b (
        schema int, at timestamptz, by json, through text, command json, reason_code text, reason json, answers json,
        breaches text[], source json, data json
    )
    WHERE e.notification_id <= {position} ORDER BY e.notification_id
"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# What Parquet calls the types of columns, and what PostgreSQL is asked for instead where the driver knows them not.
_TYPES: Mapping[str, tuple[Any, str]] = {
    "boolean": (pa.bool_(), "{}"),
    "smallint": (pa.int16(), "{}"),
    "integer": (pa.int32(), "{}"),
    "bigint": (pa.int64(), "{}"),
    "double precision": (pa.float64(), "{}"),
    "date": (pa.date32(), "{}"),
    "timestamp with time zone": (_TIME, "{}"),
    "numeric": (_AMOUNT, "{}::text"),
    "interval": (pa.float64(), "extract(epoch FROM {})::float8"),
    "text[]": (pa.list_(pa.string()), "{}"),
    "bytea": (pa.binary(), "{}"),
}
_AS_TEXT = (pa.string(), "{}::text")


class NotExported(Fault):
    """There is something where the folder shall be, or the database could not be read."""


class ReadModel(Struct, frozen=True):
    """A read model that was given out: its version, the position it is at, and how many rows each table has."""

    version: int
    position: int
    tables: dict[str, int]


class Exported(Struct, frozen=True):
    """What was given out: the ledger, the settled position, entries by kind, and read models by name."""

    ledger: str
    position: int
    entries: dict[str, int]
    read_models: dict[str, ReadModel]


def export_parquet(
    connection: Connection[TupleRow], url: str, projections: Sequence[Projection], path: Path
) -> Exported:
    """Writes the folder, whole or not at all. The read models are installed. Raises `NotExported`.

    The connection is in autocommit; `url` names the same database, for Arrow's own driver.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise NotExported(f"{path} is there already; name a folder that is not.")
    final = settled(connection)  # a statement of its own: what is at or below it is read by a later one
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.mkdir(parents=True)
    try:
        with adbc.connect(url) as arrow:
            with arrow.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            ledger = _one(arrow, "SELECT id::text FROM journal.ledger")
            entries = _entries(arrow, final, draft / "entries", {"ledger": ledger, "position": str(final)})
            models = {each.name: _read_model(arrow, connection, each, draft, ledger) for each in projections}
        exported = Exported(ledger, final, entries, models)
        (draft / "export.json").write_text(json.dumps(msgspec.to_builtins(exported), indent=2) + "\n")
        (draft / "README.md").write_text(_README)
        if path.exists():
            path.rmdir()
        draft.rename(path)
    except adbc.Error as error:
        raise NotExported(f"The database could not be read: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return exported


def _entries(arrow: Any, position: int, folder: Path, told: Mapping[str, str]) -> dict[str, int]:
    """A file per kind of stream, each in the order of positions."""
    folder.mkdir()
    schema, rows = ENTRY.with_metadata(_said(told)), dict[str, int]()
    writers: dict[str, Any] = {}
    try:
        for batch in _batches(arrow, _ENTRIES.format(position=int(position)), schema):
            for kind in pc.unique(batch.column("kind")).to_pylist():
                of_kind = batch.filter(pc.equal(batch.column("kind"), kind))
                if kind not in writers:
                    writers[kind] = pq.ParquetWriter(folder / f"{kind}.parquet", schema, compression="zstd")
                writers[kind].write_batch(of_kind)
                rows[kind] = rows.get(kind, 0) + of_kind.num_rows
    finally:
        for writer in writers.values():
            writer.close()
    return dict(sorted(rows.items()))


def _read_model(
    arrow: Any, connection: Connection[TupleRow], projection: Projection, folder: Path, ledger: str
) -> ReadModel:
    name = projection.name
    position = int(_one(arrow, f'SELECT min(position) FROM "{name}".bookmark'))
    version = int(_one(arrow, f'SELECT version FROM "{name}".projection'))
    told = {"ledger": ledger, "position": str(position), "version": str(version)}
    within = folder / "read_models" / name
    within.mkdir(parents=True)
    tables = {}
    for table in projection.tables:
        columns = connection.execute(_COLUMNS, (f'"{name}"."{table.name}"',)).fetchall()
        shown = [(column, *_TYPES.get(type_, _AS_TEXT)) for column, type_ in columns if column != _FOLDED]
        schema = pa.schema([(column, type_) for column, type_, _ in shown]).with_metadata(_said(told))
        asked = ", ".join(f"{ask.format(_quoted(column))} AS {_quoted(column)}" for column, _, ask in shown)
        rows = 0
        with pq.ParquetWriter(within / f"{table.name}.parquet", schema, compression="zstd") as writer:
            for batch in _batches(arrow, f'SELECT {asked} FROM "{name}"."{table.name}"', schema):
                writer.write_batch(batch)
                rows += batch.num_rows
        if len(shown) > 1:
            tables[table.name] = rows
        else:
            (within / f"{table.name}.parquet").unlink()  # nothing but what the fold remembers for itself
    return ReadModel(version, position, tables)


def _batches(arrow: Any, query: str, schema: Any) -> Iterator[Any]:
    """The rows of a query, some at a time, in the types of the schema."""
    with arrow.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(LARGEST_BATCH_BYTES)})
        cursor.execute(query)
        for batch in cursor.fetch_record_batch():
            columns = [batch.column(field.name).cast(field.type) for field in schema]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _one(arrow: Any, query: str) -> str:
    with arrow.cursor() as cursor:
        cursor.execute(query)
        (value,) = cursor.fetchone()
    return str(value)


def _said(told: Mapping[str, str]) -> dict[bytes, bytes]:
    """The metadata of a file, by which it says where it is from without the others."""
    return {f"order_ledger.{name}".encode(): value.encode() for name, value in told.items()}


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


_README = """\
# An export of an order ledger

`export.json` says which ledger this is, the position of its journal that the entries go up to, and the position that
each read model was at.

`entries/<kind>.parquet` holds every entry of the streams of one kind, in the order of positions: what happened (`name`,
and `data`, the event as JSON), when it happened (`at`, empty where an imported source does not say) and when it was
recorded (`recorded_at`), who did it in which role, through what, and why. Values that are sealed (`sealed`, `box`) hold
personal data, encrypted; no key is in here. `hash` is the SHA-256 of the stored bytes, in hex.

`read_models/<name>/<table>.parquet` holds the tables of the read models, which follow from the entries.

Times are UTC with microseconds. Amounts are decimals, never floating point numbers. Durations are seconds. Ids are
UUIDs, written as text.
"""
