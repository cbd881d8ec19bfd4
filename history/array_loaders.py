"""Arrays of numbers from PostgreSQL's binary format straight into numpy.

A statement that gives columns as arrays (`array_agg`) is one row to psycopg: 1,020
candles cost 0.1 ms of CPU instead of 0.5 ms as rows (2 cores, 2026-11).
"""

import numpy as np
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from history.columns import Array

# dimensions, has_nulls, element type, length, lower bound: 32 bits each
# (src/backend/utils/adt/arrayfuncs.c, array_send).
_HEADER_BYTES = 20
_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01 UTC


def decode_array(data: Buffer, number: str) -> Array:
    """Return the elements of a one-dimensional array; ``number`` is numpy's type.

    Raises:
        ValueError: an element is NULL.
    """
    raw = bytes(data)
    native = np.dtype(number).newbyteorder("=")
    if len(raw) < _HEADER_BYTES:  # an empty array has no dimension
        return np.empty(0, native)
    if raw[7]:
        raise ValueError("expected an array without NULL, found one")
    element = np.dtype([("length", ">i4"), ("value", number)])
    values = np.frombuffer(raw, element, offset=_HEADER_BYTES)["value"]
    return values.astype(native)


class _ArrayLoader(Loader):
    format = Format.BINARY
    number = ""

    def load(self, data: Buffer) -> Array:
        return decode_array(data, self.number)


class FloatArrayLoader(_ArrayLoader):
    """`float8[]` as float64."""

    number = ">f8"


class BigIntArrayLoader(_ArrayLoader):
    """`int8[]` as int64."""

    number = ">i8"


class IntArrayLoader(_ArrayLoader):
    """`int4[]` as int32."""

    number = ">i4"


class BoolArrayLoader(_ArrayLoader):
    """`bool[]` as bool."""

    number = "?"


class SmallIntArrayLoader(_ArrayLoader):
    """`int2[]` as int16."""

    number = ">i2"


class TimeArrayLoader(_ArrayLoader):
    """`timestamptz[]` as microseconds since the Unix epoch, int64."""

    number = ">i8"

    def load(self, data: Buffer) -> Array:
        return super().load(data) + _POSTGRES_EPOCH_US


# By the fixed numbers of the array types (pg_type.dat).
_LOADERS = {
    1000: BoolArrayLoader,
    1005: SmallIntArrayLoader,
    1007: IntArrayLoader,
    1016: BigIntArrayLoader,
    1022: FloatArrayLoader,
    1185: TimeArrayLoader,
}


def register_array_loaders(context: AdaptContext) -> None:
    """Make a connection give these arrays as numpy arrays, in binary results."""
    for oid, loader in _LOADERS.items():
        context.adapters.register_loader(oid, loader)
