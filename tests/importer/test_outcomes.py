"""Adding up reports."""

from collections import Counter
from dataclasses import replace

from importer.outcomes import (
    MAX_LISTED_HOLES,
    Hole,
    HourOutcomes,
    ImportReport,
    Outcome,
)
from importer.quality_gate import Flaw
from tests.importer.bi5_files import DAY_US, HOUR_US

HOLE = Hole("EURUSD", DAY_US, Outcome.FAILED, "expected this, found that")
HOLES_APART = [replace(HOLE, hour_us=DAY_US + 2 * n * HOUR_US) for n in range(600)]


def test_add_sums_figures_and_lists_holes():
    report = ImportReport(Counter({Outcome.STORED: 2}), ticks=5, candles=1)

    part = ImportReport(Counter({Outcome.FAILED: 1}), 0, 2, 9.0, [HOLE])
    part.dropped = Counter({Flaw.CROSSED: 2})
    report.add(part)

    assert report == ImportReport(
        Counter({Outcome.STORED: 2, Outcome.FAILED: 1}),
        5,
        3,
        0.0,
        [HOLE],
        Counter({Flaw.CROSSED: 2}),
    )
    assert report.hole_count == 1


def test_add_lists_so_many_holes_and_counts_all():
    report = ImportReport()
    part = ImportReport(Counter({Outcome.MISSING: 600}), holes=HOLES_APART)

    report.add(part)
    report.add(part)

    assert len(report.holes) == MAX_LISTED_HOLES
    assert report.hole_count == 1_200
    assert report.unlisted_hours == 200


def test_add_joins_holes_that_continue_each_other():
    report = ImportReport()

    for number in range(3):
        hole = replace(HOLE, hour_us=DAY_US + number * HOUR_US)
        report.add(ImportReport(holes=[hole]))

    assert list(map(str, report.holes)) == [
        "EURUSD 2019-02-04 00h to 2019-02-04 02h (3 hours) failed: "
        "expected this, found that"
    ]


def test_take_before_returns_what_is_settled_with_the_sums():
    result = HourOutcomes(ticks=7)
    result.set(DAY_US, Outcome.STORED)
    result.set(DAY_US + HOUR_US, Outcome.MISSING, "no file")

    taken = result.take_before(DAY_US + HOUR_US)

    assert (taken.outcomes, taken.ticks) == ({DAY_US: Outcome.STORED}, 7)
    assert result == HourOutcomes(
        {DAY_US + HOUR_US: Outcome.MISSING}, {DAY_US + HOUR_US: "no file"}
    )


def test_hole_text_names_hour_and_reason():
    assert str(HOLE) == "EURUSD 2019-02-04 00h failed: expected this, found that"


def test_as_dict_is_what_json_takes():
    report = ImportReport(Counter({Outcome.FAILED: 1}), 300, 7, 0.5, [HOLE])

    assert report.as_dict() == {
        "hours": {
            "stored": 0,
            "empty": 0,
            "unchanged": 0,
            "suspect": 0,
            "failed": 1,
            "missing": 0,
            "closed": 0,
        },
        "ticks": 300,
        "dropped": {
            "not finite": 0,
            "not positive": 0,
            "crossed": 0,
            "duplicate": 0,
        },
        "candles": 7,
        "elapsed_s": 0.5,
        "ticks_per_s": 600,
        "hole_hours": 1,
        "holes": [
            {
                "symbol": "EURUSD",
                "hour": "2019-02-04 00h",
                "last": "2019-02-04 00h",
                "hours": 1,
                "state": "failed",
                "reason": "expected this, found that",
            }
        ],
    }
