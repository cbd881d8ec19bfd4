"""Retention: old chunks go, candles stay, figures and ledger stay true."""

from datetime import timedelta

import pytest

from history.candle_rebuild import EVERYTHING, note_for_rebuild
from history.candle_refresh import refresh_candles
from history.models import ChangedRange, Series, Tick, Trade
from history.series_recount import compare_statistics
from history.timestamps import to_datetime, to_us
from importer import retention
from importer.checking import CheckOptions, check_series
from importer.coverage import Cover
from importer.hours import HourRange
from importer.retention import _select_chunks, drop_old_ticks
from importer.series_coverage import select_coverage
from marketdata.catalog import InstrumentType
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.storage import (
    FAR_US,
    assert_candles_match,
    make_series,
    random_ticks,
    store,
    stored_candles,
    tick_columns,
    trade_columns,
)
from tests.importer.archives import hours_of, write_hour, write_hours
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.imports import ledger, run, series_of, stored_ticks

pytestmark = pytest.mark.usefixtures("instruments")
# 30 days apart, so never in one chunk.
OLD_US, NEW_US = DAY_US, DAY_US + 40 * 24 * HOUR_US
OLD, NEW = "2019-02-04T00", "2019-03-16T00"
NOW = to_datetime(NEW_US + 24 * HOUR_US)


@pytest.fixture
def stored(tmp_path):
    """An old hour of EURUSD with 5 ticks and a new one with 7."""
    write_hours(tmp_path, {OLD_US: 5, NEW_US: 7})
    run(tmp_path, OLD, OLD)
    run(tmp_path, NEW, NEW)
    return tmp_path


def test_drop_old_ticks_keeps_candles_and_moves_the_statistics(stored):
    before = stored_candles(series_of().pk, Timeframe.M1, PriceSide.MID)

    dropped = drop_old_ticks(20, now=NOW)

    series = series_of()
    columns = stored_ticks(series.pk)
    assert (dropped.chunks, dropped.rows, dropped.hours, dropped.busy) == (1, 5, 1, 0)
    assert series.tick_count == len(columns) == 7
    assert to_us(series.earliest) == columns.time_us[0]
    assert to_us(series.latest) == columns.time_us[-1]
    assert stored_candles(series.pk, Timeframe.M1, PriceSide.MID) == before


def test_drop_old_ticks_again_finds_nothing(stored):
    drop_old_ticks(20, now=NOW)

    assert drop_old_ticks(20, now=NOW).chunks == 0
    assert series_of().tick_count == 7


def test_drop_old_ticks_of_young_chunks_drops_nothing(stored):
    assert drop_old_ticks(80, now=NOW).chunks == 0


def test_dropped_hours_are_not_missing_and_not_imported_again(stored):
    drop_old_ticks(20, now=NOW)

    report = run(stored, OLD, OLD)
    filled = run(stored, OLD, OLD, fills_gaps=True)
    covered = select_coverage(series_of().pk, InstrumentType.FOREX, hours_of(OLD, OLD))

    assert ledger()["2019-02-04 00h"] == ("dropped", 0)
    assert (report.ticks, filled.ticks) == (0, 0)
    assert [item.state for item in covered] == [Cover.DROPPED]


def test_dropped_hours_come_back_by_force(stored):
    before = stored_candles(series_of().pk, Timeframe.H12, PriceSide.MID)
    drop_old_ticks(20, now=NOW)

    report = run(stored, OLD, OLD, is_forced=True)

    assert report.ticks == 5
    assert series_of().tick_count == 12
    assert stored_candles(series_of().pk, Timeframe.H12, PriceSide.MID) == before


def test_drop_old_ticks_computes_candles_that_wait_for_the_rows_first(stored):
    write_hour(stored, OLD_US, 9, seed=1)
    run(stored, OLD, OLD, is_forced=True, has_refresh=False)
    columns = [stored_ticks(series_of().pk)]

    dropped = drop_old_ticks(20, now=NOW)

    assert (dropped.rows, ChangedRange.objects.count()) == (9, 0)
    assert_candles_match(series_of().pk, columns)


def test_drop_old_ticks_goes_on_where_others_computed_the_candles(stored, monkeypatch):
    tries = []

    def drop(chunk, dropped, *, now):
        tries.append(chunk)
        if len(tries) == 1:
            raise retention._HasNotes
        real_drop(chunk, dropped, now=now)

    real_drop = retention._drop
    monkeypatch.setattr(retention, "_drop", drop)

    assert drop_old_ticks(20, now=NOW).chunks == 1


def test_drop_old_ticks_drops_rows_that_no_statistics_know(stored):
    Series.objects.update(candles_from=to_datetime(NEW_US))

    assert drop_old_ticks(20, now=NOW).chunks == 1


def test_drop_old_ticks_drops_trades_too(stored):
    series_id = make_series("BTCUSD", "binance")
    store(trade_columns(series_id, [(OLD_US + n, n, n, 10.0, 1.0) for n in range(4)]))
    store(trade_columns(series_id, [(NEW_US, 9, 9, 10.0, 1.0)]))

    drop_old_ticks(20, now=NOW)

    series = Series.objects.get(pk=series_id)
    assert series.trade_count == Trade.objects.count() == 1
    assert to_us(series.earliest) == NEW_US


