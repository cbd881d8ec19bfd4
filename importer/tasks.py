"""The import as a Celery task."""

import time
from collections.abc import Sequence

import structlog
from celery import Task, shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError

from importer.hours import parse_range
from importer.import_ticks import ImportOrder
from importer.import_ticks import import_ticks as run_import
from importer.instruments import select_instruments
from importer.progress import LineProgress
from importer.sources.registry import open_source

log = structlog.get_logger(__name__)

# A decade of a busy instrument is some 200 M ticks: a quarter of an hour. What a limit
# cuts off is not lost, the next run goes on from there.
SOFT_TIME_LIMIT_S = 3 * 3600
TIME_LIMIT_S = SOFT_TIME_LIMIT_S + 300


@shared_task(
    bind=True,
    name="importer.import_ticks",
    autoretry_for=(OperationalError, InterfaceError),
    max_retries=5,
    retry_backoff=2,
    retry_backoff_max=300,
    retry_jitter=True,
    soft_time_limit=SOFT_TIME_LIMIT_S,
    time_limit=TIME_LIMIT_S,
)
def import_ticks(
    self: Task,
    symbols: Sequence[str],
    first: str,
    last: str,
    source: str = "",
    *,
    force: bool = False,
    refresh: bool = True,
) -> dict[str, object]:
    """Import ticks as the command does, and return its JSON summary.

    Args:
        symbols: in any spelling.
        first: UTC day or hour, `2019-02-04` or `2019-02-04T13`.
        last: likewise; the day or hour itself is included.
        source: as `--source`; empty for the configured one.
        force: read hours again that are stored.
        refresh: compute the candles as well.

    Doing it twice changes nothing the second time. Tried again only where the database
    was away.
    """
    now_us = time.time_ns() // 1_000
    order = ImportOrder(
        instruments=select_instruments(symbols),
        hours=parse_range(first, last, now_us=now_us),
        source=open_source(source or settings.DUKASCOPY_SOURCE),
        is_forced=force,
        has_refresh=refresh,
    )
    progress = LineProgress(lambda line: log.info("import", progress=line))
    report = run_import(order, progress, now_us=lambda: time.time_ns() // 1_000)
    summary = report.as_dict()
    log.info("import done", symbols=list(symbols), first=first, last=last, **summary)
    return summary
