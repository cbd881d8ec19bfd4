"""`manage.py import_ticks`: arguments, output, exit codes."""

import json
import shutil
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from importer.management import usage
from importer.models import ImportJob
from tests.brokers.processes import ROOT
from tests.importer.bi5_files import DAY, DAY_TICKS, PAYLOADS, encode, tick_file
from tests.importer.imports import Seen, series_of

SOURCE = f"--source=bi5-dir:{PAYLOADS}"
RANGE = ["--from", DAY, "--to", DAY]
ROWS = [(1_000, 114545, 114543, 1.0, 2.0)]


def call(*arguments):
    out, err = StringIO(), StringIO()
    call_command("import_ticks", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refused(*arguments):
    with pytest.raises(CommandError) as caught:
        call(*arguments)
    return caught.value.returncode, str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "Error: unrecognized arguments: --bogus"),
        (["--days", "many"], "Error: argument -d/--days: invalid int value: 'many'"),
        (
            [SOURCE, "--from", DAY],
            "expected --from and --to together, found only --from",
        ),
        ([SOURCE, "--to", DAY], "expected --from and --to together, found only --to"),
        (
            [SOURCE, *RANGE, "--days", "3"],
            "expected --from and --to, or --days, found both",
        ),
        (
            [SOURCE, "--from", "2019-02-05", "--to", DAY],
            "expected a last day from 2019-02-05 on, found 2019-02-04",
        ),
        ([SOURCE, "--days", "0"], "days, found 0"),
        (RANGE, "expected --source or the setting DUKASCOPY_SOURCE, found neither"),
        (
            [*RANGE, "--source=bi5-dir:/no/such"],
            "expected a folder at /no/such, found nothing",
        ),
        ([*RANGE, "--source=x"], "csv:<file or folder>, found 'x'"),
    ],
)
def test_import_ticks_of_wrong_usage_is_64(settings, arguments, message):
    settings.DUKASCOPY_SOURCE = ""

    code, text = refused(*arguments)

    assert code == 64
    assert text.endswith(message)


@pytest.mark.usefixtures("instruments")
def test_import_ticks_of_an_unknown_symbol_is_64_and_names_near_ones():
    code, text = refused(SOURCE, *RANGE, "--symbol", "EURUSD", "--symbol", "EURUDS")

    assert code == 64
    assert "EURUSD" in text
    assert text.endswith("found 'EURUDS'")


@pytest.mark.usefixtures("instruments")
def test_import_ticks_takes_defaults_of_server_a(settings, monkeypatch):
    settings.DUKASCOPY_SOURCE = f"bi5-dir:{PAYLOADS}"
    seen = Seen()
    monkeypatch.setattr(usage, "LineProgress", lambda write: seen)

    code, _ = refused()

    assert code == 2
    assert seen.begun == [("EURUSD", 7 * 24)]


@pytest.mark.usefixtures("instruments")
def test_import_ticks_of_short_flags_imports_each_symbol(settings, monkeypatch):
    seen = Seen()
    monkeypatch.setattr(usage, "LineProgress", lambda write: seen)

    refused("-s", "eur/usd", "-s", "BTC_USD", "-d", "2", SOURCE)

    assert seen.begun == [("EURUSD", 48), ("BTCUSD", 48)]


@pytest.mark.usefixtures("instruments")
def test_import_ticks_prints_a_summary_and_progress_apart(tmp_path):
    (tmp_path / "EURUSD_2019-02-02_00h_ticks.bi5").write_bytes(encode(ROWS))
    (tmp_path / "EURUSD_2019-02-02_01h_ticks.bi5").write_bytes(b"")

    out, err = call(
        "--from=2019-02-02", "--to=2019-02-02", f"--source=bi5-dir:{tmp_path}"
    )

    lines = out.splitlines()
    assert lines[0] == (
        f"EURUSD, 2019-02-02 00h to 2019-02-02 23h, from bi5-dir:{tmp_path}"
    )
    assert lines[1] == (
        "hours: 1 stored, 1 empty, 0 unchanged, 0 suspect, 0 failed, 0 missing, "
        "22 closed"
    )
    assert lines[2].startswith("ticks: 1 in ")
    assert lines[2].endswith(" ticks/s)")
    assert lines[3] == "candles refreshed: 18"
    assert err.startswith(
        "EURUSD 2019-02-02: 24/24 hours (1 stored, 1 empty, 22 closed)"
    )


