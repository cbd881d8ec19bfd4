"""What an import says while it runs."""

from collections import Counter

import pytest

from importer import progress as progress_module
from importer.hours import HourRange
from importer.outcomes import ImportReport, Outcome
from importer.progress import BarProgress, LineProgress
from tests.importer.bi5_files import DAY_US, HOUR_US

DAYS = [
    HourRange(DAY_US + day * 24 * HOUR_US, DAY_US + (day + 1) * 24 * HOUR_US)
    for day in range(3)
]


class Clock:
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


def part(ticks):
    return ImportReport(Counter({Outcome.STORED: 23, Outcome.FAILED: 1}), ticks)


def test_line_progress_writes_figures_rate_and_eta(clock):
    lines = []
    progress = LineProgress(lines.append)

    progress.begin("EURUSD", 48)
    clock.now_s += 2
    progress.advance("EURUSD", DAYS[0], part(50_000))
    progress.complete("EURUSD", DAYS[0])

    assert lines == [
        "EURUSD 2019-02-04: 24/48 hours (23 stored, 1 failed), 50,000 ticks, "
        "25,000 ticks/s, ETA 2 s"
    ]


def test_line_progress_writes_once_a_second_and_at_the_end(clock):
    lines = []
    progress = LineProgress(lines.append)

    progress.begin("EURUSD", 72)
    for day in DAYS:
        clock.now_s += 0.4
        progress.advance("EURUSD", day, part(1_000))
        progress.complete("EURUSD", day)

    assert [line.split(",")[0] for line in lines] == [
        "EURUSD 2019-02-06: 72/72 hours (69 stored",
    ]


def test_line_progress_of_a_slow_source_writes_within_a_chunk(clock):
    lines = []
    progress = LineProgress(lines.append)

    progress.begin("EURUSD", 168)
    for day in DAYS:
        clock.now_s += 6
        progress.advance("EURUSD", day, part(1_000))

    assert [line.split(",")[0] for line in lines] == [
        "EURUSD 2019-02-05: 48/168 hours (46 stored",
    ]


def test_line_progress_says_that_it_waits():
    lines = []

    LineProgress(lines.append).wait("EURUSD")

    assert lines == ["EURUSD: another import is at work on it, waiting for its end"]


def test_bar_progress_draws_on_standard_error(capsys):
    with BarProgress() as progress:
        progress.begin("EURUSD", 24)
        progress.wait("EURUSD")
        progress.advance("EURUSD", DAYS[0], part(50_000))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "24/24 hours  50,000 ticks" in captured.err.replace("\n", " ")
