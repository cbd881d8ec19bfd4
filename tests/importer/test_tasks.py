"""The Celery tasks, and a worker that does what the command queued."""

import time

import pytest
from django.conf import settings

from importer import tasks
from importer.models import ImportJob
from tests.importer.bi5_files import PAYLOADS
from tests.importer.imports import ledger, series_of
from tests.importer.workers import worker

SOURCE = f"bi5-dir:{PAYLOADS}"
TASKS = [
    tasks.run_job,
    tasks.reap_jobs,
    tasks.import_missing,
    tasks.check_imported,
    tasks.drop_old_ticks,
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_tasks_end_before_redis_would_hand_them_out_again(task):
    timeout_s = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]

    assert task.soft_time_limit < task.time_limit < timeout_s


@pytest.mark.django_db
def test_run_job_of_a_job_that_is_gone_does_nothing():
    tasks.run_job(12345)


def test_import_ticks_in_the_background_is_done_by_a_worker(
    committed_instruments, manage
):
    prefix = f"{settings.CHANNEL_PREFIX}-import-{time.time_ns()}"
    argv = ["--from=2019-02-04T00", "--to=2019-02-04T00", f"--source={SOURCE}"]
    code, out, err = manage(*argv, "--background", CHANNEL_PREFIX=prefix).result()
    assert code == 0, err
    assert out.startswith("queued as job ")

    with worker(CHANNEL_PREFIX=prefix) as process:
        deadline = time.monotonic() + 60
        while ImportJob.objects.get().state != "done" and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)

    assert ledger() == {"2019-02-04 00h": ("stored", 3_733)}
    assert series_of().tick_count == ImportJob.objects.get().ticks == 3_733
