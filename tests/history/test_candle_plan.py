"""Statements for candles: limits, days of 25 hours, what is complete, what is read."""

from datetime import datetime

import pytest
from django.db import connection

from history.alignment import parse_align
from history.candle_plan import plan_candles
from history.candle_range import SOURCES, CandleRange
from history.candle_refresh import refresh_candles
from history.changed_ranges import note_changed_ranges
from history.tables import CANDLE_TABLES
from history.timestamps import to_datetime, to_us
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.plans import explain, rows_of_key
from tests.history.reads import select_candles
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
)

pytestmark = pytest.mark.django_db

NEW_YORK = parse_align("America/New_York@17:00")
COMPUTED = [timeframe for timeframe in Timeframe if timeframe not in STORED]


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(f"{text}+00:00"))


def hourly(series_id: int, first: str, hours: int) -> None:
    """Store a tick at each hour, its bid the number of the hour, and refresh."""
    rows = [
        (us(first) + i * HOUR_US, 0, float(i), i + 0.5, 1.0, 1.0) for i in range(hours)
    ]
    store(tick_columns(series_id, rows))
    refresh_candles(now_us=FAR_US)


def rows_read(series_id: int, wanted: CandleRange, now_us: int, table: str) -> float:
    return rows_of_key(explain(plan_candles(series_id, wanted, now_us)), table)


def test_day_of_25_hours_holds_its_last_hour() -> None:
    series_id = make_series()
    hourly(series_id, "2024-11-02T21:00", 26)
    wanted = CandleRange(
        Timeframe.D1, PriceSide.BID, us("2024-11-01T00:00"), FAR_US, align=NEW_YORK
    )

    rows = select_candles(series_id, wanted, FAR_US)

    found = [(row.time_us, row.open, row.close, row.ticks) for row in rows]
    assert found == [
        (us("2024-11-02T21:00"), 0.0, 24.0, 25),
        (us("2024-11-03T22:00"), 25.0, 25.0, 1),
    ]


def test_last_day_of_25_hours_is_read_whole() -> None:
    series_id = make_series()
    hourly(series_id, "2024-11-01T21:00", 49)
    wanted = CandleRange(
        Timeframe.D1, PriceSide.BID, 0, FAR_US, 1, takes_last=True, align=NEW_YORK
    )

    (row,) = select_candles(series_id, wanted, FAR_US)

    assert (row.time_us, row.open, row.ticks) == (us("2024-11-02T21:00"), 24.0, 25)


def test_rev_of_a_computed_candle_rises_with_each_change_of_its_parts() -> None:
    series_id = make_series()
    wanted = CandleRange(Timeframe.D1, PriceSide.BID, T0_US, T0_US)
    revs = []
    for hour in (0, 1, 13):
        tick = (T0_US + hour * HOUR_US, 0, 1.0 + hour, 9.0, 1.0, 1.0)
        store(tick_columns(series_id, [tick]))
        refresh_candles(now_us=FAR_US)
        (row,) = select_candles(series_id, wanted, FAR_US)
        revs.append(row.rev)

    assert revs == [0, 1, 2]


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_candle_is_complete_from_its_end_on(timeframe: Timeframe) -> None:
    series_id = make_series()
    store(tick_columns(series_id, [(T0_US, 0, 1.0, 2.0, 1.0, 1.0)]))
    refresh_candles(now_us=FAR_US)
    start_us = timeframe.floor_us(T0_US)
    end_us = start_us + timeframe.length_s * SECOND_US
    wanted = CandleRange(timeframe, PriceSide.MID, start_us, start_us)

    found = [
        select_candles(series_id, wanted, now_us)[0].complete
        for now_us in (end_us - 1, end_us)
    ]

    assert found == [False, True]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-11-02T21:00", "2024-11-03T22:00"),
        ("2024-11-03T22:00", "2024-11-04T22:00"),
        ("2024-03-09T22:00", "2024-03-10T21:00"),
    ],
)
def test_aligned_candle_is_complete_from_the_next_start_on(
    start: str, end: str
) -> None:
    series_id = make_series()
    hourly(series_id, start, 1)
    wanted = CandleRange(Timeframe.D1, PriceSide.MID, 0, FAR_US, align=NEW_YORK)
    end_us = us(end)

    found = [
        select_candles(series_id, wanted, now_us)[0].complete
        for now_us in (end_us - 1, end_us)
    ]

    assert found == [False, True]


