"""What the ticks table really holds, to be held against the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from django.db import connection

from history.array_loaders import register_array_loaders
from history.columns import TickColumns, checksum, rows_of
from history.ranges import WINDOW_US, Range, cut_ranges
from history.tables import PRICE_SIDE_CODES
from history.tick_store import FIRST_LIVE_SEQ
from history.timestamps import to_datetime, to_us
from importer.hours import HourRange
from marketdata.timeframes import PriceSide

_COUNT_HOURS = """
    SELECT time_bucket('1 hour', time),
           count(*) FILTER (WHERE seq < %s),
           count(*) FILTER (WHERE seq >= %s)
    FROM ticks
    WHERE series_id = %s
      AND time >= %s
      AND time < %s
    GROUP BY 1
"""
_COUNT_CANDLE_TICKS = """
    SELECT time, ticks
    FROM candles_1h
    WHERE series_id = %s
      AND price_side = %s
      AND time >= %s
      AND time < %s
"""
_IMPORTED = """
    SELECT array_agg(time), array_agg(bid), array_agg(ask),
           array_agg(bid_size), array_agg(ask_size)
    FROM (
        SELECT time, bid, ask,
               coalesce(bid_size, 'NaN') AS bid_size,
               coalesce(ask_size, 'NaN') AS ask_size
        FROM ticks
        WHERE series_id = %s
          AND time >= %s
          AND time < %s
          AND seq < %s
        ORDER BY time, seq
    ) AS imported
"""
_NOTHING: tuple[Any, ...] = (
    np.zeros(0, np.int64),
    *(np.zeros(0, np.float64) for _ in range(4)),
)


@dataclass(frozen=True, slots=True)
class RowCount:
    """Rows of an hour: imported ones and those that were received live."""

    imported: int = 0
    live: int = 0


def count_hours(series_id: int, hours: HourRange) -> dict[int, RowCount]:
    """Return how many ticks each hour has; hours without any are left out."""
    counts = {}
    # In windows of the chunks' usual length, so that a statement stays short.
    whole = Range(series_id, hours.start_us, hours.end_us)
    with connection.cursor() as cursor:
        for part in cut_ranges([whole], WINDOW_US):
            bounds = to_datetime(part.start_us), to_datetime(part.end_us)
            cursor.execute(
                _COUNT_HOURS, (FIRST_LIVE_SEQ, FIRST_LIVE_SEQ, series_id, *bounds)
            )
            for hour, imported, live in cursor.fetchall():
                counts[to_us(hour)] = RowCount(imported, live)
    return counts


def count_candle_ticks(series_id: int, hours: HourRange) -> dict[int, int]:
    """Return how many ticks went into the mid candle of each hour that has one."""
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT_CANDLE_TICKS,
            (
                series_id,
                PRICE_SIDE_CODES[PriceSide.MID],
                to_datetime(hours.start_us),
                to_datetime(hours.end_us),
            ),
        )
        return {to_us(time): ticks for time, ticks in cursor.fetchall()}


def checksum_hours(series_id: int, day: HourRange) -> Iterator[tuple[int, str]]:
    """Yield each hour that has imported ticks with their checksum, as the ledger's.

    All ticks of ``day`` are in memory at once.
    """
    columns = _select_imported(series_id, day)
    edges = np.searchsorted(columns.time_us, [*day.hours(), day.end_us])
    for hour_us, start, end in zip(day.hours(), edges[:-1], edges[1:], strict=True):
        if end > start:
            yield hour_us, checksum(rows_of(columns, slice(int(start), int(end))))


def _select_imported(series_id: int, hours: HourRange) -> TickColumns:
    connection.ensure_connection()
    # Django's own cursors bind on the client's side, which knows no binary results.
    with psycopg.Cursor(connection.connection) as cursor:
        register_array_loaders(cursor)
        cursor.execute(
            _IMPORTED,
            (
                series_id,
                to_datetime(hours.start_us),
                to_datetime(hours.end_us),
                FIRST_LIVE_SEQ,
            ),
            binary=True,
        )
        (found,) = cursor.fetchall()
    time_us, *values = _NOTHING if found[0] is None else found
    seq = np.zeros(len(time_us), np.int64)  # of no account for a checksum
    return TickColumns(np.full(len(seq), series_id, np.int32), time_us, seq, *values)
