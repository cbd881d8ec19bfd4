"""Importing ticks: days of hourly files into stored rows and refreshed candles.

Threads read and decode ahead while this thread writes one day after the other, each in
its own transaction. What is stored stays, so a run that was stopped is run again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from history.candle_refresh import refresh_candles
from history.series import get_or_create_series
from importer.day_store import DayPlan, store_day
from importer.hour_reader import HourReader
from importer.hours import HourRange
from importer.instruments import ARCHIVE, ArchiveInstrument
from importer.ledger import DONE, select_hours
from importer.outcomes import ImportReport
from importer.read_ahead import read_ahead
from importer.single_flight import only_import_of
from importer.sources.base import Source


class Progress(Protocol):
    """Is told how an import goes on."""

    def begin(self, symbol: str, hours: int) -> None:
        """A series begins; ``hours`` are in its range."""

    def wait(self, symbol: str) -> None:
        """Another import has the series; this one waits for its end."""

    def advance(self, symbol: str, day: HourRange, part: ImportReport) -> None:
        """A day is committed."""


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What to import, from where, and how.

    ``is_forced`` reads hours again that are stored; ``has_refresh`` False leaves the
    candles to the next refresh.
    """

    instruments: Sequence[ArchiveInstrument]
    hours: HourRange
    source: Source
    is_forced: bool = False
    has_refresh: bool = True

    def __len__(self) -> int:
        """How many hours that is, over all instruments."""
        return len(self.hours) * len(self.instruments)


def import_ticks(
    order: ImportOrder, progress: Progress, *, now_us: Callable[[], int]
) -> ImportReport:
    """Import the ordered hours, series after series, and return the figures.

    Hours that are known to be stored or empty are skipped. An hour whose file is
    damaged or missing becomes a hole of the report and does not stop the others.
    Blocks; waits while another import works on the same series.

    Raises:
        django.db.Error: the database is away; what was committed stays.
    """
    started_s = time.perf_counter()
    report = ImportReport()
    for instrument in order.instruments:
        report.add(_import_series(order, instrument, progress, now_us=now_us))
    report.elapsed_s = time.perf_counter() - started_s
    return report


def _import_series(
    order: ImportOrder,
    instrument: ArchiveInstrument,
    progress: Progress,
    *,
    now_us: Callable[[], int],
) -> ImportReport:
    symbol = instrument.symbol
    series_id = get_or_create_series(symbol, ARCHIVE).pk
    report = ImportReport()
    progress.begin(symbol, len(order.hours))
    with only_import_of(series_id, on_wait=lambda: progress.wait(symbol)):
        reader = HourReader(order.source, instrument, series_id=series_id)
        for plan, reads in read_ahead(_jobs(order, symbol, series_id), reader.read):
            part = store_day(plan, reads, source=order.source.spec, now_us=now_us())
            if order.has_refresh:
                # Even if nothing was written: a killed run leaves notes behind.
                refreshed = refresh_candles([series_id], now_us=now_us())
                part.candles = refreshed.candles_written
            report.add(part)
            progress.advance(symbol, plan.hours, part)
    return report


def _jobs(
    order: ImportOrder, symbol: str, series_id: int
) -> Iterator[tuple[DayPlan, Sequence[int]]]:
    for day in order.hours.days():
        known = select_hours(series_id, day)
        wanted = [
            hour_us
            for hour_us in day.hours()
            if order.is_forced
            or hour_us not in known
            or known[hour_us].state not in DONE
        ]
        yield DayPlan(symbol, series_id, day, known, wanted), wanted
