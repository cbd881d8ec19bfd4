"""Rows for tests, stored the way that writers store them."""

import time
from collections.abc import Iterable

import numpy as np
from django.db import connection, transaction

from history.candle_refresh import refresh_candles
from history.changed_ranges import note_changed_ranges
from history.columns import TickColumns, assign_ordinals
from history.models import Series
from history.series import get_or_create_series
from history.tick_store import insert_ticks
from marketdata.models import Broker, BrokerSymbol, Instrument
from tests.history.storage import update_statistics

T0 = 1_704_153_600  # 2024-01-02T00:00:00Z
_SECOND_US = 1_000_000

Quote = tuple[float, float, float]  # Unix seconds, bid, ask


def make_instrument(
    symbol: str = "EURUSD",
    *,
    decimals: int = 5,
    spellings: dict[str, str] | None = None,
) -> Instrument:
    """Return an instrument of six letters, with brokers and their spellings of it."""
    instrument, _ = Instrument.objects.get_or_create(
        symbol=symbol,
        defaults={
            "base": symbol[:3],
            "quote": symbol[3:],
            "type": "forex",
            "decimals": decimals,
        },
    )
    for broker, spelling in (spellings or {}).items():
        make_broker(broker)
        BrokerSymbol.objects.get_or_create(
            instrument=instrument, broker_id=broker, symbol=spelling
        )
    return instrument


def make_broker(name: str) -> Broker:
    """Return the broker of the name."""
    return Broker.objects.get_or_create(name=name, defaults={"title": name})[0]


def fixture_quotes(count: int = 1000) -> list[Quote]:
    """Return check 27's ticks: every 7 s from T0, rising by 0.00001."""
    return [
        (T0 + 7 * i, round(1.1 + i * 1e-5, 5), round(1.1 + i * 1e-5 + 1e-4, 5))
        for i in range(count)
    ]


def store_quotes(
    quotes: Iterable[Quote],
    *,
    symbol: str = "EURUSD",
    broker: str = "dukascopy",
    refreshed: bool = True,
) -> Series:
    """Store imported ticks of one lot (size 1.0 each side), and their candles."""
    make_instrument(symbol)
    make_broker(broker)
    series = get_or_create_series(symbol, broker)
    rows = sorted(quotes)
    columns = _columns(series.pk, np.array(rows, np.float64).reshape(-1, 3))
    now_us = time.time_ns() // 1_000
    with transaction.atomic():
        connection.ensure_connection()
        added = insert_ticks(connection.connection, columns)
        first_us, last_us = int(columns.time_us[0]), int(columns.time_us[-1])
        with connection.cursor() as cursor:
            note_changed_ranges(cursor, [(series.pk, first_us, last_us + 1, now_us)])
            update_statistics(
                cursor,
                series.pk,
                ticks_added=added,
                first_us=first_us,
                last_us=last_us,
            )
    if refreshed:
        refresh_candles([series.pk], now_us=now_us + _SECOND_US)
    return series


def _columns(series_id: int, rows: np.ndarray) -> TickColumns:
    time_us = np.rint(rows[:, 0] * _SECOND_US).astype(np.int64)
    return TickColumns(
        series_id=np.full(len(rows), series_id, np.int32),
        time_us=time_us,
        seq=assign_ordinals(time_us),
        bid=rows[:, 1],
        ask=rows[:, 2],
        bid_size=np.ones(len(rows)),
        ask_size=np.ones(len(rows)),
    )
