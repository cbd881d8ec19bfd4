"""Ranges of hours from texts."""

import pytest

from importer.exceptions import InvalidRange
from importer.hours import (
    HourRange,
    hour_argument,
    hour_text,
    last_days,
    parse_range,
)
from tests.importer.bi5_files import DAY_US, HOUR_US

LATER_US = DAY_US + 10 * 24 * HOUR_US


def test_parse_range_of_one_day_has_its_24_hours():
    hours = parse_range("2019-02-04", "2019-02-04", now_us=LATER_US)

    assert hours == HourRange(DAY_US, DAY_US + 24 * HOUR_US)
    assert len(hours) == 24
    assert hours.hours()[-1] == DAY_US + 23 * HOUR_US


def test_parse_range_includes_both_days():
    hours = parse_range("2019-02-03", "2019-02-05", now_us=LATER_US)

    assert len(hours) == 72
    assert [len(day) for day in hours.days()] == [24, 24, 24]


def test_parse_range_of_hours_includes_both():
    hours = parse_range("2019-02-04T22", "2019-02-05T01", now_us=LATER_US)

    assert [hour_text(hour_us) for hour_us in hours.hours()] == [
        "2019-02-04 22h",
        "2019-02-04 23h",
        "2019-02-05 00h",
        "2019-02-05 01h",
    ]
    assert [len(day) for day in hours.days()] == [2, 2]


def test_parse_range_up_to_today_leaves_the_running_hour_out():
    now_us = DAY_US + 5 * HOUR_US + 1

    assert len(parse_range("2019-02-04", "2019-02-04", now_us=now_us)) == 5
    assert len(parse_range("2019-02-04", "2019-12-31", now_us=now_us)) == 5


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (
            "2019-02-05",
            "2019-02-04",
            "expected a last day from 2019-02-05 on, found 2019-02-04",
        ),
        (
            "2019-02-30",
            "2019-03-04",
            "expected a day as YYYY-MM-DD, found '2019-02-30'",
        ),
        ("yesterday", "today", "expected a day as YYYY-MM-DD, found 'yesterday'"),
        ("2019-02-04", "", "expected a day as YYYY-MM-DD, found ''"),
        (
            "2019-02-04T24",
            "2019-02-05",
            "expected a day as YYYY-MM-DD, found '2019-02-04T24'",
        ),
        ("1969-12-31", "1970-01-01", "expected a day from 1970 on, found '1969-12-31'"),
        (
            "2019-03-01",
            "2019-03-02",
            "expected hours that ended by 2019-02-14 00h UTC, found 2019-03-01",
        ),
    ],
)
def test_parse_range_of_no_range_says_what_was_expected(first, last, message):
    with pytest.raises(InvalidRange) as caught:
        parse_range(first, last, now_us=LATER_US)

    assert str(caught.value) == message


def test_last_days_end_with_the_last_whole_hour():
    hours = last_days(2, now_us=DAY_US + 3 * HOUR_US + 7)

    assert hours == HourRange(DAY_US - 45 * HOUR_US, DAY_US + 3 * HOUR_US)
    assert [len(day) for day in hours.days()] == [21, 24, 3]


@pytest.mark.parametrize("days", [0, -1, 40_000])
def test_last_days_of_no_days_raises(days):
    with pytest.raises(InvalidRange, match=f"expected 1 to 17931 days, found {days}"):
        last_days(days, now_us=DAY_US)


def test_hour_argument_is_read_back_by_parse_range():
    text = hour_argument(DAY_US + HOUR_US)

    hours = parse_range(text, text, now_us=LATER_US)

    assert text == "2019-02-04T01"
    assert hours == HourRange(DAY_US + HOUR_US, DAY_US + 2 * HOUR_US)
