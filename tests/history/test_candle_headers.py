import pytest

from history.candle_headers import cache_control
from history.candle_range import CandleRange
from marketdata.timeframes import STORED, PriceSide, Timeframe

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
NOW_US = 1000 * HOUR_US + 1


def control(
    end_us, timeframe=Timeframe.H1, *, now_us=NOW_US, pending=False, immutable=False
):
    wanted = CandleRange(timeframe, PriceSide.MID, 0, end_us)
    return cache_control(wanted, now_us, is_pending=pending, is_immutable=immutable)


@pytest.mark.parametrize(
    ("timeframe", "age_s"),
    [
        *zip(STORED, (60, 300, 600, 1800, 3600, 3600), strict=True),
        (Timeframe.D1, 600),
    ],
)
def test_cache_control_of_closed_range_is_server_a_table(timeframe, age_s):
    assert control(0, timeframe) == f"public, max-age={age_s}"


@pytest.mark.parametrize(
    ("end_us", "header"),
    [
        (999 * HOUR_US - 1, "public, max-age=1800"),
        (1000 * HOUR_US, "no-cache"),
        (2000 * HOUR_US, "no-cache"),
    ],
)
def test_cache_control_of_range_that_touches_the_open_bucket_is_no_cache(
    end_us, header
):
    assert control(end_us) == header


@pytest.mark.parametrize(
    ("age_us", "header"),
    [
        (0, "no-cache"),
        (MINUTE_US - 1, "no-cache"),
        (MINUTE_US, "public, max-age=1800"),
    ],
)
def test_cache_control_of_range_just_closed_is_no_cache_for_a_minute(age_us, header):
    assert control(1000 * HOUR_US - 1, now_us=1000 * HOUR_US + age_us) == header


def test_cache_control_of_range_with_pending_changes_is_no_cache():
    assert control(0, pending=True, immutable=True) == "no-cache"


def test_cache_control_of_named_version_is_immutable_unless_the_range_is_open():
    assert control(0, immutable=True) == "public, max-age=31536000, immutable"
    assert control(2000 * HOUR_US, immutable=True) == "no-cache"
