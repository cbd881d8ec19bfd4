"""COMPAT.md's checks 41 to 45 and 49, as far as `import_ticks` goes."""

import json
import signal
import subprocess
import sys
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from history.tick_indexes import drop_indexes, recreate_indexes, select_indexes
from importer.management import usage
from importer.models import ImportHour
from tests.brokers.processes import ROOT
from tests.history.test_tick_indexes import everything
from tests.importer.archives import write_hour, write_hours
from tests.importer.bi5_files import DAY, DAY_US, HOUR_US
from tests.importer.dukascopy_server import Archive, Fault, serving
from tests.importer.imports import Seen, ledger, series_of, stored_ticks
from tests.marketdata.polling import STALL_S

BY_HTTP = "--source=bi5-http"


@pytest.fixture
def server(tmp_path, settings):
    """A server whose archive is the test's folder; the importer asks it."""
    with serving(Archive(tmp_path)) as server:
        settings.DUKASCOPY_BI5_URL = server.bi5_url
        settings.DUKASCOPY_REQUESTS_PER_S = 1e6
        settings.DUKASCOPY_SILENCE_S = 0.2
        settings.DUKASCOPY_REQUEST_S = 0.5
        settings.DUKASCOPY_HOUR_S = 2.0
        settings.DUKASCOPY_RETRIES = 1
        settings.DUKASCOPY_CACHE = ""
        yield server


def call(*arguments):
    """Return exit code and output."""
    out = StringIO()
    try:
        call_command("import_ticks", *arguments, stdout=out, stderr=StringIO())
    except CommandError as exc:
        return exc.returncode, out.getvalue() + str(exc)
    return 0, out.getvalue()


def asked_hours(server):
    return sorted(path.rsplit("/", 1)[1][:2] for _, path in server.asked)


@pytest.mark.usefixtures("instruments")
def test_compat_check_41_ranges_flags_and_wrong_usage(server, tmp_path, monkeypatch):
    write_hours(tmp_path, {DAY_US + hour * HOUR_US: 2 for hour in range(48)})
    seen = Seen()
    monkeypatch.setattr(usage, "LineProgress", lambda write: seen)

    inclusive, _ = call(
        *("--symbol", "EURUSD", "--from", DAY, "--to", "2019-02-05"), BY_HTTP
    )
    assert (inclusive, series_of().tick_count) == (0, 96)
    days, _ = call("--symbol", "EURUSD", "--days", "7", "--no-refresh", BY_HTTP)
    assert (days, seen.begun[-1]) == (2, ("EURUSD", 168))
    short, _ = call("-s", "eur/usd", "-d", "1", "-c", "2", BY_HTTP)
    assert (short, seen.begun[-1]) == (2, ("EURUSD", 24))
    assert call("--from", DAY, BY_HTTP)[0] == 64
    assert call("--from", "2019-02-05", "--to", DAY, BY_HTTP)[0] == 64
    unknown, text = call("-s", "EURUDS", BY_HTTP)
    assert (unknown, "EURUSD" in text) == (64, True)
    assert call("--bogus")[0] == 64
    assert call("-c", "0", "-d", "1", BY_HTTP)[0] == 64


@pytest.mark.usefixtures("instruments")
def test_compat_check_41_chunks_are_days(tmp_path, monkeypatch):
    write_hours(tmp_path, {DAY_US + day * 24 * HOUR_US: 2 for day in range(5)})
    seen = Seen()
    monkeypatch.setattr(usage, "LineProgress", lambda write: seen)

    call("--from", DAY, "--to", "2019-02-08", "-c", "2", f"--source=bi5-dir:{tmp_path}")

    assert seen.chunks == [(DAY, 2), ("2019-02-06", 2), ("2019-02-08", 1)]


def test_compat_check_41_help_is_0():
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "import_ticks", "-h"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0
    for flag in (
        *("--symbol", "--from", "--to", "--days", "--chunk DAYS", "--fill-gaps"),
        *("--workers", "--dry-run", "--force", "--manage-indexes", "--no-refresh"),
        *("--json", "--background", "--replace-live", "--source", "examples:"),
    ):
        assert flag in done.stdout


