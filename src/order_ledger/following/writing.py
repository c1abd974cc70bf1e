"""The rows of a projection: loading those of some streams, and writing those that changed, each once."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import psycopg
from psycopg import Connection, pq, sql
from psycopg.rows import TupleRow

from order_ledger.following.contract import Row, Table
from order_ledger.following.folding import FoldedStream
from order_ledger.following.integers import refuse_what_does_not_fit

_FEW_ROWS = 24
# By the database, or by the driver: of another type than the column, or in no encoding.
_REFUSED = (psycopg.DataError, psycopg.IntegrityError, TypeError, ValueError, LookupError, OverflowError)


class Writer:
    """Reads and writes the tables of the schema that the connection is in. All of it happens in the caller's
    transaction."""

    def __init__(self, connection: Connection[TupleRow], tables: Sequence[Table]) -> None:
        self._connection = connection
        refuse_what_does_not_fit(connection)
        self._tables = [_Statements(connection, table) for table in tables]

    def load(self, streams: Sequence[UUID]) -> dict[UUID, dict[str, list[Row]]]:
        """The rows of these streams, by stream and table, in the order of their keys."""
        found: dict[UUID, dict[str, list[Row]]] = {}
        if streams:
            with self._connection.pipeline():
                asked = [
                    (table.name, self._connection.execute(table.select, (streams,), prepare=True, binary=True))
                    for table in self._tables
                ]
                for name, rows in asked:
                    for row in rows:
                        found.setdefault(row[0], {}).setdefault(name, []).append(row)
        return found

    def write_or_mark(self, streams: Sequence[FoldedStream]) -> None:
        """Writes what changed. Where the database refuses the rows of a stream, that stream is marked as failed."""
        if not self.write(streams):
            self.write_each_or_mark(streams)

    def write(self, streams: Sequence[FoldedStream]) -> bool:
        """Writes what changed of all of them; nothing, and answers so, where the database refuses any of it."""
        try:
            with self._connection.transaction():
                self._write(streams)
        except _REFUSED:
            return False
        return True

    def write_each_or_mark(self, streams: Sequence[FoldedStream]) -> None:
        """Writes what changed one by one, so that it shows whose rows are refused: the others go on."""
        for stream in streams:
            try:
                with self._connection.transaction():
                    self._write([stream])
            except _REFUSED as error:
                stream.failed_at = stream.entries[0]
                stream.error = f"{type(error).__name__}: {error}".splitlines()[0]

    def _write(self, streams: Iterable[FoldedStream]) -> None:
        changes = [_Changes() for _ in self._tables]
        for stream in streams:
            if stream.after is not None:
                for table, change in zip(self._tables, changes, strict=True):
                    change.add(table.key, stream.before.get(table.name, ()), stream.after.get(table.name, ()))
        for table, change in zip(self._tables, changes, strict=True):
            self._delete(table, change.gone)
            self._update(table, change.changed)
            self._insert(table, change.new)

    def _delete(self, table: "_Statements", keys: Sequence[Row]) -> None:
        if keys:
            self._connection.execute(table.delete, [list(column) for column in zip(*keys, strict=True)])

    def _update(self, table: "_Statements", rows: Sequence[Row]) -> None:
        if not rows:
            return
        if len(rows) <= _FEW_ROWS:
            # A few statements, sent together, cost less than a table in between.
            keys_last = [row[table.key :] + row[: table.key] for row in rows]
            with self._connection.cursor() as cursor:
                cursor.executemany(table.update_one, keys_last)
            return
        self._connection.execute(table.stage)
        self._copy(table, table.copy_staged, rows)
        self._connection.execute(table.update_staged)

    def _insert(self, table: "_Statements", rows: Sequence[Row]) -> None:
        if not rows:
            return
        if len(rows) <= _FEW_ROWS:
            with self._connection.cursor() as cursor:
                cursor.executemany(table.insert_one, rows)
            return
        self._copy(table, table.copy, rows)

    def _copy(self, table: "_Statements", statement: sql.Composed, rows: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            if table.binary:
                copy.set_types(table.oids)
            for row in rows:
                copy.write_row(row)


class _Changes:
    """What differs between the rows that are there and those that shall be."""

    __slots__ = ("changed", "gone", "new")

    def __init__(self) -> None:
        self.new: list[Row] = []
        self.changed: list[Row] = []
        self.gone: list[Row] = []

    def add(self, key: int, before: Sequence[Row], after: Sequence[Row]) -> None:
        if not before:
            self.new.extend(after)
            return
        stand = {row[:key]: row for row in before}
        for row in after:
            stood = stand.pop(row[:key], None)
            if stood is None:
                self.new.append(row)
            elif stood != row:
                self.changed.append(row)
        self.gone.extend(stand)


class _Statements:
    """What is asked of one table, in the types that its columns have. Raises `UndefinedTable`: a copy may be dropped by
    whoever has no use for it."""

    def __init__(self, connection: Connection[TupleRow], table: Table) -> None:
        self.name, self.key = table.name, table.key
        found = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod), atttypid FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            (table.name,),
        ).fetchall()
        types: dict[str, str] = {column: name for column, name, _ in found}
        oids: dict[str, int] = {column: oid for column, _, oid in found}
        assert set(types) == set(table.columns), f"{table.name} has the columns that the projection says"
        self.oids = [oids[column] for column in table.columns]
        self.binary = all(_has_binary_form(connection, oid) for oid in self.oids)
        name, staged = sql.Identifier(table.name), sql.Identifier(f"staged_{table.name}")
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        keys, values = table.columns[: table.key], table.columns[table.key :]
        key_list = sql.SQL(", ").join(map(sql.Identifier, keys))
        casts = {column: sql.SQL(types[column]) for column in table.columns}
        self.select = sql.SQL("SELECT {} FROM {} WHERE {} = ANY(%s) ORDER BY {}").format(
            columns, name, sql.Identifier(keys[0]), key_list
        )
        self.delete = sql.SQL("DELETE FROM {} t USING unnest({}) AS gone ({}) WHERE {}").format(
            name,
            sql.SQL(", ").join(sql.SQL("%s::{}[]").format(casts[column]) for column in keys),
            key_list,
            _same_key(keys, "t", "gone"),
        )
        self.stage = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS").format(
            staged, name
        )
        form = sql.SQL("binary" if self.binary else "text")
        self.copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(name, columns, form)
        self.copy_staged = sql.SQL("COPY pg_temp.{} ({}) FROM STDIN (FORMAT {})").format(staged, columns, form)
        self.update_staged = sql.SQL("UPDATE {} t SET {} FROM pg_temp.{} staged WHERE {}").format(
            name,
            sql.SQL(", ").join(sql.SQL("{0} = staged.{0}").format(sql.Identifier(column)) for column in values),
            staged,
            _same_key(keys, "t", "staged"),
        )
        self.update_one = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            name,
            sql.SQL(", ").join(sql.SQL("{} = %s::{}").format(sql.Identifier(c), casts[c]) for c in values),
            sql.SQL(" AND ").join(sql.SQL("{} = %s::{}").format(sql.Identifier(c), casts[c]) for c in keys),
        )
        self.insert_one = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            name, columns, sql.SQL(", ").join(sql.SQL("%s::{}").format(casts[column]) for column in table.columns)
        )


def _has_binary_form(connection: Connection[TupleRow], oid: int) -> bool:
    """Whether the driver can write values of this type as the server holds them; else they are spelt out."""
    try:
        connection.adapters.get_dumper_by_oid(oid, pq.Format.BINARY)
    except psycopg.ProgrammingError:
        return False
    return True


def _same_key(keys: Sequence[str], one: str, other: str) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, column), sql.Identifier(other, column)) for column in keys
    )
