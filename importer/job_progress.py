"""How a running job tells its row how it goes on, and hears that it is to stop."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType

import msgspec
import structlog
from django.db import Error as DatabaseError
from django.db import connection

from history.timestamps import to_datetime
from importer.hours import HourRange
from importer.job_claim import Figures, renew
from importer.models import ImportJob
from importer.outcomes import ImportReport

# The row is written so often, by a thread of its own: it does so, too, while an hour is
# waited for.
BEAT_S = 1.0
MAX_HOLES = 100

log = structlog.get_logger(__name__)


class JobStopped(Exception):
    """Raised into an import whose job was stopped; what is committed stays."""


class JobLost(Exception):
    """Raised into an import whose job was taken over by another worker."""


class SeriesBusy(Exception):
    """Raised instead of waiting for another import of the series."""


class JobProgress:
    """Keeps the job's lease and figures while it is entered; is an import's progress.

    ``figures`` are those of the job so far. Its methods raise what ends the import.
    """

    def __init__(self, job: ImportJob, now: Callable[[], datetime]) -> None:
        position = job.position or job.start
        self.figures = Figures(
            position=position,
            # Not those of a chunk that it did not get to the end of.
            hours_done=(position - job.start) // timedelta(hours=1),
            ticks=job.ticks,
            holes=job.holes,
            hole_list=list(job.hole_list),
            deaths=job.deaths,
        )
        self._job = job
        self._now = now
        self._is_stopped = self._is_lost = False
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"job-{job.pk}")

    def __enter__(self) -> "JobProgress":
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def begin(self, symbol: str, hours: int) -> None:
        """Do nothing: the job knows its hours."""

    def wait(self, symbol: str) -> None:
        """Give up: a worker has better to do than to wait.

        Raises:
            SeriesBusy: always.
        """
        raise SeriesBusy(symbol)

    def advance(self, symbol: str, day: HourRange, part: ImportReport) -> None:
        """Count the day's ticks.

        Raises:
            JobStopped: somebody asked for it.
            JobLost: the job is another worker's.
        """
        with self._lock:
            self.figures.ticks += part.ticks
            self.figures.hours_done += len(day)
        self.check()

    def complete(self, symbol: str, chunk: HourRange) -> None:
        """Do nothing: holes are known when the import returns, see `pass_chunk`."""

    def pass_chunk(self, chunk: HourRange, report: ImportReport) -> None:
        """Count a chunk as through.

        Raises:
            JobStopped, JobLost: as `advance`.
        """
        with self._lock:
            self.figures.position = to_datetime(chunk.end_us)
            self.figures.holes += report.hole_count
            texts = [str(hole) for hole in report.holes]
            self.figures.hole_list = (self.figures.hole_list + texts)[:MAX_HOLES]
            self.figures.deaths = 0  # it gets on
        self.check()

    def count_overtime(self) -> int:
        """Count a turn that took too long, and return the new count of deaths."""
        with self._lock:
            self.figures.deaths += 1
            return self.figures.deaths

    def check(self) -> None:
        """Raise if the job is to end.

        Raises:
            JobStopped, JobLost: as `advance`.
        """
        if self._is_lost:
            raise JobLost
        if self._is_stopped:
            raise JobStopped

    def _beat(self) -> None:
        try:
            while not self._is_over.wait(BEAT_S):
                self._renew()
        finally:
            connection.close()

    def _renew(self) -> None:
        with self._lock:
            figures = msgspec.structs.replace(self.figures)
        try:
            answer = renew(self._job, figures, now=self._now())
        except DatabaseError as exc:
            # If this lasts the lease expires; that is what it is for.
            log.warning(
                "import job's row not written", job=self._job.pk, error=str(exc)
            )
            connection.close()
            return
        self._is_lost = answer is None
        self._is_stopped = bool(answer)
