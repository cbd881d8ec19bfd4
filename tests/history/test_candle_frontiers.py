"""Which refreshes raise the revision of a series."""

import pytest
from django.db import connection

from history.candle_frontiers import select_frontiers
from history.candle_refresh import refresh_candles
from history.changed_ranges import note_changed_ranges
from history.data_version import LATE_US
from history.models import Series
from history.ranges import Range
from marketdata.timeframes import STORED
from tests.history.reads import select_series
from tests.history.storage import (
    DAY_US,
    FAR_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    T0_US,
    make_series,
    random_ticks,
    store,
    tick_columns,
    trade_columns,
    update_statistics,
)

pytestmark = pytest.mark.django_db


def one(series_id: int, time_us: int, price: float = 1.0, seq: int = 0) -> None:
    store(tick_columns(series_id, [(time_us, seq, price, price + 1, 1.0, 1.0)]))


def revision(series_id: int) -> int:
    return Series.objects.get(pk=series_id).revision


def refresh_raises(series_id: int) -> bool:
    """Refresh; return whether that raised the revision, which is once at most."""
    before = revision(series_id)
    report = refresh_candles(now_us=FAR_US)
    raised = revision(series_id) - before
    assert raised == report.revised
    return raised == 1


@pytest.fixture
def series_id() -> int:
    """A series with a tick in each of 13 hours, refreshed."""
    found = make_series()
    rows = [(T0_US + i * HOUR_US, 0, 1.0 + i, 20.0, 1.0, 1.0) for i in range(13)]
    store(tick_columns(found, rows))
    assert not refresh_raises(found)
    return found


LAST_US = T0_US + 12 * HOUR_US


@pytest.mark.parametrize(
    "after_us", [SECOND_US, MINUTE_US, 5 * HOUR_US, 90 * DAY_US], ids=str
)
def test_refresh_of_what_is_appended_keeps_the_revision(
    series_id: int, after_us: int
) -> None:
    one(series_id, LAST_US + after_us)
    assert not refresh_raises(series_id)
    assert revision(series_id) == 0


def test_refresh_of_many_appended_minutes_late_keeps_the_revision(
    series_id: int,
) -> None:
    store(random_ticks(series_id, LAST_US + MINUTE_US, LAST_US + 5 * DAY_US, 500))

    assert not refresh_raises(series_id)


@pytest.mark.parametrize("before_us", [MINUTE_US, 6 * HOUR_US, 900 * DAY_US], ids=str)
def test_refresh_of_a_change_in_the_past_raises_the_revision(
    series_id: int, before_us: int
) -> None:
    one(series_id, LAST_US - before_us, seq=9)

    assert refresh_raises(series_id)


def test_refresh_of_old_and_new_at_once_raises_the_revision(series_id: int) -> None:
    one(series_id, T0_US + 5, seq=9)
    one(series_id, LAST_US + DAY_US)

    assert refresh_raises(series_id)


def test_refresh_that_changes_nothing_keeps_the_revision(series_id: int) -> None:
    with connection.cursor() as cursor:
        note_changed_ranges(cursor, [(series_id, T0_US, LAST_US, 0)])

    assert not refresh_raises(series_id)


@pytest.mark.parametrize("timeframe", STORED)
def test_refresh_that_mends_a_wrong_candle_raises_the_revision(
    series_id: int, timeframe
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE candles_{timeframe.value} SET close = 9 "
            "WHERE time = to_timestamp(%s)",
            [T0_US // SECOND_US],
        )
        note_changed_ranges(cursor, [(series_id, T0_US, LAST_US, 0)])

    assert refresh_raises(series_id)


def test_refresh_that_deletes_candles_raises_the_revision(series_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM ticks WHERE time = to_timestamp(%s)", [T0_US // 10**6]
        )
        note_changed_ranges(cursor, [(series_id, T0_US, T0_US + 1, 0)])

    assert refresh_raises(series_id)


def test_refresh_of_old_trades_of_a_series_with_ticks_raises_the_revision(
    series_id: int,
) -> None:
    store(trade_columns(series_id, [(T0_US + HOUR_US, 1, 1, 5.0, 1.0)]))

    assert refresh_raises(series_id)


def test_refresh_raises_the_revision_of_the_series_that_changed_only(
    series_id: int,
) -> None:
    other = make_series("GBPUSD")
    one(other, T0_US)
    one(series_id, T0_US + 5, seq=9)
    before = revision(series_id)

    report = refresh_candles(now_us=FAR_US)

    assert (revision(series_id), revision(other)) == (before + 1, 0)
    assert (report.series, report.revised) == (2, 1)


def test_select_frontiers_leaves_out_series_that_end_before_their_range(
    series_id: int,
) -> None:
    empty = make_series("GBPUSD")
    with connection.cursor() as cursor:
        found = select_frontiers(
            cursor,
            [
                Range(series_id, T0_US + DAY_US, T0_US + 2 * DAY_US),
                Range(empty, T0_US, LAST_US),
            ],
        )
        later = select_frontiers(
            cursor,
            [
                Range(series_id, T0_US + DAY_US, T0_US + 2 * DAY_US),
                Range(series_id, T0_US, T0_US + HOUR_US),
            ],
        )

    assert found == {}
    assert later == {series_id: LAST_US}


def test_replaced_records_with_the_same_candle_are_another_version(
    series_id: int,
) -> None:
    """Ticks and 1s candles differ, which no refresh of candles can see."""
    one(series_id, LAST_US + LATE_US + HOUR_US)
    refresh_candles(now_us=FAR_US)
    before = select_series("EURUSD").version

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ticks SET time = time + INTERVAL '1 second' "
            "WHERE time = to_timestamp(%s)",
            [T0_US // SECOND_US],
        )
        note_changed_ranges(cursor, [(series_id, T0_US, T0_US + MINUTE_US, 0)])
        update_statistics(cursor, series_id, changes_past=True)
    report = refresh_candles(now_us=FAR_US)

    assert (report.candles_written, report.revised) == (0, 0)
    assert select_series("EURUSD").version != before
