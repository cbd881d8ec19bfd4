"""Refreshes and writers at the same time, each on a connection of its own."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from history.candle_locks import LOCK_CLASS
from history.candle_refresh import refresh_candles
from history.candle_sql import WRITE_FROM_TICKS
from history.models import ChangedRange
from marketdata.timeframes import PriceSide, Timeframe
from tests.history.storage import (
    DAY_US,
    FAR_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    T0_US,
    TickColumns,
    assert_candles_match,
    make_series,
    random_ticks,
    store,
    stored_candles,
    tick_columns,
    versions,
)

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 3
SERIES = 4
BATCHES = 40


def in_thread(pool: ThreadPoolExecutor, work: Callable[[], object]) -> Future:
    def run() -> object:
        try:
            return work()
        finally:
            connections.close_all()

    return pool.submit(run)


def one_tick(series_id: int, seq: int, price: float) -> TickColumns:
    return tick_columns(
        series_id, [(T0_US + seq * SECOND_US, seq, price, price + 1, 1.0, 1.0)]
    )


def bid_candle(series_id: int) -> tuple:
    return stored_candles(series_id, Timeframe.H12, PriceSide.BID)[T0_US]


@pytest.mark.parametrize("distance_us", [MINUTE_US, 20 * DAY_US], ids=["1m", "20d"])
def test_refreshes_beside_writers_end_with_the_right_candles(distance_us: int) -> None:
    """Batches overlap, or make new chunks; nothing deadlocks, nothing is lost."""
    ids = [make_series(f"S{i:05d}") for i in range(SERIES)]
    batches = {
        (writer, number): random_ticks(
            ids[number % SERIES],
            T0_US + number * distance_us,
            T0_US + number * distance_us + HOUR_US,
            40,
            seed=1 + writer * BATCHES + number,
        )
        for writer in range(WRITERS)
        for number in range(BATCHES)
    }
    is_writing = threading.Event()
    is_writing.set()

    def write(writer: int) -> None:
        for number in range(BATCHES):
            store(batches[writer, number])

    def refresh(wait: bool) -> int:
        transactions = 0
        while is_writing.is_set():
            transactions += refresh_candles(now_us=FAR_US, wait=wait).transactions
        return transactions

    with ThreadPoolExecutor(8) as pool:
        writers = [in_thread(pool, lambda w=w: write(w)) for w in range(WRITERS)]
        refreshers = [
            in_thread(pool, lambda wait=wait: refresh(wait))
            for wait in (True, True, False)
        ]
        try:
            for writer in writers:
                writer.result(timeout=60)
        finally:
            is_writing.clear()
        transactions = sum(refresher.result(timeout=60) for refresher in refreshers)

    refresh_candles(now_us=FAR_US)

    assert transactions > 3
    assert not ChangedRange.objects.exists()
    for series_id in ids:
        stored = [item for item in batches.values() if item.series_id[0] == series_id]
        assert_candles_match(series_id, stored)


def test_rows_committed_after_a_refresh_heal_with_the_next_one() -> None:
    series_id = make_series()
    store(one_tick(series_id, 0, 5.0))
    has_written, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            store(one_tick(series_id, 1, 9.0))
            has_written.set()
            assert may_commit.wait(60)

    with ThreadPoolExecutor(1) as pool:
        writer = in_thread(pool, write_slowly)
        assert has_written.wait(60)
        refresh_candles(now_us=FAR_US)
        without = bid_candle(series_id)
        may_commit.set()
        writer.result(timeout=60)
    notes_left = ChangedRange.objects.count()
    refresh_candles(now_us=FAR_US)

    assert without == (5.0, 5.0, 5.0, 5.0, 1.0, 1)
    assert notes_left == 1
    assert bid_candle(series_id) == (5.0, 9.0, 5.0, 9.0, 2.0, 2)
    assert not ChangedRange.objects.exists()


def test_rows_committed_between_notes_and_candles_are_seen_and_noted() -> None:
    """The candles have them at once; their note costs one more refresh."""
    series_id = make_series()
    store(one_tick(series_id, 0, 5.0))

    def write_before_the_candles(execute, sql, params, many, context):
        if sql == WRITE_FROM_TICKS:
            with ThreadPoolExecutor(1) as pool:
                in_thread(pool, lambda: store(one_tick(series_id, 1, 9.0))).result(10)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(write_before_the_candles):
        refresh_candles(now_us=FAR_US)
    at_once = bid_candle(series_id)
    notes_left = ChangedRange.objects.count()
    again = refresh_candles(now_us=FAR_US)

    assert at_once == (5.0, 9.0, 5.0, 9.0, 2.0, 2)
    assert notes_left == 1
    assert (again.ranges, again.candles_written) == (1, 0)
    assert {rev for _, rev in versions(Timeframe.M1).values()} == {0}


def test_refresh_that_waited_for_a_lock_sees_what_was_noted_meanwhile() -> None:
    series_id = make_series()
    store(one_tick(series_id, 0, 5.0))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, series_id)
            )
            waiting = in_thread(pool, lambda: refresh_candles(now_us=FAR_US))
            until_somebody_waits_for_a_lock()
            store(one_tick(series_id, 1, 9.0))
        report = waiting.result(timeout=60)

    assert report.transactions == 1
    assert bid_candle(series_id) == (5.0, 9.0, 5.0, 9.0, 2.0, 2)
    assert not ChangedRange.objects.exists()


def test_refresh_that_does_not_wait_leaves_held_series_and_their_notes() -> None:
    held, free = make_series("EURUSD"), make_series("GBPUSD")
    for series_id in (held, free):
        store(one_tick(series_id, 0, 5.0))
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, held))
        report = in_thread(
            pool, lambda: refresh_candles(now_us=FAR_US, wait=False)
        ).result(timeout=60)
    later = refresh_candles(now_us=FAR_US, wait=False)

    assert (report.series, report.busy) == (1, 1)
    assert (later.series, later.busy) == (1, 0)
    assert bid_candle(held) == bid_candle(free) == (5.0, 5.0, 5.0, 5.0, 1.0, 1)


def test_failed_refresh_leaves_notes_and_candles_as_they_were() -> None:
    series_id = make_series()
    store(one_tick(series_id, 0, 5.0))

    def fail_at_the_last_timeframe(execute, sql, params, many, context):
        if "candles_12h" in sql:
            raise ConnectionError("the database went away")
        return execute(sql, params, many, context)

    with (
        connection.execute_wrapper(fail_at_the_last_timeframe),
        pytest.raises(ConnectionError),
    ):
        refresh_candles(now_us=FAR_US)

    assert ChangedRange.objects.count() == 1
    assert stored_candles(series_id, Timeframe.M1, PriceSide.BID) == {}


def until_somebody_waits_for_a_lock() -> None:
    deadline_s = time.monotonic() + 60
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                """
                SELECT count(*)
                FROM pg_locks
                JOIN pg_database ON pg_database.oid = database
                WHERE datname = current_database()
                  AND locktype = 'advisory'
                  AND NOT granted
                  AND classid = %s
                """,
                [LOCK_CLASS],
            )
            if cursor.fetchone()[0]:
                return
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
