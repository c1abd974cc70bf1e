"""Files of OCEL 2.0: JSON, whose values are strings all of them, and SQLite, with a table for every type.

Both are written as they are told, event by event; types that nothing is of are left out.
"""

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any

import msgspec

from order_ledger.exporting.ocel.telling import OBJECTS, Form, Plain, Thing, Told, attributes_of
from order_ledger.journal.names import EVENTS
from order_ledger.values import iso_time

_EVENTS = {event.__name__: event for event in EVENTS}
_COPIED_AT_ONCE = 1 << 20


class JsonFile:
    """The log as one JSON document. Objects wait in a file beside it until all events are written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._types: tuple[dict[str, None], dict[str, None]] = {}, {}

    def __enter__(self) -> "JsonFile":
        self._file: IO[str] = self._path.open("x", encoding="utf-8")
        self._objects: IO[str] = TemporaryFile("w+", encoding="utf-8", dir=self._path.parent)
        self._file.write('{"events": [')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file, self._objects:
            if error is None:
                self._end()

    def write_event(self, event: Told) -> None:
        """The next event, in any order."""
        self._write(self._file, 0, event.type, {
            "id": event.id,
            "type": event.type,
            "time": _text(event.time),
            "attributes": [{"name": name, "value": _text(value)} for name, value in event.attributes.items()],
            "relationships": _related(event.relations),
        })  # fmt: skip

    def write_object(self, thing: Thing) -> None:
        """The next object, in any order."""
        self._write(self._objects, 1, thing.type, {
            "id": thing.id,
            "type": thing.type,
            "attributes": [
                {"name": name, "value": _text(value), "time": _text(time)} for name, value, time in thing.attributes
            ],
            "relationships": _related(thing.relations),
        })  # fmt: skip

    def _write(self, file: IO[str], which: int, type_: str, told: Mapping[str, Any]) -> None:
        file.write(",\n" if self._types[which] else "\n")
        self._types[which][type_] = None
        file.write(msgspec.json.encode(told).decode())

    def _end(self) -> None:
        self._file.write('\n],\n"objects": [')
        self._objects.seek(0)
        while piece := self._objects.read(_COPIED_AT_ONCE):
            self._file.write(piece)
        events, objects = self._types
        declared = {
            "eventTypes": [_declared(name, attributes_of(_EVENTS[name])) for name in events],
            "objectTypes": [_declared(name, OBJECTS[name]) for name in objects],
        }
        self._file.write("\n],\n" + msgspec.json.encode(declared).decode()[1:] + "\n")


class SqliteFile:
    """The log as an SQLite database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._declared: set[str] = set()

    def __enter__(self) -> "SqliteFile":
        self._database = sqlite3.connect(self._path, isolation_level=None)
        # It is made anew or not at all: nothing is to be recovered from a half of it.
        self._database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLES}")
        self._database.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._database.execute(_INDEX)
            self._database.execute("COMMIT")
        self._database.close()

    def write_event(self, event: Told) -> None:
        """The next event, in any order."""
        forms = attributes_of(_EVENTS[event.type])
        self._declare("event", event.type, forms)
        run = self._database.execute
        run("INSERT INTO event VALUES (?, ?)", (event.id, event.type))
        values = [_stored(event.attributes.get(name)) for name in forms]
        self._insert(f"event_{event.type}", [event.id, _text(event.time), *values])
        related = [(event.id, to, qualifier) for to, qualifier in event.relations]
        self._database.executemany("INSERT INTO event_object VALUES (?, ?, ?)", related)

    def write_object(self, thing: Thing) -> None:
        """The next object, in any order."""
        forms = OBJECTS[thing.type]
        self._declare("object", thing.type, forms)
        self._database.execute("INSERT INTO object VALUES (?, ?)", (thing.id, thing.type))
        first: dict[str, Plain] = {}
        changes = []
        for name, value, time in thing.attributes:
            if name in first:
                changes.append((name, value, time))
            else:
                first[name] = value
        # What it was from the beginning on, and then, with its time, each change.
        self._insert(
            f"object_{thing.type}", [thing.id, _BEGINNING, None, *(_stored(first.get(name)) for name in forms)]
        )
        for changed, value, time in changes:
            row = [_stored(value) if name == changed else None for name in forms]
            self._insert(f"object_{thing.type}", [thing.id, _text(time), changed, *row])
        related = [(thing.id, to, qualifier) for to, qualifier in thing.relations]
        self._database.executemany("INSERT INTO object_object VALUES (?, ?, ?)", related)

    def _declare(self, what: str, type_: str, forms: Mapping[str, Form]) -> None:
        if type_ in self._declared:
            return
        self._declared.add(type_)
        columns = [f'"{name}" {_SQL_TYPES[form]}' for name, form in forms.items()]
        key, changed = ("", ["ocel_changed_field TEXT"]) if what == "object" else ("PRIMARY KEY ", [])
        own = [f"ocel_id TEXT {key}REFERENCES {what} (ocel_id)", "ocel_time TIMESTAMP", *changed, *columns]
        self._database.execute(f'CREATE TABLE "{what}_{type_}" ({", ".join(own)})')
        self._database.execute(f"INSERT INTO {what}_map_type VALUES (?, ?)", (type_, type_))

    def _insert(self, table: str, row: list[Any]) -> None:
        self._database.execute(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(row))})', row)


def _declared(name: str, forms: Mapping[str, Form]) -> dict[str, Any]:
    return {"name": name, "attributes": [{"name": each, "type": form} for each, form in forms.items()]}


def _related(relations: Any) -> list[dict[str, str]]:
    return [{"objectId": to, "qualifier": qualifier} for to, qualifier in relations]


def _text(value: Plain) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return iso_time(value) if isinstance(value, datetime) else str(value)


def _stored(value: Plain | None) -> str | int | float | None:
    if isinstance(value, Decimal):
        return float(value)
    return _text(value) if isinstance(value, datetime) else value


_BEGINNING = "1970-01-01T00:00:00Z"
_SQL_TYPES: dict[Form, str] = {
    "string": "TEXT", "time": "TIMESTAMP", "integer": "INTEGER", "float": "REAL", "boolean": "BOOLEAN",
}  # fmt: skip
_TABLES = """
    CREATE TABLE event_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT);
    CREATE TABLE object_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT);
    CREATE TABLE event (ocel_id TEXT PRIMARY KEY, ocel_type TEXT REFERENCES event_map_type (ocel_type));
    CREATE TABLE object (ocel_id TEXT PRIMARY KEY, ocel_type TEXT REFERENCES object_map_type (ocel_type));
    CREATE TABLE event_object (
        ocel_event_id TEXT REFERENCES event (ocel_id),
        ocel_object_id TEXT REFERENCES object (ocel_id),
        ocel_qualifier TEXT,
        PRIMARY KEY (ocel_event_id, ocel_object_id, ocel_qualifier)
    );
    CREATE TABLE object_object (
        ocel_source_id TEXT REFERENCES object (ocel_id),
        ocel_target_id TEXT REFERENCES object (ocel_id),
        ocel_qualifier TEXT,
        PRIMARY KEY (ocel_source_id, ocel_target_id, ocel_qualifier)
    );
"""
_INDEX = "CREATE INDEX event_of_object ON event_object (ocel_object_id)"
