"""Candles of one series, read on Django's connection."""

import time
from collections.abc import Iterable
from typing import Any

import msgspec
import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.pq import Format

from history.candle_plan import plan_candles
from history.candle_range import CandleRange
from history.timestamps import to_us
from marketdata.timeframes import PriceSide, Timeframe


class CandleRow(msgspec.Struct, frozen=True, gc=False):
    """OHLC of the bucket that starts at ``time_us``; prices are exact, not rounded.

    ``rev`` rises when the candle changes. ``complete`` is True once the bucket has
    ended and no change of it waits for a refresh.
    """

    time_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    rev: int
    complete: bool = True


def select_candles(
    series_id: int,
    timeframe: Timeframe,
    price_side: PriceSide,
    start_us: int,
    end_us: int,
) -> list[CandleRow]:
    """Return the candles whose buckets start in [``start_us``, ``end_us``], ascending.

    The open bucket and minutes that no refresh has reached are included, up to ten
    minutes back. Buckets without records have no candle. One SQL statement.

    Args:
        start_us: microseconds UTC, inclusive; it need not be a bucket's start.
        end_us: inclusive, for bucket starts.
    """
    wanted = CandleRange(timeframe, price_side, start_us, end_us)
    return select_candles_at(series_id, wanted, time.time_ns() // 1000)


def select_candles_at(
    series_id: int, wanted: CandleRange, now_us: int
) -> list[CandleRow]:
    """Return what ``select_candles`` does at the moment ``now_us``, of any range.

    Raises:
        RangeTooLong, InvalidTimeframe: as `candle_range.buckets_of`.
    """
    statement = plan_candles(series_id, wanted, now_us)
    with binary_cursor() as cursor:
        cursor.execute(statement.sql, statement.parameters)
        return candle_rows(cursor.fetchall())


def candle_rows(rows: Iterable[tuple[Any, ...]]) -> list[CandleRow]:
    """Return the rows of a statement of `candle_plan` as candles, in their order."""
    return [CandleRow(to_us(start), *values) for start, *values in rows]


def binary_cursor() -> CursorWrapper:
    """Return a cursor of Django's connection that fetches rows in binary.

    1,020 rows take 0.8 ms; as text, through Django's own loader of times, 4.9 ms.
    """
    connection.ensure_connection()
    cursor = psycopg.Cursor(connection.connection)
    cursor.format = Format.BINARY
    # Django's wrapper counts and logs the statement, and raises Django's errors.
    wrap = (
        connection.make_debug_cursor
        if connection.queries_logged
        else connection.make_cursor
    )
    return wrap(cursor)