def test_drop_old_ticks_of_a_whole_series_leaves_the_bounds_of_its_candles(stored):
    before = series_of()

    drop_old_ticks(0, now=NOW + timedelta(days=60))

    series = series_of()
    assert (series.tick_count, series.earliest) == (0, None)
    assert (series.candles_from, series.latest) == (before.earliest, before.latest)
    assert Tick.objects.count() == 0


@pytest.mark.parametrize("days", [20, 0])
def test_statistics_are_right_after_drop_old_ticks(stored, days):
    drop_old_ticks(days, now=NOW + timedelta(days=60))

    kept, counted = compare_statistics(series_of().pk)

    assert kept == counted


def test_rebuild_leaves_the_candles_of_dropped_ticks(stored):
    drop_old_ticks(20, now=NOW)
    before = all_candles()

    note_for_rebuild(Series.objects.all(), EVERYTHING, now_us=0)
    report = refresh_candles(now_us=FAR_US)

    assert report.ranges
    assert (report.candles_written, report.candles_deleted, report.revised) == (0, 0, 0)
    assert all_candles() == before


def test_late_tick_in_a_dropped_minute_leaves_its_candle(stored):
    series_id = series_of().pk
    drop_old_ticks(20, now=NOW)
    before = all_candles()
    minute_us = min(before[Timeframe.M1])

    store(tick_columns(series_id, [(minute_us + 1, 1, 9.0, 9.0, 1.0, 1.0)]))
    refresh_candles(now_us=FAR_US)

    assert all_candles() == before
    assert series_of().tick_count == Tick.objects.count() == 8


def test_import_of_dropped_hours_computes_their_candles_and_no_others(tmp_path):
    write_hours(tmp_path, {OLD_US: 5, OLD_US + HOUR_US: 6, NEW_US: 7})
    run(tmp_path, OLD, "2019-02-04T01")
    run(tmp_path, NEW, NEW)
    drop_old_ticks(20, now=NOW)
    before = all_candles()[Timeframe.H1]

    write_hour(tmp_path, OLD_US, 9, seed=1)
    run(tmp_path, OLD, OLD, is_forced=True)
    note_for_rebuild(Series.objects.all(), EVERYTHING, now_us=0)
    refresh_candles(now_us=FAR_US)

    after = all_candles()[Timeframe.H1]
    columns = stored_ticks(series_of().pk)
    is_of_hour = columns.time_us < OLD_US + HOUR_US
    assert after.pop(OLD_US)[5] == is_of_hour.sum() == 9
    assert before.pop(OLD_US)[5] == 5
    assert after == before
    check = check_series(
        series_of(),
        hours_of(OLD, "2019-02-04T01"),
        CheckOptions(has_checksums=True),
        now_us=FAR_US,
    )
    assert check.findings == []


def test_dropped_ticks_that_came_back_can_be_dropped_again(stored):
    before = all_candles()
    drop_old_ticks(20, now=NOW)
    run(stored, OLD, OLD, is_forced=True)

    dropped = drop_old_ticks(20, now=NOW)
    note_for_rebuild(Series.objects.all(), EVERYTHING, now_us=0)
    refresh_candles(now_us=FAR_US)

    assert (dropped.chunks, dropped.rows) == (1, 5)
    assert all_candles() == before


def test_rebuild_leaves_candles_of_dropped_ticks_where_trades_are_left(monkeypatch):
    series_id = make_series("BTCUSD", "binance")
    store(random_ticks(series_id, OLD_US, OLD_US + HOUR_US, 9))
    store(trade_columns(series_id, [(OLD_US + n, n, n, 10.0, 1.0) for n in range(4)]))
    refresh_candles([series_id], now_us=FAR_US)
    before = [stored_candles(series_id, Timeframe.M1, side) for side in PriceSide]
    chunks = [item for item in _select_chunks(NOW) if item.table == "ticks"]
    monkeypatch.setattr(retention, "_select_chunks", lambda until: chunks)

    drop_old_ticks(20, now=NOW)
    Trade.objects.filter(trade_id=3).delete()
    note_for_rebuild(Series.objects.all(), EVERYTHING, now_us=0)
    refresh_candles(now_us=FAR_US)

    after = [stored_candles(series_id, Timeframe.M1, side) for side in PriceSide]
    assert (Tick.objects.count(), Trade.objects.count()) == (0, 3)
    assert after[:3] == before[:3]
    assert [candle[5] for candle in after[3].values()] == [3]


def all_candles():
    return {
        timeframe: stored_candles(series_of().pk, timeframe, PriceSide.MID)
        for timeframe in STORED
    }


def test_drop_old_ticks_marks_hours_of_live_ticks_too():
    series_id = make_series("EURUSD", "oanda")
    store(random_ticks(series_id, OLD_US, OLD_US + HOUR_US, 9))
    refresh_candles([series_id], now_us=FAR_US)

    drop_old_ticks(20, now=NOW)

    covered = select_coverage(
        series_id,
        InstrumentType.FOREX,
        HourRange(OLD_US, OLD_US + 2 * HOUR_US),
        broker="oanda",
    )
    assert [item.state for item in covered] == [Cover.DROPPED, Cover.MISSING]
