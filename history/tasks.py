"""Celery tasks of the history."""

import time

import msgspec
import structlog
from celery import shared_task

from history.candle_rebuild import EVERYTHING, note_for_rebuild
from history.candle_refresh import refresh_candles as refresh
from history.models import Series

# A refresh commits every few seconds and continues where it was stopped.
TIME_LIMIT_S = 600

log = structlog.get_logger(__name__)


@shared_task(
    name="history.refresh_candles",
    soft_time_limit=TIME_LIMIT_S,
    time_limit=TIME_LIMIT_S + 30,
)
def refresh_candles(
    series_ids: list[int] | None = None, *, rebuild: bool = False
) -> None:
    """Bring the candles of all or some series up to date.

    Series that another refresh holds are left to it and to the next run.

    Args:
        series_ids: None for all.
        rebuild: compute all their candles again; what a run leaves, the next ones do.
    """
    now_us = time.time_ns() // 1000
    if rebuild:
        series = Series.objects.order_by("pk")
        if series_ids is not None:
            series = series.filter(pk__in=series_ids)
        note_for_rebuild(series, EVERYTHING, now_us=now_us)
    report = refresh(series_ids, now_us=now_us, wait=False)
    if report.ranges:
        log.info("candles refreshed", **msgspec.structs.asdict(report))
