"""COMPAT.md's checks 36, 38 and 39; 37 is test_candle_properties, 40 test_live_path.

How long metadata and refreshes take with much stored is measured by benchmarks/metadata
and benchmarks/refresh_cost.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from history.candle_refresh import refresh_candles
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.storage import (
    DAY_US,
    FAR_US,
    MINUTE_US,
    T0_US,
    TICK_SIDES,
    Candles,
    assert_same_candles,
    make_series,
    random_ticks,
    store,
    stored_candles,
    tick_columns,
    trade_columns,
)

PATIENCE_MS = 2_000  # of a reader that a lock would stop


def columns_of_key(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT attname
            FROM pg_index
            JOIN pg_attribute
              ON attrelid = indrelid AND attnum = ANY(indkey)
            WHERE indrelid = %s::regclass AND indisprimary
            ORDER BY array_position(indkey::int[], attnum::int)
            """,
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.django_db
def test_compat_check_36_ticks_and_trades_are_hypertables_with_one_key() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT hypertable_name FROM timescaledb_information.hypertables"
        )
        hypertables = {name for (name,) in cursor.fetchall()}

    assert {"ticks", "trades"} <= hypertables
    assert columns_of_key("ticks") == ["series_id", "time", "seq"]
    assert columns_of_key("trades") == ["series_id", "time", "trade_id"]


@pytest.mark.django_db
def test_compat_check_36_records_of_one_instant_are_all_kept() -> None:
    series_id = make_series()

    ticks = store(
        tick_columns(series_id, [(T0_US, i, 1.1, 1.2, 1.0, 1.0) for i in range(9)])
    )
    trades = store(
        trade_columns(series_id, [(T0_US, i, i, 1.1, 1.0) for i in range(9)])
    )

    assert (ticks, trades) == (9, 9)
    for side in PriceSide:
        assert stored_after_refresh(series_id, Timeframe.M1, side)[T0_US][-1] == 9


@pytest.mark.django_db
@pytest.mark.parametrize("timeframe", STORED[2:], ids=lambda item: item.value)
def test_compat_check_38_timeframes_equal_the_aggregation_of_5m(
    timeframe: Timeframe,
) -> None:
    series_id = make_series()
    store(random_ticks(series_id, T0_US - DAY_US, T0_US + DAY_US, 2_000))

    for side in TICK_SIDES:
        found = stored_after_refresh(series_id, timeframe, side)

        of_5m = stored_candles(series_id, Timeframe.M5, side)
        assert_same_candles(found, aggregated(of_5m, timeframe))


@pytest.mark.django_db(transaction=True)
def test_compat_check_38_refresh_leaves_readers_unblocked() -> None:
    """A refresh stops before its last statement, everything else written and locked."""
    series_id = make_series()
    store(random_ticks(series_id, T0_US, T0_US + DAY_US, 500, seed=1))
    refresh_candles(now_us=FAR_US)
    store(random_ticks(series_id, T0_US, T0_US + DAY_US, 500, seed=2))
    seen: list[dict[Timeframe, Candles]] = []

    def read_before_the_end(execute, sql, params, many, context):
        if "candles_12h" in sql and not seen:
            seen.append(read_apart(series_id))
        return execute(sql, params, many, context)

    before = read_apart(series_id)
    with connection.execute_wrapper(read_before_the_end):
        report = refresh_candles(now_us=FAR_US)

    assert report.candles_written > 0
    assert seen == [before]
    assert read_apart(series_id) != before


@pytest.mark.django_db(transaction=True)
def test_compat_check_39_metadata_reads_neither_ticks_nor_candles(rest) -> None:
    series_id = make_series()
    store(random_ticks(series_id, T0_US, T0_US + MINUTE_US, 50))
    tables = ["ticks", "trades", *(f"candles_{item.value}" for item in STORED)]

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        every, one = rest.get("/api/metadata"), rest.get("/api/metadata/EURUSD")

    assert [item["tick_count"] for item in every.json()["symbols"]] == [50]
    assert one.json()["tick_count"] == 50


def stored_after_refresh(
    series_id: int, timeframe: Timeframe, side: PriceSide
) -> Candles:
    refresh_candles(now_us=FAR_US)
    return stored_candles(series_id, timeframe, side)


def aggregated(candles: Candles, timeframe: Timeframe) -> Candles:
    """Return candles made of smaller ones, without any SQL."""
    larger: Candles = {}
    for start_us, values in sorted(candles.items()):
        bucket_us = timeframe.floor_us(start_us)
        if bucket_us not in larger:
            larger[bucket_us] = values
            continue
        first, high, low, _, volume, ticks = larger[bucket_us]
        larger[bucket_us] = (
            first,
            max(high, values[1]),
            min(low, values[2]),
            values[3],
            volume + values[4],
            ticks + values[5],
        )
    return larger


def read_apart(series_id: int) -> dict[Timeframe, Candles]:
    """Return the candles as another connection sees them; fail if it must wait."""

    def read() -> dict[Timeframe, Candles]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = {PATIENCE_MS}")
            return {
                timeframe: stored_candles(series_id, timeframe, PriceSide.MID)
                for timeframe in STORED
            }
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(read).result(timeout=60)
