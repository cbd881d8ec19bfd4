"""Running a job in this process: figures, turns, stops, what goes wrong."""

import threading
from datetime import timedelta

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection
from django.utils import timezone

from history.timestamps import to_datetime, to_us
from importer import job_progress, job_runner, jobs
from importer.instruments import select_instruments
from importer.job_options import JobOptions
from importer.job_runner import run_job
from importer.models import ImportJob, JobKind
from importer.outcomes import ImportReport
from importer.single_flight import LOCK_SPACE
from tests.importer.archives import delete_rows, hours_of, write_hour, write_hours
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.imports import now_us, series_of

pytestmark = pytest.mark.usefixtures("instruments")
DAYS = [DAY_US + n * 24 * HOUR_US for n in range(10)]


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """The (ids, delay) that workers were told to look at; nobody does."""
    calls = []
    for module in (jobs, job_runner):
        monkeypatch.setattr(
            module, "send", lambda ids, delay_s=0: calls.append((list(ids), delay_s))
        )
    return calls


@pytest.fixture(autouse=True)
def quiet_beat(monkeypatch):
    """No beat: its thread would not see a row of the test's transaction."""
    monkeypatch.setattr(job_progress, "BEAT_S", 3600)


def queue(folder, first="2019-02-04T00", last="2019-02-04T02", **options):
    (job,) = jobs.queue_import(
        select_instruments(["EURUSD"]),
        hours_of(first, last),
        jobs.JobTerms(f"bi5-dir:{folder}", **options),
    )
    return job


def row():
    return ImportJob.objects.get()


def test_run_job_imports_and_writes_what_came_of_it(tmp_path):
    write_hours(tmp_path, {DAY_US + n * HOUR_US: 5 for n in range(3)})
    job = queue(tmp_path)

    state = run_job(job.pk, now_us=now_us)
    again = run_job(job.pk, now_us=now_us)

    assert (state, again) == ("done", None)
    assert (row().ticks, row().hours_done, row().holes) == (15, 3, 0)
    assert row().position == row().end
    assert series_of().tick_count == 15


def test_run_job_with_holes_names_them(tmp_path):
    write_hour(tmp_path, DAY_US, 5)
    (tmp_path / "EURUSD_2019-02-04_02h_ticks.bi5").write_bytes(b"damaged")

    state = run_job(queue(tmp_path).pk, now_us=now_us)

    assert (state, row().holes) == ("holes", 2)
    assert [text[:31] for text in row().hole_list] == [
        "EURUSD 2019-02-04 01h missing: ",
        "EURUSD 2019-02-04 02h failed: e",
    ]


def test_run_job_that_is_tried_again_fetches_its_holes(tmp_path):
    write_hours(tmp_path, {DAY_US: 5, DAY_US + HOUR_US: 5})
    job = queue(tmp_path)
    run_job(job.pk, now_us=now_us)
    write_hour(tmp_path, DAY_US + 2 * HOUR_US, 5)

    jobs.retry([job.pk])
    state = run_job(job.pk, now_us=now_us)

    assert (state, row().ticks, row().holes, row().hours_done) == ("done", 5, 0, 3)


def test_run_job_of_a_repair_sets_rows_and_statistics_right(tmp_path):
    write_hours(tmp_path, {DAY_US + n * HOUR_US: 5 for n in range(3)})
    run_job(queue(tmp_path).pk, now_us=now_us)
    ImportJob.objects.all().delete()
    delete_rows(DAY_US)

    state = run_job(queue(tmp_path, kind=JobKind.REPAIR).pk, now_us=now_us)

    assert (state, row().ticks) == ("done", 5)
    assert series_of().tick_count == 15


def test_run_job_puts_a_long_job_back_after_its_turn(tmp_path, monkeypatch, sent):
    write_hours(tmp_path, dict.fromkeys(DAYS, 4))
    monkeypatch.setattr(job_runner, "TURN_S", 0.0)
    clock = iter([0.0, -1.0, 1.0, 10.0, 9.0, 11.0])
    monkeypatch.setattr(job_runner.time, "monotonic", lambda: next(clock))
    job = queue(tmp_path, "2019-02-04", "2019-02-13", options=JobOptions(refresh=False))

    first = run_job(job.pk, now_us=now_us)
    position, hours_done = row().position, row().hours_done
    second = run_job(job.pk, now_us=now_us)

    assert (first, second) == ("queued", "holes")
    assert position == to_datetime(DAYS[7])
    assert hours_done == 7 * 24
    assert sent[-1] == ([job.pk], 0)
    assert (row().ticks, row().hours_done) == (40, 240)


def test_run_job_that_is_stopped_ends_after_the_day_and_goes_on_later(
    tmp_path, monkeypatch
):
    write_hours(tmp_path, dict.fromkeys(DAYS[:3], 4))
    job = queue(tmp_path, "2019-02-04", "2019-02-06")
    advance = job_progress.JobProgress.advance

    def stop_then_advance(self, symbol, day, part):
        jobs.request_stop([job.pk])
        self._renew()
        advance(self, symbol, day, part)

    with monkeypatch.context() as patch:
        patch.setattr(job_progress.JobProgress, "advance", stop_then_advance)
        state = run_job(job.pk, now_us=now_us)
    stored = series_of().tick_count
    jobs.retry([job.pk])
    again = run_job(job.pk, now_us=now_us)

    assert (state, stored) == ("stopped", 4)
    assert row().is_stop_requested is False
    assert (again, series_of().tick_count) == ("holes", 12)


