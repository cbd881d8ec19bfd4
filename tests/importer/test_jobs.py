"""Import jobs as rows: queued, claimed, stopped, tried again, reaped."""

from datetime import timedelta

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError as QueueError

from importer import jobs
from importer.instruments import select_instruments
from importer.job_claim import Figures, claim, finish, put_back, renew
from importer.job_options import JobOptions
from importer.jobs import QUEUE_LEASE, Reaped
from importer.models import ImportJob, JobState
from tests.importer.archives import hours_of

pytestmark = pytest.mark.usefixtures("instruments")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def sent(monkeypatch):
    """The ids of jobs that workers were told to look at."""
    ids = []
    monkeypatch.setattr(jobs, "send", lambda some, delay_s=0: ids.extend(some))
    return ids


@pytest.fixture
def job(sent, django_capture_on_commit_callbacks):
    """A queued job of two days of EURUSD."""
    with django_capture_on_commit_callbacks(execute=True):
        (job,) = queue("EURUSD")
    sent.clear()
    return job


def queue(*symbols, **options):
    return jobs.queue_import(
        select_instruments(symbols),
        hours_of("2019-02-04", "2019-02-05"),
        jobs.JobTerms("bi5-dir:/data", **options),
    )


def figures_of(job, **changes):
    values = {
        "position": job.position or job.start,
        "hours_done": 0,
        "ticks": 0,
        "holes": 0,
        "hole_list": [],
        "deaths": job.deaths,
    }
    return Figures(**(values | changes))


def claimed(job, **values):
    """Claim the job, and return it as it then is."""
    held = claim(job.pk, now=timezone.now())
    ImportJob.objects.filter(pk=job.pk).update(**values)
    return held


