"""`manage.py check_ticks` and `repair_ticks` as people call them (COMPAT check 47)."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from importer.management.usage import EXIT_HOLES, EXIT_USAGE
from tests.importer.archives import change_bids, delete_rows, write_hour, write_hours
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.imports import run, series_of

pytestmark = pytest.mark.usefixtures("instruments")
DAY = ("--from", "2019-02-04", "--to", "2019-02-04")


@pytest.fixture
def stored(tmp_path):
    """A day of EURUSD, 2 ticks an hour, without its hours 3 and 4."""
    counts = {DAY_US + n * HOUR_US: 2 for n in range(24) if n not in (3, 4)}
    write_hours(tmp_path, counts)
    run(tmp_path)
    return tmp_path


def call(*arguments):
    """Return exit code, output and the error's text."""
    out = StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=StringIO())
    except CommandError as exc:
        return exc.returncode, out.getvalue(), str(exc)
    return 0, out.getvalue(), ""


def test_compat_check_47_check_ticks_prints_months_days_and_gaps(stored):
    code, out, error = call(
        "check_ticks", "eur/usd", "--from=2019-02-04", "--to=2019-02-05"
    )

    lines = [line.split() for line in out.splitlines()]
    assert code == EXIT_HOLES
    assert ["2019-02", "44", "22", "2", "24"] in lines
    assert ["2019-02-04", "44", "22", "2"] in lines
    assert ["2019-02-05", "0", "24"] in lines
    assert out.splitlines()[0] == (
        "EURUSD (dukascopy), 2019-02-04 00h to 2019-02-05 23h: "
        "44 ticks; hours: 22 stored, 2 suspect, 24 missing"
    )
    assert "EURUSD gap: suspect: 2019-02-04 03h to 2019-02-04 04h" in out
    assert "EURUSD gap: missing: 2019-02-05 00h to 2019-02-05 23h" in out
    assert error == "2 findings"


def test_compat_check_47_check_ticks_as_json(stored):
    code, out, _ = call("check_ticks", *DAY, "--json")

    found = json.loads(out)
    (series,) = found["series"]
    assert code == EXIT_HOLES
    assert found["indexes"] == []
    assert series["gaps"] == [
        {"from": "2019-02-04 03h", "to": "2019-02-04 04h", "reason": "suspect"}
    ]
    month = {"name": "2019-02", "rows": 44, "hours": {"stored": 22, "suspect": 2}}
    assert series["months"] == [month]
    assert [item["name"] for item in series["days"]] == ["2019-02-04"]


def test_check_ticks_of_a_sound_history_exits_with_0(tmp_path):
    write_hour(tmp_path, DAY_US, 3)
    run(tmp_path, "2019-02-04T00", "2019-02-04T00")

    code, out, _ = call("check_ticks", "--checksums")

    assert code == 0
    assert "3 ticks; hours: 1 stored" in out


def test_check_ticks_with_nothing_stored_says_so():
    assert call("check_ticks") == (0, "nothing is stored\n", "")


@pytest.mark.parametrize("command", ["check_ticks", "repair_ticks"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "2019-02-04"),
        ("--from", "2019-02-05", "--to", "2019-02-04"),
        ("--days", "3", *DAY),
        ("--days", "x"),
        ("NOPE", *DAY),
        ("--unknown",),
    ],
)
def test_wrong_usage_exits_with_64(command, arguments, settings):
    settings.DUKASCOPY_SOURCE = "bi5-dir:/tmp"

    code, _, error = call(command, *arguments)

    assert code == EXIT_USAGE, error


def test_check_ticks_of_a_symbol_without_history_names_those_with(stored):
    code, _, error = call("check_ticks", "GBPUSD")

    assert code == EXIT_USAGE
    assert error == "expected one of EURUSD, found 'GBPUSD'"


def test_repair_ticks_mends_what_check_ticks_found(stored):
    source = f"--source=bi5-dir:{stored}"
    write_hours(stored, {DAY_US + 3 * HOUR_US: 2, DAY_US + 4 * HOUR_US: 2})
    delete_rows(DAY_US)
    change_bids(DAY_US + HOUR_US)
    found, _, _ = call("check_ticks", "EURUSD", "--checksums")

    code, out, _ = call("repair_ticks", "EURUSD", *DAY, source)
    again, _, _ = call("check_ticks", "EURUSD", "--checksums")

    assert (found, code, again) == (EXIT_HOLES, 0, 0)
    assert "hours: 4 stored, 0 empty, 20 unchanged" in out
    assert "ticks: 8 written" in out
    assert "statistics corrected: EURUSD" in out
    assert series_of().tick_count == 48


def test_repair_ticks_of_all_that_is_stored_as_json(stored):
    write_hour(stored, DAY_US, 5, seed=1)

    code, out, error = call(
        "repair_ticks", "--all", "--json", f"--source=bi5-dir:{stored}"
    )

    report = json.loads(out)
    assert code == EXIT_HOLES
    assert report["hours"]["stored"] == 1
    assert report["statistics_corrected"] == []
    assert error == "2 hours are missing, suspect or failed"


def test_check_ticks_of_an_unknown_broker_is_wrong_usage(stored):
    code, out, error = call("check_ticks", "--broker", "Nobody")

    assert (code, out) == (64, "")
    assert error.startswith("expected one of binance, dukascopy, ")
    assert error.endswith("found broker 'Nobody'")
