"""Several writers at once: the same rows, errors that end it, Ctrl-C."""

import signal
import threading
import time

import pytest
from django.db import DatabaseError, connection

from history.models import ChangedRange
from importer import day_store
from importer.models import ImportHour
from importer.series_import import refresh_candles
from tests.history.storage import assert_candles_match
from tests.importer.archives import write_hours
from tests.importer.bi5_files import DAY, DAY_US, HOUR_US
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
    arguments = ["--from", DAY, "--to", LAST, f"--source=bi5-dir:{archive}"]
    process = manage(*arguments)
    wait_until(lambda: ImportHour.objects.exists(), "committed day")
    process.send_signal(signal.SIGINT)
    started_s = time.monotonic()
    code, _, err = process.result()

    assert time.monotonic() - started_s < 10
    assert code in (1, 2)  # 2 if it was faster than the signal
    assert "Traceback" not in err
    run(archive, DAY, LAST)
    assert series_of().tick_count == count_ticks() == DAYS * 150


def count_ticks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ticks")
        return cursor.fetchone()[0]
