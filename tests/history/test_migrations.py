"""The schema: hypertables, views, and the way back."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from history.candle_refresh import refresh_candles
from history.timestamps import to_datetime
from marketdata.durations import MINUTE_US
from marketdata.models import Instrument
from tests.history.reads import select_all_series
from tests.history.storage import (
    FAR_US,
    T0_US,
    make_series,
    store,
    tick_columns,
    trade_columns,
)


def rows(statement: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def add_ticks(series_id: int, bid: float, *, count: int) -> None:
    ticks = [(T0_US + i, 0, bid, bid + 1, 1.0, 1.0) for i in range(count)]
    store(tick_columns(series_id, ticks))


@pytest.mark.django_db
def test_hypertables_have_their_chunk_lengths_and_no_index_but_the_key() -> None:
    chunks = rows(
        """
        SELECT hypertable_name, extract(days FROM time_interval)::int
        FROM timescaledb_information.dimensions
        ORDER BY hypertable_name
        """
    )
    indexes = rows(
        """
        SELECT tablename, indexname
        FROM pg_indexes
        WHERE tablename IN ('ticks', 'trades', 'candles_1m', 'candles_12h')
        ORDER BY tablename
        """
    )

    assert chunks == [
        ("candles_15m", 365), ("candles_1m", 90), ("candles_5m", 365),
        ("ticks", 30), ("trades", 30),
    ]  # fmt: skip
    assert indexes == [
        (table, f"{table}_pkey")
        for table in ("candles_12h", "candles_1m", "ticks", "trades")
    ]


@pytest.mark.django_db
def test_market_ticks_names_symbol_mid_and_broker() -> None:
    add_ticks(make_series("EURUSD", "oanda"), 1.0, count=1)

    assert rows("SELECT * FROM market_ticks") == [
        (to_datetime(T0_US), "EURUSD", 2.0, 1.0, 1.5, "oanda")
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("timeframe", ["5m", "15m", "1h", "4h", "12h"])
def test_forex_candles_are_mids_of_the_default_series(timeframe: str) -> None:
    add_ticks(make_series("EURUSD", "oanda"), 7.0, count=2)
    add_ticks(make_series("EURUSD", "dukascopy"), 1.0, count=1)
    refresh_candles(now_us=FAR_US)

    assert rows(f"SELECT * FROM forex_candles_{timeframe}") == [
        ("EURUSD", to_datetime(T0_US), 1.5, 1.5, 1.5, 1.5)
    ]


@pytest.mark.django_db
def test_default_series_is_the_one_that_answers_on_rest() -> None:
    counts = {
        "AAA": {"oanda": 1, "dukascopy": 1, "binance": 3},
        "BBB": {"oanda": 1, "binance": 2},
        "CCC": {"oanda": 1, "dukascopy": 2, "binance": 3},
        "DDD": {"oanda": 2, "binance": 2},
    }
    for symbol, brokers in counts.items():
        for broker, count in brokers.items():
            add_ticks(make_series(symbol, broker), 1.0, count=count)
    make_series("EEE", "dukascopy")
    only_trades = make_series("FFF", "dukascopy")
    store(trade_columns(only_trades, [(T0_US, 1, 1, 1.0, 1.0)]))
    add_ticks(make_series("FFF", "oanda"), 1.0, count=1)
    Instrument.objects.filter(symbol="CCC").update(history_broker="oanda")

    found = dict(rows("SELECT symbol, broker FROM default_series"))

    assert found == {
        "AAA": "dukascopy",
        "BBB": "binance",
        "CCC": "oanda",
        "DDD": "binance",
        "FFF": "oanda",
    }
    assert found == {item.symbol: item.broker for item in select_all_series()}


@pytest.mark.django_db
def test_models_have_no_change_without_a_migration() -> None:
    call_command("makemigrations", "history", check=True, stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_migrations_run_backwards_and_forwards_with_data_stored() -> None:
    add_ticks(make_series(), 1.0, count=1)
    refresh_candles(now_us=FAR_US)

    try:
        call_command("migrate", "history", "zero", verbosity=0)
        left = connection.introspection.table_names(include_views=True)
    finally:
        call_command("migrate", verbosity=0)

    assert not {"ticks", "candles_1m", "market_ticks", "default_series"} & set(left)
    add_ticks(make_series(), 1.0, count=1)
    assert refresh_candles(now_us=FAR_US).candles_written == 18


@pytest.mark.django_db(transaction=True)
def test_migration_finds_what_was_dropped_before_it() -> None:
    """Of AAA old ticks and all trades, of BBB all ticks, of CCC nothing was dropped."""
    a, b, c = (make_series(symbol) for symbol in ("AAA", "BBB", "CCC"))
    day_us = 24 * 60 * MINUTE_US
    for series_id in (a, b, c):
        ticks = [(T0_US + day * day_us + 5, 0, 1, 2, 1, 1) for day in (0, 40)]
        store(tick_columns(series_id, ticks))
    store(trade_columns(a, [(T0_US + day_us, 1, 1, 1.0, 1.0)]))
    refresh_candles(now_us=FAR_US)

    try:
        call_command("migrate", "history", "0003", verbosity=0)
        rows(
            f"""
            DELETE FROM ticks WHERE series_id = {b}
               OR series_id = {a} AND time < '2024-02-01'
            RETURNING 1
            """
        )
        rows("DELETE FROM trades RETURNING 1")
        for series_id, bounds in ((a, "latest"), (b, "NULL")):
            rows(
                f"""
                UPDATE history_series
                SET earliest = {bounds}, latest = {bounds}
                WHERE id = {series_id}
                RETURNING 1
                """
            )
    finally:
        call_command("migrate", verbosity=0)

    first, last = to_datetime(T0_US), to_datetime(T0_US + 40 * day_us)
    hours = [to_datetime(T0_US + hour * 60 * MINUTE_US) for hour in range(26)]
    us = timedelta(microseconds=5)
    found = rows(
        """
        SELECT id, candles_from, latest,
               lower(dropped_ticks), upper(dropped_ticks),
               lower(dropped_trades), upper(dropped_trades)
        FROM history_series
        ORDER BY id
        """
    )
    assert found == [
        (a, first, last + us, first, last, hours[24], hours[25]),
        (b, first, last, first, last + timedelta(hours=1), None, None),
        (c, first + us, last + us, None, None, None, None),
    ]
