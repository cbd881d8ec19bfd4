"""Celery tasks of the importer: jobs, and what happens every day."""

import time

import msgspec
import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from importer.daily import check_yesterday, queue_missing
from importer.job_runner import run_job as run_import_job
from importer.jobs import RUN_TASK, reap
from importer.retention import drop_old_ticks as drop_chunks

log = structlog.get_logger(__name__)

# A turn of a job is a minute and a chunk of days. At its worst, with every hour of the
# source at its limit, a chunk takes 70 minutes.
JOB_SOFT_LIMIT_S = 2 * 3600


@shared_task(
    name=RUN_TASK, soft_time_limit=JOB_SOFT_LIMIT_S, time_limit=JOB_SOFT_LIMIT_S + 60
)
def run_job(job_id: int) -> None:
    """Run an import job for a turn; one that is not queued is left alone."""
    run_import_job(job_id, now_us=_now_us)


@shared_task(name="importer.reap_jobs", soft_time_limit=60, time_limit=90)
def reap_jobs() -> None:
    """Take up import jobs whose worker died or whose message was lost."""
    reap(now=timezone.now())


@shared_task(name="importer.import_missing", soft_time_limit=60, time_limit=90)
def import_missing() -> None:
    """Queue the daily imports (IMPORT_SYMBOLS)."""
    jobs = queue_missing(
        settings.IMPORT_SYMBOLS,
        settings.DUKASCOPY_SOURCE,
        days=settings.IMPORT_DAYS,
        now=timezone.now(),
    )
    log.info("daily import", jobs=[job.pk for job in jobs])


@shared_task(name="importer.check_imported", soft_time_limit=1800, time_limit=1860)
def check_imported() -> None:
    """Check yesterday of what is imported daily, and log what was found."""
    for check in check_yesterday(settings.IMPORT_SYMBOLS, now=timezone.now()):
        for finding in check.findings:
            kind, text = finding.kind.value, finding.text
            log.warning("check found", symbol=check.symbol, kind=kind, finding=text)
        log.info("checked", symbol=check.symbol, findings=check.counts.total())


@shared_task(name="importer.drop_old_ticks", soft_time_limit=1800, time_limit=1860)
def drop_old_ticks() -> None:
    """Drop ticks and trades beyond TICK_RETENTION_DAYS, if that is set."""
    days = settings.TICK_RETENTION_DAYS
    if days:
        dropped = drop_chunks(days, now=timezone.now())
        log.info("old ticks dropped", **msgspec.structs.asdict(dropped))


def _now_us() -> int:
    return time.time_ns() // 1_000
