"""What happens every day: the missing is queued, yesterday is checked."""

from datetime import UTC, datetime

import pytest
from celery.schedules import crontab
from django.conf import settings as project

from config.celery import app
from importer import jobs, tasks
from importer.daily import check_yesterday, queue_missing, select_daily
from importer.exceptions import UnknownInstrument
from importer.models import ImportJob, JobState
from tests.importer.archives import write_hour
from tests.importer.bi5_files import DAY_US
from tests.importer.imports import run

pytestmark = pytest.mark.usefixtures("instruments")
NOON = datetime(2019, 2, 5, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def unsent(monkeypatch):
    """No messages to workers."""
    monkeypatch.setattr(jobs, "send", lambda ids, delay_s=0: None)


def symbols_of(items):
    return [item.symbol for item in items]


def test_select_daily_takes_symbols_in_any_spelling_or_none():
    assert symbols_of(select_daily(["eur/usd", "GBP_USD"])) == ["EURUSD", "GBPUSD"]
    assert select_daily([]) == []
    with pytest.raises(UnknownInstrument):
        select_daily(["NOPE"])


def test_select_daily_with_a_star_takes_what_has_history(tmp_path):
    write_hour(tmp_path, DAY_US, 3)
    run(tmp_path, "2019-02-04T00", "2019-02-04T00")

    assert symbols_of(select_daily(["*"])) == ["EURUSD"]


def test_queue_missing_queues_the_last_days_up_to_the_running_hour():
    (job,) = queue_missing(["EURUSD"], "dukascopy", days=2, now=NOON)

    assert job.start == datetime(2019, 2, 3, 12, tzinfo=UTC)
    assert job.end == NOON
    assert (job.source, job.requested_by) == ("dukascopy", "schedule")


def test_queue_missing_leaves_out_symbols_whose_last_job_is_not_through():
    queue_missing(["EURUSD"], "dukascopy", days=2, now=NOON)

    made = queue_missing(["EURUSD", "GBPUSD"], "dukascopy", days=2, now=NOON)
    ImportJob.objects.update(state=JobState.DONE)
    later = queue_missing(["EURUSD"], "dukascopy", days=2, now=NOON)

    assert (symbols_of(made), symbols_of(later)) == (["GBPUSD"], ["EURUSD"])


def test_check_yesterday_finds_what_the_import_left_open(tmp_path):
    write_hour(tmp_path, DAY_US, 3)
    run(tmp_path, "2019-02-04T00", "2019-02-04T00")

    (check,) = check_yesterday(["EURUSD", "GBPUSD"], now=NOON)

    assert [item.text for item in check.findings] == [
        "missing: 2019-02-04 01h to 2019-02-04 23h"
    ]


def test_tasks_do_nothing_where_the_settings_say_so(settings):
    settings.IMPORT_SYMBOLS = []
    settings.TICK_RETENTION_DAYS = 0

    tasks.import_missing()
    tasks.check_imported()
    tasks.drop_old_ticks()

    assert not ImportJob.objects.exists()


def test_tasks_take_their_settings(settings, caplog, tmp_path):
    settings.IMPORT_SYMBOLS = ["EURUSD"]
    settings.TICK_RETENTION_DAYS = 30
    write_hour(tmp_path, DAY_US, 3)
    run(tmp_path, "2019-02-04T00", "2019-02-04T00")

    tasks.import_missing()
    tasks.check_imported()
    tasks.drop_old_ticks()

    assert ImportJob.objects.get().symbol == "EURUSD"
    assert any("old ticks dropped" in str(item.msg) for item in caplog.records)


def test_the_schedule_names_tasks_that_exist_at_three_hours_in_a_row():
    app.loader.import_default_modules()
    schedule = project.CELERY_BEAT_SCHEDULE

    assert {entry["task"] for entry in schedule.values()} <= set(app.tasks)
    hour = project.IMPORT_AT_HOUR
    for offset, name in enumerate(
        ("import-missing", "check-imported", "drop-old-ticks")
    ):
        expected = crontab(minute="30", hour=str((hour + offset) % 24))
        assert schedule[name]["schedule"] == expected
