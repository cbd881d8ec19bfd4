import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.candle_bodies import candle_values, round_prices

HOUR_US = 3_600_000_000


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
def test_round_prices_keeps_one_decimal_more_than_the_instrument(
    price, decimals, rounded
):
    assert round_prices(np.array([price]), decimals).tolist() == [rounded]


@given(st.integers(0, 10**9), st.integers(0, 12))
def test_round_prices_of_whole_points_is_the_float_of_their_text(points, decimals):
    digits = decimals + 1
    text = f"{points:0{digits + 1}d}"
    price = float(f"{text[:-digits]}.{text[-digits:]}")

    near = np.array([price, price + price * 2**-52])

    assert round_prices(near, decimals).tolist() == [price, price]


def test_candle_values_are_seconds_and_rounded_prices_and_the_rest_as_it_is():
    columns = [
        np.array([7 * HOUR_US, 8 * HOUR_US]),
        *(np.array([1.1000500000000002, 1.5]) for _ in range(4)),
        np.array([2.5, 0.1 + 0.2]),
        np.array([3, 1]),
        np.array([True, False]),
    ]

    values = candle_values(columns, 5)

    assert values[0] == [25_200, 28_800]
    assert values[1:5] == [[1.10005, 1.5]] * 4
    assert values[5:] == [[2.5, 0.30000000000000004], [3, 1], [True, False]]
    assert type(values[0][0]) is int
    assert type(values[7][0]) is bool


def test_candle_values_of_nothing_are_empty():
    assert candle_values([np.empty(0)] * 5, 5) == [[]] * 5
