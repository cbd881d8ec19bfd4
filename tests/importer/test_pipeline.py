"""Several writers at once: the same rows, errors, Ctrl-C, others beside them."""

import signal
import threading
import time

import pytest
from django.db import DatabaseError, connection

from history.candle_refresh import refresh_candles
from history.models import ChangedRange
from history.record_batch import BatchStore
from history.series import get_or_create_series
from history.series_recount import compare_statistics
from importer import day_store
from importer.instruments import ARCHIVE
from importer.models import ImportHour
from marketdata.models import Instrument
from marketdata.records import Tick
from tests.history.storage import FAR_US, assert_candles_match
from tests.importer.archives import write_hours
from tests.importer.bi5_files import DAY, DAY_US, HOUR_US
from tests.importer.dukascopy_server import Archive, Fault, serving
from tests.importer.imports import run, series_of, stored_ticks
from tests.importer.test_killed_import import wait_until

pytestmark = pytest.mark.usefixtures("committed_instruments")

DAYS = 12
LAST = "2019-02-15"


@pytest.fixture
def archive(tmp_path):
    """Twelve days of three hours each."""
    hours = [24 * day + hour for day in range(DAYS) for hour in (0, 11, 23)]
    write_hours(tmp_path, {DAY_US + hour * HOUR_US: 50 for hour in hours})
    return tmp_path


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_import_ticks_with_any_number_of_workers_stores_the_same(archive, workers):
    report = run(archive, DAY, LAST, workers=workers, chunk_days=5)

    series = series_of()
    columns = stored_ticks(series.pk)
    assert report.ticks == series.tick_count == len(columns) == DAYS * 150
    assert not ChangedRange.objects.exists()
    assert_candles_match(series.pk, [columns])
    assert report.candles > 0


def test_import_ticks_raises_what_a_writer_raised_and_keeps_whole_days(
    archive, monkeypatch
):
    store, threads = day_store.store_hours, threading.active_count()

    def fail(rows):
        if rows[0].hour.day == 9:
            raise DatabaseError("no")
        store(rows)

    monkeypatch.setattr(day_store, "store_hours", fail)
    with pytest.raises(DatabaseError, match="no"):
        run(archive, DAY, LAST)

    stored = ImportHour.objects.filter(state="stored").count()
    series = series_of()
    assert series.tick_count == stored * 50 == len(stored_ticks(series.pk))
    assert threading.active_count() == threads
    monkeypatch.undo()
    run(archive, DAY, LAST)
    assert_candles_match(series.pk, [stored_ticks(series.pk)])
    assert series_of().tick_count == DAYS * 150


def test_import_ticks_raises_what_the_refresh_raised(archive, monkeypatch):
    def fail(*arguments, **options):
        raise DatabaseError("no candles")

    monkeypatch.setattr("importer.series_import.refresh_candles", fail)
    with pytest.raises(DatabaseError, match="no candles"):
        run(archive, DAY, LAST)

    assert series_of().tick_count == DAYS * 150
    refresh_candles(now_us=time.time_ns() // 1_000)
    assert_candles_match(series_of().pk, [stored_ticks(series_of().pk)])


def test_import_ticks_interrupted_ends_soon_and_goes_on_later(manage, archive):
    second_day_us = DAY_US + 24 * HOUR_US
    with serving(Archive(archive)) as server:
        for hour in range(24):
            server.break_for_good(second_day_us + hour * HOUR_US, Fault.STALL)
        process = manage(
            *("--from", DAY, "--to", LAST, "--source", f"bi5-http:{server.bi5_url}"),
            DUKASCOPY_SILENCE_S="60",
            DUKASCOPY_REQUEST_S="60",
            DUKASCOPY_REQUESTS_PER_S="1000",
        )
        wait_until(lambda: ImportHour.objects.exists(), "committed day")
        process.send_signal(signal.SIGINT)
        started_s = time.monotonic()
        code, _, err = process.result()

    assert time.monotonic() - started_s < 30  # a request may take 60 s
    assert code == 130
    assert err.splitlines()[-1].startswith(
        "CommandError: stopped; what is stored stays"
    )
    assert "Traceback" not in err
    assert series_of().tick_count == count_ticks() == 150
    run(archive, DAY, LAST)
    assert series_of().tick_count == count_ticks() == DAYS * 150


def test_import_ticks_beside_a_recorder_and_a_refresher_keeps_all_figures_true(archive):
    Instrument.objects.filter(symbol="EURUSD").update(record=True)
    series_id = get_or_create_series("EURUSD", ARCHIVE).pk
    is_over = threading.Event()
    counts = {"recorded": 0, "refreshed": 0}

    def record():
        store = BatchStore()
        while not is_over.is_set():
            first = counts["recorded"]
            rows = [live_tick(number) for number in range(first, first + 7)]
            counts["recorded"] += store.store(rows).stored

    def refresh():
        while not is_over.is_set():
            refresh_candles([series_id], now_us=FAR_US)
            counts["refreshed"] += 1

    others = [start(record), start(refresh)]
    try:
        wait_until(lambda: all(counts.values()), "recorder and refresher")
        run(archive, DAY, LAST, workers=2, chunk_days=2)
        write_hours(archive, {DAY_US + 5 * HOUR_US: 60, DAY_US + 6 * HOUR_US: 0})
        run(archive, DAY, LAST, workers=2, chunk_days=2, is_forced=True)
    finally:
        is_over.set()
        for thread in others:
            thread.join()
    refresh_candles([series_id], now_us=FAR_US)

    kept, counted = compare_statistics(series_id)
    assert kept == counted
    assert kept.ticks == DAYS * 150 + 60 + counts["recorded"]
    assert not ChangedRange.objects.exists()
    assert_candles_match(series_id, [stored_ticks(series_id)])


def live_tick(number):
    """Return a tick somewhere in the first three days, as the recorder gets it."""
    time_us = DAY_US + number * 7_919_000_000 % (72 * HOUR_US)
    tick = Tick(
        symbol="EURUSD",
        broker=ARCHIVE,
        time_us=time_us,
        received_us=time_us,
        bid=1.1,
        ask=1.2,
    )
    return tick, 7, number + 1


def start(function):
    """Start a thread that closes its connection at the end."""

    def run_and_close():
        try:
            function()
        finally:
            connection.close()

    thread = threading.Thread(target=run_and_close)
    thread.start()
    return thread


def count_ticks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ticks")
        return cursor.fetchone()[0]
