"""A check of series: each thing that can be wrong is found, and nothing else."""

import pytest
from django.db import connection

from history.index_faults import find_index_faults
from history.models import ChangedRange, Series
from history.timestamps import to_datetime
from importer.checking import CheckOptions, check_series
from importer.findings import MAX_LISTED, Kind, SeriesCheck
from importer.import_ticks import ImportOrder, import_ticks
from importer.instruments import select_instruments
from importer.sources.registry import open_source
from marketdata.durations import HOUR_US
from tests.importer.archives import (
    change_bids,
    delete_rows,
    hours_of,
    write_hour,
    write_hours,
)
from tests.importer.bi5_files import DAY_US
from tests.importer.imports import Seen, now_us, run, series_of

pytestmark = pytest.mark.usefixtures("instruments")
FIRST, LAST = "2019-02-04T00", "2019-02-04T02"


@pytest.fixture
def stored(tmp_path):
    """Three hours of EURUSD with 5, 6 and 7 ticks."""
    write_hours(tmp_path, {DAY_US + n * HOUR_US: 5 + n for n in range(3)})
    run(tmp_path, FIRST, LAST)
    return tmp_path


def check(hours=None, *, has_checksums=False, at_us=None):
    series = Series.objects.select_related("instrument").get(pk=series_of().pk)
    options = CheckOptions(has_checksums=has_checksums)
    return check_series(series, hours, options, now_us=at_us or now_us())


def texts(found):
    return [(item.kind, item.text) for item in found.findings]


def test_check_series_finds_nothing_after_an_import(stored):
    found = check(has_checksums=True)

    assert texts(found) == []
    assert sum(item.rows for item in found.covered) == 18


def test_check_series_finds_hours_that_are_missing_or_failed(stored):
    (stored / "EURUSD_2019-02-04_03h_ticks.bi5").write_bytes(b"damaged")
    run(stored, FIRST, "2019-02-04T03")

    found = check(hours_of(FIRST, "2019-02-04T05"))

    assert texts(found) == [
        (Kind.GAP, "failed: 2019-02-04 03h to 2019-02-04 03h"),
        (Kind.GAP, "missing: 2019-02-04 04h to 2019-02-04 05h"),
    ]


def test_check_series_finds_rows_deleted_behind_the_ledgers_back(stored):
    delete_rows(DAY_US + HOUR_US, keep=4)

    found = check()

    assert texts(found) == [
        (Kind.ROWS, "2019-02-04 01h: expected 6 imported ticks (stored), found 4"),
        (Kind.STATISTICS, "ticks: expected 16, found 18"),
        (Kind.CANDLES, "2019-02-04 01h: expected a candle of 4 ticks, found 6"),
    ]


def test_check_series_with_checksums_finds_changed_prices(stored):
    change_bids(DAY_US)

    assert texts(check()) == []
    ((kind, text),) = texts(check(has_checksums=True))
    assert kind is Kind.ROWS
    assert text.startswith("2019-02-04 00h: expected ticks with checksum ")


def test_check_series_finds_wrong_statistics(stored):
    Series.objects.update(earliest=to_datetime(0))

    ((kind, text),) = texts(check())

    assert kind is Kind.STATISTICS
    assert text.startswith("earliest: expected 2019-02-04 00:")


def test_check_series_tells_changes_that_nobody_refreshed_from_wrong_candles(stored):
    write_hour(stored, DAY_US, 9, seed=1)
    run(stored, FIRST, LAST, is_forced=True, has_refresh=False)

    at_once = check()
    later = check(at_us=now_us() + 600_000_000)

    assert texts(at_once) == []
    assert texts(later) == [(Kind.NOTES, "1 changes wait for refresh_candles")]
    ChangedRange.objects.all().delete()
    ((kind, text),) = texts(check())
    assert kind is Kind.CANDLES
    assert text == "2019-02-04 00h: expected a candle of 9 ticks, found 5"


def test_check_series_without_anything_stored_says_so():
    run_nothing = Series.objects.create(instrument_id=_eurusd(), broker_id="dukascopy")

    found = check_series(run_nothing, None, CheckOptions(), now_us=now_us())

    assert texts(found) == [(Kind.SERIES, "nothing is stored of EURUSD")]


def test_findings_are_counted_beyond_those_that_are_listed():
    found = SeriesCheck("EURUSD", "dukascopy")

    for number in range(MAX_LISTED + 5):
        found.add(Kind.ROWS, str(number))

    assert (len(found.findings), found.counts.total()) == (MAX_LISTED, MAX_LISTED + 5)


def test_find_index_faults_names_a_chunk_without_its_index(stored):
    assert find_index_faults() == []

    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX some_index ON ticks (received)")
        cursor.execute("SELECT show_chunks('ticks')::text")
        (chunk,) = cursor.fetchone()
        cursor.execute(
            """
            SELECT indexrelid::regclass::text
            FROM pg_index
            WHERE indrelid = %s::regclass
              AND pg_get_indexdef(indexrelid) LIKE '%%received%%'
            """,
            (chunk,),
        )
        (name,) = cursor.fetchone()
        cursor.execute(
            "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = %s::regclass",
            (name,),
        )

    assert find_index_faults() == [f"{name} of {chunk} is invalid"]


def _eurusd():
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM marketdata_instrument WHERE symbol = 'EURUSD'")
        return cursor.fetchone()[0]


def test_check_series_believes_an_archive_that_was_asked_often_enough(
    tmp_path,
):
    write_hours(tmp_path, {DAY_US: 5, DAY_US + HOUR_US: 0, DAY_US + 2 * HOUR_US: 7})
    run(tmp_path, FIRST, LAST)
    once = texts(check())

    for _ in range(4):
        run(tmp_path, FIRST, LAST)

    assert once == [(Kind.GAP, "suspect: 2019-02-04 01h to 2019-02-04 01h")]
    assert texts(check()) == []


def test_check_series_with_checksums_knows_ticks_without_sizes(tmp_path):
    lines = ["time,bid,ask", "2019-02-04 00:00:01.000,1.1,1.2"]
    (tmp_path / "EURUSD.csv").write_text("\n".join(lines))
    source = open_source(f"csv:{tmp_path / 'EURUSD.csv'}")
    hours = hours_of("2019-02-04T00", "2019-02-04T00")
    order = ImportOrder(select_instruments(["EURUSD"]), hours, source, workers=1)
    assert import_ticks(order, Seen(), now_us=now_us).ticks == 1

    assert texts(check(has_checksums=True)) == []
