"""The bytes of an entry: as they were stored for ever, and the same again whenever they are written."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args, get_origin
from uuid import UUID

import msgspec.inspect as shape
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from order_ledger.entries import Answer, By, Cause, CommandRef, Entry, Event, Fact, Source, Through
from order_ledger.journal.codec import Codec, Head, Unreadable, base64url, genesis, sealed_fields
from order_ledger.journal.keys import Keyring
from order_ledger.journal.names import EVENTS, UPCASTERS
from order_ledger.journal.sealing import MasterKey
from order_ledger.orders.events import NoteAdded, OrderHeld, OrderReleased
from order_ledger.refusals import Invalid
from order_ledger.values import Sealed
from tests.journal.golden_entries import (
    FOLDER,
    KINDS,
    LEDGER,
    SUMS,
    changed_entry,
    example_entry,
    file_name,
    kind_of,
    make_missing,
    sums,
)

CODEC = Codec(LEDGER, EVENTS, UPCASTERS)
KEYRING = Keyring(MasterKey(bytes(32)))
STREAM = UUID("0198c000-0000-7000-8000-000000000001")
NOW = datetime(2026, 11, 21, 20, 15, 3, 201344, UTC)
CAUSE = Cause(By(None, "ledger"), "api", CommandRef(UUID(int=1), "hold"))
START = Head(0, genesis(LEDGER, "order", STREAM), None)


# What was stored stays as it was stored


def test_every_event_has_its_golden_entry() -> None:
    missing = {file_name(event) for event in EVENTS} - sums().keys()
    assert not missing, "run: python -m tests.journal.golden_entries"


def test_every_golden_file_has_its_hash_and_the_other_way_round() -> None:
    assert {file.name for file in FOLDER.iterdir()} - {SUMS} == sums().keys()


@pytest.mark.parametrize("name", sums())
def test_a_golden_entry_is_read_as_it_was_written(name: str) -> None:
    state = (FOLDER / name).read_bytes()
    assert hashlib.sha256(state).hexdigest() == sums()[name]
    stored = CODEC.stored(state)
    entry = CODEC.decode(state)
    assert f"{type(entry.event).__name__}.{stored.schema}.json" == name
    current = file_name(type(entry.event))
    (line,) = CODEC.decode_lines(state, 1)
    assert fields_of(line) == fields_of(entry)
    if name == current:  # an older schema is only ever read
        assert written_again(entry, stored.previous) == state


def fields_of(entry: Entry[Event]) -> list[Any]:
    return [getattr(entry, field) for field in Entry.__struct_fields__]


def written_again(entry: Entry[Event], previous: str) -> bytes:
    cause = Cause(
        entry.by, entry.through, entry.command, entry.reason_code, entry.reason, entry.answers, entry.source
    )  # fmt: skip
    head = Head(entry.version - 1, digest_of(previous), None)
    fact = Fact(entry.event, entry.at, entry.breaches)
    (again,) = CODEC.encode(entry.kind, entry.stream, head, [fact], cause, entry.recorded_at, KEYRING)
    return again.state


def digest_of(text: str) -> bytes:

    return base64.urlsafe_b64decode(text + "=")


def test_a_golden_file_is_made_once_and_never_again(tmp_path: Path) -> None:
    assert make_missing(tmp_path, [OrderHeld]) == ["OrderHeld.1.json"]
    (tmp_path / "OrderHeld.1.json").write_bytes(b"as it was stored")
    before = sums(tmp_path)
    assert make_missing(tmp_path, [OrderHeld, OrderReleased]) == ["OrderReleased.1.json"]
    assert (tmp_path / "OrderHeld.1.json").read_bytes() == b"as it was stored"
    assert sums(tmp_path)["OrderHeld.1.json"] == before["OrderHeld.1.json"]
    # Neither where only one of the two is left of it.
    (tmp_path / "OrderReleased.1.json").unlink()
    assert make_missing(tmp_path, [OrderReleased]) == []


# What is written is read


def values(of: shape.Type) -> st.SearchStrategy[Any]:
    """Anything that this type can hold."""
    match of:
        case shape.StructType():
            return st.builds(of.cls, **{field.name: values(field.type) for field in of.fields})
        case shape.UnionType():
            return st.one_of(*map(values, of.types))
        case shape.VarTupleType():
            return st.lists(values(of.item_type), max_size=2).map(tuple)
        case shape.LiteralType():
            return st.sampled_from(of.values)
        case shape.NoneType():
            return st.none()
        case shape.BoolType():
            return st.booleans()
        case shape.IntType():
            return st.integers(-(2**63), 2**63 - 1)
        case shape.StrType():
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        case shape.DecimalType():
            return st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**11), max_value=10**11)
        case shape.UUIDType():
            return st.uuids()
        case shape.DateTimeType():
            return st.datetimes(timezones=st.just(UTC))
        case shape.DateType():
            return st.dates()
        case _:
            raise AssertionError(f"no event holds a {of} yet; say here how one is made")


MOMENTS = st.datetimes(timezones=st.just(UTC))
CAUSES = st.builds(
    Cause,
    values(shape.type_info(By)),
    st.sampled_from(get_args(Through)),
    st.builds(CommandRef, st.uuids(), st.text(max_size=8)),
    st.none() | st.text(max_size=8),
    st.none() | st.builds(Sealed, st.text(max_size=8), st.text(max_size=8)),
    st.none() | st.builds(Answer, st.uuids(), st.integers(1, 5)),
    st.none() | values(shape.type_info(Source)),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read(event: type[Event], data: st.DataObject) -> None:
    kind = kind_of(event)
    fact = Fact(
        data.draw(values(shape.type_info(event))),
        data.draw(st.none() | MOMENTS),
        tuple(data.draw(st.lists(st.text(max_size=5), max_size=2))),
    )
    cause, version, recorded_at = data.draw(CAUSES), data.draw(st.integers(0, 2**40)), data.draw(MOMENTS)
    (encoded,) = CODEC.encode(kind, STREAM, Head(version, bytes(32), None), [fact], cause, recorded_at, KEYRING)
    read = CODEC.decode(encoded.state)
    assert read == Entry(
        kind, STREAM, version + 1, fact.event, fact.at, recorded_at, cause.by, cause.through, cause.command,
        cause.reason_code, cause.reason, cause.answers, fact.breaches, cause.source,
    )  # fmt: skip
    assert encoded.entry == read
    assert written_again(read, base64url(bytes(32))) == encoded.state
    told = json.loads(encoded.state, parse_float=refuse_float)
    every_field_is_written(shape.type_info(event), told["data"])
    moments = [told["recorded_at"], *([told["at"]] if told["at"] is not None else [])]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", moment) for moment in moments)


def refuse_float(text: str) -> None:
    raise AssertionError(f"{text} is written as a float")


def every_field_is_written(of: shape.Type, told: Any) -> None:
    match of:
        case shape.StructType():
            assert list(told) == [field.encode_name for field in of.fields]
            for field in of.fields:
                every_field_is_written(field.type, told[field.encode_name])
        case shape.UnionType() if told is not None:
            for each in of.types:
                if not isinstance(each, shape.NoneType):
                    every_field_is_written(each, told)
        case shape.VarTupleType():
            for each in told:
                every_field_is_written(of.item_type, each)
        case shape.DecimalType() | shape.DateTimeType() | shape.DateType() | shape.UUIDType():
            assert type(told) is str
        case _:
            pass


def test_the_fields_of_an_entry_have_one_order() -> None:
    (encoded,) = CODEC.encode("order", STREAM, START, [Fact(OrderHeld(), NOW)], CAUSE, NOW, KEYRING)
    assert encoded.state.decode() == (
        '{"format":1,"ledger":"0198c000-0000-7000-8000-00000000001e","kind":"order",'
        '"stream":"0198c000-0000-7000-8000-000000000001","version":1,"name":"OrderHeld","schema":1,'
        '"at":"2026-11-21T20:15:03.201344Z","recorded_at":"2026-11-21T20:15:03.201344Z",'
        '"by":{"person":null,"role":"ledger","organisation":null,"on_behalf_of":null},"reason_code":null,"reason":null,'
        '"through":"api","command":{"id":"00000000-0000-0000-0000-000000000001","name":"hold"},"answers":null,'
        f'"breaches":[],"source":null,"previous":"{base64url(START.hash)}","data":{{}}}}'
    )


def class_of(of: shape.StructType) -> type[Struct]:
    """The class itself, where `of` says what is inside too, as Sealed[str] does."""
    return get_origin(of.cls) or of.cls


def parts(of: shape.Type) -> Iterator[shape.Type]:
    """The type and all that it is made of."""
    yield of
    match of:
        case shape.StructType():
            inner: list[shape.Type] = [field.type for field in of.fields]
        case shape.UnionType():
            inner = list(of.types)
        case shape.VarTupleType():
            inner = [of.item_type]
        case _:
            inner = []
    for each in inner:
        yield from parts(each)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_an_event_is_plain(event: type[Event]) -> None:
    """Frozen, without floats; strict when read; nothing left out when written."""
    for each in parts(shape.type_info(event)):
        assert not isinstance(each, (shape.FloatType, shape.AnyType, shape.DictType))
        if isinstance(each, shape.StructType):
            config = class_of(each).__struct_config__
            assert config.frozen
            assert config.forbid_unknown_fields
            assert not config.omit_defaults
            assert not config.array_like


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_what_is_sealed_is_a_field_of_the_event_itself(event: type[Event]) -> None:
    """Deeper down the journal would not find it, and would store it in the clear."""
    top = shape.type_info(event)
    assert isinstance(top, shape.StructType)
    deep = [
        field.name
        for field in top.fields
        for each in parts(field.type)
        if isinstance(each, shape.StructType) and class_of(each) is Sealed
    ]
    assert deep == list(sealed_fields(event))


def test_no_two_events_have_one_name() -> None:
    assert len({event.__name__ for event in EVENTS}) == len(EVENTS)
    assert sorted(event.__name__ for events in KINDS.values() for event in events) == sorted(
        event.__name__ for event in EVENTS
    )


# Times


def test_a_time_is_written_in_utc_whatever_zone_it_comes_in() -> None:
    there = timezone(timedelta(hours=-3))
    (encoded,) = CODEC.encode(
        "order", STREAM, START, [Fact(OrderHeld(), NOW.astimezone(there))], CAUSE, NOW.astimezone(there), KEYRING
    )
    told = json.loads(encoded.state)
    assert told["at"] == told["recorded_at"] == "2026-11-21T20:15:03.201344Z"
    assert encoded.entry == CODEC.decode(encoded.state)


def test_a_time_without_a_zone_is_a_bug() -> None:
    for at, recorded_at in ((NOW.replace(tzinfo=None), NOW), (NOW, NOW.replace(tzinfo=None))):
        with pytest.raises(AssertionError, match="zone"):
            CODEC.encode("order", STREAM, START, [Fact(OrderHeld(), at)], CAUSE, recorded_at, KEYRING)


def test_recorded_at_never_goes_back_when_the_clock_does() -> None:
    facts = [Fact(OrderHeld(), NOW), Fact(OrderReleased(), NOW)]
    first = CODEC.encode("order", STREAM, START, facts, CAUSE, NOW, KEYRING)
    head = Head(2, first[-1].hash, first[-1].recorded_at)
    earlier = CODEC.encode("order", STREAM, head, facts, CAUSE, NOW - timedelta(hours=1), KEYRING)
    later = CODEC.encode("order", STREAM, head, facts, CAUSE, NOW + timedelta(hours=1), KEYRING)
    assert [each.recorded_at for each in earlier] == [NOW, NOW]
    assert [CODEC.decode(each.state).recorded_at for each in earlier] == [NOW, NOW]
    assert {each.recorded_at for each in later} == {NOW + timedelta(hours=1)}


# The chain


def test_entries_are_chained() -> None:
    facts = [Fact(OrderHeld(), NOW)] * 3
    entries = CODEC.encode("order", STREAM, START, facts, CAUSE, NOW, KEYRING)
    assert [entry.version for entry in entries] == [1, 2, 3]
    previous = [json.loads(entry.state)["previous"] for entry in entries]
    assert previous == [base64url(START.hash), base64url(entries[0].hash), base64url(entries[1].hash)]
    assert all(entry.hash == hashlib.sha256(entry.state).digest() for entry in entries)


def test_the_first_entry_is_chained_to_its_ledger_kind_and_stream() -> None:
    starts = {
        genesis(ledger, kind, stream)
        for ledger in (LEDGER, UUID(int=7))
        for kind in ("order", "item")
        for stream in (STREAM, UUID(int=8))
    }
    assert len(starts) == 8
    # Fixed for ever, as computed by hand from ("order-ledger/1", ledger, kind, stream).
    text = b"order-ledger/1\0" + LEDGER.bytes + b"\0order\0" + STREAM.bytes
    assert genesis(LEDGER, "order", STREAM) == hashlib.sha256(text).digest()


def test_an_entry_of_another_ledger_is_read_among_others() -> None:
    """Whose an entry is, is not for whoever reads it to judge; it is only read the slower way."""
    other = changed_entry(ledger=str(UUID(int=9)))
    assert CODEC.stored(other).ledger == UUID(int=9)
    lines = CODEC.decode_lines(b"\n".join((changed_entry(), other)), 2)
    assert [line.event for line in lines] == [CODEC.decode(changed_entry()).event, CODEC.decode(other).event]


# What cannot be stored, and what cannot be read


def note(size: int) -> NoteAdded:
    return NoteAdded(
        note=1, text=Sealed("key", "x" * size), audience="staff", about="order", for_role=None, answers_note=None
    )


def test_an_entry_of_more_than_65535_bytes_is_refused() -> None:
    def encoded(size: int) -> int:
        (entry,) = CODEC.encode("order", STREAM, START, [Fact(note(size), NOW)], CAUSE, NOW, KEYRING)
        return len(entry.state)

    room = 65_535 - encoded(0)
    assert encoded(room) == 65_535
    with pytest.raises(Invalid, match="65,536 bytes") as refused:
        encoded(room + 1)
    assert refused.value.violations[0].code == "too_large"


def without(field: str) -> bytes:
    told = json.loads(example_entry(OrderHeld))
    del told[field]
    return json.dumps(told).encode()


UNREADABLE: dict[str, Callable[[], bytes]] = {
    "format": lambda: changed_entry(format=2),
    "name": lambda: changed_entry(name="OrderVanished"),
    "schema": lambda: changed_entry(schema=2),
    "schema below one": lambda: changed_entry(schema=0),
    "field of the entry": lambda: changed_entry(more=1),
    "position": lambda: changed_entry(position=7),
    "field of the event": lambda: changed_entry(data={"more": 1}),
    "kind": lambda: changed_entry(kind="parcel"),
    "role": lambda: changed_entry(by={"person": None, "role": "king", "organisation": None, "on_behalf_of": None}),
    "through": lambda: changed_entry(through="telepathy"),
    "version": lambda: changed_entry(version="7"),
    "time": lambda: changed_entry(at="yesterday"),
    "missing": lambda: without("previous"),
    "missing data": lambda: without("data"),
    "missing of the event": lambda: json.dumps({**json.loads(example_entry(NoteAdded)), "data": {}}).encode(),
    "cut": lambda: example_entry(OrderHeld)[:-1],
    "empty": lambda: b"",
    "no JSON": lambda: b"\xff\xfe",
    "no text": lambda: example_entry(OrderHeld).replace(b"example", b"\xff\xfe"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_not_known_is_not_guessed_at(what: str) -> None:
    CODEC.decode(changed_entry())  # unchanged it is readable
    with pytest.raises(Unreadable):
        CODEC.decode(UNREADABLE[what]())
    with pytest.raises(Unreadable):
        CODEC.decode_lines(b"\n".join((changed_entry(), UNREADABLE[what]())), 2)
