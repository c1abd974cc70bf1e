"""Arrays as PostgreSQL takes them in: written here, they cost a third of adapting element by element.

What is short goes as text. Bytes go as they are (the binary form of `bytea[]`): spelt out in hexadecimal digits, an
entry would be twice as long, and take the server a fifth longer to append.
"""

from collections.abc import Iterable
from struct import Struct

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_BYTEA = psycopg.adapters.types["bytea"]
# One dimension, whether there is a null among them, of this type, so many elements, the first of which is number 1.
_HEADER = Struct(">iiIii")
_NONE_AT_ALL = Struct(">iiI").pack(0, 0, _BYTEA.oid)
_LENGTH = Struct(">i")
_NULL = _LENGTH.pack(-1)


class BytesArray(bytes):
    """A `bytea[]` in its binary form."""


class _AsItIs(Dumper):
    format = Format.BINARY
    oid = _BYTEA.array_oid

    def dump(self, obj: BytesArray) -> BytesArray:
        return obj


psycopg.adapters.register_dumper(BytesArray, _AsItIs)


def array(elements: Iterable[str]) -> str:
    """The elements as one array; a text that is not plain is quoted first."""
    return "{" + ",".join(elements) + "}"


def quoted(text: str) -> str:
    """Any text, as an element."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def of_bytes(elements: Iterable[bytes | None]) -> BytesArray:
    """The elements as one array of bytes."""
    count, nulls, parts = 0, False, [b""]
    for element in elements:
        count += 1
        if element is None:
            nulls = True
            parts.append(_NULL)
        else:
            parts += (_LENGTH.pack(len(element)), element)
    parts[0] = _HEADER.pack(1, nulls, _BYTEA.oid, count, 1) if count else _NONE_AT_ALL
    return BytesArray(b"".join(parts))