@pytest.mark.usefixtures("instruments")
def test_import_ticks_with_holes_is_2_and_names_them(folder, capsys):
    (folder / f"EURUSD_{DAY}_07h_ticks.bi5").write_bytes(tick_file(7)[:-5])
    (folder / f"EURUSD_{DAY}_09h_ticks.bi5").unlink()
    out = StringIO()

    with pytest.raises(CommandError) as caught:
        call_command(
            "import_ticks",
            *RANGE,
            f"--source=bi5-dir:{folder}",
            stdout=out,
        )

    assert (caught.value.returncode, str(caught.value)) == (
        2,
        "2 of 24 hours are missing or failed",
    )
    failed, missing = out.getvalue().splitlines()[-2:]
    assert failed.startswith("EURUSD 2019-02-04 07h failed: expected ")
    assert ", found " in failed
    assert missing.startswith("EURUSD 2019-02-04 09h missing: expected a file in ")


@pytest.mark.usefixtures("instruments")
def test_import_ticks_forced_reads_again_and_without_refresh_leaves_candles(folder):
    source = f"--source=bi5-dir:{folder}"
    call(*RANGE, source, "--no-refresh")

    out, _ = call(*RANGE, source, "--force", "--no-refresh")

    assert "24 unchanged" in out
    assert "candles refreshed: 0" in out


@pytest.mark.usefixtures("instruments")
def test_import_ticks_in_the_background_queues_a_job_of_each_symbol():
    out, _ = call(*RANGE, "-s=EURUSD", "-s=GBPUSD", SOURCE, "--background", "--force")

    first, second = ImportJob.objects.order_by("pk")
    assert out == f"queued as job {first.pk}, {second.pk}\n"
    assert (first.symbol, second.symbol) == ("EURUSD", "GBPUSD")
    assert (first.source, first.hours_total) == (f"bi5-dir:{PAYLOADS}", 24)
    assert (first.options["force"], first.requested_by) == (True, "command")


@pytest.mark.usefixtures("instruments")
@pytest.mark.parametrize(("arguments", "workers"), [([], 1), (["--workers=3"], 3)])
def test_import_ticks_in_the_background_writes_over_one_connection_unless_told(
    arguments, workers
):
    call(*RANGE, "-s=EURUSD", SOURCE, "--background", *arguments)

    assert ImportJob.objects.get().options["workers"] == workers


def test_import_ticks_in_a_process_exits_with_0_then_2_then_64(
    committed_instruments, manage, folder
):
    source = f"--source=bi5-dir:{folder}"

    code, out, err = manage(*RANGE, source, "--json", TZ="America/Los_Angeles").result()
    assert code == 0, err
    summary = json.loads(out)
    assert (summary["ticks"], summary["hours"]["stored"]) == (DAY_TICKS, 24)
    assert summary["candles"] == 3 * (1440 + 288 + 96 + 24 + 6 + 2)
    assert series_of().tick_count == DAY_TICKS

    shutil.rmtree(folder)
    folder.mkdir()
    code, out, err = manage(*RANGE, source, "--force").result()
    assert (code, out.count(" missing: expected a file in ")) == (2, 1)
    assert "EURUSD 2019-02-04 00h to 2019-02-04 23h (24 hours) missing: " in out

    code, out, err = manage("--symbol", "NOPE", *RANGE, source).result()
    assert (code, out) == (64, "")
    assert "found 'NOPE'" in err


def test_import_ticks_in_a_process_without_its_database_is_1(manage):
    code, out, err = manage(
        *RANGE, SOURCE, DATABASE_URL="postgres://nobody@127.0.0.1:1/none"
    ).result()

    assert (code, out) == (1, "")
    assert err.startswith("CommandError: the database failed: ")


def test_import_ticks_in_a_process_of_an_unknown_flag_is_64():
    done = run_without_database("--bogus")

    assert done.returncode == 64
    assert done.stderr.startswith("usage: manage.py import_ticks ")
    assert "error: unrecognized arguments: --bogus" in done.stderr


def test_import_ticks_help_is_0_with_examples():
    done = run_without_database("--help")

    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert "bi5-dir:/data/dukascopy" in done.stdout


def run_without_database(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "import_ticks", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
