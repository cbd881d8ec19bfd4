"""Adding up reports."""

from collections import Counter

from importer.outcomes import MAX_LISTED_HOLES, Hole, ImportReport, Outcome
from tests.importer.bi5_files import DAY_US

HOLE = Hole("EURUSD", DAY_US, Outcome.FAILED, "expected this, found that")


def test_add_sums_figures_and_lists_holes():
    report = ImportReport(Counter({Outcome.STORED: 2}), ticks=5, candles=1)

    report.add(ImportReport(Counter({Outcome.FAILED: 1}), 0, 2, 9.0, [HOLE]))

    assert report == ImportReport(
        Counter({Outcome.STORED: 2, Outcome.FAILED: 1}), 5, 3, 0.0, [HOLE]
    )
    assert report.hole_count == 1


def test_add_lists_so_many_holes_and_counts_all():
    report = ImportReport()
    part = ImportReport(Counter({Outcome.MISSING: 600}), holes=[HOLE] * 600)

    report.add(part)
    report.add(part)

    assert len(report.holes) == MAX_LISTED_HOLES
    assert report.hole_count == 1_200


def test_hole_text_names_hour_and_reason():
    assert str(HOLE) == "EURUSD 2019-02-04 00h failed: expected this, found that"


def test_as_dict_is_what_json_takes():
    report = ImportReport(Counter({Outcome.FAILED: 1}), 300, 7, 0.5, [HOLE])

    assert report.as_dict() == {
        "hours": {
            "stored": 0,
            "empty": 0,
            "unchanged": 0,
            "failed": 1,
            "missing": 0,
            "closed": 0,
        },
        "ticks": 300,
        "candles": 7,
        "elapsed_s": 0.5,
        "ticks_per_s": 600,
        "holes": [
            {
                "symbol": "EURUSD",
                "hour": "2019-02-04 00h",
                "state": "failed",
                "reason": "expected this, found that",
            }
        ],
    }
