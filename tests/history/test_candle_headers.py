from datetime import UTC, datetime

import pytest

from history.candle_headers import cache_control, empty_range_headers
from marketdata.timeframes import STORED, Timeframe

HOUR_US = 3_600_000_000
NOW_US = 1000 * HOUR_US + 1


@pytest.mark.parametrize(
    ("timeframe", "age_s"),
    list(zip(STORED, (60, 300, 600, 1800, 3600, 3600), strict=True)),
)
def test_cache_control_of_closed_range_is_server_a_table(timeframe, age_s):
    assert cache_control(timeframe, 0, NOW_US) == f"public, max-age={age_s}"


@pytest.mark.parametrize(
    ("end_us", "header"),
    [
        (999 * HOUR_US, "public, max-age=1800"),
        (1000 * HOUR_US - 1, "public, max-age=1800"),
        (1000 * HOUR_US, "no-cache"),
        (2000 * HOUR_US, "no-cache"),
    ],
)
def test_cache_control_of_range_that_touches_the_open_bucket_is_no_cache(
    end_us, header
):
    assert cache_control(Timeframe.H1, end_us, NOW_US) == header


def test_empty_range_headers_say_what_there_is():
    headers = empty_range_headers(
        datetime(2024, 1, 2, tzinfo=UTC),
        datetime(2024, 1, 2, 1, 56, 33, 123_999, tzinfo=UTC),
    )

    assert headers == {
        "X-Data-Available": "false",
        "X-Available-From": "2024-01-02T00:00:00.000Z",
        "X-Available-To": "2024-01-02T01:56:33.123Z",
        "Warning": '199 - "No data available for requested date range. Check '
        'X-Available-From and X-Available-To headers for available data range."',
        "Cache-Control": "no-cache",
    }
