"""Versions of answers, for entity tags: equal versions mean equal answers.

A span is *settled* if it ends a minute or more before the latest record and no note of
a change touches it. Then the answer is a function of stored candles alone, and whatever
changes it raises the series' revision in the same transaction:

- a record more than a minute late, a replacement or a deletion, when it is stored;
- the refresh that changes candles before the last that were built, when it commits.

Live records, and the refresh of the minutes that they fill, change neither; they belong
to spans that are not settled. The version of such a span changes with every record, and
with every note in the span that is written or taken: notes come and go in the
transactions that change records and candles. Of the clock it knows what an answer
shows: whether the last candle is complete, and, while notes wait, the minute.

Read the series before the candles, so that a version is never newer than its answer.
"""

from history.candle_range import CandleRange, bucket_end_us, buckets_of
from history.series_info import SeriesInfo
from history.timestamps import to_us
from marketdata.durations import MINUTE_US

# Records come out of order by less: trades carry the venue's time, ticks often ours,
# and each waits for its flush.
LATE_US = MINUTE_US


def is_settled(series: SeriesInfo, hi_us: int) -> bool:
    """Return True if nothing changes the span until ``hi_us`` but a new revision.

    Only then may an answer be kept without asking. ``series`` must have been selected
    with the span.
    """
    return not series.pending and hi_us <= to_us(series.latest) - LATE_US


def data_version(series: SeriesInfo, wanted: CandleRange, now_us: int) -> str:
    """Return the version of an answer with candles: ASCII, without spaces.

    Args:
        series: selected with `candle_range.span_of(wanted, now_us)`, or a longer span.

    Raises:
        RangeTooLong, InvalidTimeframe: as ``buckets_of``.
    """
    hi_us = buckets_of(wanted, now_us).hi_us
    # Of a feed whose clock is ahead even the last bucket but one may be open.
    if is_settled(series, hi_us) and hi_us <= now_us:
        return series.version
    last_us = min(to_us(series.latest), hi_us - 1)
    is_over = bucket_end_us(wanted.timeframe, wanted.align, last_us) <= now_us
    return f"{_open_version(series)}.{is_over:d}.{_minute(series, now_us)}"


def record_version(series: SeriesInfo, end_us: int) -> str:
    """Return the version of an answer with ticks or trades up to ``end_us``."""
    if is_settled(series, end_us + 1):
        return series.version
    return _open_version(series)


def _open_version(series: SeriesInfo) -> str:
    counts = f"{series.tick_count}.{series.trade_count}"
    return f"{series.version}-{counts}.{series.pending}"


def _minute(series: SeriesInfo, now_us: int) -> int:
    """Return a number that changes as minutes leave the live tail unrefreshed."""
    return now_us // MINUTE_US if series.pending else 0