def test_queue_import_makes_a_job_of_each_instrument_and_sends_after_commit(
    sent, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        made = queue("EURUSD", "GBPUSD", options=JobOptions(force=True))
        assert sent == []

    assert sent == [job.pk for job in made]
    assert [(job.symbol, job.state, job.hours_total) for job in made] == [
        ("EURUSD", "queued", 48),
        ("GBPUSD", "queued", 48),
    ]
    assert made[0].options["force"] is True


def test_queue_import_without_a_queue_leaves_the_jobs_to_the_reaper(
    monkeypatch, db_commits
):
    def away(*arguments, **options):
        raise QueueError("away")

    monkeypatch.setattr(jobs.current_app, "send_task", away)
    with db_commits():
        (job,) = queue("EURUSD")

    assert job.state == "queued"
    assert job.lease_until - job.queued_at == QUEUE_LEASE


def test_claim_gives_a_job_to_one_worker_only(job):
    first = claim(job.pk, now=timezone.now())
    second = claim(job.pk, now=timezone.now())

    assert (first.state, first.claims, second) == ("running", 1, None)


def test_claim_of_a_job_that_does_not_exist_is_none(db):
    assert claim(12345, now=timezone.now()) is None


def test_renew_writes_the_figures_and_puts_the_lease_off(job, settings):
    settings.IMPORT_JOB_LEASE_S = 60
    held = claimed(job, deaths=2)
    now = timezone.now() + MINUTE
    middle = job.start + timedelta(days=1)

    figures = figures_of(held, position=middle, ticks=5, deaths=0)
    is_stopping = renew(held, figures, now=now)

    row = ImportJob.objects.get()
    assert is_stopping is False
    assert (row.ticks, row.position, row.lease_until) == (5, middle, now + MINUTE)
    assert row.deaths == 0


def test_a_worker_whose_job_was_taken_over_writes_nothing(job):
    paused = claimed(job)
    ImportJob.objects.update(state=JobState.QUEUED)
    claimed(job)
    now = timezone.now()

    assert renew(paused, figures_of(job, ticks=9), now=now) is None
    assert finish(paused, figures_of(job), JobState.DONE, now=now) is None
    assert put_back(paused, figures_of(job), now=now) is None
    row = ImportJob.objects.get()
    assert (row.state, row.claims, row.ticks) == ("running", 2, 0)


def test_request_stop_stops_a_queued_job_at_once(job):
    assert jobs.request_stop([job.pk]) == 1
    assert jobs.request_stop([job.pk]) == 0

    row = ImportJob.objects.get()
    assert (row.state, row.is_stop_requested) == ("stopped", False)
    assert row.finished_at is not None


def test_request_stop_tells_the_worker_of_a_running_job(job):
    held = claimed(job)

    assert jobs.request_stop([job.pk]) == 1

    assert ImportJob.objects.get().state == "running"
    assert renew(held, figures_of(job), now=timezone.now()) is True


def test_put_back_of_a_job_that_is_to_stop_stops_it(job):
    held = claimed(job)
    jobs.request_stop([job.pk])

    assert put_back(held, figures_of(job), now=timezone.now()) == "stopped"
    assert ImportJob.objects.get().is_stop_requested is False


def test_retry_goes_on_where_a_failed_job_was(job, sent, db_commits):
    middle = job.start + timedelta(days=1)
    finish(
        claimed(job),
        figures_of(job, position=middle),
        JobState.FAILED,
        detail="no",
        now=timezone.now(),
    )

    with db_commits():
        assert jobs.retry([job.pk]) == 1

    row = ImportJob.objects.get()
    assert (row.state, row.position, row.detail, row.finished_at) == (
        "queued",
        middle,
        "",
        None,
    )
    assert sent == [job.pk]


def test_retry_begins_a_job_with_holes_again(job):
    figures = figures_of(job, position=job.end, holes=3, hole_list=["a"], ticks=5)
    finish(claimed(job), figures, JobState.HOLES, now=timezone.now())

    jobs.retry([job.pk])

    row = ImportJob.objects.get()
    assert (row.position, row.holes, row.hole_list, row.ticks) == (None, 0, [], 0)


def test_retry_leaves_active_jobs_alone(job):
    assert jobs.retry([job.pk]) == 0
    claimed(job)
    assert jobs.retry([job.pk]) == 0


def test_reap_leaves_jobs_with_a_lease_alone(job):
    assert jobs.reap(now=timezone.now()) == Reaped()
    claimed(job)
    assert jobs.reap(now=timezone.now()) == Reaped()


def test_reap_sends_a_queued_job_again_whose_message_was_lost(job, sent, db_commits):
    with db_commits():
        assert jobs.reap(now=timezone.now() + QUEUE_LEASE) == Reaped(sent=1)

    assert sent == [job.pk]
    assert ImportJob.objects.get().deaths == 0


def test_reap_queues_a_job_again_whose_worker_died(job, sent, db_commits, settings):
    claimed(job)
    later = timezone.now() + timedelta(seconds=settings.IMPORT_JOB_LEASE_S + 1)

    with db_commits():
        assert jobs.reap(now=later) == Reaped(sent=1)

    row = ImportJob.objects.get()
    assert (row.state, row.deaths, sent) == ("queued", 1, [job.pk])


def test_reap_fails_a_job_that_killed_too_many_workers(job, sent, settings):
    settings.IMPORT_JOB_DEATHS = 3
    later = timezone.now() + timedelta(hours=1)
    states = []
    for _ in range(3):
        claimed(job)
        jobs.reap(now=later)
        states.append(ImportJob.objects.get().state)

    assert states == ["queued", "queued", "failed"]
    assert ImportJob.objects.get().detail == "its worker died 3 times in a row"


def test_reap_stops_a_dead_job_that_was_to_stop(job, sent):
    claimed(job)
    jobs.request_stop([job.pk])

    assert jobs.reap(now=timezone.now() + timedelta(hours=1)) == Reaped()

    assert (ImportJob.objects.get().state, sent) == ("stopped", [])


@pytest.fixture
def db_commits(django_capture_on_commit_callbacks):
    """A block whose callbacks for the commit are called at its end."""
    return lambda: django_capture_on_commit_callbacks(execute=True)