def test_candle_is_not_complete_while_a_note_touches_its_bucket() -> None:
    series_id = make_series()
    hourly(series_id, "2024-01-02T00:00", 4)
    start_us = us("2024-01-02T01:59")
    notes = [
        (series_id, start_us, start_us + MINUTE_US, FAR_US),
        (series_id + 1, T0_US, T0_US + DAY_US, FAR_US),
    ]
    with connection.cursor() as cursor:
        note_changed_ranges(cursor, notes)

    def complete(timeframe: Timeframe) -> list[bool]:
        wanted = CandleRange(timeframe, PriceSide.MID, T0_US, FAR_US)
        rows = select_candles(series_id, wanted, FAR_US)
        return [row.complete for row in rows]

    assert complete(Timeframe.H1) == [True, False, True, True]
    assert complete(Timeframe.D1) == [False]
    assert complete(Timeframe.M30) == [True] * 4


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M30, Timeframe.H12])
@pytest.mark.parametrize("has_tail", [False, True])
def test_last_candles_of_a_year_read_only_their_part(
    timeframe: Timeframe, has_tail: bool
) -> None:
    series_id = make_series()
    year_us = T0_US + 364 * DAY_US
    insert_minutes(series_id, T0_US, year_us)
    now_us = year_us + (0 if has_tail else 60 * MINUTE_US)
    wanted = CandleRange(timeframe, PriceSide.MID, 0, year_us - 1, 20, takes_last=True)

    rows = select_candles(series_id, wanted, now_us)

    assert len(rows) == 20
    table = CANDLE_TABLES[SOURCES[timeframe]]
    assert rows_read(series_id, wanted, now_us, table) <= 41


def test_first_candles_of_a_year_read_only_their_part() -> None:
    series_id = make_series()
    year_us = T0_US + 364 * DAY_US
    insert_minutes(series_id, T0_US, year_us)
    wanted = CandleRange(Timeframe.M1, PriceSide.MID, T0_US + DAY_US, year_us, 20)

    assert rows_read(series_id, wanted, FAR_US, "candles_1m") == 20


def insert_minutes(series_id: int, first_us: int, last_us: int) -> None:
    """Insert flat candles at every 20 minutes, 15m and 12h, as a year has many."""
    tables = {"candles_1m": 20, "candles_15m": 15, "candles_12h": 720}
    with connection.cursor() as cursor:
        for table, minutes in tables.items():
            cursor.execute(
                f"""
                INSERT INTO {table}
                SELECT %s, 0, t, 1, 1, 1, 1, 1, 1, 0
                FROM generate_series(%s, %s, INTERVAL '{minutes} minutes') AS t
                """,
                [series_id, to_datetime(first_us), to_datetime(last_us - 1)],
            )
            cursor.execute(f"ANALYZE {table}")


@pytest.mark.parametrize("takes_last", [False, True])
def test_some_seconds_of_a_day_read_only_their_ticks(takes_last: bool) -> None:
    series_id = make_series()
    rows = [(T0_US + i * SECOND_US, 0, 1.0, 2.0, 1.0, 1.0) for i in range(5_000)]
    store(tick_columns(series_id, rows))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ticks")
    wanted = CandleRange(
        Timeframe.S1, PriceSide.MID, T0_US, T0_US + DAY_US, 20, takes_last=takes_last
    )

    found = select_candles(series_id, wanted, FAR_US)

    first = 4_980 if takes_last else 0
    assert [row.time_us for row in found] == [
        T0_US + (first + i) * SECOND_US for i in range(20)
    ]
    assert rows_read(series_id, wanted, FAR_US, "ticks") <= 41


@pytest.mark.parametrize("timeframe", COMPUTED)
def test_candles_of_a_computed_timeframe_are_one_statement(
    timeframe: Timeframe, django_assert_num_queries
) -> None:
    series_id = make_series()
    store(random_ticks(series_id, T0_US, T0_US + HOUR_US, 10))
    wanted = CandleRange(timeframe, PriceSide.MID, T0_US, T0_US + DAY_US)

    with django_assert_num_queries(1):
        select_candles(series_id, wanted, T0_US + HOUR_US)


def test_range_without_a_bucket_has_no_candles() -> None:
    series_id = make_series()
    store(random_ticks(series_id, T0_US, T0_US + DAY_US, 100))
    refresh_candles(now_us=FAR_US)

    for align in (None, NEW_YORK):
        wanted = CandleRange(
            Timeframe.D1, PriceSide.MID, T0_US + 1, T0_US + 2, align=align
        )
        for now_us in (T0_US + 3, FAR_US):
            assert select_candles(series_id, wanted, now_us) == []
