"""The Celery task: what the command queues, and a worker that does it."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import OperationalError

from importer import tasks
from importer.exceptions import UnknownInstrument
from tests.brokers.processes import ROOT, database_url
from tests.importer.bi5_files import PAYLOADS
from tests.importer.imports import ledger, series_of

SOURCE = f"bi5-dir:{PAYLOADS}"


@pytest.mark.usefixtures("instruments")
def test_import_ticks_task_imports_and_returns_the_summary():
    summary = tasks.import_ticks(["eur/usd"], "2019-02-04T00", "2019-02-04T01", SOURCE)
    again = tasks.import_ticks(["eur/usd"], "2019-02-04T00", "2019-02-04T01", SOURCE)

    assert (summary["ticks"], summary["hours"]["stored"]) == (3_733 + 2_825, 2)
    assert (again["ticks"], again["hours"]["unchanged"]) == (0, 2)


@pytest.mark.usefixtures("instruments")
def test_import_ticks_task_without_a_source_takes_the_configured_one(settings):
    settings.DUKASCOPY_SOURCE = SOURCE

    summary = tasks.import_ticks(["EURUSD"], "2019-02-04T00", "2019-02-04T00")

    assert summary["ticks"] == 3_733


@pytest.mark.usefixtures("instruments")
def test_import_ticks_task_tries_again_a_few_times_if_the_database_is_away(monkeypatch):
    tries = []

    def away(*arguments, **options):
        tries.append(arguments)
        raise OperationalError("away")

    monkeypatch.setattr(tasks, "run_import", away)
    result = tasks.import_ticks.apply([["EURUSD"], "2019-02-04", "2019-02-04", SOURCE])

    assert len(tries) == 1 + tasks.import_ticks.max_retries == 6
    assert isinstance(result.result, OperationalError)


@pytest.mark.usefixtures("instruments")
def test_import_ticks_task_of_an_unknown_symbol_fails_at_once():
    with pytest.raises(UnknownInstrument):
        tasks.import_ticks(["NOPE"], "2019-02-04", "2019-02-04", SOURCE)


def test_import_ticks_task_ends_before_redis_would_hand_it_out_again():
    timeout_s = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]

    assert tasks.import_ticks.soft_time_limit < tasks.import_ticks.time_limit
    assert tasks.import_ticks.time_limit < timeout_s


def test_import_ticks_in_the_background_is_done_by_a_worker(
    committed_instruments, manage
):
    environment = {
        "CHANNEL_PREFIX": f"{settings.CHANNEL_PREFIX}-import-{time.time_ns()}"
    }
    argv = ["--from=2019-02-04T00", "--to=2019-02-04T00", f"--source={SOURCE}"]
    code, out, err = manage(*argv, "--background", **environment).result()
    assert code == 0, err
    assert out.startswith("queued as task ")

    with worker(environment) as process:
        deadline = time.monotonic() + 30
        while not ledger() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)

    assert ledger() == {"2019-02-04 00h": ("stored", 3_733)}
    assert series_of().tick_count == 3_733


@contextmanager
def worker(environment):
    """A worker on the test's database, in one process, until the block ends."""
    argv = ["-m", "celery", "-A", "config", "worker", "-P", "solo", "-l", "warning"]
    process = subprocess.Popen(
        [sys.executable, *argv, "--without-gossip", "--without-mingle"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)
