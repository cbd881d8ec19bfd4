"""Reads of candles: stored rows, and the live tail before any refresh."""

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from history.candle_range import CandleRange
from history.candle_refresh import refresh_candles
from history.candle_rows import CandleRow
from history.changed_ranges import note_changed_ranges
from history.tick_store import delete_imported_ticks
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.reads import select_candles
from tests.history.storage import (
    DAY_US,
    FAR_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    T0_US,
    TICK_SIDES,
    Candles,
    assert_same_candles,
    candles_of,
    make_series,
    priced,
    random_ticks,
    store,
    tick_columns,
    trade_columns,
)

pytestmark = pytest.mark.django_db

# In the middle of a bucket of every timeframe.
NOW_US = T0_US + 7 * HOUR_US + 23 * MINUTE_US + 17 * SECOND_US


def read(
    series_id: int,
    timeframe: Timeframe,
    side: PriceSide = PriceSide.MID,
    *,
    start_us: int = T0_US - DAY_US,
    end_us: int = T0_US + DAY_US,
    now_us: int = NOW_US,
) -> Candles:
    wanted = CandleRange(timeframe, side, start_us, end_us)
    rows = select_candles(series_id, wanted, now_us)
    assert [row.time_us for row in rows] == sorted({row.time_us for row in rows})
    return {
        row.time_us: (row.open, row.high, row.low, row.close, row.volume, row.ticks)
        for row in rows
    }


def test_read_candles_returns_stored_rows_both_ends_included() -> None:
    series_id = make_series()
    columns = random_ticks(series_id, T0_US, T0_US + HOUR_US, 2_000)
    store(columns)
    refresh_candles(now_us=FAR_US)

    wanted = CandleRange(
        Timeframe.M5, PriceSide.BID, T0_US + 5 * MINUTE_US, T0_US + 15 * MINUTE_US
    )
    rows = select_candles(series_id, wanted, FAR_US)

    expected = candles_of(priced(columns, PriceSide.BID), Timeframe.M5)
    starts = [T0_US + minutes * MINUTE_US for minutes in (5, 10, 15)]
    assert [row.time_us for row in rows] == starts
    assert rows[0] == CandleRow(
        starts[0],
        *expected[starts[0]][:4],
        rows[0].volume,
        expected[starts[0]][5],
        complete=True,
        rev=0,
    )


def test_read_candles_starts_at_the_first_bucket_that_starts_in_the_range() -> None:
    series_id = make_series()
    store(random_ticks(series_id, T0_US, T0_US + HOUR_US, 2_000))
    refresh_candles(now_us=FAR_US)

    found = read(
        series_id, Timeframe.M15, start_us=T0_US + 1, end_us=T0_US + HOUR_US - 1
    )

    assert list(found) == [T0_US + minutes * MINUTE_US for minutes in (15, 30, 45)]


@pytest.mark.parametrize("timeframe", STORED)
def test_read_candles_before_any_refresh_of_the_tail_equals_brute_force(
    timeframe: Timeframe,
) -> None:
    series_id = make_series()
    past = random_ticks(series_id, T0_US - 3 * HOUR_US, NOW_US - 6 * MINUTE_US, 3_000)
    live = random_ticks(series_id, NOW_US - 6 * MINUTE_US, NOW_US, 300, seed=20)
    store(past)
    refresh_candles(now_us=FAR_US)
    store(live)

    for side in TICK_SIDES:
        rows = priced(past, side) + priced(live, side)
        assert_same_candles(
            read(series_id, timeframe, side), candles_of(rows, timeframe)
        )


