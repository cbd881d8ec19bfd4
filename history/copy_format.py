"""Columns to PostgreSQL's binary COPY format, without Python work per row.

A row is an int16 field count, then per field an int32 length and the big-endian value:
a numpy structured array of that layout is the wire format itself. NULL would change a
row's length, so rows are grouped by which fields they know, and each group is a COPY of
its own with a shorter column list.
https://www.postgresql.org/docs/17/sql-copy.html "Binary Format", read 2026-11.
"""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from history.columns import TickColumns, TradeColumns

BLOCK_ROWS = 65_536  # 4-6 MB a block; larger ones are no faster
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no header extension
TRAILER = b"\xff\xff"
_PG_EPOCH_US = 946_684_800_000_000  # timestamptz counts microseconds from 2000-01-01

Column = tuple[str, str, NDArray[np.generic]]  # name, big-endian dtype, values


class CopyGroup(msgspec.Struct, frozen=True, eq=False):
    """Rows that know the same fields: one COPY of ``names`` made of ``blocks()``."""

    table: str
    columns: list[Column]
    rows: int

    @property
    def names(self) -> list[str]:
        """Columns of the COPY, in the order of the fields."""
        return [name for name, _, _ in self.columns]

    def blocks(self) -> Iterator[bytes]:
        """Yield the data with its header and trailer, ``BLOCK_ROWS`` rows at a time."""
        fields = [("field_count", ">i2")]
        for name, kind, _ in self.columns:
            fields += [(f"{name}_length", ">i4"), (name, kind)]
        block = np.empty(min(self.rows, BLOCK_ROWS), np.dtype(fields))
        block["field_count"] = len(self.columns)
        for name, kind, _ in self.columns:
            block[f"{name}_length"] = np.dtype(kind).itemsize
        yield HEADER
        for start in range(0, self.rows, BLOCK_ROWS):
            part = block[: min(BLOCK_ROWS, self.rows - start)]
            for name, _, values in self.columns:
                part[name] = values[start : start + len(part)]
            yield part.tobytes()
        yield TRAILER


def tick_groups(columns: TickColumns) -> Iterator[CopyGroup]:
    """Yield the COPYs that store the ticks; rows of a group keep their order."""
    required: list[Column] = [
        ("series_id", ">i4", columns.series_id),
        ("time", ">i8", columns.time_us - _PG_EPOCH_US),
        ("seq", ">i8", columns.seq),
        ("bid", ">f8", columns.bid),
        ("ask", ">f8", columns.ask),
        *_received(columns.received_us),
    ]
    optional: list[Column] = [
        ("bid_size", ">f8", columns.bid_size),
        ("ask_size", ">f8", columns.ask_size),
    ]
    known = [~np.isnan(columns.bid_size), ~np.isnan(columns.ask_size)]
    return _groups("ticks", required, optional, known)


def trade_groups(columns: TradeColumns) -> Iterator[CopyGroup]:
    """Yield the COPYs that store the trades; rows of a group keep their order."""
    required: list[Column] = [
        ("series_id", ">i4", columns.series_id),
        ("time", ">i8", columns.time_us - _PG_EPOCH_US),
        ("trade_id", ">i8", columns.trade_id),
        ("seq", ">i8", columns.seq),
        ("price", ">f8", columns.price),
        ("size", ">f8", columns.size),
        *_received(columns.received_us),
    ]
    return _groups(
        "trades", required, [("side", ">i2", columns.side)], [columns.side != 0]
    )


def _received(received_us: NDArray[np.int64] | None) -> list[Column]:
    if received_us is None:
        return []
    return [("received", ">i8", received_us - _PG_EPOCH_US)]


def _groups(
    table: str,
    required: list[Column],
    optional: list[Column],
    known: list[NDArray[np.bool_]],
) -> Iterator[CopyGroup]:
    """Split the rows by which optional fields they know; usually it is one group."""
    mask = np.zeros(len(known[0]), np.int8)
    for bit, is_known in enumerate(known):
        mask |= is_known.astype(np.int8) << bit
    for value in np.unique(mask):
        rows = np.flatnonzero(mask == value)
        columns = required + [
            column for bit, column in enumerate(optional) if value >> bit & 1
        ]
        if len(rows) < len(mask):
            columns = [(name, kind, values[rows]) for name, kind, values in columns]
        yield CopyGroup(table, columns, len(rows))