def test_run_job_of_another_worker_now_leaves_the_row_alone(tmp_path, monkeypatch):
    write_hours(tmp_path, dict.fromkeys(DAYS[:2], 4))
    job = queue(tmp_path, "2019-02-04", "2019-02-05")
    advance = job_progress.JobProgress.advance

    def lose_then_advance(self, symbol, day, part):
        ImportJob.objects.update(claims=7)
        self._renew()
        advance(self, symbol, day, part)

    monkeypatch.setattr(job_progress.JobProgress, "advance", lose_then_advance)
    state = run_job(job.pk, now_us=now_us)

    assert state is None
    assert (row().state, row().claims, row().position) == ("running", 7, None)


def test_run_job_does_not_wait_for_another_import_of_the_series(
    tmp_path, other_session, sent
):
    write_hour(tmp_path, DAY_US, 4)
    job = queue(tmp_path, "2019-02-04T00", "2019-02-04T00")
    run_job(queue(tmp_path, "2019-02-04T00", "2019-02-04T00").pk, now_us=now_us)

    with other_session(LOCK_SPACE, series_of().pk):
        state = run_job(job.pk, now_us=now_us)

    job.refresh_from_db()
    assert (state, job.state) == ("queued", "queued")
    assert job.detail == "another import of EURUSD is at work"
    assert sent[-1] == ([job.pk], job_runner.BUSY_DELAY_S)


def test_run_job_with_a_source_that_is_gone_fails_and_says_so(tmp_path):
    state = run_job(queue(tmp_path / "gone").pk, now_us=now_us)

    assert state == "failed"
    assert row().detail == f"expected a folder at {tmp_path / 'gone'}, found nothing"
    assert row().finished_at is not None


def test_run_job_with_an_error_of_ours_fails_and_says_so(tmp_path, monkeypatch):
    def explode(*arguments, **options):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(job_runner, "import_ticks", explode)

    assert run_job(queue(tmp_path).pk, now_us=now_us) == "failed"
    assert row().detail == "ZeroDivisionError('by zero')"


def test_run_job_without_a_database_leaves_the_job_to_the_reaper(tmp_path, monkeypatch):
    def away(*arguments, **options):
        raise OperationalError("away")

    monkeypatch.setattr(job_runner, "import_ticks", away)
    job = queue(tmp_path)

    with pytest.raises(OperationalError):
        run_job(job.pk, now_us=now_us)

    assert row().state == "running"
    assert jobs.reap(now=timezone.now() + timedelta(hours=1)).sent == 1


def take_too_long(*arguments, **options):
    raise SoftTimeLimitExceeded


def test_run_job_that_takes_too_long_again_and_again_fails(
    tmp_path, monkeypatch, settings
):
    settings.IMPORT_JOB_DEATHS = 3
    monkeypatch.setattr(job_runner, "import_ticks", take_too_long)
    job = queue(tmp_path)

    seen = []
    for _ in range(3):
        state = run_job(job.pk, now_us=now_us)
        seen.append((state, row().deaths, row().detail))

    assert seen == [
        ("queued", 1, "its turn took too long"),
        ("queued", 2, "its turn took too long"),
        ("failed", 3, "its turn took too long 3 times in a row"),
    ]


def test_run_job_that_gets_on_before_it_takes_too_long_begins_to_count_anew(
    tmp_path, monkeypatch, settings
):
    settings.IMPORT_JOB_DEATHS = 3
    write_hour(tmp_path, DAY_US, 4)
    options = JobOptions(chunk_days=1)
    job = queue(tmp_path, "2019-02-04", "2019-02-05", options=options)
    ImportJob.objects.update(deaths=2)
    chunks = iter([job_runner.import_ticks, take_too_long])
    monkeypatch.setattr(
        job_runner, "import_ticks", lambda *args, **kw: next(chunks)(*args, **kw)
    )

    state = run_job(job.pk, now_us=now_us)

    assert (state, row().deaths) == ("queued", 1)
    assert to_us(row().position) == DAYS[1]


def test_run_job_cuts_chunks_that_do_not_fit_a_turn(tmp_path, monkeypatch):
    chunks = []

    def import_nothing(order, progress, *, now_us):
        chunks.append(len(order.hours) // 24)
        return ImportReport()

    monkeypatch.setattr(job_runner, "import_ticks", import_nothing)
    options = JobOptions(chunk_days=366)
    job = queue(tmp_path, "2019-02-01", "2019-03-31", options=options)

    assert run_job(job.pk, now_us=now_us) == "done"
    assert chunks == [31, 28]


@pytest.fixture
def other_session():
    """Holds an advisory lock in another session for a block."""

    class Holding:
        def __init__(self, *keys):
            self.keys = keys
            self.is_held, self.is_over = threading.Event(), threading.Event()
            self.thread = threading.Thread(target=self.hold)

        def hold(self):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s, %s)", self.keys)
                self.is_held.set()
                self.is_over.wait(30)
            connection.close()

        def __enter__(self):
            self.thread.start()
            assert self.is_held.wait(60)

        def __exit__(self, *exc_info):
            self.is_over.set()
            self.thread.join()

    return Holding