@pytest.mark.parametrize("timeframe", STORED)
def test_read_candles_of_unrefreshed_trades_equals_brute_force(
    timeframe: Timeframe,
) -> None:
    series_id = make_series()
    past = trade_columns(series_id, [(NOW_US - HOUR_US, 1, 1, 5.0, 1.0)])
    store(past)
    refresh_candles(now_us=FAR_US)
    live = trade_columns(
        series_id, [(NOW_US - 5, 9, 2, 6.0, 0.5), (NOW_US - 5, 8, 3, 4.0, 0.25)]
    )
    store(live)

    rows = priced(past, PriceSide.TRADE) + priced(live, PriceSide.TRADE)
    found = read(series_id, timeframe, PriceSide.TRADE)

    assert_same_candles(found, candles_of(rows, timeframe))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    refreshed=st.integers(0, 10),
    timeframe=st.sampled_from(STORED),
    now_us=st.integers(T0_US, T0_US + DAY_US),
    seed=st.integers(0, 99),
)
def test_read_candles_at_any_moment_equals_brute_force(
    refreshed: int, timeframe: Timeframe, now_us: int, seed: int
) -> None:
    """Minutes of the last ten, of which some were refreshed and changed again."""
    example = transaction.savepoint()
    series_id = make_series()
    start_us = Timeframe.M1.floor_us(now_us) - 10 * MINUTE_US
    first = random_ticks(series_id, start_us - HOUR_US, now_us, 400, seed=seed)
    store(first)
    refresh_candles(now_us=FAR_US)
    middle_us = start_us + refreshed * MINUTE_US
    second = random_ticks(
        series_id, middle_us, middle_us + MINUTE_US, 30, seed=seed + 100
    )
    store(second)

    rows = priced(first, PriceSide.MID) + priced(second, PriceSide.MID)
    found = read(series_id, timeframe, now_us=now_us)

    assert_same_candles(found, candles_of(rows, timeframe))
    transaction.savepoint_rollback(example)


def test_read_candles_of_a_minute_that_lost_its_records_has_no_candle() -> None:
    series_id = make_series()
    minute_us = NOW_US - NOW_US % MINUTE_US - MINUTE_US
    rows = [
        (minute_us - MINUTE_US, 0, 1.0, 2.0, 1.0, 1.0),
        (minute_us, 0, 5.0, 6.0, 1.0, 1.0),
    ]
    store(tick_columns(series_id, rows))
    refresh_candles(now_us=FAR_US)
    delete_imported_ticks(connection.connection, series_id, minute_us, NOW_US)
    with connection.cursor() as cursor:
        note_changed_ranges(cursor, [(series_id, minute_us, NOW_US, 0)])

    assert list(read(series_id, Timeframe.M1)) == [minute_us - MINUTE_US]
    assert list(read(series_id, Timeframe.H12).values()) == [
        (1.5, 1.5, 1.5, 1.5, 1.0, 1)
    ]


def test_read_candles_leaves_minutes_older_than_the_tail_to_the_refresh() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [(NOW_US - HOUR_US, 0, 1.0, 2.0, 1.0, 1.0)]))

    assert read(series_id, Timeframe.H1) == {}


def test_read_candles_keeps_the_rev_of_a_stored_candle_in_the_tail() -> None:
    series_id = make_series()
    for seq in range(3):
        store(tick_columns(series_id, [(NOW_US, seq, 1.0 + seq, 9.0, 1.0, 1.0)]))
        if seq < 2:
            refresh_candles(now_us=FAR_US)

    wanted = CandleRange(Timeframe.M5, PriceSide.BID, T0_US, NOW_US)
    (row,) = select_candles(series_id, wanted, NOW_US)

    assert (row.close, row.ticks, row.rev) == (3.0, 3, 1)


@pytest.mark.parametrize("now_us", [NOW_US, NOW_US + DAY_US])
def test_read_candles_is_one_statement(now_us: int, django_assert_num_queries) -> None:
    series_id = make_series()

    with django_assert_num_queries(1):
        read(series_id, Timeframe.H1, end_us=NOW_US, now_us=now_us)


def test_read_candles_of_an_open_12h_bucket_reads_no_ticks_but_the_tails() -> None:
    series_id = make_series()
    past = random_ticks(series_id, T0_US, NOW_US - 2 * MINUTE_US, 20_000)
    store(past)
    refresh_candles(now_us=FAR_US)
    tail_start_us = Timeframe.M1.floor_us(NOW_US - 2 * MINUTE_US)
    in_tail_minutes = int((past.time_us >= tail_start_us).sum())
    tail = random_ticks(series_id, NOW_US - 2 * MINUTE_US, NOW_US, 50, seed=500)
    store(tail)
    plans = []

    def explain(execute, sql, params, many, context):
        if "candles_12h" in sql:
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                plans.append(cursor.fetchone()[0])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        read(series_id, Timeframe.H12)

    (plan,) = plans
    # The plan states the mean of the three minutes, rounded.
    rows = tick_rows_read(plan[0]["Plan"])
    assert rows == pytest.approx(50 + in_tail_minutes, abs=3)


def tick_rows_read(node: dict) -> float:
    """Rows that scans of ticks read, those included that a filter removed."""
    rows = sum(tick_rows_read(child) for child in node.get("Plans", []))
    if "ticks_pkey" in node.get("Index Name", ""):
        read_rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        rows += read_rows * node["Actual Loops"]
    return rows
