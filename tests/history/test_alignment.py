"""Days and weeks by the clock of a time zone."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.alignment import Align, Run, parse_align, runs_over, source_timeframe
from history.candle_range import bucket_end_us
from history.exceptions import InvalidAlign
from history.timestamps import to_us
from marketdata.timeframes import Timeframe
from tests.history.brute_force import start_of

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NEW_YORK = Align("America/New_York", 17 * 60)
ZONES = [
    "America/New_York",
    "Europe/London",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "UTC",
]


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(f"{text}+00:00"))


def starts_over(align: Align, timeframe: Timeframe, first: str, last: str) -> list[int]:
    """All starts from the bucket of the first moment to the one after the last."""
    end_us = us(last)
    time_us = runs_over(align, timeframe, us(first), us(first))[0].floor_us(us(first))
    starts = [time_us]
    while starts[-1] <= end_us:
        starts.append(bucket_end_us(timeframe, align, starts[-1]))
    return starts


def test_parse_align_of_new_york_returns_zone_and_minute() -> None:
    align = parse_align("America/New_York@17:00")

    assert align == NEW_YORK
    assert str(align) == "America/New_York@17:00"


@pytest.mark.parametrize(
    "text",
    [
        "", "America/New_York", "America/New_York@", "America/New_York@17",
        "America/New_York@24:00", "America/New_York@7:00", "America/New_York@17:10",
        "America/New_York@17:00:00", "New York@17:00", "America@17:00", "@17:00",
        "../etc/passwd@17:00", "america/new_york@17:00", "EUR@17:00",
    ],
)  # fmt: skip
def test_parse_align_of_another_text_raises(text: str) -> None:
    with pytest.raises(InvalidAlign, match="expected an IANA time zone") as caught:
        parse_align(text)

    assert caught.value.code == "VALIDATION_ERROR"


def test_days_of_new_york_follow_both_changes_of_the_clocks() -> None:
    march = starts_over(NEW_YORK, Timeframe.D1, "2024-03-09T00:00", "2024-03-11T00:00")
    november = starts_over(
        NEW_YORK, Timeframe.D1, "2024-11-02T00:00", "2024-11-04T00:00"
    )

    # 23 hours, from Saturday to Sunday
    assert march == [
        us(f"2024-03-{text}:00") for text in ("08T22", "09T22", "10T21", "11T21")
    ]
    # 25 hours
    assert november == [
        us(f"2024-11-{text}:00") for text in ("01T21", "02T21", "03T22", "04T22")
    ]


def test_weeks_of_new_york_start_on_sunday_at_17() -> None:
    found = starts_over(NEW_YORK, Timeframe.W1, "2024-03-06T00:00", "2024-03-18T00:00")

    assert found == [
        us("2024-03-03T22:00"), us("2024-03-10T21:00"), us("2024-03-17T21:00"),
        us("2024-03-24T21:00"),
    ]  # fmt: skip


def test_weeks_of_a_morning_start_on_monday() -> None:
    align = parse_align("Asia/Tokyo@09:00")

    found = starts_over(align, Timeframe.W1, "2024-03-06T00:00", "2024-03-06T00:00")

    assert found == [us("2024-03-04T00:00"), us("2024-03-11T00:00")]


def test_runs_over_years_are_one_per_change_of_the_clocks() -> None:
    runs = runs_over(
        NEW_YORK, Timeframe.D1, us("2014-01-01T00:00"), us("2023-12-31T00:00")
    )

    assert len(runs) == 22
    assert runs[1] == Run(us("2014-03-09T21:00"), us("2014-11-01T21:00"), DAY_US)


def test_runs_over_a_zone_without_summer_end_with_the_next_start() -> None:
    align = parse_align("Asia/Tokyo@09:00")

    runs = runs_over(
        align, Timeframe.D1, us("2024-03-06T01:00"), us("2024-03-07T00:00")
    )

    assert [run.first_us for run in runs[1:]] == [us("2024-03-08T00:00")]
    assert runs[0].last_us == us("2024-03-07T00:00")


def test_day_that_a_zone_skipped_is_no_bucket() -> None:
    """Samoa had no 30 December 2011: it moved to the other side of the date line."""
    align = parse_align("Pacific/Apia@00:00")

    found = starts_over(align, Timeframe.D1, "2011-12-29T12:00", "2011-12-31T12:00")

    assert found == [
        us("2011-12-29T10:00"), us("2011-12-30T10:00"), us("2011-12-31T10:00"),
        us("2012-01-01T10:00"),
    ]  # fmt: skip


def test_start_that_the_clocks_skip_is_taken_by_the_offset_before() -> None:
    align = parse_align("America/New_York@02:30")

    found = starts_over(align, Timeframe.D1, "2024-03-09T12:00", "2024-03-10T12:00")

    assert found == [
        us("2024-03-09T07:30"), us("2024-03-10T07:30"), us("2024-03-11T06:30"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "timeframe", "expected"),
    [
        ("America/New_York@17:00", Timeframe.D1, Timeframe.H1),
        ("America/New_York@17:00", Timeframe.W1, Timeframe.H1),
        ("UTC@00:00", Timeframe.D1, Timeframe.H12),
        ("UTC@08:00", Timeframe.D1, Timeframe.H4),
        ("Asia/Tokyo@09:00", Timeframe.D1, Timeframe.H12),
        ("Asia/Kolkata@09:15", Timeframe.D1, Timeframe.M15),
        ("Asia/Kathmandu@00:00", Timeframe.D1, Timeframe.M15),
        # 20:00 UTC in winter, which 4h would do for, and 19:00 in summer.
        ("Europe/London@20:00", Timeframe.D1, Timeframe.H1),
    ],
)
def test_source_timeframe_is_the_largest_that_straddles_no_start(
    text: str, timeframe: Timeframe, expected: Timeframe
) -> None:
    align = parse_align(text)
    time_us = us("2024-01-15T00:00")
    runs = runs_over(align, timeframe, time_us, time_us)

    assert source_timeframe(align, timeframe, runs) is expected


@given(
    zone=st.sampled_from(ZONES),
    # Clocks change between 0 and 4 in the morning, where starts may be told twice.
    quarter=st.integers(20, 92),
    timeframe=st.sampled_from([Timeframe.D1, Timeframe.W1]),
    time_us=st.integers(us("1975-01-01T00:00"), us("2037-01-01T00:00")),
)
def test_floor_and_end_of_any_moment_equal_brute_force(
    zone: str, quarter: int, timeframe: Timeframe, time_us: int
) -> None:
    align = Align(zone, quarter * 15)
    start = start_of(timeframe, align)

    runs = runs_over(align, timeframe, time_us, time_us)
    found_us = runs[0].floor_us(time_us)
    end_us = bucket_end_us(timeframe, align, time_us)

    assert found_us == start(time_us)
    assert start(end_us) == end_us
    assert start(end_us - 1) == found_us
    length_us = source_timeframe(align, timeframe, runs).length_s * 1_000_000
    assert found_us % length_us == 0
