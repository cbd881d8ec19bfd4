"""What happens every day by itself: the missing is imported, yesterday checked."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from history.models import Series
from history.timestamps import to_us
from importer.checking import CheckOptions, check_series
from importer.findings import SeriesCheck
from importer.hours import HourRange, last_days
from importer.instruments import ARCHIVE, ArchiveInstrument, select_instruments
from importer.jobs import ACTIVE, JobTerms, queue_import
from importer.models import ImportJob
from marketdata.durations import DAY_US

ALL = "*"
REQUESTED_BY = "schedule"


def select_daily(symbols: Sequence[str]) -> list[ArchiveInstrument]:
    """Return the instruments of IMPORT_SYMBOLS; `*` are all with history.

    Raises:
        UnknownInstrument: the archive does not carry one.
    """
    if ALL in symbols:
        stored = _archived().exclude(latest=None)
        symbols = list(stored.values_list("instrument__symbol", flat=True))
    return select_instruments(symbols)


def queue_missing(
    symbols: Sequence[str], source: str, *, days: int, now: datetime
) -> list[ImportJob]:
    """Queue an import of the last ``days`` for each symbol, and return the jobs.

    None where yesterday's is still at work.
    """
    active = ImportJob.objects.filter(state__in=ACTIVE, requested_by=REQUESTED_BY)
    busy = set(active.values_list("symbol", flat=True))
    free = [item for item in select_daily(symbols) if item.symbol not in busy]
    return queue_import(
        free,
        last_days(days, now_us=to_us(now)),
        JobTerms(source, requested_by=REQUESTED_BY),
    )


def check_yesterday(symbols: Sequence[str], *, now: datetime) -> list[SeriesCheck]:
    """Return a check of yesterday for each symbol that has a series."""
    today_us = to_us(now) - to_us(now) % DAY_US
    yesterday = HourRange(today_us - DAY_US, today_us)
    wanted = {item.symbol for item in select_daily(symbols)}
    return [
        check_series(
            series, yesterday, CheckOptions(counts_all=False), now_us=to_us(now)
        )
        for series in _archived().filter(instrument__symbol__in=wanted)
    ]


def _archived() -> QuerySet[Series]:
    series = Series.objects.filter(broker=ARCHIVE).select_related("instrument")
    return series.order_by("instrument__symbol")
