"""Repairs: what is damaged is fetched again, what is right stays as it is."""

import pytest
from django.db import connection

from history.models import Series
from history.record_batch import BatchStore
from history.tick_store import copy_ticks
from importer.models import ImportHour
from importer.outcomes import Outcome
from importer.repair import RepairPick, repair_ticks
from marketdata.models import Instrument
from marketdata.records import Tick
from marketdata.timeframes import STORED
from tests.history.storage import assert_candles_match, tick_columns, versions
from tests.importer.archives import (
    change_bids,
    delete_rows,
    write_hour,
    write_hours,
)
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.imports import (
    Seen,
    ledger,
    now_us,
    order_of,
    run,
    series_of,
    stored_ticks,
)

pytestmark = pytest.mark.usefixtures("instruments")
FIRST, LAST = "2019-02-04T00", "2019-02-04T02"


@pytest.fixture
def stored(tmp_path):
    """Three hours of EURUSD with 5, 6 and 7 ticks."""
    write_hours(tmp_path, {DAY_US + n * HOUR_US: 5 + n for n in range(3)})
    run(tmp_path, FIRST, LAST)
    return tmp_path


def repair(folder, last=LAST, *, is_all=False, replaces_live=False):
    pick = RepairPick(is_all=is_all, replaces_live=replaces_live)
    order = order_of(folder, FIRST, last, pick=pick, replaces_live=replaces_live)
    return repair_ticks(order, Seen(), now_us=now_us)


def content():
    """Return everything that a repair may change, by version of rows."""
    series = Series.objects.filter(pk=series_of().pk).values()
    hours = ImportHour.objects.order_by("hour").values_list()
    return list(series), list(hours), [versions(timeframe) for timeframe in STORED]


def assert_sound():
    """Fail unless statistics and candles are those of the rows."""
    series = series_of()
    columns = stored_ticks(series.pk)
    assert series.tick_count == len(columns)
    assert_candles_match(series.pk, [columns])


def live_ticks(*seconds):
    """Store ticks of EURUSD as Dukascopy's that were received live."""
    Instrument.objects.filter(symbol="EURUSD").update(record=True)
    rows = [
        (
            Tick(
                symbol="EURUSD",
                broker="dukascopy",
                time_us=DAY_US + second * 1_000_000,
                received_us=DAY_US + second * 1_000_000,
                bid=1.1,
                ask=1.2,
            ),
            7,
            number + 1,
        )
        for number, second in enumerate(seconds)
    ]
    assert BatchStore().store(rows).stored == len(rows)


def test_repair_of_a_sound_series_changes_nothing(stored):
    before = content()

    report = repair(stored)

    assert report.imported.hours == {Outcome.UNCHANGED: 3}
    assert (report.imported.ticks, report.corrected) == (0, [])
    assert content() == before


def test_repair_puts_back_rows_that_were_deleted(stored):
    delete_rows(DAY_US + HOUR_US, keep=2)

    report = repair(stored)

    assert report.imported.hours == {Outcome.UNCHANGED: 2, Outcome.STORED: 1}
    assert report.corrected == ["EURUSD"]
    assert ledger()["2019-02-04 01h"] == ("stored", 6)
    assert_sound()


def test_repair_puts_back_prices_that_were_changed(stored):
    before = stored_ticks(series_of().pk).bid.tolist()
    change_bids(DAY_US + HOUR_US)

    report = repair(stored)

    assert report.imported.hours[Outcome.STORED] == 1
    assert stored_ticks(series_of().pk).bid.tolist() == before
    assert_sound()


def test_repair_fetches_what_failed_or_is_missing(stored):
    (stored / "EURUSD_2019-02-04_03h_ticks.bi5").write_bytes(b"damaged")
    run(stored, FIRST, "2019-02-04T04")
    write_hours(stored, {DAY_US + 3 * HOUR_US: 4, DAY_US + 4 * HOUR_US: 3})

    report = repair(stored, "2019-02-04T04")

    assert (report.imported.ticks, report.imported.hole_count) == (7, 0)
    assert_sound()


def test_repair_of_rows_in_an_hour_that_the_ledger_does_not_know_replaces_them(stored):
    ImportHour.objects.filter(rows=6).delete()
    write_hour(stored, DAY_US + HOUR_US, 4, seed=1)

    repair(stored)

    assert ledger()["2019-02-04 01h"] == ("stored", 4)
    assert_sound()


def test_repair_with_a_damaged_file_leaves_the_rows_and_the_hour_a_hole(stored):
    delete_rows(DAY_US + HOUR_US, keep=2)
    (stored / "EURUSD_2019-02-04_01h_ticks.bi5").write_bytes(b"damaged")

    report = repair(stored)
    again = repair(stored)

    assert [hole.outcome for hole in report.imported.holes] == [Outcome.FAILED]
    assert ledger()["2019-02-04 01h"] == ("stored", 6)
    assert len(stored_ticks(series_of().pk)) == 14
    assert again.imported.hole_count == 1


@pytest.mark.parametrize("is_all", [False, True])
def test_repair_with_an_empty_file_leaves_the_rows_and_the_hour_a_hole(stored, is_all):
    delete_rows(DAY_US + HOUR_US, keep=5)
    write_hour(stored, DAY_US + HOUR_US, 0)

    report = repair(stored, is_all=is_all)
    again = repair(stored)

    assert [hole.reason for hole in again.imported.holes] == [
        f"expected 6 ticks as stored, found none in bi5-dir:{stored}"
    ]
    assert report.imported.hours == {Outcome.UNCHANGED: 2, Outcome.FAILED: 1}
    assert ledger()["2019-02-04 01h"] == ("stored", 6)
    assert len(stored_ticks(series_of().pk)) == 5 + 5 + 7
    assert_sound()


def test_repair_of_ticks_in_an_hour_that_was_and_is_empty_deletes_them(stored):
    write_hour(stored, DAY_US + 3 * HOUR_US, 0)
    run(stored, FIRST, "2019-02-04T03")
    row = (DAY_US + 3 * HOUR_US, 0, 1.1, 1.2, 1.0, 1.0)
    copy_ticks(connection.connection, tick_columns(series_of().pk, [row]))

    repair(stored, "2019-02-04T03")

    assert ledger()["2019-02-04 03h"] == ("empty", 0)
    assert_sound()


def test_repair_of_all_replaces_what_the_provider_revised(stored):
    write_hour(stored, DAY_US, 9, seed=1)
    revision = series_of().revision

    quiet = repair(stored)
    report = repair(stored, is_all=True)
    again = content()
    repair(stored, is_all=True)

    assert quiet.imported.ticks == 0
    assert report.imported.hours == {Outcome.STORED: 1, Outcome.UNCHANGED: 2}
    assert series_of().revision > revision
    assert content() == again
    assert_sound()


def test_repair_never_deletes_live_rows_unless_told(stored):
    live_ticks(10, 20, 30)
    write_hour(stored, DAY_US, 9, seed=1)

    repair(stored, is_all=True)
    kept = series_of().tick_count
    repair(stored, replaces_live=True)

    assert kept == 9 + 6 + 7 + 3
    assert series_of().tick_count == 9 + 6 + 7
    assert_sound()
