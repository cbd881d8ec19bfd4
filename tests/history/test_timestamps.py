"""Microseconds and datetimes."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from history.timestamps import to_datetime, to_us


def test_to_datetime_is_aware_and_exact() -> None:
    moment = to_datetime(1_704_153_600_123_457)

    assert moment == datetime(2024, 1, 2, 0, 0, 0, 123_457, UTC)
    assert moment.tzinfo is UTC


@given(st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000))
def test_to_us_returns_what_to_datetime_was_given(time_us: int) -> None:
    assert to_us(to_datetime(time_us)) == time_us
