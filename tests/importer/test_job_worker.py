"""A job and real workers: watched, stopped, taken up after a worker was killed."""

import time

import numpy as np
import pytest
from django.utils import timezone

from importer import jobs
from importer.instruments import select_instruments
from importer.models import ImportHour, ImportJob
from tests.importer.archives import hours_of, write_hour
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.dukascopy_server import Archive, serving
from tests.importer.imports import series_of, stored_ticks
from tests.importer.workers import worker

pytestmark = pytest.mark.usefixtures("committed_instruments")
LEASE_S = 2.0


def wait_until(condition, what, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {timeout_s} s"
        time.sleep(0.05)


@pytest.fixture
def server(tmp_path):
    """A slow archive in which every day is one of 24 hours with 5 ticks."""
    for hour in range(24):
        write_hour(tmp_path, DAY_US + hour * HOUR_US, 5)
    with serving(Archive(tmp_path, repeats=True)) as server:
        server.latency_s = 0.03
        yield server


def test_compat_check_46_job_shows_progress_stops_and_survives_its_worker(
    server, settings
):
    settings.IMPORT_JOB_LEASE_S = LEASE_S
    environment = {
        "IMPORT_JOB_LEASE_S": str(LEASE_S),
        "DUKASCOPY_CONCURRENCY": "1",
        "DUKASCOPY_REQUESTS_PER_S": "1000",
    }
    (job,) = jobs.queue_import(
        select_instruments(["EURUSD"]),
        hours_of("2019-02-04", "2019-02-22"),
        jobs.JobTerms(f"bi5-http:{server.bi5_url}"),
    )

    with worker(**environment) as first:
        wait_until(lambda: row().hours_done >= 24, "progress")
        assert row().state == "running"
        assert jobs.request_stop([job.pk]) == 1
        wait_until(lambda: row().state == "stopped", "stop")
        stopped = row()
        jobs.retry([job.pk])
        done = stopped.hours_done
        wait_until(lambda: row().hours_done > done, "further progress")
        first.kill()
        first.wait()

    assert stopped.hours_done % 24 == 0
    assert stopped.ticks == stopped.hours_done * 5
    assert stopped.finished_at is not None
    assert row().state == "running"  # as its worker left it
    server.latency_s = 0
    wait_until(lambda: jobs.reap(now=timezone.now()).sent == 1, "expired lease")
    with worker(**environment):
        wait_until(lambda: row().state not in jobs.ACTIVE, "end")

    columns = stored_ticks(series_of().pk)
    keys = np.stack([columns.time_us, columns.seq])
    assert (row().state, row().claims, row().detail) == ("done", 3, "")
    assert (row().hours_done, row().position) == (19 * 24, row().end)
    assert series_of().tick_count == len(columns) == np.unique(keys, axis=1).shape[1]
    assert len(columns) == ImportHour.objects.filter(state="stored").count() * 5


def row():
    return ImportJob.objects.get()