@pytest.mark.usefixtures("instruments")
def test_compat_check_42_errors_are_bounded_listed_and_exit_with_2(server, tmp_path):
    for hour in range(9):
        write_hour(tmp_path, DAY_US + hour * HOUR_US, 40)
    faults = [Fault.NOT_FOUND, Fault.ERROR, Fault.STALL, Fault.TRUNCATED, Fault.DRIP]
    for hour, fault in enumerate([*faults, Fault.EMPTY], start=1):
        server.break_for_good(DAY_US + hour * HOUR_US, fault)
    server.plan(DAY_US + 7 * HOUR_US, Fault.ERROR)
    started_s = time.monotonic()

    code, out = call("--from", f"{DAY}T00", "--to", f"{DAY}T08", BY_HTTP)

    assert time.monotonic() - started_s < 20 + STALL_S
    assert code == 2
    assert "hours: 3 stored" in out
    named = [line[:28] for line in out.splitlines() if line.startswith("EURUSD 2019")]
    assert named == [
        "EURUSD 2019-02-04 01h missin",
        *(f"EURUSD 2019-02-04 0{hour}h failed" for hour in range(2, 6)),
        "EURUSD 2019-02-04 06h suspec",
    ]
    assert len(server.asked) <= 9 * 2


def test_compat_check_42_an_hour_takes_100_seconds_at_most(settings):
    assert settings.DUKASCOPY_HOUR_S <= 100


@pytest.mark.usefixtures("instruments")
def test_compat_check_42_gaps_of_a_closed_market_exit_with_0(server, tmp_path):
    friday_us = DAY_US - 3 * 24 * HOUR_US
    write_hours(tmp_path, {friday_us + hour * HOUR_US: 2 for hour in range(22)})

    code, out = call("--from", "2019-02-01", "--to", "2019-02-02", BY_HTTP)

    assert code == 0, out
    assert "22 stored" in out
    assert "26 closed" in out


@pytest.mark.usefixtures("instruments")
def test_compat_check_43_week_ends_are_asked_for_where_there_is_a_market(
    server, tmp_path
):
    friday_us = DAY_US - 3 * 24 * HOUR_US
    write_hours(tmp_path, {friday_us + hour * HOUR_US: 2 for hour in range(72)})
    days = ["--from", "2019-02-01", "--to", "2019-02-03", "--no-refresh", BY_HTTP]

    call("-s", "EURUSD", *days)
    forex = [path.split("EURUSD/")[1][8:13] for _, path in server.asked]
    server.asked.clear()
    call("-s", "BTCUSD", *days)

    # Friday to 22:00 UTC, Sunday from 22:00 UTC: 17:00 in New York in winter.
    assert sorted(forex) == [
        *(f"01/{hour:02}" for hour in range(22)),
        *("03/22", "03/23"),
    ]
    assert len({path for _, path in server.asked}) == 72


@pytest.mark.usefixtures("committed_instruments")
def test_compat_check_43_the_machine_s_time_zone_changes_nothing(manage, tmp_path):
    write_hours(tmp_path, {DAY_US + hour * HOUR_US: 3 for hour in (0, 7, 8, 23)})
    source = f"--source=bi5-dir:{tmp_path}"

    code, out, err = manage(
        *("--from", DAY, "--to", DAY), source, TZ="America/Los_Angeles"
    ).result()

    assert (code, len(stored_ticks(series_of().pk))) == (2, 12), err
    assert [hour for hour, (_, rows) in ledger().items() if rows] == [
        f"2019-02-04 {hour:02}h" for hour in (0, 7, 8, 23)
    ]


