"""Where the buckets of a range lie."""

from datetime import datetime

import pytest

from history.alignment import Align, parse_align
from history.candle_range import (
    CandleRange,
    bucket_end_us,
    buckets_of,
    clip_range,
    span_of,
)
from history.exceptions import InvalidTimeframe, RangeTooLong
from history.timestamps import to_us
from marketdata.timeframes import PriceSide, Timeframe

NEW_YORK = parse_align("America/New_York@17:00")


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(f"{text}+00:00"))


NOW_US = us("2024-06-01T00:00")


def wanted(timeframe: Timeframe, start: str, end: str, **more: object) -> CandleRange:
    return CandleRange(timeframe, PriceSide.MID, us(start), us(end), **more)


@pytest.mark.parametrize(
    ("timeframe", "source", "lo", "hi"),
    [
        (Timeframe.M1, Timeframe.M1, "2024-01-03T10:08", "2024-01-10T10:07"),
        (Timeframe.M30, Timeframe.M15, "2024-01-03T10:30", "2024-01-10T10:30"),
        (Timeframe.H12, Timeframe.H12, "2024-01-03T12:00", "2024-01-10T12:00"),
        (Timeframe.D1, Timeframe.H12, "2024-01-04T00:00", "2024-01-11T00:00"),
        (Timeframe.W1, Timeframe.H12, "2024-01-08T00:00", "2024-01-15T00:00"),
    ],
)
def test_buckets_of_a_range_are_those_that_start_in_it(
    timeframe: Timeframe, source: Timeframe, lo: str, hi: str
) -> None:
    asked = wanted(timeframe, "2024-01-03T10:07:30", "2024-01-10T10:06:30")

    buckets = buckets_of(asked, NOW_US)

    assert (buckets.lo_us, buckets.hi_us) == (us(lo), us(hi))
    assert (buckets.source, buckets.runs) == (source, ())


def test_buckets_of_both_ends_on_a_start_include_both() -> None:
    asked = wanted(Timeframe.D1, "2024-01-03T00:00", "2024-01-04T00:00")

    buckets = buckets_of(asked, NOW_US)

    assert buckets.lo_us == us("2024-01-03T00:00")
    assert buckets.hi_us == us("2024-01-05T00:00")


def test_buckets_of_a_range_within_a_bucket_are_none() -> None:
    for align in (None, NEW_YORK):
        asked = wanted(
            Timeframe.D1, "2024-01-03T01:00", "2024-01-03T02:00", align=align
        )

        buckets = buckets_of(asked, NOW_US)

        assert buckets.lo_us >= buckets.hi_us


def test_buckets_of_new_york_start_at_17_there() -> None:
    asked = wanted(Timeframe.D1, "2024-03-07T22:00", "2024-03-10T21:00", align=NEW_YORK)

    buckets = buckets_of(asked, NOW_US)

    assert buckets.lo_us == us("2024-03-07T22:00")
    assert buckets.hi_us == us("2024-03-11T21:00")
    assert buckets.source is Timeframe.H1


def test_buckets_of_an_aligned_range_end_a_week_ahead() -> None:
    asked = wanted(Timeframe.D1, "2024-05-01T00:00", "5000-01-01T00:00", align=NEW_YORK)

    assert buckets_of(asked, NOW_US).hi_us == us("2024-06-08T21:00")


@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.W1])
@pytest.mark.parametrize("align", [None, NEW_YORK, Align("Asia/Tokyo", 0)])
@pytest.mark.parametrize(
    "end", ["2024-03-10T20:59", "2024-05-30T12:00", "5000-01-01T00:00"]
)
def test_span_of_holds_the_buckets_and_ends_with_them(timeframe, align, end) -> None:
    asked = wanted(timeframe, "2024-01-03T01:00", end, align=align)

    buckets = buckets_of(asked, NOW_US)

    lo_us, hi_us = span_of(asked, NOW_US)
    assert lo_us <= buckets.lo_us
    assert hi_us == buckets.hi_us


@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.W1])
@pytest.mark.parametrize("first", ["2024-03-09T21:59", "2024-03-10T21:00"])
def test_clip_range_leaves_the_aligned_bucket_of_the_first_candle(
    timeframe, first
) -> None:
    asked = wanted(timeframe, "1970-01-01T00:00", "2024-04-01T00:00", align=NEW_YORK)

    clipped = buckets_of(clip_range(asked, us(first)), NOW_US)

    every = buckets_of(asked, NOW_US)
    assert clipped.hi_us == every.hi_us
    assert clipped.lo_us > us("2024-02-20T00:00")
    assert bucket_end_us(timeframe, NEW_YORK, clipped.lo_us - 1) == clipped.lo_us
    assert clipped.lo_us <= us(first)


def test_buckets_of_another_timeframe_aligned_raises() -> None:
    asked = wanted(
        Timeframe.H12, "2024-01-03T00:00", "2024-01-04T00:00", align=NEW_YORK
    )

    with pytest.raises(InvalidTimeframe, match="Must be one of: 1d, 1w"):
        buckets_of(asked, NOW_US)


def test_buckets_of_seconds_over_a_day_raises_but_for_the_last() -> None:
    asked = wanted(Timeframe.S1, "2024-01-03T00:00", "2024-01-04T00:00:01")
    last = wanted(
        Timeframe.S1,
        "1970-01-01T00:00",
        "2024-01-04T00:00:01",
        limit=5,
        takes_last=True,
    )

    with pytest.raises(RangeTooLong, match="1s candles cannot exceed 1 day"):
        buckets_of(asked, NOW_US)
    assert buckets_of(last, NOW_US).lo_us == us("2024-01-03T00:00:01")
    assert buckets_of(last, NOW_US).source is None


@pytest.mark.parametrize(
    ("timeframe", "align", "end"),
    [
        (Timeframe.S1, None, "2024-11-03T12:00:01"),
        (Timeframe.H4, None, "2024-11-03T16:00"),
        (Timeframe.W1, None, "2024-11-04T00:00"),
        (Timeframe.D1, NEW_YORK, "2024-11-03T22:00"),
        (Timeframe.W1, NEW_YORK, "2024-11-03T22:00"),
    ],
)
def test_bucket_end_us_is_the_next_buckets_start(timeframe, align, end: str) -> None:
    assert bucket_end_us(timeframe, align, us("2024-11-03T12:00")) == us(end)
