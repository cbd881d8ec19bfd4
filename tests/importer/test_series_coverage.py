"""Coverage of stored series, as the ledger and candles have it."""

import pytest

from history.candle_refresh import refresh_candles
from importer.coverage import Cover
from importer.hours import HourRange
from importer.series_coverage import (
    coverage_body,
    select_coverage,
    select_known_range,
)
from marketdata.catalog import InstrumentType
from marketdata.durations import HOUR_US
from tests.history.storage import FAR_US, T0_US, make_series, random_ticks, store
from tests.importer.archives import hours_of, write_hour
from tests.importer.bi5_files import DAY_US
from tests.importer.imports import run, series_of

pytestmark = pytest.mark.usefixtures("instruments")
FOREX = InstrumentType.FOREX


def test_select_coverage_knows_stored_empty_failed_and_missing_hours(tmp_path):
    write_hour(tmp_path, DAY_US, 3)
    write_hour(tmp_path, DAY_US + HOUR_US, 0)
    (tmp_path / "EURUSD_2019-02-04_02h_ticks.bi5").write_bytes(b"damaged")
    run(tmp_path, "2019-02-04T00", "2019-02-04T03")

    found = select_coverage(series_of().pk, FOREX, hours_of("2019-02-04", "2019-02-04"))

    states = [(item.state, item.rows) for item in found[:5]]
    assert states == [
        (Cover.STORED, 3),
        (Cover.EMPTY, 0),
        (Cover.FAILED, 0),
        (Cover.MISSING, 0),
        (Cover.MISSING, 0),
    ]
    assert len(found) == 24


def test_select_coverage_of_a_live_series_takes_its_candles():
    series_id = make_series("EURUSD", "oanda")
    store(random_ticks(series_id, T0_US, T0_US + HOUR_US, 40))
    refresh_candles([series_id], now_us=FAR_US)

    found = select_coverage(
        series_id, FOREX, HourRange(T0_US, T0_US + 2 * HOUR_US), broker="oanda"
    )

    assert [(item.state, item.rows) for item in found] == [
        (Cover.STORED, 40),
        (Cover.MISSING, 0),
    ]


def test_select_known_range_is_that_of_the_ledger(tmp_path):
    series_id = make_series()
    assert select_known_range(series_id) is None

    write_hour(tmp_path, DAY_US, 3)
    write_hour(tmp_path, DAY_US + 5 * HOUR_US, 3)
    run(tmp_path, "2019-02-04T00", "2019-02-04T05")

    assert select_known_range(series_of().pk) == HourRange(DAY_US, DAY_US + 6 * HOUR_US)


def test_coverage_body_is_that_of_the_protocol(tmp_path):
    write_hour(tmp_path, DAY_US, 3)
    run(tmp_path, "2019-02-04T00", "2019-02-04T00")
    hours = hours_of("2019-02-04T00", "2019-02-04T02")

    body = coverage_body(
        "EURUSD", "dukascopy", select_coverage(series_of().pk, FOREX, hours)
    )

    second = DAY_US // 1_000_000
    assert body == {
        "symbol": "EURUSD",
        "broker": "dukascopy",
        "hours": [
            {"hour": second, "state": "stored", "rows": 3},
            {"hour": second + 3600, "state": "missing", "rows": 0},
            {"hour": second + 7200, "state": "missing", "rows": 0},
        ],
        "gaps": [{"from": second + 3600, "to": second + 10800, "reason": "missing"}],
    }
