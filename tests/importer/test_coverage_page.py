"""The coverage page and what staff may ask there, by their session."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from importer import jobs
from importer.instruments import select_instruments
from importer.models import ImportJob, JobState
from tests.importer.archives import hours_of
from tests.importer.bi5_files import PAYLOADS

pytestmark = pytest.mark.usefixtures("instruments")
JOBS = "/coverage/jobs"
DAYS = {"symbols": "EURUSD", "first": "2019-02-04", "last": "2019-02-05"}


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """The ids of jobs that workers were told to look at."""
    ids = []
    monkeypatch.setattr(jobs, "send", lambda some, delay_s=0: ids.extend(some))
    return ids


@pytest.fixture
def log_in(client):
    """Logs somebody in who may do this with import jobs."""

    def log_in(*verbs, **marks):
        user = User.objects.create(username="somebody", **{"is_staff": True} | marks)
        names = [f"{verb}_importjob" for verb in verbs]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def job():
    """A queued job of two days."""
    (made,) = jobs.queue_import(
        select_instruments(["EURUSD"]),
        hours_of("2019-02-04", "2019-02-05"),
        jobs.JobTerms("bi5-dir:/data"),
    )
    return made


def parts(client):
    """Return the ids of what staff have on the page, and whether it has a token."""
    text = client.get("/coverage").content.decode()
    ids = set(re.findall(r'id="(start|jobs)"', text))
    return ids, 'name="csrf-token"' in text, "data-changes" in text


def test_page_of_a_stranger_is_the_map_alone(client):
    answer = client.get("/coverage")

    assert parts(client) == (set(), False, False)
    assert 'href="/admin/login/?next=/coverage"' in answer.content.decode()
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "csrftoken" not in answer.cookies


@pytest.mark.parametrize(
    ("verbs", "is_staff", "expected"),
    [
        (("view", "add", "change"), True, ({"start", "jobs"}, True, True)),
        (("view", "add"), True, ({"start", "jobs"}, True, False)),
        (("view",), True, ({"jobs"}, True, False)),
        (("add", "change"), True, (set(), False, False)),
        (("view", "add", "change"), False, (set(), False, False)),
    ],
)
def test_page_has_what_its_reader_may_do(log_in, verbs, is_staff, expected):
    assert parts(log_in(*verbs, is_staff=is_staff)) == expected


def test_page_lets_nothing_inline_or_foreign_run(client):
    answer = client.get("/coverage/")
    text = answer.content.decode()

    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'; style-src 'self'; " in policy
    assert re.findall(r"<script(?![^>]*src=)", text) == []
    assert re.findall(r'\son\w+="|\sstyle="', text) == []
    assert re.findall(r'(?:src|<link[^>]*href)="https?:', text) == []


def test_start_queues_an_import_of_what_is_missing(
    log_in, sent, django_capture_on_commit_callbacks
):
    client = log_in(is_superuser=True)

    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(JOBS, {**DAYS, "source": f"bi5-dir:{PAYLOADS}"})

    made = ImportJob.objects.get()
    assert answer.status_code == 201
    assert (made.symbol, made.hours_total, made.requested_by, made.kind) == (
        "EURUSD",
        48,
        "somebody",
        "import",
    )
    assert (made.options["fill_gaps"], made.options["force"]) == (True, False)
    assert sent == [made.pk]
    assert [item["id"] for item in client.get(f"{JOBS}?symbol=EURUSD").json()["jobs"]]


def test_start_without_a_source_takes_that_of_the_settings(log_in, settings):
    settings.DUKASCOPY_SOURCE = f"bi5-dir:{PAYLOADS}"

    log_in("view", "add").post(JOBS, {**DAYS, "force": "on", "kind": "repair"})

    made = ImportJob.objects.get()
    assert (made.source, made.kind) == (f"bi5-dir:{PAYLOADS}", "import")
    assert made.options["force"] is False


def test_file_of_the_server_is_read_for_superusers_alone(log_in, tmp_path):
    (tmp_path / "EURUSD.csv").write_text("SECRET_KEY=abc")
    client = log_in("view", "add")

    page = client.get("/coverage").content.decode()
    answer = client.post(JOBS, {**DAYS, "source": f"csv:{tmp_path}"})

    assert 'name="source"' not in page
    assert answer.status_code == 400
    (detail,) = answer.json()["details"]
    assert detail["message"] == "Superusers alone name another source."
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"symbols": "NOPE"}, "symbols"),
        ({"first": ""}, "first"),
        ({"last": "2019-02-03"}, "last"),
        ({"source": "bi5-dir:/nowhere"}, "source"),
    ],
)
def test_start_says_what_is_wrong_and_queues_nothing(log_in, changes, field):
    answer = log_in(is_superuser=True).post(JOBS, {**DAYS, **changes})

    assert answer.status_code == 400
    assert answer.json()["code"] == "VALIDATION_ERROR"
    assert [item["field"] for item in answer.json()["details"]] == [field]
    assert not ImportJob.objects.exists()


def test_jobs_are_of_the_symbol_the_newest_first_with_how_far_they_are(log_in, job):
    jobs.queue_import(
        select_instruments(["GBPUSD"]),
        hours_of("2019-02-04", "2019-02-04"),
        jobs.JobTerms("bi5-dir:/data"),
    )
    ImportJob.objects.filter(pk=job.pk).update(
        state=JobState.RUNNING, hours_done=24, ticks=7, hole_list=["a", "b"], holes=2
    )

    (found,) = log_in("view").get(f"{JOBS}?symbol=EURUSD").json()["jobs"]

    assert found == {
        "id": job.pk,
        "kind": "import",
        "symbol": "EURUSD",
        "from": 1549238400,
        "to": 1549411200,
        "state": "running",
        "is_stopping": False,
        "hours_done": 24,
        "hours_total": 48,
        "ticks": 7,
        "holes": 2,
        "hole_list": ["a", "b"],
        "detail": "",
        "requested_by": "",
        "queued_at": int(job.queued_at.timestamp()),
        "started_at": None,
        "finished_at": None,
    }


def test_stop_and_retry(log_in, job):
    client = log_in("view", "change")

    (stopped,) = client.post(f"{JOBS}/{job.pk}/stop").json()["jobs"]
    (again,) = client.post(f"{JOBS}/{job.pk}/retry").json()["jobs"]

    assert (stopped["state"], again["state"]) == ("stopped", "queued")
    assert client.post(f"{JOBS}/{job.pk + 1}/stop").json()["code"] == "NOT_FOUND"


REQUESTS = [
    ("get", f"{JOBS}?symbol=EURUSD", "view"),
    ("post", JOBS, "add"),
    ("post", JOBS + "/{}/stop", "change"),
    ("post", JOBS + "/{}/retry", "change"),
]


@pytest.mark.parametrize(("method", "address", "verb"), REQUESTS)
@pytest.mark.parametrize("who", ["stranger", "no staff", "another permission"])
def test_others_are_refused(client, log_in, job, method, address, verb, who):
    if who == "no staff":
        log_in("view", "add", "change", is_staff=False)
    elif who == "another permission":
        log_in(*({"view", "add", "change"} - {verb}))

    answer = client.generic(method.upper(), address.format(job.pk))

    assert answer.status_code == 403
    assert answer.json() == {"error": "Permission denied", "code": "FORBIDDEN"}
    assert ImportJob.objects.get().state == "queued"


@pytest.mark.parametrize(("method", "address", "verb"), REQUESTS[1:])
def test_a_request_without_the_pages_token_is_refused(
    log_in, job, method, address, verb
):
    own = Client(enforce_csrf_checks=True)
    own.cookies = log_in("view", "add", "change").cookies
    text = own.get("/coverage").content.decode()
    token = re.search(r'name="csrf-token" content="(\w+)"', text)[1]
    address = address.format(job.pk)

    refused = own.post(address, DAYS)
    taken = own.post(address, DAYS, headers={"X-CSRFToken": token})

    assert refused.status_code == 403
    assert refused.json()["code"] == "FORBIDDEN"
    assert taken.status_code in (200, 201)


def test_other_methods_are_refused(log_in, job):
    client = log_in("view", "add", "change")

    assert client.delete(JOBS).json()["code"] == "METHOD_NOT_ALLOWED"
    assert client.get(f"{JOBS}/{job.pk}/stop").status_code == 405
