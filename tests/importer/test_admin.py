"""Import jobs in the admin, through its pages."""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from importer import jobs
from importer.instruments import select_instruments
from importer.models import ImportJob, JobState
from tests.importer.archives import hours_of, write_hour
from tests.importer.bi5_files import DAY_US, PAYLOADS
from tests.importer.imports import run

pytestmark = pytest.mark.usefixtures("instruments")
LIST = reverse("admin:importer_importjob_changelist")
ADD = reverse("admin:importer_importjob_add")


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """The ids of jobs that workers were told to look at."""
    ids = []
    monkeypatch.setattr(jobs, "send", lambda some, delay_s=0: ids.extend(some))
    return ids


@pytest.fixture
def boss(client):
    """A client of somebody who may do everything; no password, for hashing is slow."""
    user = User.objects.create(username="boss", is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


@pytest.fixture
def staff(client):
    """A client of somebody who may see jobs, and more if asked."""

    def log_in(*permissions):
        user = User.objects.create(username="somebody", is_staff=True)
        codenames = [f"{name}_importjob" for name in ("view", *permissions)]
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return log_in


def form(**changes):
    values = {
        "symbols": "eurusd, GBP/USD",
        "kind": "import",
        "first": "2019-02-04",
        "last": "2019-02-05",
        "source": f"bi5-dir:{PAYLOADS}",
    }
    return values | changes


def job(state=JobState.RUNNING):
    (made,) = jobs.queue_import(
        select_instruments(["EURUSD"]),
        hours_of("2019-02-04", "2019-02-05"),
        jobs.JobTerms("bi5-dir:/data"),
    )
    ImportJob.objects.update(state=state)
    return made


def act(client, action, made):
    data = {"action": action, "_selected_action": [made.pk]}
    return client.post(LIST, data, follow=True).content.decode()


def test_start_form_queues_a_job_of_each_symbol(
    boss, sent, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = boss.post(ADD, form(), follow=True)

    made = ImportJob.objects.order_by("pk")
    assert [(item.symbol, item.hours_total, item.requested_by) for item in made] == [
        ("EURUSD", 48, "boss"),
        ("GBPUSD", 48, "boss"),
    ]
    assert sent == [item.pk for item in made]
    assert "Queued: " in answer.content.decode()


def test_start_form_of_a_repair_of_everything(boss):
    boss.post(ADD, form(kind="repair", force="on", symbols="EURUSD"))

    made = ImportJob.objects.get()
    assert (made.kind, made.options["all"], made.options["force"]) == (
        "repair",
        True,
        False,
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"symbols": "NOPE"}, "found &#x27;NOPE&#x27;"),
        ({"symbols": ""}, "This field is required"),
        ({"last": "2019-02-03"}, "expected a last day from 2019-02-04 on"),
        ({"first": "soon"}, "Enter a valid date"),
        ({"source": "bi5-dir:/nowhere"}, "expected a folder at /nowhere"),
    ],
)
def test_start_form_says_what_is_wrong_and_queues_nothing(boss, changes, text):
    answer = boss.post(ADD, form(**changes))

    assert text in answer.content.decode()
    assert not ImportJob.objects.exists()


def test_list_shows_the_progress(boss):
    job()
    ImportJob.objects.update(hours_done=12, ticks=345)

    text = boss.get(LIST).content.decode()

    assert '<progress value="12" max="48"' in text
    assert "</progress> 12 / 48 h" in text


def test_stop_and_retry_are_actions(boss, sent):
    made = job()

    stopped = act(boss, "stop", made)
    asked = ImportJob.objects.get().is_stop_requested
    ImportJob.objects.update(state=JobState.STOPPED)
    act(boss, "retry", made)

    assert "1 jobs stop after the day they are at" in stopped
    assert asked is True
    assert ImportJob.objects.get().state == "queued"


def test_page_of_a_job_is_read_only_and_shows_the_ledger(boss, tmp_path):
    write_hour(tmp_path, DAY_US, 3)
    run(tmp_path, "2019-02-04T00", "2019-02-04T00")
    page = reverse("admin:importer_importjob_change", args=[job().pk])

    text = boss.get(page).content.decode()
    refused = boss.post(page, {"symbol": "GBPUSD"})

    assert "2019-02: 3 ticks, 1 stored, 47 missing" in text
    assert refused.status_code == 403


def test_who_may_only_see_jobs_neither_starts_nor_stops_them(staff):
    made = job()
    client = staff()

    assert client.get(LIST).status_code == 200
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, form()).status_code == 403
    act(client, "stop", made)
    assert ImportJob.objects.get().is_stop_requested is False


def test_who_may_change_jobs_stops_them_and_who_may_add_them_starts_them(
    staff, settings
):
    settings.DUKASCOPY_SOURCE = form()["source"]
    made = job()
    client = staff("change", "add")

    act(client, "stop", made)
    client.post(ADD, form(symbols="EURUSD"))
    client.post(ADD, form(symbols="EURUSD", source=f"csv:{PAYLOADS}"))

    assert ImportJob.objects.count() == 2
    assert ImportJob.objects.get(pk=made.pk).is_stop_requested is True
    assert ImportJob.objects.latest("pk").requested_by == "somebody"


def test_strangers_are_sent_to_the_login(client):
    assert client.get(ADD).status_code == 302
