"""Ticks that were received live, and an import that is told to replace them."""

import numpy as np
import pytest
from django.db import connection

from history.changed_ranges import note_changed_ranges
from history.models import Tick
from history.tick_store import copy_ticks
from importer.models import ImportHour
from importer.outcomes import Outcome
from marketdata.numbering import pack
from tests.history.storage import assert_candles_match, tick_columns
from tests.importer.archives import write_hours
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.imports import run, series_of, stored_ticks

pytestmark = pytest.mark.usefixtures("instruments")

FIRST, LAST = "2019-02-04T00", "2019-02-04T02"


@pytest.fixture
def live(tmp_path):
    """Two hours with files and an empty one, stored; a live tick in each."""
    write_hours(tmp_path, {DAY_US: 3, DAY_US + HOUR_US: 3, DAY_US + 2 * HOUR_US: 0})
    run(tmp_path, FIRST, LAST)
    rows = [
        (DAY_US + hour * HOUR_US + 7, pack(7, hour), 1.1, 1.2, np.nan, np.nan)
        for hour in range(3)
    ]
    copy_ticks(connection.connection, tick_columns(series_of().pk, rows))
    series = series_of()
    series.tick_count += 3
    series.save()
    with connection.cursor() as cursor:
        changed = (series.pk, DAY_US, DAY_US + 3 * HOUR_US, DAY_US)
        note_changed_ranges(cursor, [changed])
    return tmp_path


def live_hours():
    ticks = Tick.objects.filter(seq__gte=1 << 32).order_by("time")
    return [tick.time.hour for tick in ticks]


def test_import_ticks_forced_leaves_live_ticks(live):
    report = run(live, FIRST, LAST, is_forced=True)

    assert report.hours == {Outcome.UNCHANGED: 3}
    assert live_hours() == [0, 1, 2]


def test_import_ticks_told_to_replaces_live_ticks_of_hours_that_have_ticks(live):
    report = run(live, FIRST, LAST, is_forced=True, replaces_live=True)

    series = series_of()
    assert report.hours == {Outcome.STORED: 2, Outcome.UNCHANGED: 1}
    assert live_hours() == [2]  # an empty file is no better than a tick
    assert series.tick_count == 7 == len(stored_ticks(series.pk))
    assert_candles_match(series.pk, [stored_ticks(series.pk)])


def test_import_ticks_told_to_replace_does_not_read_stored_hours(live):
    report = run(live, FIRST, LAST, replaces_live=True)

    assert report.hours == {Outcome.UNCHANGED: 3}
    assert live_hours() == [0, 1, 2]


def test_import_ticks_told_to_keeps_live_ticks_of_new_hours_without_ticks(live):
    ImportHour.objects.all().delete()
    write_hours(live, {DAY_US: 4, DAY_US + HOUR_US: 4})

    run(live, FIRST, LAST, replaces_live=True)

    assert live_hours() == [2]
    assert series_of().tick_count == 9 == len(stored_ticks(series_of().pk))