@pytest.mark.usefixtures("committed_instruments")
def test_compat_check_44_the_second_run_adds_nothing_and_rows_equal_the_source(
    tmp_path,
):
    write_hours(tmp_path, {DAY_US + hour * HOUR_US: 3_000 for hour in range(24)})
    arguments = ["--from", DAY, "--to", DAY, f"--source=bi5-dir:{tmp_path}", "--json"]

    first = json.loads(call(*arguments)[1])
    second = json.loads(call(*arguments)[1])

    ticks = stored_ticks(series_of().pk)
    assert (first["ticks"], first["hours"]["stored"]) == (72_000, 24)
    assert (second["ticks"], second["hours"]["unchanged"]) == (0, 24)
    assert len(ticks) == series_of().tick_count == 72_000
    assert set(ticks.bid_size) == {2.5}
    assert first["ticks_per_s"] > 5_000  # ten times more if the machine is idle


@pytest.fixture
def managed(settings, transactional_db):
    """Both indexes configured and made; none when the test is over."""
    settings.TICK_INDEXES = ["time", "brin"]
    recreate_indexes()
    yield
    drop_indexes()


@pytest.mark.usefixtures("committed_instruments", "managed")
def test_compat_check_45_indexes_are_the_same_before_and_after(tmp_path):
    write_hour(tmp_path, DAY_US, 100)
    one_hour = ["--from", f"{DAY}T00", "--to", f"{DAY}T00", "--manage-indexes"]
    source = f"--source=bi5-dir:{tmp_path}"
    call(*one_hour, source, "--manage-indexes")  # makes the chunk
    ImportHour.objects.all().delete()
    before, analyzed = everything(), last_analyze()

    assert call(*one_hour, source)[0] == 0
    assert everything() == before
    assert last_analyze() > analyzed
    assert call(*one_hour, source)[0] == 0
    assert everything() == before
    code, _ = call(
        "--from", "2019-02-02T10", "--to", "2019-02-02T11", "--manage-indexes", source
    )
    assert (code, everything()) == (0, before)
    assert all(state.is_complete for state in select_indexes())


@pytest.mark.usefixtures("committed_instruments", "managed")
def test_compat_check_45_recreate_after_a_kill_brings_them_back(manage, tmp_path):
    write_hours(tmp_path, {DAY_US + hour * HOUR_US: 2_000 for hour in range(8 * 24)})
    source = f"--source=bi5-dir:{tmp_path}"
    arguments = ["--from", DAY, "--to", "2019-02-11", source]
    call("--from", f"{DAY}T00", "--to", f"{DAY}T00", source)  # makes the chunk
    before = everything()

    process = manage(*arguments, "--manage-indexes", TICK_INDEXES="time,brin")
    wait_until(lambda: ImportHour.objects.count() > 1)  # a day is committed
    process.send_signal(signal.SIGKILL)
    process.result()
    lost = [state.name for state in select_indexes() if not state.exists]
    stored = ImportHour.objects.count()
    call_command("recreate_indexes", stdout=StringIO())

    assert lost == ["ticks_time_brin", "ticks_time_idx"]
    assert stored < 8 * 24
    assert everything() == before
    assert all(state.is_complete for state in select_indexes())
    call(*arguments)
    assert series_of().tick_count == 8 * 24 * 2_000


def last_analyze():
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT pg_stat_force_next_flush(), max(last_analyze)
            FROM pg_stat_user_tables
            WHERE relid IN (SELECT show_chunks('ticks'))
            """
        )
        return cursor.fetchone()[1]


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("instruments")
def test_compat_check_49_each_hour_is_asked_for_by_itself(server, tmp_path):
    """No splitting of chunks: the archive's unit is the hour, so that is what fails."""
    write_hours(tmp_path, {DAY_US + hour * HOUR_US: 2 for hour in range(24)})
    server.break_for_good(DAY_US + 5 * HOUR_US, Fault.ERROR)

    code, _ = call("--from", DAY, "--to", DAY, "--no-refresh", BY_HTTP)

    assert (code, series_of().tick_count) == (2, 46)
    assert asked_hours(server) == sorted([f"{hour:02}" for hour in range(24)] + ["05"])
