"""Hours without ticks between hours with ticks: marked, asked again, and then left."""

import pytest

from history.timestamps import to_datetime
from importer.models import ImportHour
from importer.outcomes import Outcome
from importer.suspects import MAX_TRIES, find_suspects
from tests.importer.archives import write_hour, write_hours
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.imports import ledger, run, series_of

pytestmark = pytest.mark.usefixtures("instruments")

FIRST, LAST = "2019-02-04T00", "2019-02-04T03"
SECOND_US = DAY_US + HOUR_US


def states():
    return [state for state, _ in ledger().values()]


@pytest.fixture
def archive(tmp_path):
    """Four hours: ticks, an empty file, no file, ticks."""
    write_hours(tmp_path, {DAY_US: 3, SECOND_US: 0, DAY_US + 3 * HOUR_US: 3})
    return tmp_path


def test_import_ticks_marks_empty_and_missing_hours_between_ticks(archive):
    report = run(archive, FIRST, LAST)

    assert states() == ["stored", "suspect", "suspect", "stored"]
    assert report.hours == {Outcome.STORED: 2, Outcome.SUSPECT: 1, Outcome.MISSING: 1}
    assert [str(hole) for hole in report.holes] == [
        "EURUSD 2019-02-04 01h suspect: expected ticks in market hours, "
        "found an empty file",
        "EURUSD 2019-02-04 02h missing: expected a file in "
        f"bi5-dir:{archive}, found none",
    ]


def test_import_ticks_asks_suspects_again_and_stores_what_is_there_then(archive):
    run(archive, FIRST, LAST)
    write_hours(archive, {SECOND_US: 5, SECOND_US + HOUR_US: 0})

    report = run(archive, FIRST, LAST)

    assert report.hours == {
        Outcome.STORED: 1,
        Outcome.SUSPECT: 1,
        Outcome.UNCHANGED: 2,
    }
    assert states() == ["stored", "stored", "suspect", "stored"]
    assert series_of().tick_count == 11


def test_import_ticks_leaves_suspects_after_some_tries_until_told(archive):
    for number in range(MAX_TRIES):
        report = run(archive, FIRST, LAST)
        assert report.hours[Outcome.UNCHANGED] == (2 if number else 0)

    settled = run(archive, FIRST, LAST)
    told = run(archive, FIRST, LAST, fills_gaps=True)
    elsewhere = archive / "elsewhere"
    elsewhere.mkdir()
    write_hour(elsewhere, DAY_US, 3)
    other_source = run(elsewhere, FIRST, LAST)

    assert settled.hours == {Outcome.UNCHANGED: 4}
    assert settled.hole_count == 0
    assert states() == ["stored", "suspect", "suspect", "stored"]
    assert told.hours[Outcome.MISSING] == 1
    assert other_source.hours[Outcome.MISSING] == 2


def test_import_ticks_sees_a_suspect_when_the_ticks_behind_it_come(archive):
    before = run(archive, FIRST, "2019-02-04T01")
    after = run(archive, FIRST, LAST)

    assert before.hours == {Outcome.STORED: 1, Outcome.EMPTY: 1}
    assert after.hours[Outcome.SUSPECT] == 1
    assert ImportHour.objects.get(state="suspect", detail__contains="empty").tries == 1


def test_import_ticks_in_small_chunks_sees_gaps_across_their_bounds(tmp_path):
    last_us = DAY_US + 23 * HOUR_US
    write_hours(tmp_path, {last_us - HOUR_US: 3, last_us: 0, last_us + HOUR_US: 3})

    report = run(tmp_path, "2019-02-04T22", "2019-02-05T00", chunk_days=1)

    assert report.hours == {Outcome.STORED: 2, Outcome.SUSPECT: 1}
    assert [hole.hour_us for hole in report.holes] == [last_us]


def test_import_ticks_of_hours_before_and_after_all_ticks_suspects_none(tmp_path):
    write_hours(tmp_path, {DAY_US: 0, SECOND_US: 3, SECOND_US + HOUR_US: 0})

    report = run(tmp_path, FIRST, LAST)

    assert report.hours == {Outcome.EMPTY: 2, Outcome.STORED: 1, Outcome.MISSING: 1}
    assert states() == ["empty", "stored", "empty"]


def test_import_ticks_leaves_an_hour_that_is_stored_while_suspects_are_looked_for(
    archive, monkeypatch
):
    def find_while_stored(*arguments, **options):
        found = find_suspects(*arguments, **options)
        ImportHour.objects.filter(state="empty").update(state="stored", rows=5)
        return found

    monkeypatch.setattr("importer.review.find_suspects", find_while_stored)

    run(archive, FIRST, LAST)

    assert list(ledger().values()) == [
        ("stored", 3),
        ("stored", 5),
        ("suspect", 0),
        ("stored", 3),
    ]


def test_import_ticks_in_many_chunks_counts_as_one_try(tmp_path):
    later_us = DAY_US + 72 * HOUR_US
    write_hours(tmp_path, {DAY_US: 3, DAY_US + 2 * HOUR_US: 3, later_us: 3})

    for number in range(1, 3):
        run(tmp_path, "2019-02-04", "2019-02-07", chunk_days=1)
        row = ImportHour.objects.get(hour=to_datetime(SECOND_US))
        assert (row.state, row.tries) == ("suspect", number)


def test_import_ticks_believes_in_a_missing_file_after_a_damaged_one(archive):
    third = archive / "EURUSD_2019-02-04_02h_ticks.bi5"
    third.write_bytes(b"damaged")
    run(archive, FIRST, LAST)
    third.unlink()

    tries = []
    for _ in range(MAX_TRIES):
        run(archive, FIRST, LAST)
        row = ImportHour.objects.get(hour__hour=2)
        tries.append((row.state, row.tries))
    settled = run(archive, FIRST, LAST)

    assert tries == [("suspect", number + 1) for number in range(MAX_TRIES)]
    assert settled.hours == {Outcome.UNCHANGED: 4}


def test_import_ticks_does_not_count_a_damaged_file_as_a_try(archive):
    third = archive / "EURUSD_2019-02-04_02h_ticks.bi5"
    run(archive, FIRST, LAST)
    third.write_bytes(b"damaged")
    run(archive, FIRST, LAST)
    failed = ImportHour.objects.get(hour__hour=2)
    third.write_bytes(b"")
    run(archive, FIRST, LAST)
    empty = ImportHour.objects.get(hour__hour=2)

    assert (failed.state, failed.tries) == ("failed", 1)
    assert (empty.state, empty.tries) == ("suspect", 2)
