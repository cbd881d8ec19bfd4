"""The refresh of candles, against candles computed apart from the same rows."""

import pytest
from django.db import connection

from history.candle_refresh import refresh_candles
from history.changed_ranges import note_changed_ranges
from history.models import ChangedRange
from history.tick_store import delete_imported_ticks
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.storage import (
    DAY_US,
    FAR_US,
    HOUR_US,
    MINUTE_US,
    T0_US,
    TICK_SIDES,
    assert_candles_match,
    assert_same_candles,
    candles_of,
    make_series,
    priced,
    random_ticks,
    store,
    stored_candles,
    tick_columns,
    versions,
)

pytestmark = pytest.mark.django_db

NAN = float("nan")


def note(series_id: int, start_us: int, end_us: int, due_us: int = 0) -> None:
    with connection.cursor() as cursor:
        note_changed_ranges(cursor, [(series_id, start_us, end_us, due_us)])


def test_refresh_candles_builds_all_timeframes_and_sides() -> None:
    series_id = make_series()
    columns = random_ticks(series_id, T0_US - HOUR_US, T0_US + 13 * HOUR_US, 3_000)
    store(columns)

    report = refresh_candles(now_us=FAR_US)

    assert (report.series, report.ranges, report.transactions) == (1, 1, 1)
    assert_candles_match(series_id, [columns])
    assert report.candles_written == sum(
        len(stored_candles(series_id, timeframe, side))
        for timeframe in STORED
        for side in TICK_SIDES
    )
    assert not ChangedRange.objects.exists()


def test_refresh_candles_twice_changes_nothing() -> None:
    series_id = make_series()
    store(random_ticks(series_id, T0_US, T0_US + DAY_US, 2_000))
    refresh_candles(now_us=FAR_US)
    before = [versions(timeframe) for timeframe in STORED]
    note(series_id, T0_US, T0_US + DAY_US)

    again = refresh_candles(now_us=FAR_US)
    without_notes = refresh_candles(now_us=FAR_US)

    assert (again.ranges, again.candles_written, again.candles_deleted) == (1, 0, 0)
    assert without_notes.ranges == 0
    assert [versions(timeframe) for timeframe in STORED] == before


def test_refresh_candles_leaves_notes_that_are_not_due() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [(T0_US, 0, 1.0, 1.5, 1.0, 1.0)]), due_us=T0_US + 60)

    early = refresh_candles(now_us=T0_US + 59)
    due = refresh_candles(now_us=T0_US + 60)

    assert (early.ranges, due.ranges) == (0, 1)


def test_refresh_candles_takes_only_due_notes_of_a_series() -> None:
    series_id = make_series()
    closed_us, open_us = T0_US, T0_US + MINUTE_US
    for time_us in (closed_us, open_us):
        tick = (time_us, 0, 1.0, 1.5, 1.0, 1.0)
        store(tick_columns(series_id, [tick]), due_us=time_us + MINUTE_US)

    refresh_candles(now_us=closed_us + MINUTE_US)

    found = stored_candles(series_id, Timeframe.M1, PriceSide.MID)
    assert list(found) == [closed_us]
    assert ChangedRange.objects.count() == 1


def test_refresh_candles_of_named_series_leaves_others() -> None:
    one, other = make_series("EURUSD"), make_series("GBPUSD")
    for series_id in (one, other):
        store(tick_columns(series_id, [(T0_US, 0, 1.0, 1.5, 1.0, 1.0)]))

    refresh_candles([other], now_us=FAR_US)

    assert stored_candles(one, Timeframe.M1, PriceSide.MID) == {}
    assert len(stored_candles(other, Timeframe.M1, PriceSide.MID)) == 1


def test_refresh_candles_deletes_buckets_that_lost_all_records() -> None:
    series_id = make_series()
    columns = random_ticks(series_id, T0_US, T0_US + DAY_US, 5_000)
    store(columns)
    refresh_candles(now_us=FAR_US)
    gone = range(T0_US + HOUR_US, T0_US + 14 * HOUR_US)

    delete_imported_ticks(connection.connection, series_id, gone.start, gone.stop)
    note(series_id, gone.start, gone.stop)
    report = refresh_candles(now_us=FAR_US)

    kept = [row for row in priced(columns, PriceSide.MID) if row[0] not in gone]
    for timeframe in STORED:
        found = stored_candles(series_id, timeframe, PriceSide.MID)
        assert_same_candles(found, candles_of(kept, timeframe))
    assert report.candles_deleted > 0


