"""Rates of counts over the last seconds."""

import pytest

from marketdata.rate_meter import RateMeter


def test_rate_before_the_second_sample_is_zero() -> None:
    meter = RateMeter()
    meter.sample(100.0, 500)

    assert meter.per_s() == 0.0


def test_rate_is_of_the_window_and_of_each_count() -> None:
    meter = RateMeter(window_s=10.0)
    for second in range(31):
        # 100 a second at first, 5 a second in the last ten.
        meter.sample(second, 100 * min(second, 20) + 5 * max(0, second - 20), second)

    assert meter.per_s(0) == 5.0
    assert meter.per_s(1) == 1.0


def test_rate_with_rare_samples_is_of_the_last_two() -> None:
    meter = RateMeter(window_s=10.0)
    for second, count in ((0.0, 0), (60.0, 6_000), (120.0, 6_060)):
        meter.sample(second, count)

    assert meter.per_s() == pytest.approx(1.0)
