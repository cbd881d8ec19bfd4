"""Candles computed the simplest way: each record is put into its bucket in Python."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from history.alignment import Align
from history.timestamps import to_datetime, to_us
from marketdata.timeframes import Timeframe
from tests.history.storage import SECOND_US, Candles, candles_of

Rows = Sequence[tuple[int, int, float, float]]  # time in us, seq, price, size
_WEEK_US = 7 * 86_400 * SECOND_US
_MONDAY_US = 4 * 86_400 * SECOND_US  # 1970-01-05


def start_of(timeframe: Timeframe, align: Align | None) -> Callable[[int], int]:
    """Return the function that gives the start of a moment's bucket."""
    if align:
        return lambda time_us: _aligned_start(timeframe, align, time_us)
    if timeframe is Timeframe.W1:
        return lambda time_us: time_us - (time_us - _MONDAY_US) % _WEEK_US
    length_us = timeframe.length_s * SECOND_US
    return lambda time_us: time_us // length_us * length_us


def _aligned_start(timeframe: Timeframe, align: Align, time_us: int) -> int:
    zone = ZoneInfo(align.zone)
    clock = time(*divmod(align.minute, 60))
    local = to_datetime(time_us).astimezone(zone)
    day = local.date() - timedelta(days=local.time() < clock)
    if timeframe is Timeframe.W1:
        first_weekday = 6 if align.minute > 720 else 0
        day -= timedelta(days=(day.weekday() - first_weekday) % 7)
    return to_us(datetime.combine(day, clock, zone))


def brute_force(
    rows: Rows, timeframe: Timeframe, align: Align | None = None
) -> Candles:
    """Return the candles of the rows."""
    if not align and timeframe is not Timeframe.W1:
        return candles_of(rows, timeframe)
    start = start_of(timeframe, align)
    ordered = sorted(rows)
    starts = [start(row[0]) for row in ordered]
    candles: Candles = {}
    low = 0
    while low < len(ordered):
        high = bisect_right(starts, starts[low])
        prices = [row[2] for row in ordered[low:high]]
        volume = sum(row[3] for row in ordered[low:high] if row[3] == row[3])
        candles[starts[low]] = (
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            volume,
            high - low,
        )
        low = high
    return candles
