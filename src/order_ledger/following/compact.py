"""A whole state in one column: MessagePack without the names of fields.

What a fold must remember is often more than a reader asks for. It is kept beside what is asked for, as the values of
the state's fields in their order. The projection's fingerprint says which fields those are.

Dictionaries keep their order. A set has none, and would be written otherwise by every process: a fold must not remember
one of more than one element.
"""

from collections.abc import Callable
from types import EllipsisType, NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

S = TypeVar("S", bound=Struct)
ToValues = Callable[[Any], Any]
"""Makes of a value the same one without names: a struct becomes the values of its fields."""


class Compact(Generic[S]):
    """Writes and reads states of one type."""

    def __init__(self, form: type[S]) -> None:
        self._form = form
        self._to_values = _to_values(form) or _as_it_is
        self._encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
        self._decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(_as_arrays(form, {})).decode

    def encode(self, state: S) -> bytes:
        """The state as bytes; the same entries give the same bytes. Raises `msgspec.ValidationError` for a set of more
        than one element."""
        return self._encode(self._to_values(state))

    def decode(self, state: bytes) -> S:
        """The state again; raises `msgspec.MsgspecError` where it is of another form."""
        return msgspec.convert(self._decode(state), self._form, from_attributes=True)


def _as_it_is(value: Any) -> Any:
    return value


def _to_values(form: Any) -> ToValues | None:
    """How a value of this type is left without names; None where it has none. It is made once, and looks at no type."""
    base, parts = get_origin(form) or form, get_args(form)
    if base is Annotated:
        return _to_values(parts[0])
    if base is Literal:
        return None
    if isinstance(base, type) and issubclass(base, Struct):
        return _struct_to_values(form)
    if base is frozenset:
        assert _to_values(parts[0]) is None, "what stands in a set has no names"
        return _of_at_most_one
    if base in (Union, UnionType):
        return _optional_to_values(parts)
    if base is dict and (of_values := _to_values(parts[1])) is not None:
        return lambda value: {key: of_values(one) for key, one in value.items()}
    if base is tuple and parts[1:] == (...,) and (of_each := _to_values(parts[0])) is not None:
        return lambda value: [of_each(one) for one in value]
    assert not any(_to_values(part) for part in parts if part is not ...), f"{form} has names where nobody looks"
    return None


def _struct_to_values(form: Any) -> ToValues:
    inner = [
        (place, to_values_of)
        for place, field in enumerate(msgspec.structs.fields(form))
        if (to_values_of := _to_values(field.type)) is not None
    ]
    if not inner:
        return astuple

    def to_values(value: Any) -> Any:
        values = list(astuple(value))
        for place, to_values_of in inner:
            if there := values[place]:  # almost every collection is empty
                values[place] = to_values_of(there)
        return values

    return to_values


def _optional_to_values(parts: tuple[Any, ...]) -> ToValues | None:
    named = [to_values_of for part in parts if (to_values_of := _to_values(part)) is not None]
    if not named:
        return None
    assert len(parts) == 2 and NoneType in parts, "of a union, None alone can be told from what has no names"
    inner = named[0]
    return lambda value: None if value is None else inner(value)


def _of_at_most_one(value: frozenset[Any]) -> frozenset[Any]:
    if len(value) > 1:
        raise msgspec.ValidationError("Expected a set of length <= 1: more have no order")
    return value


def _as_arrays(form: Any, known: dict[Any, Any]) -> Any:
    """The same type with every struct in it written as an array."""
    base = get_origin(form) or form
    if base is Annotated:
        return _as_arrays(get_args(form)[0], known)
    if isinstance(base, type) and issubclass(base, Struct):
        if form not in known:
            fields = [(field.name, _as_arrays(field.type, known)) for field in msgspec.structs.fields(form)]
            known[form] = msgspec.defstruct(base.__name__, fields, array_like=True, frozen=True)
        return known[form]
    parts = get_args(form)
    if not parts or base is Literal:
        return form
    nameless = tuple(part if isinstance(part, EllipsisType) else _as_arrays(part, known) for part in parts)
    return Union[nameless] if base in (Union, UnionType) else base[nameless]  # noqa: UP007
