"""Importing ticks: days of hourly files into stored rows and refreshed candles.

Threads read and decode ahead, threads write days, each in a transaction of its own, and
a thread refreshes the candles of chunks. What is stored stays, so a run that was
stopped is run again.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from django.db import connection

from history.series import get_or_create_series
from history.tick_indexes import without_indexes
from importer.exceptions import InvalidRange
from importer.hours import HourRange
from importer.instruments import ARCHIVE
from importer.ledger import select_stored_range
from importer.orders import ImportOrder, Progress
from importer.outcomes import ImportReport
from importer.series_import import Crew, SeriesImport
from importer.single_flight import only_import_of
from importer.threads import DatabaseThreads

__all__ = ["ImportOrder", "Progress", "import_ticks", "range_of"]


def import_ticks(
    order: ImportOrder, progress: Progress, *, now_us: Callable[[], int]
) -> ImportReport:
    """Import the ordered hours, series after series, and return the figures.

    Hours that are known to be stored or empty are skipped. An hour whose file is
    damaged or missing becomes a hole of the report and does not stop the others.
    Blocks; waits while another import works on the same series.

    Raises:
        InvalidRange: no hours are ordered, and nothing is stored.
        django.db.Error: the database is away; what was committed stays.
    """
    started_s = time.perf_counter()
    report = ImportReport()
    with ExitStack() as stack:
        if order.manages_indexes:
            stack.enter_context(without_indexes())
        crew = _hire(order, stack)
        refreshes = []
        for instrument in order.instruments:
            symbol = instrument.symbol
            series_id = get_or_create_series(symbol, ARCHIVE).pk
            hours = range_of(order, series_id, symbol)
            task = SeriesImport(
                order, instrument, series_id, progress=progress, now_us=now_us
            )
            progress.begin(symbol, len(hours))
            with only_import_of(series_id, on_wait=partial(progress.wait, symbol)):
                report.add(task.run(hours, crew))
            refreshes += task.refreshes
        report.candles = sum(item.result().candles_written for item in refreshes)
    report.elapsed_s = time.perf_counter() - started_s
    return report


def range_of(order: ImportOrder, series_id: int, symbol: str) -> HourRange:
    """Return the hours that the order means for a series.

    Raises:
        InvalidRange: it means what is stored, and nothing is.
    """
    hours = order.hours or select_stored_range(series_id)
    if hours is None:
        raise InvalidRange(f"days, as nothing is stored of {symbol}", "none")
    return hours


def _hire(order: ImportOrder, stack: ExitStack) -> Crew:
    days = len(list(order.hours.days())) if order.hours else order.workers
    # A day is one transaction: to connect again for it takes longer than it saves. And
    # what a transaction has not committed, other connections do not see.
    is_alone = min(order.workers, days) == 1 or connection.in_atomic_block
    threads = 0 if is_alone else min(order.workers, days)
    writers = DatabaseThreads(threads, "import-write")
    refreshers = DatabaseThreads(min(threads, 1), "import-refresh")
    return Crew(stack.enter_context(writers), stack.enter_context(refreshers))
