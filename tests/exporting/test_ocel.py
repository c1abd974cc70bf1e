"""The ledger as an object-centric event log: in the form that OCEL 2.0 asks for, and as others read it.

The form is checked twice: against a schema written from the standard's own description, and stricter than it, and by
a reader that is not ours (pm4py), in a process and an environment of its own.
"""

import json
import sqlite3
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import psycopg
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from order_ledger.entries import Entry, Event
from order_ledger.exporting.ocel import FORMS, Exported, export_ocel
from order_ledger.exporting.ocel.telling import OBJECTS, Telling, attributes_of
from order_ledger.journal.codec import Unreadable
from order_ledger.journal.names import EVENTS
from tests.commands import Ran
from tests.exporting.histories import ADA, ENTRIES, ORDER, STOCK, STOOL
from tests.following.histories import SELLER, SHIPMENTS, WAREHOUSE, an_id, entries_of, random_history
from tests.following.writing import Writing

PROJECT = Path(__file__).parents[2]
ALL = ENTRIES + 3


def strict(**properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def many(items: Any, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


TEXT = {"type": "string"}
NAME = {"type": "string", "minLength": 1}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$"}
TYPE = strict(
    name=NAME, attributes=many(strict(name=NAME, type={"enum": ["string", "time", "integer", "float", "boolean"]}))
)
RELATED = many(strict(objectId=NAME, qualifier=NAME))
LOG = strict(
    eventTypes=many(TYPE),
    objectTypes=many(TYPE),
    events=many(
        strict(id=NAME, type=NAME, time=TIME, attributes=many(strict(name=NAME, value=TEXT)), relationships=RELATED)
    ),
    objects=many(
        strict(id=NAME, type=NAME, attributes=many(strict(name=NAME, value=TEXT, time=TIME)), relationships=RELATED)
    ),
)


def check_form(log: Any) -> None:
    """The log is of the form, its ids are unique, and all that is named in it is declared in it."""
    jsonschema.Draft202012Validator(LOG).validate(log)
    for things, types in (("events", "eventTypes"), ("objects", "objectTypes")):
        ids = [each["id"] for each in log[things]]
        assert len(ids) == len(set(ids))
        declared = {type_["name"]: {each["name"] for each in type_["attributes"]} for type_ in log[types]}
        assert declared.keys() == {each["type"] for each in log[things]}
        for each in log[things]:
            assert {attribute["name"] for attribute in each["attributes"]} <= declared[each["type"]]
    known = {each["id"] for each in log["objects"]}
    for each in (*log["events"], *log["objects"]):
        assert {related["objectId"] for related in each["relationships"]} <= known


def exported(writing: Writing, path: Path) -> Exported:
    with psycopg.connect(writing.journal.url, autocommit=True) as connection:
        return export_ocel(connection, path)


def log_of(writing: Writing, path: Path) -> Any:
    exported(writing, path / "log.json")
    return json.loads((path / "log.json").read_text())


def test_every_entry_is_an_event(filled: Writing, tmp_path: Path) -> None:
    told = exported(filled, tmp_path / "log.json")
    log = json.loads((tmp_path / "log.json").read_text())
    check_form(log)
    assert list(tmp_path.iterdir()) == [tmp_path / "log.json"], "no draft is left"
    assert (told.events, told.objects, told.position) == (ALL, len(log["objects"]), ALL)
    with psycopg.connect(filled.journal.url) as connection:
        stored = connection.execute("SELECT stream || '/' || version, name FROM journal.entries").fetchall()
    assert {(each["id"], each["type"]) for each in log["events"]} == set(stored)


def test_events_say_what_they_are_about(filled: Writing, tmp_path: Path) -> None:
    log = log_of(filled, tmp_path)
    about = {each["id"]: {(to["objectId"], to["qualifier"]) for to in each["relationships"]} for each in log["events"]}
    own, stool, parcel, rma = (str(ORDER), "order"), (str(STOOL), "item"), (str(SHIPMENTS[0]), "shipment"), "RMA-1"

    assert about[f"{ORDER}/1"] == {own, stool, (str(SELLER.id), "seller")}
    assert about[f"{ORDER}/2"] == {own}
    assert about[f"{ORDER}/5"] == {own, stool, parcel, (str(WAREHOUSE.id), "sender")}
    assert about[f"{ORDER}/6"] == {own, parcel}
    assert about[f"{ORDER}/7"] == {own, stool, (f"{ORDER}/{rma}", "return")}
    assert about[f"{STOCK}/2"] == {(str(STOCK), "stock"), own}
    assert about[f"{STOCK}/3"] == {(str(STOCK), "stock"), parcel}
    assert about[f"{ADA}/1"] == {(str(ADA), "person")}


def test_objects_say_what_became_of_them_and_what_they_belong_to(filled: Writing, tmp_path: Path) -> None:
    log = log_of(filled, tmp_path)
    objects = {each["id"]: each for each in log["objects"]}

    def became(id: object, attribute: str) -> list[str]:
        return [each["value"] for each in objects[str(id)]["attributes"] if each["name"] == attribute]

    def related(id: object) -> set[tuple[str, str]]:
        return {(to["objectId"], to["qualifier"]) for to in objects[str(id)]["relationships"]}

    assert became(ORDER, "state") == ["placed", "ready_to_ship", "shipping", "delivered"]
    assert (became(ORDER, "total"), became(ORDER, "currency")) == (["40.00", "30.00"], ["EUR"])
    assert became(f"{ORDER}/RMA-1", "state") == ["requested", "approved", "received", "resolved"]
    assert became(STOOL, "price") == ["10.00", "12.00"]
    assert became(SELLER.id, "name") == ["Studio Walnut"]
    assert related(ORDER) == {(str(STOOL), "contains"), (str(SELLER.id), "seller")}
    assert related(SHIPMENTS[0]) == related(f"{ORDER}/RMA-1") == {(str(ORDER), "of")}
    assert related(STOCK) == {(str(STOOL), "of")}


def test_a_time_that_nobody_knows_is_that_of_the_entry_before_and_says_so(filled: Writing, tmp_path: Path) -> None:
    events = {each["id"]: each for each in log_of(filled, tmp_path)["events"]}
    first, second, third = (events[f"{an_id('another order')}/{version}"] for version in (1, 2, 3))
    assert first["time"] == second["time"]
    known = [{"name": "time_known", "value": value} for value in ("true", "false", "true")]
    assert [said in each["attributes"] for each, said in zip((first, second, third), known, strict=True)] == [True] * 3


def test_nothing_sealed_is_in_it(filled: Writing, tmp_path: Path) -> None:
    exported(filled, tmp_path / "log.json")
    exported(filled, tmp_path / "log.sqlite")
    for file in tmp_path.iterdir():
        assert b"Lovelace" not in file.read_bytes() and b"a key" not in file.read_bytes()


@settings(deadline=None)
@given_any(st.randoms(use_true_random=False))
def test_any_history_is_told_and_all_it_names_is_told_too(random: Random) -> None:
    telling = Telling()
    entries: list[Entry[Any]] = [*entries_of(an_id("one"), *random_history(random))]
    # Another order, whose shipments and documents are its own.
    entries += entries_of(an_id("another"), *(e for e in random_history(random) if not _names_what_is_shared(e)))
    told, things = [], []
    for entry in entries:
        event, finished = telling.tell(entry)
        told.append(event)
        things += finished
    things += telling.rest()
    known = {thing.id for thing in things}
    assert len(known) == len(things)
    named = {to for event in told for to, _ in event.relations} | {to for thing in things for to, _ in thing.relations}
    assert named <= known
    for event in told:
        assert event.attributes.keys() <= attributes_of(_EVENTS[event.type]).keys()
    for thing in things:
        assert {name for name, _, _ in thing.attributes} <= OBJECTS[thing.type].keys()
        assert "Lovelace" not in repr(thing)


def _names_what_is_shared(event: Event) -> bool:
    return any(getattr(event, name, None) is not None for name in ("shipment", "rma", "invoice", "sequence"))


_EVENTS = {event.__name__: event for event in EVENTS}


def test_an_attribute_is_of_the_type_that_its_field_has() -> None:
    placed = attributes_of(_EVENTS["OrderPlaced"])
    assert {name: placed[name] for name in ("number", "total", "promised_by", "history", "consumer")} == {
        "number": "string", "total": "float", "promised_by": "time", "history": "boolean", "consumer": "string",
    }  # fmt: skip
    assert not placed.keys() & {"contact", "bill_to", "ship_to", "lines", "seller", "terms", "schema"}
    assert attributes_of(_EVENTS["ProductionStarted"])["run"] == "integer"


def test_sqlite_holds_the_same_and_every_reference_is_kept(filled: Writing, tmp_path: Path) -> None:
    log, told = log_of(filled, tmp_path), exported(filled, tmp_path / "log.sqlite")
    with sqlite3.connect(tmp_path / "log.sqlite") as found:
        assert found.execute("PRAGMA foreign_key_check").fetchall() == []
        for what in ("event", "object"):
            assert dict(found.execute(f"SELECT ocel_id, ocel_type FROM {what}")) == {
                each["id"]: each["type"] for each in log[f"{what}s"]
            }
        related = {(e["id"], to["objectId"], to["qualifier"]) for e in log["events"] for to in e["relationships"]}
        assert set(found.execute("SELECT * FROM event_object")) == related
        states = found.execute(
            "SELECT state, ocel_changed_field FROM object_order WHERE ocel_id = ? AND state IS NOT NULL ORDER BY rowid",
            (str(ORDER),),
        ).fetchall()
        assert states == [
            ("placed", None), ("ready_to_ship", "state"), ("shipping", "state"), ("delivered", "state"),
        ]  # fmt: skip
        assert found.execute("SELECT total, history FROM event_OrderPlaced LIMIT 1").fetchone() == (40.0, 0)
    found.close()
    assert (told.events, told.objects) == (ALL, len(log["objects"]))


def test_a_file_that_is_there_is_replaced_whole_or_not_at_all(filled: Writing, tmp_path: Path) -> None:
    for ending in FORMS:
        (tmp_path / f"log{ending}").write_text("mine")
    exported(filled, tmp_path / "log.json")
    assert (tmp_path / "log.json").read_text() != "mine"
    filled.write_raw(an_id("from later"), b"{}", "OrderTeleported")
    with pytest.raises(Unreadable):
        exported(filled, tmp_path / "log.sqlite")
    assert (tmp_path / "log.sqlite").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2, "no draft is left"


def test_the_command(filled: Writing, tmp_path: Path) -> None:
    url, path = filled.journal.url, tmp_path / "log.sqlite"
    told = Ran(url, "export", "ocel", str(path), "--json").document
    assert (told["events"], told["position"], told["path"]) == (ALL, ALL, str(path))
    Ran(url, "export", "ocel", str(tmp_path / "log.xml")).failed_saying("ending is .json or .sqlite", code=2)
    filled.write_raw(an_id("from later"), b"{}", "OrderTeleported")
    Ran(url, "export", "ocel", str(path)).failed_saying("An entry cannot be read")


READING = """
import json, sys
import pm4py
from pm4py.objects.ocel.validation import ocel20_rel_validation

told = []
for path in sys.argv[1:]:
    log = pm4py.read_ocel2(path)
    told.append({
        "events": len(log.events), "activities": sorted(log.events["ocel:activity"].unique()),
        "objects": sorted(log.objects["ocel:oid"]), "relations": len(log.relations),
        "changes": len(log.object_changes), "first": str(log.events["ocel:timestamp"].min().isoformat()),
        "broken": list(ocel20_rel_validation.apply(path)[1]) if path.endswith(".sqlite") else [],
    })
print(json.dumps(told), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def pm4py() -> Path:
    """The python of its environment, which is made where it is not there."""
    made = subprocess.run(["bash", "-c", "source scripts/set-up && set_up_pm4py"], cwd=PROJECT, capture_output=True)
    assert made.returncode == 0, made.stderr.decode()
    return PROJECT / ".venv-pm4py" / "bin" / "python"


@pytest.mark.timeout(300)
def test_another_program_reads_the_same_out_of_both_forms(filled: Writing, tmp_path: Path, pm4py: Path) -> None:
    log = log_of(filled, tmp_path)
    exported(filled, tmp_path / "log.sqlite")
    files = [str(tmp_path / f"log{ending}") for ending in FORMS]

    done = subprocess.run([pm4py, "-W", "ignore", "-c", READING, *files], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    as_json, as_sqlite = json.loads(done.stderr.splitlines()[-1])
    assert as_json == as_sqlite | {"broken": []}
    assert as_sqlite["broken"] == [], "every constraint of the relational form is kept"
    assert (as_json["events"], as_json["first"]) == (ALL, "2026-11-21T09:00:00+00:00")
    assert as_json["activities"] == sorted({each["type"] for each in log["events"]})
    assert as_json["relations"] == sum(len(each["relationships"]) for each in log["events"])
    # It leaves out what no event is about.
    about = {to["objectId"] for each in log["events"] for to in each["relationships"]}
    assert as_json["objects"] == sorted(about)
