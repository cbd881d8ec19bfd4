"""What the store has of the buckets that a feed computes on: as REST would answer.

Blocks, on Django's connection of the calling thread.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection
from psycopg.pq import Format

from history.candle_plan import plan_candles
from history.candle_range import CandleRange
from history.candle_read_sql import RECORDS
from history.models import Series
from history.timestamps import to_datetime, to_us
from marketdata.candle_building import Key, Read, StoredBucket

# Late records come into these, counted from the newest; the open and close of older
# ones stay as they are stored.
KEYED = 12

# What is not named is not computed: `complete` costs a probe per candle.
_SELECT_CANDLES = """
    SELECT time, open, high, low, close, volume, ticks, rev
    FROM ({candles}) AS c
    ORDER BY time
"""
_SELECT_KEYS = """
    SELECT b.start, f.time, f.seq, l.time, l.seq
    FROM unnest(%(starts)s::timestamptz[]) AS b (start)
    CROSS JOIN LATERAL (
        SELECT t.time, t.seq
        FROM {records} AS t
        WHERE t.series_id = %(series_id)s
          AND t.time >= b.start
          AND t.time < b.start + %(length)s * INTERVAL '1 second'
          AND t.time >= %(lo)s
          AND t.time < %(hi)s
        ORDER BY t.time, t.seq
        LIMIT 1
    ) AS f
    CROSS JOIN LATERAL (
        SELECT t.time, t.seq
        FROM {records} AS t
        WHERE t.series_id = %(series_id)s
          AND t.time >= b.start
          AND t.time < b.start + %(length)s * INTERVAL '1 second'
          AND t.time >= %(lo)s
          AND t.time < %(hi)s
        ORDER BY t.time DESC, t.seq DESC
        LIMIT 1
    ) AS l
"""


def select_live_buckets(
    broker: str, symbol: str, reads: Sequence[Read], now_us: int
) -> dict[Read, list[StoredBucket]]:
    """Return the buckets of a series as REST has them now, oldest first, per read.

    Those without records are left out; a series that is not stored has none.

    Raises:
        django.db.Error, psycopg.Error: the connection is closed then.
    """
    try:
        series_id = (
            Series.objects.filter(broker=broker, instrument__symbol=symbol)
            .values_list("pk", flat=True)
            .first()
        )
        if series_id is None:
            return {read: [] for read in reads}
        return {read: _select(series_id, read, now_us) for read in reads}
    except Exception:
        connection.close()
        raise


def select_revisions(broker: str, symbols: Iterable[str]) -> dict[str, int]:
    """Return the revision of each stored series: it rises when its past changes.

    Raises:
        django.db.Error: the connection is closed then.
    """
    try:
        series = Series.objects.filter(
            broker=broker, instrument__symbol__in=list(symbols)
        )
        return dict(series.values_list("instrument__symbol", "revision"))
    except Exception:
        connection.close()
        raise


def _select(series_id: int, read: Read, now_us: int) -> list[StoredBucket]:
    length_us = read.timeframe.length_s * 1_000_000
    # A venue's clock may be ahead of ours.
    wanted = CandleRange(
        read.timeframe, read.price_side, read.from_us, now_us + length_us
    )
    statement = plan_candles(series_id, wanted, now_us)
    candles = _SELECT_CANDLES.format(candles=statement.sql)
    rows = _fetch(candles, statement.parameters)
    keys = _select_keys(series_id, read, [start for start, *_ in rows[-KEYED:]])
    buckets = []
    for start, *figures in rows:
        start_us = to_us(start)
        whole = (start_us, -1), (start_us + length_us, 0)
        values: list[Any] = [start_us, *figures, *keys.get(start_us, whole)]
        buckets.append(StoredBucket(*values))
    return buckets


def _select_keys(
    series_id: int, read: Read, starts: Sequence[datetime]
) -> dict[int, tuple[Key, Key]]:
    """Return the first and last (time, seq) of each bucket whose records are kept."""
    if not starts:
        return {}
    length_s = read.timeframe.length_s
    rows = _fetch(
        _SELECT_KEYS.format(records=RECORDS[read.price_side][0]),
        {
            "series_id": series_id,
            "starts": list(starts),
            "length": length_s,
            "lo": starts[0],
            "hi": to_datetime(to_us(starts[-1]) + length_s * 1_000_000),
        },
    )
    return {
        to_us(start): ((to_us(first), first_seq), (to_us(last), last_seq))
        for start, first, first_seq, last, last_seq in rows
    }


def _fetch(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, fetched in binary: a sixth of the time."""
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.format = Format.BINARY
        cursor.execute(sql, parameters)
        return cursor.fetchall()
