"""The forex week in UTC, over both changes of New York's clocks."""

import pytest

from importer.hours import parse_range
from marketdata import durations
from marketdata.catalog import InstrumentType
from marketdata.market_calendar import is_closed, open_spans
from tests.importer.bi5_files import DAY_US, HOUR_US, candles_of

FUTURE_US = 4_000_000_000_000_000


def closed_hours(instrument_type, first, last):
    hours = parse_range(first, last, now_us=FUTURE_US).hours()
    return [hour_us for hour_us in hours if is_closed(instrument_type, hour_us)]


def hour_of(text):
    return parse_range(text, text, now_us=FUTURE_US).start_us


@pytest.mark.parametrize(
    ("first_closed", "first_open"),
    [
        ("2019-02-01T22", "2019-02-03T22"),  # winter
        ("2019-07-05T21", "2019-07-07T21"),  # summer
        ("2019-03-08T22", "2019-03-10T21"),  # clocks go forward on the Sunday
        ("2019-11-01T21", "2019-11-03T22"),  # and back
        ("2019-03-15T21", "2019-03-17T21"),  # New York has moved, London has not
    ],
)
def test_is_closed_from_friday_to_sunday_17_in_new_york(first_closed, first_open):
    start_us, end_us = hour_of(first_closed), hour_of(first_open)
    monday, friday = start_us - 5 * 24 * HOUR_US, end_us + 5 * 24 * HOUR_US

    for kind in (InstrumentType.FOREX, InstrumentType.METAL):
        assert [
            hour_us
            for hour_us in range(monday + 6 * HOUR_US, friday - 6 * HOUR_US, HOUR_US)
            if is_closed(kind, hour_us)
        ] == list(range(start_us, end_us, HOUR_US))


def test_is_closed_for_47_hours_in_spring_and_49_in_autumn():
    spring = closed_hours(InstrumentType.FOREX, "2019-03-04", "2019-03-11")
    autumn = closed_hours(InstrumentType.FOREX, "2019-10-28", "2019-11-04")

    assert (len(spring), len(autumn)) == (47, 49)


def test_is_closed_never_for_crypto():
    assert closed_hours(InstrumentType.CRYPTO, "2019-01-01", "2019-12-31") == []


def test_is_closed_agrees_with_the_flat_candles_of_a_real_friday():
    candles = candles_of("BID", "2019-03-15")
    day_us = hour_of("2019-03-15T00")

    flat_hours = {
        int(second) // 3_600 for second in candles["s"][candles["volume"] == 0]
    }

    assert flat_hours == {21, 22, 23}
    assert flat_hours == {
        hour
        for hour in range(24)
        if is_closed(InstrumentType.FOREX, day_us + hour * HOUR_US)
    }


def test_is_closed_on_a_monday_is_false():
    assert not is_closed(InstrumentType.FOREX, DAY_US)


def spans_of(start, end, instrument_type=InstrumentType.FOREX):
    return open_spans(instrument_type, hour_of(start), hour_of(end))


def test_open_spans_leaves_out_week_ends():
    assert spans_of("2019-02-01T20", "2019-02-11T02") == [
        (hour_of("2019-02-01T20"), hour_of("2019-02-01T22")),
        (hour_of("2019-02-03T22"), hour_of("2019-02-08T22")),
        (hour_of("2019-02-10T22"), hour_of("2019-02-11T02")),
    ]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2019-02-01T22", "2019-02-03T22", []),
        ("2019-02-02T09", "2019-02-03T01", []),
        ("2019-02-03T21", "2019-02-03T23", [("2019-02-03T22", "2019-02-03T23")]),
        ("2019-02-01T21", "2019-02-02T05", [("2019-02-01T21", "2019-02-01T22")]),
        ("2019-02-05T00", "2019-02-07T00", [("2019-02-05T00", "2019-02-07T00")]),
        ("2019-02-05T00", "2019-02-05T00", []),
    ],
)
def test_open_spans_around_a_week_end(start, end, expected):
    assert spans_of(start, end) == [(hour_of(a), hour_of(b)) for a, b in expected]


def test_open_spans_of_crypto_is_the_whole():
    start, end = "2019-02-01T20", "2019-02-11T02"

    assert spans_of(start, end, InstrumentType.CRYPTO) == [
        (hour_of(start), hour_of(end))
    ]


@pytest.mark.parametrize("first", ["2019-03-04", "2019-07-01", "2019-10-28"])
def test_open_spans_agrees_with_is_closed(first):
    start_us = hour_of(first + "T00")
    spans = open_spans(InstrumentType.FOREX, start_us, start_us + 14 * durations.DAY_US)

    for hour_us in range(start_us, start_us + 14 * durations.DAY_US, durations.HOUR_US):
        is_open = any(start <= hour_us < end for start, end in spans)
        assert is_open is not is_closed(InstrumentType.FOREX, hour_us)
