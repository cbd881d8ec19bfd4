"""Versions of answers: equal ones, equal answers; live records change no old one."""

import random

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from history.alignment import parse_align
from history.candle_range import CandleRange, buckets_of
from history.candle_refresh import refresh_candles
from history.candle_rows import CandleRow
from history.changed_ranges import note_changed_ranges
from history.data_version import LATE_US, data_version, is_settled, record_version
from history.record_plan import RecordRange
from history.series_info import SeriesInfo
from history.timestamps import to_datetime
from marketdata.timeframes import PriceSide, Timeframe
from tests.history.reads import select_candles, select_series, select_ticks
from tests.history.storage import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    T0_US,
    make_series,
    store,
    tick_columns,
    update_statistics,
)

GRACE_US = 2 * SECOND_US
HOUR = CandleRange(Timeframe.H1, PriceSide.MID, T0_US, T0_US + 3 * HOUR_US - 1)
AFTER_US = T0_US + 4 * HOUR_US


def info(latest_us: int, **more: object) -> SeriesInfo:
    values = {
        "series_id": 7,
        "symbol": "EURUSD",
        "decimals": 5,
        "broker": "dukascopy",
        "earliest": to_datetime(T0_US),
        "candles_from": to_datetime(T0_US),
        "latest": to_datetime(latest_us),
        "tick_count": 10,
        "revision": 3,
        "trade_count": 2,
    }
    return SeriesInfo(**{**values, **more})


def test_data_version_of_a_settled_range_is_the_revision() -> None:
    series = info(T0_US + 3 * HOUR_US + LATE_US)

    assert data_version(series, HOUR, AFTER_US) == "7.3"
    more = info(AFTER_US, tick_count=99)
    assert data_version(more, HOUR, AFTER_US + DAY_US) == "7.3"


def test_data_version_of_a_range_that_reaches_the_latest_counts_records() -> None:
    series = info(T0_US + 3 * HOUR_US + LATE_US - 1)

    assert data_version(series, HOUR, AFTER_US) == "7.3-10.2..1.0"


def test_data_version_of_an_open_bucket_changes_when_it_ends() -> None:
    series = info(T0_US + 2 * HOUR_US + MINUTE_US)
    end_us = T0_US + 3 * HOUR_US

    assert data_version(series, HOUR, end_us - 1) == "7.3-10.2..0.0"
    assert data_version(series, HOUR, end_us) == "7.3-10.2..1.0"


def test_data_version_of_a_range_with_notes_knows_them_and_the_minute() -> None:
    series = info(AFTER_US, pending="2n17")

    found = data_version(series, HOUR, AFTER_US)

    assert found == f"7.3-10.2.2n17.1.{AFTER_US // MINUTE_US}"
    assert not is_settled(series, T0_US + HOUR_US)


def test_data_version_of_a_feed_whose_clock_is_ahead_is_not_settled() -> None:
    series = info(AFTER_US + DAY_US)

    assert data_version(series, HOUR, T0_US + HOUR_US).startswith("7.3-")


def test_record_version_of_a_settled_range_is_the_revision() -> None:
    series = info(T0_US + LATE_US)

    assert record_version(series, T0_US - 1) == "7.3"
    assert record_version(series, T0_US) == "7.3-10.2."


NEW_YORK = parse_align("America/New_York@17:00")
START_US = T0_US + 11 * HOUR_US + 40 * MINUTE_US
RANGES = [
    CandleRange(timeframe, PriceSide.BID, START_US - span_us, START_US + ahead_us)
    for timeframe, span_us, ahead_us in (
        (Timeframe.S1, HOUR_US, 0),
        (Timeframe.M1, HOUR_US, -MINUTE_US),
        (Timeframe.M1, HOUR_US, 3 * MINUTE_US),
        (Timeframe.M5, DAY_US, 0),
        (Timeframe.M30, 6 * HOUR_US, -HOUR_US),
        (Timeframe.H12, 9 * DAY_US, HOUR_US),
        (Timeframe.D1, 9 * DAY_US, -DAY_US),
        (Timeframe.W1, 30 * DAY_US, 0),
    )
] + [
    CandleRange(
        Timeframe.D1, PriceSide.BID, 0, START_US, limit=2, takes_last=True,
        align=NEW_YORK,
    ),
]  # fmt: skip
RECORDS = RecordRange(START_US - HOUR_US, START_US, 1000)

OPERATIONS = st.sampled_from(
    ["live", "live", "live", "refresh", "refresh", "wait", "import", "import same",
     "late", "delete", "rebuild", "pause"]
)  # fmt: skip
# What a running feed and its refreshes do, and nothing else.
LIVE = {"live", "refresh", "wait", "pause"}


