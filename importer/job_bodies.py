"""Import jobs as the coverage page reads them; times in Unix seconds."""

from datetime import datetime

import msgspec

from importer.models import ImportJob

# What a page shows of a job that found more; the admin has all.
MAX_LISTED = 10


class JobBody(msgspec.Struct, frozen=True):
    """A job; `to` is excluded, `hole_list` has the first holes of `holes` hours."""

    id: int
    kind: str
    symbol: str
    start: int = msgspec.field(name="from")
    to: int
    state: str
    is_stopping: bool
    hours_done: int
    hours_total: int
    ticks: int
    holes: int
    hole_list: list[str]
    detail: str
    requested_by: str
    queued_at: int
    started_at: int | None
    finished_at: int | None


def job_body(job: ImportJob) -> JobBody:
    """Return a job's row as the page reads it."""
    return JobBody(
        id=job.pk,
        kind=job.kind,
        symbol=job.symbol,
        start=int(job.start.timestamp()),
        to=int(job.end.timestamp()),
        state=job.state,
        is_stopping=job.is_stop_requested,
        hours_done=job.hours_done,
        hours_total=job.hours_total,
        ticks=job.ticks,
        holes=job.holes,
        hole_list=job.hole_list[:MAX_LISTED],
        detail=job.detail,
        requested_by=job.requested_by,
        queued_at=int(job.queued_at.timestamp()),
        started_at=_seconds(job.started_at),
        finished_at=_seconds(job.finished_at),
    )


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())
