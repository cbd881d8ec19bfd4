"""Import jobs: queued, stopped, tried again, and taken up when their worker died.

The rows are the truth. A message in the queue only makes a worker look at a row, so it
does no harm if one is lost or comes twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone
from kombu.exceptions import OperationalError as QueueError

from history.series import get_or_create_series
from history.timestamps import to_datetime
from importer.hours import HourRange
from importer.import_ticks import range_of
from importer.instruments import ARCHIVE, ArchiveInstrument
from importer.job_options import JobOptions, options_of
from importer.models import ImportJob, JobKind, JobState
from importer.orders import ImportOrder

RUN_TASK = "importer.run_job"
# A message waits so long for a free worker; then it expires and the reaper sends one
# more, so that a queue that nobody empties does not grow.
QUEUE_LEASE = timedelta(minutes=5)
ACTIVE = (JobState.QUEUED, JobState.RUNNING)

log = structlog.get_logger(__name__)


class JobTerms(msgspec.Struct, frozen=True):
    """What the jobs of one request have in common."""

    source: str
    options: JobOptions = JobOptions()
    requested_by: str = ""
    kind: str = JobKind.IMPORT


class Reaped(msgspec.Struct, frozen=True):
    """How many jobs a reaper sent again, and how many it gave up."""

    sent: int = 0
    failed: int = 0


def queue_import(
    instruments: Sequence[ArchiveInstrument],
    hours: HourRange,
    terms: JobTerms,
) -> list[ImportJob]:
    """Queue a job per instrument, and return them.

    Messages are sent after the commit of the caller's transaction; without Redis the
    reaper sends them later.
    """
    now = timezone.now()
    rows = [
        ImportJob(
            kind=terms.kind,
            symbol=instrument.symbol,
            start=to_datetime(hours.start_us),
            end=to_datetime(hours.end_us),
            source=terms.source,
            options=msgspec.to_builtins(terms.options),
            requested_by=terms.requested_by,
            lease_until=now + QUEUE_LEASE,
            hours_total=len(hours),
            queued_at=now,
        )
        for instrument in instruments
    ]
    with transaction.atomic():
        jobs = ImportJob.objects.bulk_create(rows)
        transaction.on_commit(lambda: send([job.pk for job in jobs]))
    return jobs


def queue_order(order: ImportOrder, *, requested_by: str) -> list[ImportJob]:
    """Queue an import as a job per instrument, and return them.

    Raises:
        InvalidRange: the order means what is stored, and nothing is.
    """
    terms = JobTerms(order.source.spec, options_of(order), requested_by)
    with transaction.atomic():
        return [
            job
            for instrument in order.instruments
            for job in queue_import(
                [instrument],
                range_of(
                    order,
                    get_or_create_series(instrument.symbol, ARCHIVE).pk,
                    instrument.symbol,
                ),
                terms,
            )
        ]


def send(job_ids: Sequence[int], *, delay_s: float = 0) -> None:
    """Make a worker look at the jobs; a queue that is away is logged, no error."""
    expires_s = QUEUE_LEASE.total_seconds() + delay_s
    for job_id in job_ids:
        try:
            current_app.send_task(
                RUN_TASK, [job_id], countdown=delay_s or None, expires=expires_s
            )
        except QueueError as exc:
            log.warning("import job not sent", job=job_id, error=str(exc))
            return


def request_stop(job_ids: Sequence[int]) -> int:
    """Stop jobs that are queued at once and running ones after their day.

    Returns how many that are; jobs that have ended are left alone.
    """
    # One statement: a job may be put back into the queue at any moment.
    is_queued = Q(state=JobState.QUEUED)
    return ImportJob.objects.filter(pk__in=job_ids, state__in=ACTIVE).update(
        state=Case(When(is_queued, then=Value(JobState.STOPPED)), default=F("state")),
        finished_at=Case(When(is_queued, then=Value(timezone.now())), default=None),
        is_stop_requested=Case(When(is_queued, then=Value(False)), default=True),
    )


def retry(job_ids: Sequence[int]) -> int:
    """Queue jobs again that have ended, and return how many.

    One that was stopped or failed goes on where it was; one that is through begins
    again, and so asks for its holes.
    """
    ended = ImportJob.objects.filter(pk__in=job_ids).exclude(state__in=ACTIVE)
    with transaction.atomic():
        ids = list(ended.select_for_update().values_list("pk", flat=True))
        jobs = ImportJob.objects.filter(pk__in=ids)
        jobs.filter(state__in=(JobState.DONE, JobState.HOLES)).update(
            position=None, hours_done=0, ticks=0, holes=0, hole_list=[]
        )
        _queue_again(
            jobs, deaths=0, is_stop_requested=False, finished_at=None, detail=""
        )
        transaction.on_commit(lambda: send(ids))
    return len(ids)


def reap(*, now: datetime) -> Reaped:
    """Take up the active jobs whose lease has expired.

    The worker of a running one has died: it is queued again, but failed after
    ``IMPORT_JOB_DEATHS`` deaths without progress between. The message of a queued one
    was lost or has expired: another is sent.
    """
    with transaction.atomic():
        expired = ImportJob.objects.select_for_update(skip_locked=True).filter(
            state__in=ACTIVE, lease_until__lte=now
        )
        rows = list(expired.values_list("pk", "state", "deaths", "is_stop_requested"))
        most = settings.IMPORT_JOB_DEATHS - 1
        died = {row[0] for row in rows if row[1] == JobState.RUNNING}
        stopped = [pk for pk, _, _, is_stopping in rows if pk in died and is_stopping]
        given_up = [
            pk
            for pk, _, deaths, is_stopping in rows
            if pk in died and not is_stopping and deaths >= most
        ]
        again = [row[0] for row in rows if row[0] not in {*stopped, *given_up}]
        ImportJob.objects.filter(pk__in=died).update(deaths=F("deaths") + 1)
        _end(stopped, JobState.STOPPED, "its worker died", now=now)
        text = f"its worker died {most + 1} times in a row"
        _end(given_up, JobState.FAILED, text, now=now)
        _queue_again(ImportJob.objects.filter(pk__in=again))
        transaction.on_commit(lambda: send(again))
    for pk in died:
        log.warning("import job lost its worker", job=pk, is_failed=pk in given_up)
    return Reaped(sent=len(again), failed=len(given_up))


def _queue_again(jobs: QuerySet[ImportJob], **values: object) -> None:
    lease_until = timezone.now() + QUEUE_LEASE
    jobs.update(state=JobState.QUEUED, lease_until=lease_until, **values)


def _end(job_ids: Sequence[int], state: str, detail: str, *, now: datetime) -> None:
    ImportJob.objects.filter(pk__in=job_ids).update(
        state=state, detail=detail, finished_at=now
    )
