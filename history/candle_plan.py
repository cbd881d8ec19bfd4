"""What is asked of the database for a range of candles: a statement, nothing is run.

A range that ends before the live tail is one read of one table. In the tail, minutes
that writers noted and no refresh has seen are computed from their records, and larger
buckets that hold them from stored 1m candles and those minutes: never from a scan of
all records of a bucket. Timeframes that are not stored are made of the largest stored
one that fits, tail included. It is one statement in each case, so one snapshot.
"""

from functools import lru_cache
from typing import Any

from history.candle_range import Buckets, CandleRange, buckets_of
from history.candle_read_sql import Shape, select_sql
from history.second_sql import select_seconds_sql
from history.statement import Statement
from history.tables import GAP_KINDS, PRICE_SIDE_CODES
from history.timestamps import to_datetime
from marketdata.durations import MINUTE_US
from marketdata.timeframes import Timeframe

# How far back the tail reaches: refreshes come every few seconds, and what they are
# late by is computed at each read; 10 busy minutes are some 10,000 records.
LIVE_TAIL_US = 10 * MINUTE_US
# A day or week in which clocks are turned back is longer, by an hour as a rule.
_LONGER_S = 7_200

_select_sql = lru_cache(maxsize=None)(select_sql)
_select_seconds_sql = lru_cache(maxsize=None)(select_seconds_sql)


def plan_candles(series_id: int, wanted: CandleRange, now_us: int) -> Statement:
    """Return the statement for a range of a series, at the moment ``now_us``.

    Its columns: time, open, high, low, close, volume, ticks, rev, complete; ascending,
    buckets without records left out. ``complete`` is True once a bucket has ended and
    no change of it waits for a refresh, unless a gap of the feed touches it.

    Raises:
        RangeTooLong, InvalidTimeframe: as `candle_range.buckets_of`.
    """
    buckets = buckets_of(wanted, now_us)
    parameters = {
        "series_id": series_id,
        "price_side": PRICE_SIDE_CODES[wanted.price_side],
        "gap_kind": GAP_KINDS[wanted.price_side],
        "lo": to_datetime(buckets.lo_us),
        "hi": to_datetime(buckets.hi_us),
        "now": to_datetime(now_us),
        "limit": wanted.limit,
    }
    is_limited = wanted.limit is not None
    takes_last = is_limited and wanted.takes_last
    if buckets.source is None:
        sql = _select_seconds_sql(
            wanted.price_side, is_limited=is_limited, takes_last=takes_last
        )
        return Statement(sql, parameters)
    tail_us = Timeframe.M1.floor_us(now_us - LIVE_TAIL_US)
    shape = Shape(
        timeframe=wanted.timeframe,
        source=buckets.source,
        price_side=wanted.price_side,
        is_aligned=bool(buckets.runs),
        has_tail=buckets.hi_us > tail_us,
        is_limited=is_limited,
        takes_last=takes_last,
    )
    parameters |= _parameters(shape, buckets, max(tail_us, buckets.lo_us))
    if wanted.limit is not None:
        longest_s = wanted.timeframe.length_s + _LONGER_S * shape.is_aligned
        most = -(-longest_s // shape.source.length_s)
        parameters["source_limit"] = wanted.limit * most
    return Statement(_select_sql(shape), parameters)


def _parameters(shape: Shape, buckets: Buckets, tail_us: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if shape.has_tail:
        parameters["tail"] = to_datetime(tail_us)
        parameters["tail_bucket"] = to_datetime(shape.source.floor_us(tail_us))
    if shape.is_aligned:
        parameters["firsts"] = [to_datetime(run.first_us) for run in buckets.runs]
        parameters["lasts"] = [to_datetime(run.last_us) for run in buckets.runs]
    return parameters
