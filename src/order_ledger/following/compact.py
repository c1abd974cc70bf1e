"""A whole state in one column: MessagePack without the names of fields.

What a fold must remember is often more than a reader asks for. It is kept beside what is asked for, as the values of
the state's fields in their order. The projection's fingerprint says which fields those are.

Dictionaries keep their order. A set has none, and would be written otherwise by every process: a fold must not remember
one of more than one element.
"""

from collections.abc import Callable
from types import EllipsisType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

S = TypeVar("S", bound=Struct)


class Compact(Generic[S]):
    """Writes and reads states of one type."""

    def __init__(self, form: type[S]) -> None:
        self._form = form
        self._nameless = nameless = _without_names(form, {})
        self._encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
        self._decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(nameless).decode

    def encode(self, state: S) -> bytes:
        """The state as bytes; the same entries give the same bytes. Raises `msgspec.ValidationError` for a set of more
        than one element."""
        return self._encode(msgspec.convert(state, self._nameless, from_attributes=True))

    def decode(self, state: bytes) -> S:
        """The state again; raises `msgspec.MsgspecError` where it is of another form."""
        return msgspec.convert(self._decode(state), self._form, from_attributes=True)


def _without_names(form: Any, known: dict[Any, Any]) -> Any:
    """The same type with every struct in it written as an array."""
    base = get_origin(form) or form
    if base is Annotated:
        return _without_names(get_args(form)[0], known)
    if isinstance(base, type) and issubclass(base, Struct):
        if form not in known:
            fields = [(field.name, _without_names(field.type, known)) for field in msgspec.structs.fields(form)]
            known[form] = msgspec.defstruct(base.__name__, fields, array_like=True, frozen=True)
        return known[form]
    parts = get_args(form)
    if not parts or base is Literal:
        return form
    nameless = tuple(part if isinstance(part, EllipsisType) else _without_names(part, known) for part in parts)
    if base is frozenset:
        return Annotated[base[nameless], Meta(max_length=1)]
    return Union[nameless] if base in (Union, UnionType) else base[nameless]  # noqa: UP007
