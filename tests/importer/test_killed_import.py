"""An import that is killed, and run again."""

import shutil
import time

import pytest
from django.db import connection

from history.models import ChangedRange
from importer.models import ImportHour
from tests.history.storage import assert_candles_match
from tests.importer.bi5_files import DAY, DAY_TICKS
from tests.importer.imports import run, series_of, stored_ticks

pytestmark = pytest.mark.usefixtures("committed_instruments")

DAYS = [DAY, "2019-02-05", "2019-02-06"]


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within 30 s"
        time.sleep(0.002)


def is_copying():
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (
                SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND query LIKE 'COPY%%'
                      AND state = 'active'
            )
            """
        )
        return cursor.fetchone()[0]


def rows_and_hours():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM ticks), (SELECT count(*) FROM import_hours)"
        )
        return cursor.fetchone()


def test_import_ticks_killed_while_it_copies_stores_all_or_nothing(manage, folder):
    arguments = ["--from", DAY, "--to", DAY, f"--source=bi5-dir:{folder}"]
    process = manage(*arguments)
    wait_until(is_copying, "COPY")
    process.kill()
    process.result()

    left = rows_and_hours()
    code, out, err = manage(*arguments).result()

    assert left in ((0, 0), (DAY_TICKS, 24))
    assert (code, series_of().tick_count) == (0, DAY_TICKS), err
    assert len(stored_ticks(series_of().pk)) == DAY_TICKS


def test_import_ticks_killed_between_days_goes_on_where_it_was(manage, folder):
    for day in DAYS[1:]:
        for path in list(folder.glob(f"EURUSD_{DAY}_*")):
            shutil.copy(path, folder / path.name.replace(DAY, day))
    source = f"--source=bi5-dir:{folder}"
    process = manage("--from", DAYS[0], "--to", DAYS[-1], source)
    wait_until(ImportHour.objects.exists, "committed day")
    process.kill()
    process.result()

    stored_before = ImportHour.objects.count()
    report = run(folder, DAYS[0], DAYS[-1])

    series_id = series_of().pk
    columns = stored_ticks(series_id)
    assert stored_before in (24, 48)
    assert report.ticks == (3 - stored_before // 24) * DAY_TICKS
    assert len(columns) == series_of().tick_count == 3 * DAY_TICKS
    assert not ChangedRange.objects.exists()
    assert_candles_match(series_id, [columns])
