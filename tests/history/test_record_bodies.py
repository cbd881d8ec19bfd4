import numpy as np
from msgspec import UNSET

from history.record_bodies import tick_values, trade_values


def test_tick_values_are_ms_and_rounded_prices_and_sizes_where_known():
    values = tick_values(
        [
            np.array([1_000_999, 2_000_000]),
            np.array([1.1000500000000002, 1.2]),
            np.array([1.1001, 1.3]),
            np.array([np.nan, 2.5]),
            np.array([1.0, 0.0]),
        ],
        5,
    )

    assert values == [
        [1_000, 2_000],
        [1.10005, 1.2],
        [1.1001, 1.3],
        [UNSET, 2.5],
        [1.0, 0.0],
    ]


def test_trade_values_name_the_side():
    values = trade_values(
        [
            np.array([1_000, 2_000, 3_000]),
            np.array([10.0, 11.0, 12.0]),
            np.array([1.0, 2.0, 3.0]),
            np.array([1, -1, 0]),
            np.array([7, 8, 9]),
        ],
        2,
    )

    assert values[0] == [1, 2, 3]
    assert values[3] == ["buy", "sell", UNSET]
    assert values[4] == [7, 8, 9]
