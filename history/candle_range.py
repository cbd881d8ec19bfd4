"""Which candles are wanted, and the moments between which their buckets lie."""

import msgspec

from history.alignment import ALIGNED, Align, Run, runs_over, source_timeframe
from history.exceptions import InvalidTimeframe, RangeTooLong
from marketdata.durations import DAY_US
from marketdata.timeframes import STORED, PriceSide, Timeframe

# 1s candles are made of their records at each request: a busy day has 137,000.
MAX_SECONDS_SPAN_US = DAY_US
# Nothing is stored from further ahead; years of bucket starts need not be known.
_AHEAD_US = 7 * DAY_US
_LONGEST_BUCKET_US = 8 * DAY_US  # a week, and an hour where the clocks go back

# What each timeframe is read or made of; 1s of records, aligned ones of less.
SOURCES = {
    **{timeframe: timeframe for timeframe in STORED},
    Timeframe.M30: Timeframe.M15,
    Timeframe.D1: Timeframe.H12,
    Timeframe.W1: Timeframe.H12,
}


class CandleRange(msgspec.Struct, frozen=True):
    """Candles whose buckets start in [``start_us``, ``end_us``], both inclusive.

    With ``limit`` at most so many: the first of the range, or with ``takes_last`` the
    last. ``align`` moves the starts of 1d and 1w; without it days start at 00:00 UTC
    and weeks on Monday. Neither end need be a bucket's start.
    """

    timeframe: Timeframe
    price_side: PriceSide
    start_us: int
    end_us: int
    limit: int | None = None
    takes_last: bool = False
    align: Align | None = None


class Buckets(msgspec.Struct, frozen=True):
    """The buckets of a range: from ``lo_us`` until ``hi_us``, the last one's end.

    There are none if ``lo_us`` is not below ``hi_us``. ``source`` is the stored
    timeframe that they are read or made of, None for records. ``runs`` are the starts
    if they are aligned.
    """

    lo_us: int
    hi_us: int
    source: Timeframe | None
    runs: tuple[Run, ...] = ()


def buckets_of(wanted: CandleRange, now_us: int) -> Buckets:
    """Return where the buckets of a range lie.

    Raises:
        RangeTooLong: 1s over more than a day; with ``takes_last`` it is the last day
            of the range.
        InvalidTimeframe: an alignment of another timeframe than 1d and 1w.
    """
    if wanted.align is not None:
        return _aligned_buckets(wanted, wanted.align, now_us)
    timeframe = wanted.timeframe
    length_us = timeframe.length_s * 1_000_000
    start_us = wanted.start_us
    if timeframe is Timeframe.S1:
        start_us = _start_of_seconds(wanted)
    lo_us = timeframe.floor_us(start_us + length_us - 1)
    hi_us = timeframe.floor_us(wanted.end_us) + length_us
    return Buckets(lo_us, hi_us, SOURCES.get(timeframe))


def span_of(wanted: CandleRange, now_us: int) -> tuple[int, int]:
    """Return a span that holds the buckets of a range: of those of 1d and 1w aligned
    its end is theirs, and years of starts are not computed.

    Raises:
        RangeTooLong: as ``buckets_of``.
    """
    if wanted.align is None:
        buckets = buckets_of(wanted, now_us)
        return buckets.lo_us, buckets.hi_us
    end_us = min(wanted.end_us, now_us + _AHEAD_US)
    return wanted.start_us, bucket_end_us(wanted.timeframe, wanted.align, end_us)


def clip_range(wanted: CandleRange, first_us: int) -> CandleRange:
    """Return the range without the aligned buckets that end before the first candle.

    A year of their starts takes 0.6 ms, in which the process serves nobody (busy 2
    cores, 2026-11).
    """
    if wanted.align is None:
        return wanted
    start_us = max(wanted.start_us, first_us - _LONGEST_BUCKET_US)
    return msgspec.structs.replace(wanted, start_us=start_us)


def bucket_end_us(timeframe: Timeframe, align: Align | None, time_us: int) -> int:
    """Return the end, exclusive, of the bucket that holds a moment."""
    if align is None:
        return timeframe.floor_us(time_us) + timeframe.length_s * 1_000_000
    return _end_in(runs_over(align, timeframe, time_us, time_us), time_us)


def _start_of_seconds(wanted: CandleRange) -> int:
    first_us = wanted.end_us - MAX_SECONDS_SPAN_US
    if wanted.start_us >= first_us:
        return wanted.start_us
    if not wanted.takes_last:
        raise RangeTooLong(wanted.timeframe.value, MAX_SECONDS_SPAN_US // 1_000_000)
    return first_us


def _aligned_buckets(wanted: CandleRange, align: Align, now_us: int) -> Buckets:
    timeframe = wanted.timeframe
    if timeframe not in ALIGNED:
        served = [item.value for item in ALIGNED]
        raise InvalidTimeframe(timeframe.value, served)
    start_us = min(wanted.start_us, now_us + _AHEAD_US)
    end_us = min(wanted.end_us, now_us + _AHEAD_US)
    runs = runs_over(align, timeframe, start_us, max(start_us, end_us))
    lo_us = runs[0].floor_us(start_us)
    if lo_us < start_us:
        lo_us = _end_in(runs, start_us)
    source = source_timeframe(align, timeframe, runs)
    hi_us = _end_in(runs, end_us) if end_us >= lo_us else lo_us
    return Buckets(lo_us, hi_us, source, tuple(runs))


def _end_in(runs: list[Run], time_us: int) -> int:
    """Return the end of the bucket of a moment before the last run."""
    later = [run.first_us for run in runs if run.first_us > time_us]
    run = runs[-len(later) - 1]
    start_us = run.floor_us(time_us)
    return later[0] if start_us == run.last_us else start_us + run.step_us
