"""Candles that others made of the same records: ours are the same.

Ticks go through the real store, refresh and read. Candles are put into their table and
rolled up by the refresh's own statements; flat ones, which archives fill gaps with,
have no volume there and no ticks here. EURUSD of Dukascopy is in the importer's tests.
"""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection

from history.candle_range import CandleRange
from history.candle_refresh import refresh_candles
from history.candle_rows import CandleRow
from history.candle_sql import WRITE_FROM_SMALLER
from history.columns import TickColumns, assign_ordinals
from history.tables import CANDLE_TABLES, PRICE_SIDE_CODES
from history.timestamps import to_datetime, to_us
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.reads import select_candles
from tests.history.storage import DAY_US, FAR_US, make_series, store

pytestmark = pytest.mark.django_db

PAYLOADS = Path(__file__).resolve().parent.parent / "payloads"
TIMEFRAMES = {
    "m1": Timeframe.M1,
    "m5": Timeframe.M5,
    "m15": Timeframe.M15,
    "m30": Timeframe.M30,
    "h1": Timeframe.H1,
    "d1": Timeframe.D1,
}
# What the archive's volumes are rounded to.
VOLUME_ERROR = 0.006
Ohlc = tuple[float, float, float, float]


def known(name: str) -> Any:
    path = PAYLOADS / "dukascopy" / "known_answers" / name
    return json.loads(path.read_text())


def store_ticks(
    ms: Iterable[int],
    bid: Iterable[float],
    ask: Iterable[float],
    sizes: tuple[Iterable[float], Iterable[float]],
) -> int:
    """Store imported ticks and refresh; return their series."""
    series_id = make_series()
    time_us = np.array(ms, np.int64) * 1000
    values = [np.array(items, np.float64) for items in (bid, ask, *sizes)]
    ids = np.full(len(time_us), series_id, np.int32)
    store(TickColumns(ids, time_us, assign_ordinals(time_us), *values))
    refresh_candles(now_us=FAR_US)
    return series_id


def all_candles(
    series_id: int, timeframe: Timeframe, side: PriceSide
) -> list[CandleRow]:
    wanted = CandleRange(timeframe, side, 0, FAR_US)
    return select_candles(series_id, wanted, FAR_US)


def ohlc_of(rows: Iterable[CandleRow], digits: int = 12) -> dict[int, Ohlc]:
    """Return open, high, low, close by the bucket's start in ms."""
    return {
        row.time_us // 1000: tuple(
            round(price, digits) for price in (row.open, row.high, row.low, row.close)
        )
        for row in rows
    }


def assert_known(rows: list[CandleRow], expected: list[list[float]]) -> None:
    candles = {int(row[0]): row for row in expected if row}
    assert ohlc_of(rows) == {ms: tuple(row[1:5]) for ms, row in candles.items()}
    for row in rows:
        volume = candles[row.time_us // 1000][5]
        assert row.volume == pytest.approx(volume, abs=VOLUME_ERROR)


@pytest.mark.parametrize("gaps", ["", "_with_gaps"], ids=["full", "gaps"])
@pytest.mark.parametrize("name", ["m1", "m5", "m15", "m30", "h1"])
def test_candles_of_dukascopys_ticks_equal_the_known_answer(
    name: str, gaps: str
) -> None:
    answer = known(f"agg_expected_tick_to_{name}{gaps}.json")
    ms, ask, bid, ask_size, bid_size = zip(*known(answer["input"]), strict=True)

    series_id = store_ticks(ms, bid, ask, (bid_size, ask_size))

    side = PriceSide(answer["priceType"])
    assert_known(all_candles(series_id, TIMEFRAMES[name], side), answer["expected"])


@pytest.mark.parametrize(
    ("source", "name"),
    [("m1", "m1"), ("m1", "m30"), ("m1", "h1"), ("m1", "d1"), ("h1", "d1")],
)
def test_candles_of_dukascopys_candles_equal_the_known_answer(
    source: str, name: str
) -> None:
    answer = known(f"agg_expected_{source}_to_{name}.json")

    series_id = store_candles(TIMEFRAMES[source], known(answer["input"]))

    rows = all_candles(series_id, TIMEFRAMES[name], PriceSide.BID)
    assert_known(rows, answer["expected"])


def store_candles(timeframe: Timeframe, candles: list[list[float]]) -> int:
    """Put bid candles into their table and roll them up as the refresh does."""
    series_id = make_series()
    side = PRICE_SIDE_CODES[PriceSide.BID]
    first_us, last_us = (int(candles[i][0]) * 1000 for i in (0, -1))
    start_us, end_us = first_us - first_us % DAY_US, last_us - last_us % DAY_US + DAY_US
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {CANDLE_TABLES[timeframe]} "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0)",
            [
                (series_id, side, to_datetime(ms * 1000), *values, int(values[4] > 0))
                for ms, *values in candles
            ],
        )
        for larger in STORED[STORED.index(timeframe) + 1 :]:
            cursor.execute(
                WRITE_FROM_SMALLER[larger],
                {
                    "series_ids": [series_id],
                    "starts": [to_datetime(start_us)],
                    "ends": [to_datetime(end_us)],
                    "lo": to_datetime(start_us),
                    "hi": to_datetime(end_us),
                },
            )
    return series_id


def test_mid_candles_of_cadjpy_equal_all_1440_known_ones() -> None:
    folder = PAYLOADS / "dukascopy"
    with gzip.open(folder / "CADJPY_tick.csv.gz", "rt") as file:
        rows = list(csv.reader(file))[1:]
    with (folder / "cadjpy_m1.csv").open() as file:
        expected = {
            ms_of(f"{day} {clock}", "%Y.%m.%d %H:%M"): tuple(map(float, prices[:4]))
            for day, clock, *prices in csv.reader(file)
        }
    ms = [ms_of(row[0], "%d.%m.%Y %H:%M:%S.%f") for row in rows]
    ask, bid, ask_size, bid_size = (
        [float(row[column]) for row in rows] for column in (1, 2, 3, 4)
    )

    series_id = store_ticks(ms, bid, ask, (bid_size, ask_size))

    found = ohlc_of(all_candles(series_id, Timeframe.M1, PriceSide.MID), 5)
    assert len(found) == 1440
    assert found == expected


def test_candles_of_a_friday_of_oanda_equal_all_known_ones() -> None:
    ticks = lean_rows("tick")
    minutes = lean_rows("minute")
    midnight_ms = ms_of("2014-05-02", "%Y-%m-%d")
    ms = [midnight_ms + int(row[0]) for row in ticks]
    bid, ask = ([float(row[column]) for row in ticks] for column in (1, 2))
    unknown = [float("nan")] * len(ticks)

    series_id = store_ticks(ms, bid, ask, (unknown, unknown))

    for side, column in ((PriceSide.BID, 1), (PriceSide.ASK, 6)):
        expected = {
            midnight_ms + int(row[0]): tuple(map(float, row[column : column + 4]))
            for row in minutes
        }
        assert ohlc_of(all_candles(series_id, Timeframe.M1, side)) == expected
    # The market closed at 17:00 in New York.
    last_ms = max(expected)
    assert last_ms == ms_of("2014-05-02 20:59", "%Y-%m-%d %H:%M")


def lean_rows(what: str) -> list[list[str]]:
    path = PAYLOADS / "lean" / f"lean_oanda_eurusd_{what}_20140502.zip"
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        return list(csv.reader(io.TextIOWrapper(file, "ascii", newline="")))


def ms_of(text: str, form: str) -> int:
    return to_us(datetime.strptime(text, form).replace(tzinfo=UTC)) // 1000
