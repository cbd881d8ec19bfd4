"""What a refresh makes of records: prices, volumes, and the order of an instant."""

import math

import numpy as np
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from history.candle_refresh import refresh_candles
from history.changed_ranges import note_changed_ranges
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.storage import (
    FAR_US,
    HOUR_US,
    SECOND_US,
    T0_US,
    TICK_SIDES,
    assert_candles_match,
    make_series,
    random_ticks,
    store,
    stored_candles,
    tick_columns,
    trade_columns,
    versions,
)

pytestmark = pytest.mark.django_db

NAN = float("nan")


def note(series_id: int, start_us: int, end_us: int, due_us: int = 0) -> None:
    with connection.cursor() as cursor:
        note_changed_ranges(cursor, [(series_id, start_us, end_us, due_us)])


def test_refresh_candles_opens_and_closes_by_time_and_seq() -> None:
    series_id = make_series()
    rows = [
        (T0_US + 5, 2, 3.0, 3.5, 1.0, 2.0),
        (T0_US + 5, 0, 1.0, 1.5, 1.0, 2.0),
        (T0_US + 5, 1, 2.0, 2.5, 1.0, 2.0),
    ]
    store(tick_columns(series_id, rows))

    refresh_candles(now_us=FAR_US)

    for timeframe in STORED:
        assert stored_candles(series_id, timeframe, PriceSide.ASK) == {
            T0_US: (1.5, 3.5, 1.5, 3.5, 6.0, 3)
        }


def test_refresh_candles_counts_unknown_sizes_as_zero() -> None:
    series_id = make_series()
    rows = [(T0_US, 0, 1.0, 1.5, NAN, NAN), (T0_US, 1, 2.0, 2.5, 3.0, NAN)]
    store(tick_columns(series_id, rows))

    refresh_candles(now_us=FAR_US)

    volumes = [
        stored_candles(series_id, Timeframe.M1, side)[T0_US][4] for side in TICK_SIDES
    ]
    assert volumes == [3.0, 3.0, 0.0]


def test_refresh_candles_of_trades_orders_by_seq_not_by_trade_id() -> None:
    series_id = make_series()
    trades = trade_columns(
        series_id, [(T0_US, 9, 1, 5.0, 0.1), (T0_US, 7, 2, 4.0, 0.2)]
    )
    ticks = random_ticks(series_id, T0_US, T0_US + HOUR_US, 50)
    store(trades)
    store(ticks)

    refresh_candles(now_us=FAR_US)

    candle = stored_candles(series_id, Timeframe.M1, PriceSide.TRADE)[T0_US]
    assert candle[:4] == (5.0, 5.0, 4.0, 4.0)
    assert_candles_match(series_id, [trades, ticks])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [0, 1, 59_999, 60_000, 300_000, 43_199_999, 43_200_000]
                ),
                st.integers(0, 9),
                st.integers(1, 50),
                st.one_of(st.just(NAN), st.integers(1, 9).map(float)),
            ),
            min_size=1,
            max_size=12,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_refresh_candles_of_ties_in_any_order_equals_brute_force(batches) -> None:
    """Several ticks in one instant, inserted in any order, some of them again."""
    example = transaction.savepoint()
    series_id = make_series()
    kept: dict[tuple[int, int], tuple] = {}
    for batch in batches:
        rows = {}
        for ms, seq, price, size in batch:
            key = T0_US + ms * 1000, seq
            rows.setdefault(key, (*key, price / 7, price / 7 + 0.1, size, size))
        for key, row in rows.items():
            kept.setdefault(key, row)
        store(tick_columns(series_id, rows.values()))
        refresh_candles(now_us=FAR_US)

    assert_candles_match(series_id, [tick_columns(series_id, kept.values())])
    transaction.savepoint_rollback(example)


def test_mid_is_the_exact_mean_of_bid_and_ask() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [(T0_US, 0, 1.14543, 1.14546, 1.0, 1.0)]))

    refresh_candles(now_us=FAR_US)

    candle = stored_candles(series_id, Timeframe.H12, PriceSide.MID)[T0_US]
    assert candle[0] == (1.14543 + 1.14546) / 2
    assert math.isclose(candle[0], 1.145445, abs_tol=1e-15)
    assert np.isfinite(candle[4])


def test_volumes_that_differ_by_the_order_of_summing_count_as_equal() -> None:
    series_id = make_series()
    rows = [
        (T0_US + i * SECOND_US, i, 1.0, 2.0, size, size)
        for i, size in enumerate([0.1, 0.2, 0.3, 1e9, 0.7])
    ]
    store(tick_columns(series_id, rows))
    refresh_candles(now_us=FAR_US)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE candles_1m SET volume = volume * (1 + 1e-15)")
    note(series_id, T0_US, T0_US + 1)

    report = refresh_candles(now_us=FAR_US)

    assert report.candles_written == 0


def test_volume_alone_that_differs_is_written() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [(T0_US, 0, 1.0, 2.0, 1.0, 1.0)]))
    refresh_candles(now_us=FAR_US)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ticks SET ask_size = 1.001 WHERE time = to_timestamp(%s)",
            [T0_US // SECOND_US],
        )
    note(series_id, T0_US, T0_US + 1)

    refresh_candles(now_us=FAR_US)

    for timeframe in STORED:
        candle = stored_candles(series_id, timeframe, PriceSide.ASK)[T0_US]
        assert candle == (2.0, 2.0, 2.0, 2.0, 1.001, 1)
        revs = {side: rev for (_, side, _), (_, rev) in versions(timeframe).items()}
        assert revs == {0: 0, 1: 0, 2: 1}