def test_refresh_candles_of_one_late_tick_touches_only_its_buckets() -> None:
    series_id, neighbour = make_series("EURUSD"), make_series("GBPUSD")
    month = random_ticks(series_id, T0_US, T0_US + 30 * DAY_US, 40_000)
    store(month)
    store(random_ticks(neighbour, T0_US, T0_US + 2 * DAY_US, 1_000))
    refresh_candles(now_us=FAR_US)
    before = {timeframe: versions(timeframe) for timeframe in STORED}
    late_us = T0_US + 15 * DAY_US + 7 * HOUR_US + 31 * MINUTE_US
    late = tick_columns(series_id, [(late_us, 99_999, 9.0, 9.5, 1.0, 1.0)])

    store(late)
    report = refresh_candles(now_us=FAR_US)

    assert_candles_match(series_id, [month, late])
    for timeframe in STORED:
        after = versions(timeframe)
        changed = {key for key in after if after[key] != before[timeframe].get(key)}
        bucket_us = timeframe.floor_us(late_us)
        assert changed == {(series_id, side, bucket_us) for side in (0, 1, 2)}
        for key in changed & before[timeframe].keys():
            assert after[key][1] == before[timeframe][key][1] + 1
    assert report.candles_written == 3 * len(STORED)


def test_refresh_candles_raises_rev_only_of_sides_that_differ() -> None:
    series_id = make_series()
    rows = [(T0_US, 0, 1.0, 2.0, 1.0, 1.0), (T0_US + 9, 1, 1.0, 2.0, 1.0, 1.0)]
    store(tick_columns(series_id, rows))
    refresh_candles(now_us=FAR_US)

    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE ticks SET ask = 3
            WHERE series_id = %s AND time > 'epoch' AND time < 'infinity' AND seq = 1
            """,
            [series_id],
        )
    note(series_id, T0_US, T0_US + 10)
    refresh_candles(now_us=FAR_US)

    for timeframe in STORED:
        revs = {side: rev for (_, side, _), (_, rev) in versions(timeframe).items()}
        assert revs == {0: 1, 1: 0, 2: 1}


def test_refresh_candles_of_scattered_ranges_in_many_years() -> None:
    series_id = make_series()
    parts = [
        random_ticks(series_id, start, start + 3 * MINUTE_US, 40, seed=seed)
        for seed, start in enumerate(
            T0_US - years * 366 * DAY_US + minutes * MINUTE_US
            for years in (0, 5, 12)
            for minutes in (0, 59, 600)
        )
    ]
    for part in parts:
        store(part)

    report = refresh_candles(now_us=FAR_US)

    assert report.transactions == 1
    assert_candles_match(series_id, parts)


def test_refresh_candles_of_more_than_a_batch_commits_in_steps(monkeypatch) -> None:
    monkeypatch.setattr("history.candle_refresh.BATCH_SPAN_US", 2 * HOUR_US)
    busy, quiet = make_series("EURUSD"), make_series("GBPUSD")
    parts = [
        random_ticks(busy, T0_US + i * HOUR_US, T0_US + (i + 1) * HOUR_US, 100, seed=i)
        for i in range(6)
    ]
    for part in parts:
        store(part)
    other = random_ticks(quiet, T0_US, T0_US + HOUR_US, 100)
    store(other)

    report = refresh_candles(now_us=FAR_US)

    assert report.transactions == 4
    assert_candles_match(busy, parts)
    assert_candles_match(quiet, [other])
    assert not ChangedRange.objects.exists()


def test_refresh_candles_of_200_series_is_one_set_of_statements() -> None:
    ids = [make_series(f"S{i:05d}") for i in range(200)]
    for series_id in ids:
        store(random_ticks(series_id, T0_US, T0_US + MINUTE_US, 20, seed=series_id))
    statements = []

    def count(execute, sql, params, many, context):
        if "pg_advisory" not in sql:
            statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        report = refresh_candles(now_us=FAR_US)

    assert (report.series, report.ranges, report.transactions) == (200, 200, 1)
    assert report.candles_written == 200 * 3 * len(STORED)
    # due, notes, their deletion, three settings, frontiers, what was dropped, ticks,
    # trades, five larger timeframes; and the savepoint of the test's transaction
    assert len([sql for sql in statements if "SAVEPOINT" not in sql]) == 15
