from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.timeframes import STORED, Timeframe


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("timeframe", "start"),
    [
        (Timeframe.S1, "2024-01-03T13:47:59"),
        (Timeframe.M1, "2024-01-03T13:47:00"),
        (Timeframe.M5, "2024-01-03T13:45:00"),
        (Timeframe.M15, "2024-01-03T13:45:00"),
        (Timeframe.M30, "2024-01-03T13:30:00"),
        (Timeframe.H1, "2024-01-03T13:00:00"),
        (Timeframe.H4, "2024-01-03T12:00:00"),
        (Timeframe.H12, "2024-01-03T12:00:00"),
        (Timeframe.D1, "2024-01-03T00:00:00"),
        (Timeframe.W1, "2024-01-01T00:00:00"),
    ],
)
def test_floor_us_returns_the_start_of_the_bucket(timeframe, start):
    assert timeframe.floor_us(us("2024-01-03T13:47:59") + 999_999) == us(start)


@given(st.sampled_from(Timeframe), st.integers(-(2**52), 2**52))
def test_floor_us_is_stable_and_less_than_a_length_away(timeframe, time_us):
    start_us = timeframe.floor_us(time_us)

    assert timeframe.floor_us(start_us) == start_us
    assert 0 <= time_us - start_us < timeframe.length_s * 1_000_000


def test_each_stored_timeframe_divides_the_next():
    lengths = [item.length_s for item in STORED]

    assert all(
        larger % smaller == 0
        for smaller, larger in zip(lengths, lengths[1:], strict=False)
    )
    assert [item.value for item in STORED] == [
        "1m", "5m", "15m", "1h", "4h", "12h",
    ]  # fmt: skip
