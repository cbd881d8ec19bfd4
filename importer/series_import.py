"""Importing one series: its days through the threads, its chunks into the figures.

reading threads -> days in order -> writing threads -> chunk stored -> review
                                                                    -> refresh
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass

from history.candle_refresh import RefreshReport, refresh_candles
from importer.day_store import DayPlan, store_day
from importer.hour_reader import HourRead, HourReader
from importer.hours import HourRange
from importer.instruments import ArchiveInstrument
from importer.ledger import DONE, is_open_question, select_hours
from importer.models import ImportHour
from importer.orders import ImportOrder, Progress
from importer.outcomes import HourOutcomes, ImportReport
from importer.read_ahead import read_ahead
from importer.review import AROUND_DAYS, Reviewer
from importer.threads import DatabaseThreads
from marketdata.durations import DAY_US


@dataclass(frozen=True, slots=True)
class Crew:
    """The threads of an import, for all its series."""

    writers: DatabaseThreads
    refreshers: DatabaseThreads


@dataclass(frozen=True, slots=True)
class _Job:
    """A day, and the chunk that it belongs to."""

    plan: DayPlan
    chunk: HourRange


class SeriesImport:
    """Imports the ordered hours of a series; call it under the series' import lock."""

    def __init__(
        self,
        order: ImportOrder,
        instrument: ArchiveInstrument,
        series_id: int,
        *,
        progress: Progress,
        now_us: Callable[[], int],
    ) -> None:
        self._order = order
        self._symbol = instrument.symbol
        self._series_id = series_id
        self._progress = progress
        self._now_us = now_us
        source = order.source
        self._reader = HourReader(source, instrument, series_id=series_id)
        self._reviewer = Reviewer(series_id, instrument, source.spec)
        self.refreshes: list[Future[RefreshReport]] = []

    def run(self, hours: HourRange, crew: Crew) -> ImportReport:
        """Import the hours and return the figures, but for those of ``refreshes``."""
        report = ImportReport()
        recent = HourOutcomes()
        days = read_ahead(
            self._jobs(hours),
            self._reader.read,
            threads=self._order.source.threads,
            give_up=self._order.source.close,
        )
        # Closed before anything else if a day fails: other days wait for their reads.
        with closing(days):
            for (job, _), stored in crew.writers.in_order(days, self._store):
                day = stored.report(self._symbol)
                self._progress.advance(self._symbol, job.plan.hours, day)
                recent.add(stored)
                if job.plan.hours.end_us == job.chunk.end_us:
                    self._finish_chunk(job, recent, crew)
                    # Hours before that are no suspects any more.
                    settled_us = job.chunk.end_us - AROUND_DAYS * DAY_US
                    report.add(recent.take_before(settled_us).report(self._symbol))
        report.add(recent.report(self._symbol))
        return report

    def _jobs(self, hours: HourRange) -> Iterator[tuple[_Job, Sequence[int]]]:
        for chunk in hours.chunks(self._order.chunk_days):
            known = select_hours(self._series_id, chunk)
            ledger, picked = self._pick(chunk, known)
            for day in chunk.days():
                wanted = [hour for hour in day.hours() if hour in picked]
                plan = DayPlan(
                    self._series_id,
                    day,
                    ledger,
                    wanted,
                    self._order.source.spec,
                    self._order.replaces_live,
                )
                yield _Job(plan, chunk), wanted

    def _pick(
        self, chunk: HourRange, known: Mapping[int, ImportHour]
    ) -> tuple[Mapping[int, ImportHour], Collection[int]]:
        """Return the ledger to go by and the hours to read."""
        order = self._order
        if order.pick:
            return order.pick(self._series_id, chunk, known)
        return known, {
            hour_us for hour_us in chunk.hours() if is_wanted(order, known.get(hour_us))
        }

    def _store(self, job: tuple[_Job, Iterator[HourRead]]) -> HourOutcomes:
        (day, reads) = job
        return store_day(day.plan, reads, now_us=self._now_us())

    def _finish_chunk(self, job: _Job, recent: HourOutcomes, crew: Crew) -> None:
        self._reviewer.review(job.chunk, recent, now_us=self._now_us())
        if self._order.has_refresh:
            # Even if nothing was written: a killed run leaves notes behind.
            refresh = crew.refreshers.submit(self._refresh)
            self.refreshes.append(refresh)
        self._progress.complete(self._symbol, job.chunk)

    def _refresh(self) -> RefreshReport:
        return refresh_candles([self._series_id], now_us=self._now_us())


def is_wanted(order: ImportOrder, known: ImportHour | None) -> bool:
    """Return whether the order asks the source for an hour of which this is known."""
    if order.is_forced:
        return True
    if order.fills_gaps:
        return known is None or known.state not in DONE
    return is_open_question(known, order.source)
