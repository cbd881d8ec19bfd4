"""Running an import job: a chunk of days after the other, for a while.

A worker has other things to do (candles are refreshed there every few seconds), so it
puts a long job back into the queue from time to time and takes what is next.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import msgspec
import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import Error as DatabaseError

from history.series import get_or_create_series
from history.series_recount import correct_statistics
from history.timestamps import to_datetime, to_us
from importer.exceptions import ImporterError
from importer.hours import HourRange
from importer.import_ticks import import_ticks
from importer.instruments import ARCHIVE, select_instruments
from importer.job_claim import claim, finish, put_back
from importer.job_options import JobOptions
from importer.job_progress import JobLost, JobProgress, JobStopped, SeriesBusy
from importer.jobs import send
from importer.models import ImportJob, JobKind, JobState
from importer.orders import ImportOrder
from importer.repair import correct_candles
from importer.sources.registry import open_source

# How long a worker stays with a job, give or take a chunk.
TURN_S = 60.0
# A job whose series is busy comes again after this.
BUSY_DELAY_S = 10.0

log = structlog.get_logger(__name__)


def run_job(job_id: int, *, now_us: Callable[[], int]) -> str | None:
    """Claim a job, run it for a turn and return its state; None if it is not queued.

    What goes wrong with the import is written into the job, and not raised.

    Raises:
        django.db.Error: the database is away; the reaper takes the job up later.
    """

    def now() -> datetime:
        return to_datetime(now_us())

    job = claim(job_id, now=now())
    if job is None:
        return None
    with JobProgress(job, now) as progress:
        state, detail = _run(job, progress, now_us)
    if state is None:
        return None
    if state == JobState.QUEUED:
        state = put_back(job, progress.figures, detail=detail, now=now())
    else:
        state = finish(job, progress.figures, state, detail=detail, now=now())
    if state == JobState.QUEUED:
        send([job.pk], delay_s=BUSY_DELAY_S if detail else 0)
    log.info(
        "import job", job=job.pk, symbol=job.symbol, state=str(state), detail=detail
    )
    return state


def _run(
    job: ImportJob, progress: JobProgress, now_us: Callable[[], int]
) -> tuple[str | None, str]:
    """Return the job's next state and why; None if it is another worker's."""
    try:
        is_through = _run_turn(job, progress, now_us)
    except JobStopped:
        return JobState.STOPPED, ""
    except JobLost:
        return None, ""
    except SeriesBusy:
        return JobState.QUEUED, f"another import of {job.symbol} is at work"
    except SoftTimeLimitExceeded:
        # As if its worker had died: a chunk that does not fit a turn never will.
        deaths, text = progress.count_overtime(), "its turn took too long"
        if deaths >= settings.IMPORT_JOB_DEATHS:
            return JobState.FAILED, f"{text} {deaths} times in a row"
        return JobState.QUEUED, text
    except ImporterError as exc:
        return JobState.FAILED, str(exc)
    except DatabaseError:
        raise
    except Exception as exc:
        log.exception("import job failed", job=job.pk)
        return JobState.FAILED, repr(exc)
    if not is_through:
        return JobState.QUEUED, ""
    return (JobState.HOLES if progress.figures.holes else JobState.DONE), ""


def _run_turn(job: ImportJob, progress: JobProgress, now_us: Callable[[], int]) -> bool:
    """Import chunk after chunk; return False if some are left for the next turn."""
    until_s = time.monotonic() + TURN_S
    order = _order_of(job)
    for chunk in _chunks(job, order):
        if time.monotonic() >= until_s:
            return False
        report = import_ticks(replace(order, hours=chunk), progress, now_us=now_us)
        progress.pass_chunk(chunk, report)
    if job.kind == JobKind.REPAIR:
        series_id = get_or_create_series(job.symbol, ARCHIVE).pk
        hours = HourRange(to_us(job.start), to_us(job.end))
        correct_candles(
            series_id, hours, has_refresh=order.has_refresh, now_us=now_us()
        )
        correct_statistics(series_id)
    return True


def _chunks(job: ImportJob, order: ImportOrder) -> Iterator[HourRange]:
    hours = HourRange(to_us(job.position or job.start), to_us(job.end))
    if order.manages_indexes:
        # They are to be made again once.
        return iter([hours])
    return hours.chunks(order.chunk_days)


def _order_of(job: ImportJob) -> ImportOrder:
    options = msgspec.convert(job.options, JobOptions)
    is_repair = job.kind == JobKind.REPAIR
    return ImportOrder(
        instruments=select_instruments([job.symbol]),
        hours=None,
        source=open_source(job.source, reads_cache=not (options.force or is_repair)),
        **(options.for_repair() if is_repair else options.for_import()),
    )
