"""Candles of one series: stored ones, and what the last minutes' records change.

A range that ends before the live tail is one read of one table. In the tail, minutes
that writers noted and no refresh has seen are computed from their records, and larger
buckets that hold them from stored 1m candles and those minutes: never from a scan of
all records of a bucket. It is one statement either way, so one snapshot.
"""

import time

import msgspec
import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.pq import Format

from history.candle_tail_sql import SELECT_STORED, SELECT_WITH_TAIL
from history.models import PRICE_SIDE_CODES
from history.ranges import MINUTE_US
from history.timestamps import to_datetime
from marketdata.timeframes import PriceSide, Timeframe

# How far back the tail reaches: refreshes come every few seconds, and what they are
# late by is computed at each read; 10 busy minutes are some 10,000 records.
LIVE_TAIL_US = 10 * MINUTE_US


class CandleRow(msgspec.Struct, frozen=True, gc=False):
    """OHLC of the bucket that starts at ``time_us``; prices are exact, not rounded.

    ``rev`` is that of the stored candle, 0 where none is stored yet.
    """

    time_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    rev: int


class CandleRange(msgspec.Struct, frozen=True):
    """Buckets of a stored timeframe from ``start_us`` to ``end_us``, both inclusive."""

    series_id: int
    timeframe: Timeframe
    price_side: PriceSide
    start_us: int
    end_us: int


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
        timeframe: a stored one (`marketdata.timeframes.STORED`).
        start_us: microseconds UTC, inclusive; it need not be a bucket's start.
        end_us: inclusive, for bucket starts.
    """
    wanted = CandleRange(series_id, timeframe, price_side, start_us, end_us)
    return select_candles_at(wanted, time.time_ns() // 1000)


def select_candles_at(wanted: CandleRange, now_us: int) -> list[CandleRow]:
    """Return what ``select_candles`` does at the moment ``now_us``."""
    timeframe = wanted.timeframe
    tail_us = Timeframe.M1.floor_us(now_us - LIVE_TAIL_US)
    hi_us = timeframe.floor_us(wanted.end_us) + timeframe.length_s * 1_000_000
    parameters = {
        "series_id": wanted.series_id,
        "price_side": PRICE_SIDE_CODES[wanted.price_side],
        "start": to_datetime(wanted.start_us),
        "end": to_datetime(wanted.end_us),
    }
    statement = SELECT_STORED[timeframe]
    if hi_us > tail_us:
        tail_us = max(tail_us, timeframe.floor_us(wanted.start_us))
        parameters |= {
            "tail": to_datetime(tail_us),
            "tail_bucket": to_datetime(timeframe.floor_us(tail_us)),
            "hi": to_datetime(hi_us),
        }
        statement = SELECT_WITH_TAIL[timeframe, wanted.price_side]
    with _binary_cursor() as cursor:
        cursor.execute(statement, parameters)
        return [
            CandleRow(int(start.timestamp()) * 1_000_000, *values)
            for start, *values in cursor.fetchall()
        ]


def _binary_cursor() -> CursorWrapper:
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
