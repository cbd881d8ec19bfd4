"""A worker's hold on a job: claimed, kept alive with its figures, given back.

Every write asks for the number of the claim. A worker that was paused for longer than
its lease finds that the job is another's now, and leaves it alone.
"""

from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from importer.jobs import QUEUE_LEASE
from importer.models import ImportJob, JobState


class Figures(msgspec.Struct, kw_only=True):
    """How far a job is.

    ``deaths`` counts turns in a row that a worker died of, or that took too long.
    """

    position: datetime
    hours_done: int
    ticks: int
    holes: int
    hole_list: list[str]
    deaths: int


def claim(job_id: int, *, now: datetime) -> ImportJob | None:
    """Make a queued job the caller's and return it; None if it is not to be had."""
    claimed = ImportJob.objects.filter(pk=job_id, state=JobState.QUEUED).update(
        state=JobState.RUNNING,
        claims=F("claims") + 1,
        lease_until=now + _lease(),
        heartbeat_at=now,
        started_at=Coalesce("started_at", Value(now)),
        detail="",
    )
    return ImportJob.objects.get(pk=job_id) if claimed else None


def renew(job: ImportJob, figures: Figures, *, now: datetime) -> bool | None:
    """Write the figures and hold the job on; return whether it is to stop.

    None says that it is the caller's no more.
    """
    is_held = _own(job).update(
        lease_until=now + _lease(),
        heartbeat_at=now,
        **msgspec.structs.asdict(figures),
    )
    if not is_held:
        return None
    return ImportJob.objects.values_list("is_stop_requested", flat=True).get(pk=job.pk)


def finish(
    job: ImportJob,
    figures: Figures,
    state: str,
    *,
    detail: str = "",
    now: datetime,
) -> str | None:
    """End the job and return its state, None if it is the caller's no more."""
    is_held = _own(job).update(
        state=state,
        detail=detail,
        finished_at=now,
        heartbeat_at=now,
        is_stop_requested=False,
        **msgspec.structs.asdict(figures),
    )
    return state if is_held else None


def put_back(
    job: ImportJob, figures: Figures, *, detail: str = "", now: datetime
) -> str | None:
    """Queue the job again where it is, or stop it if that was asked for meanwhile.

    Returns its state, None if it is the caller's no more.
    """
    is_stopped = Q(is_stop_requested=True)
    is_held = _own(job).update(
        state=Case(
            When(is_stopped, then=Value(JobState.STOPPED)),
            default=Value(JobState.QUEUED),
        ),
        finished_at=Case(When(is_stopped, then=Value(now)), default=None),
        is_stop_requested=False,
        detail=detail,
        lease_until=now + QUEUE_LEASE,
        **msgspec.structs.asdict(figures),
    )
    if not is_held:
        return None
    return ImportJob.objects.values_list("state", flat=True).get(pk=job.pk)


def _own(job: ImportJob) -> QuerySet[ImportJob]:
    return ImportJob.objects.filter(
        pk=job.pk, claims=job.claims, state=JobState.RUNNING
    )


def _lease() -> timedelta:
    return timedelta(seconds=settings.IMPORT_JOB_LEASE_S)
