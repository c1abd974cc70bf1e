"""Whole numbers as PostgreSQL's binary form of COPY has them: the driver's own leave out the bits that do not fit."""

import struct
from typing import ClassVar

import psycopg
from psycopg import DataError
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format


class _Whole(Dumper):
    """Raises `DataError` for a number that the column cannot hold, as the server does for one that is spelt out."""

    format = Format.BINARY
    packing: ClassVar[struct.Struct]

    def dump(self, obj: int) -> bytes:
        try:
            return self.packing.pack(obj)
        except struct.error as error:
            raise DataError(f"{obj!r} does not fit into the column: {error}") from error


class _Int2(_Whole):
    oid = psycopg.adapters.types["int2"].oid
    packing = struct.Struct(">h")


class _Int4(_Whole):
    oid = psycopg.adapters.types["int4"].oid
    packing = struct.Struct(">i")


class _Int8(_Whole):
    oid = psycopg.adapters.types["int8"].oid
    packing = struct.Struct(">q")


def refuse_what_does_not_fit(context: AdaptContext) -> None:
    """Lets this connection write whole numbers into columns, by a binary COPY, only where they fit."""
    for dumper in (_Int2, _Int4, _Int8):
        context.adapters.register_dumper(None, dumper)