class World:
    """A series with a clock; each operation is what a writer or the refresh does."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now_us = START_US
        self.seq = 1 << 32
        self.series_id = make_series()
        self.store(START_US - 9 * DAY_US, START_US - 20 * MINUTE_US, 60)
        self.refresh()

    def store(self, first_us: int, last_us: int, count: int, *, due_us=0) -> None:
        times = sorted(self.chance.randint(first_us, last_us) for _ in range(count))
        rows = []
        for time_us in times:
            self.seq += 1
            bid = self.chance.randrange(1, 999) / 512
            rows.append((time_us, self.seq, bid, bid + 1, 0.5, 0.5))
        store(tick_columns(self.series_id, rows), due_us=due_us)

    def live(self) -> None:
        """Seconds pass, then a flush: some records are late by less than a minute."""
        self.now_us += self.chance.randrange(1, 40) * SECOND_US
        minute_us = self.now_us - self.now_us % MINUTE_US
        late_us = self.chance.choice([0, 2 * SECOND_US, 50 * SECOND_US])
        due_us = minute_us + MINUTE_US + GRACE_US
        self.store(self.now_us - late_us, self.now_us, 3, due_us=due_us)

    def wait(self) -> None:
        self.now_us += self.chance.randrange(1, 150) * SECOND_US

    def pause(self) -> None:
        self.now_us += 20 * MINUTE_US

    def refresh(self) -> None:
        refresh_candles(now_us=self.now_us)

    def late(self) -> None:
        time_us = self.now_us - self.chance.randrange(2, 90) * MINUTE_US
        self.store(time_us, time_us, 1)

    def import_(self) -> None:
        first_us = START_US - self.chance.randrange(1, 9 * 24) * HOUR_US
        self.store(first_us, first_us + HOUR_US, self.chance.randrange(1, 20))

    def import_same(self) -> None:
        """Rows that are there already are noted, and none is added."""
        with connection.cursor() as cursor:
            start_us = START_US - DAY_US
            note_changed_ranges(cursor, [(self.series_id, start_us, START_US, 0)])
            update_statistics(cursor, self.series_id)

    def delete(self) -> None:
        start_us = START_US - self.chance.randrange(1, 50) * HOUR_US
        end_us = start_us + HOUR_US
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM ticks WHERE series_id = %s AND time >= %s AND time < %s",
                [self.series_id, to_datetime(start_us), to_datetime(end_us)],
            )
            gone = cursor.rowcount
            note_changed_ranges(cursor, [(self.series_id, start_us, end_us, 0)])
            update_statistics(
                cursor, self.series_id, ticks_added=-gone, changes_past=gone > 0
            )

    def rebuild(self) -> None:
        """A candle was wrong without any record's fault, and is computed again."""
        with connection.cursor() as cursor:
            start_us = START_US - 9 * DAY_US
            note_changed_ranges(cursor, [(self.series_id, start_us, START_US, 0)])

    def do(self, operation: str) -> None:
        method = {"import": "import_"}.get(operation, operation.replace(" ", "_"))
        getattr(self, method)()

    def answer(self, wanted: CandleRange) -> tuple[str, bool, list[CandleRow]]:
        """Return version, whether it is settled, and the answer."""
        buckets = buckets_of(wanted, self.now_us)
        span = (buckets.lo_us, buckets.hi_us)
        series = select_series("EURUSD", span=span)
        version = data_version(series, wanted, self.now_us)
        rows = select_candles(self.series_id, wanted, self.now_us)
        return version, version == series.version, rows

    def records(self) -> tuple[str, bool, list]:
        span = (RECORDS.start_us, RECORDS.end_us + 1)
        series = select_series("EURUSD", span=span)
        version = record_version(series, RECORDS.end_us)
        rows = select_ticks(self.series_id, RECORDS)
        return version, version == series.version, rows


@pytest.mark.django_db
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10_000), operations=st.lists(OPERATIONS, min_size=3, max_size=9)
)
def test_data_version_after_any_sequence_differs_if_the_answer_does(
    seed: int, operations: list[str]
) -> None:
    example = transaction.savepoint()
    world = World(seed)
    seen: list[dict[str, list]] = [{} for _ in range(len(RANGES) + 1)]
    before: list[tuple[str, bool]] = []
    is_live = True
    for operation in ["wait", *operations]:
        is_live &= operation in LIVE
        world.do(operation)

        answers = [world.answer(wanted) for wanted in RANGES] + [world.records()]

        for number, (version, _, rows) in enumerate(answers):
            assert seen[number].setdefault(version, rows) == rows, operation
        if before and is_live:
            for (old, was_settled), (new, _, _) in zip(before, answers, strict=True):
                assert new == old or not was_settled, operation
        before = [(version, settled) for version, settled, _ in answers]
        is_live |= operation == "refresh"  # which has done what others left
    transaction.savepoint_rollback(example)
