import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.candle_bodies import candle_bodies, full_candle_bodies, rounding
from marketdata.timeframes import Timeframe

HOUR_US = 3_600_000_000


class Row(msgspec.Struct):
    time_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    ticks: int = 1
    rev: int = 0


@pytest.mark.parametrize(
    ("price", "decimals", "rounded"),
    [
        (1.1000500000000002, 5, 1.10005),
        (1.1000549, 5, 1.100055),
        (1.23456789, 5, 1.234568),
        (156.5005, 3, 156.5005),
        (42_000.0, 2, 42_000.0),
        (0.0, 5, 0.0),
        (-37.63, 2, -37.63),
        (0.00001234, 8, 0.00001234),
        (1e-10, 5, 0.0),
        (123_456_789_012.25, 12, 123_456_789_012.25),
        (1e300, 5, 1e300),
    ],
)
def test_rounding_keeps_one_decimal_more_than_the_instrument(price, decimals, rounded):
    assert rounding(decimals)(price) == rounded


@given(st.integers(0, 10**9), st.integers(0, 12))
def test_rounding_of_whole_points_is_the_float_of_their_text(points, decimals):
    digits = decimals + 1
    text = f"{points:0{digits + 1}d}"
    price = float(f"{text[:-digits]}.{text[-digits:]}")

    assert rounding(decimals)(price) == price
    assert rounding(decimals)(price + price * 2**-52) == price


def test_candle_bodies_are_seconds_and_rounded_prices_in_order():
    rows = [
        Row(7 * HOUR_US, 1.1000500000000002, 1.2, 1.0, 1.1000549),
        Row(8 * HOUR_US, 1.5, 1.5, 1.5, 1.5),
    ]

    body = msgspec.json.encode(candle_bodies(rows, 5))

    assert body == (
        b'[{"time":25200,"open":1.10005,"high":1.2,"low":1.0,"close":1.100055},'
        b'{"time":28800,"open":1.5,"high":1.5,"low":1.5,"close":1.5}]'
    )


def test_full_candle_bodies_say_which_bucket_is_still_open():
    rows = [
        Row(7 * HOUR_US, 1.0, 1.0, 1.0, 1.0, 2.5, 3, 1),
        Row(8 * HOUR_US, 1.0, 1.0, 1.0, 1.0, 0.5, 1, 0),
    ]

    body = full_candle_bodies(rows, 5, timeframe=Timeframe.H1, now_us=8 * HOUR_US)

    assert msgspec.to_builtins(body) == [
        {
            "time": 25_200,
            "open": 1.0,
            "high": 1.0,
            "low": 1.0,
            "close": 1.0,
            "volume": 2.5,
            "ticks": 3,
            "complete": True,
            "rev": 1,
        },
        {
            "time": 28_800,
            "open": 1.0,
            "high": 1.0,
            "low": 1.0,
            "close": 1.0,
            "volume": 0.5,
            "ticks": 1,
            "complete": False,
            "rev": 0,
        },
    ]
