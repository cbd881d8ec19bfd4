"""Rows for tests of the storage, and what their candles must be, computed apart."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from django.db import connection, transaction

from history.changed_ranges import Cursor, note_changed_ranges
from history.columns import TickColumns, TradeColumns
from history.series import Change, apply_changes, get_or_create_series
from history.tables import CANDLE_TABLES, PRICE_SIDE_CODES
from history.tick_store import insert_ticks, insert_trades
from history.timestamps import to_us
from marketdata.models import Broker, Instrument
from marketdata.timeframes import STORED, PriceSide, Timeframe

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
T0_US = 1_704_153_600 * SECOND_US  # 2024-01-02T00:00:00Z
FAR_US = 4_000_000_000 * SECOND_US  # later than any note is due

# (time in us, seq, bid, ask, bid size, ask size)
TickRow = tuple[int, int, float, float, float, float]
# (time in us, trade id, seq, price, size)
TradeRow = tuple[int, int, int, float, float]
# bucket -> (open, high, low, close, volume, ticks)
Candles = dict[int, tuple[float, float, float, float, float, int]]

TICK_SIDES = (PriceSide.MID, PriceSide.BID, PriceSide.ASK)


def make_series(
    symbol: str = "EURUSD", broker: str = "dukascopy", *, record: bool = True
) -> int:
    """Return the id of a series, made with its instrument and broker."""
    Instrument.objects.get_or_create(
        symbol=symbol,
        defaults={
            "base": symbol[:3],
            "quote": symbol[3:],
            "type": "forex",
            "decimals": 5,
            "record": record,
        },
    )
    Broker.objects.get_or_create(name=broker, defaults={"title": broker})
    return get_or_create_series(symbol, broker).pk


def tick_columns(series_id: int, rows: Iterable[TickRow]) -> TickColumns:
    times, seqs, *values = zip(*rows, strict=True)
    return TickColumns(
        np.full(len(times), series_id, np.int32),
        np.array(times, np.int64),
        np.array(seqs, np.int64),
        *(np.array(column, np.float64) for column in values),
    )


def trade_columns(series_id: int, rows: Iterable[TradeRow]) -> TradeColumns:
    times, ids, seqs, *values = zip(*rows, strict=True)
    return TradeColumns(
        np.full(len(times), series_id, np.int32),
        *(np.array(column, np.int64) for column in (times, ids, seqs)),
        *(np.array(column, np.float64) for column in values),
        side=np.ones(len(times), np.int16),
    )


def random_ticks(
    series_id: int, start_us: int, end_us: int, count: int, seed: int = 0
) -> TickColumns:
    """Return ticks at random milliseconds, several of which may share one."""
    random = np.random.default_rng(seed)
    time_us = np.sort(random.integers(start_us // 1000, end_us // 1000, count)) * 1000
    bid = np.round(1.1 + np.cumsum(random.normal(0, 1e-4, count)), 5)
    return TickColumns(
        np.full(count, series_id, np.int32),
        time_us,
        np.arange(seed * count, (seed + 1) * count, dtype=np.int64),
        bid,
        np.round(bid + 1e-4, 5),
        random.integers(1, 1000, count) / 100,
        random.integers(1, 1000, count) / 100,
    )


def update_statistics(
    cursor: Cursor, series_id: int, **values: int | bool | None
) -> None:
    """Bring the statistics of one series up to date; see `Change` for the values."""
    apply_changes(cursor, [Change(series_id=series_id, **values)])


def store(columns: TickColumns | TradeColumns, *, due_us: int = 0) -> int:
    """Store rows of one series as writers do; return how many were new."""
    series_id = int(columns.series_id[0])
    first_us, last_us = int(columns.time_us.min()), int(columns.time_us.max())
    is_ticks = isinstance(columns, TickColumns)
    with transaction.atomic(), connection.cursor() as cursor:
        insert = insert_ticks if is_ticks else insert_trades
        added = insert(connection.connection, columns)
        note_changed_ranges(cursor, [(series_id, first_us, last_us + 1, due_us)])
        update_statistics(
            cursor,
            series_id,
            ticks_added=added if is_ticks else 0,
            trades_added=0 if is_ticks else added,
            first_us=first_us,
            last_us=last_us,
        )
    return added


def candles_of(
    rows: Sequence[tuple[int, int, float, float]], timeframe: Timeframe
) -> Candles:
    """Return the candles of (time, seq, price, size) rows, without any SQL."""
    if not rows:
        return {}
    ordered = sorted(rows)
    times = np.array([row[0] for row in ordered], np.int64)
    prices = np.array([row[2] for row in ordered])
    buckets = times // (timeframe.length_s * SECOND_US)
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    ends = [*starts[1:], len(ordered)]
    candles = {}
    for start, end in zip(starts, ends, strict=True):
        part = prices[start:end]
        sizes = [row[3] for row in ordered[start:end] if not math.isnan(row[3])]
        candles[int(buckets[start]) * timeframe.length_s * SECOND_US] = (
            float(part[0]),
            float(part.max()),
            float(part.min()),
            float(part[-1]),
            math.fsum(sizes),
            int(end - start),
        )
    return candles


def priced(
    columns: TickColumns | TradeColumns, side: PriceSide
) -> list[tuple[int, int, float, float]]:
    """Return (time, seq, price, size) of the rows for a price side."""
    if isinstance(columns, TradeColumns):
        price, size = columns.price, columns.size
    else:
        price, size = {
            PriceSide.MID: ((columns.bid + columns.ask) / 2, columns.bid_size),
            PriceSide.BID: (columns.bid, columns.bid_size),
            PriceSide.ASK: (columns.ask, columns.ask_size),
        }[side]
    arrays = (columns.time_us, columns.seq, price, size)
    return list(zip(*(array.tolist() for array in arrays), strict=True))


def stored_candles(series_id: int, timeframe: Timeframe, side: PriceSide) -> Candles:
    """Return what the table of the timeframe holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT time, open, high, low, close, volume, ticks
            FROM {CANDLE_TABLES[timeframe]}
            WHERE series_id = %s AND price_side = %s
            """,
            (series_id, PRICE_SIDE_CODES[side]),
        )
        return {to_us(time): tuple(values) for time, *values in cursor.fetchall()}


def assert_same_candles(found: Candles, expected: Candles) -> None:
    """Fail unless all are equal; volumes, being sums of floats, to a billionth."""
    assert found.keys() == expected.keys()
    for bucket, values in expected.items():
        assert found[bucket][:4] == values[:4], bucket
        assert math.isclose(found[bucket][4], values[4], rel_tol=1e-9, abs_tol=1e-12)
        assert found[bucket][5] == values[5], bucket


def assert_candles_match(
    series_id: int, columns: Sequence[TickColumns | TradeColumns]
) -> None:
    """Fail unless the stored candles of all timeframes are those of the rows."""
    for side in PriceSide:
        rows = [
            row
            for item in columns
            if isinstance(item, TradeColumns) == (side is PriceSide.TRADE)
            for row in priced(item, side)
        ]
        for timeframe in STORED:
            assert_same_candles(
                stored_candles(series_id, timeframe, side), candles_of(rows, timeframe)
            )


def versions(timeframe: Timeframe) -> dict[tuple[int, int, int], tuple[str, int]]:
    """Return which transaction wrote each candle row, and its `rev`, by its key."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT series_id, price_side, time, xmin::text || ctid::text, rev
            FROM {CANDLE_TABLES[timeframe]}
            """
        )
        return {
            (series_id, side, to_us(time)): (version, rev)
            for series_id, side, time, version, rev in cursor.fetchall()
        }
