"""Celery tasks of the history."""

import time

import msgspec
import structlog
from celery import shared_task

from history.candle_refresh import refresh_candles as refresh

# A refresh commits every few seconds and continues where it was stopped.
TIME_LIMIT_S = 600

log = structlog.get_logger(__name__)


@shared_task(
    name="history.refresh_candles",
    soft_time_limit=TIME_LIMIT_S,
    time_limit=TIME_LIMIT_S + 30,
)
def refresh_candles(series_ids: list[int] | None = None) -> None:
    """Bring the candles of all or some series up to date.

    Series that another refresh holds are left to it and to the next run.
    """
    report = refresh(series_ids, now_us=time.time_ns() // 1000, wait=False)
    if report.ranges:
        log.info("candles refreshed", **msgspec.structs.asdict(report))
