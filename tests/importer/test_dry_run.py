"""What a dry run says, and that it changes nothing."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from history.models import Series
from importer.models import ImportHour
from tests.importer.archives import write_hours
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.imports import run

pytestmark = pytest.mark.usefixtures("instruments")


def call(*arguments):
    out = StringIO()
    call_command("import_ticks", *arguments, "--dry-run", stdout=out)
    return out.getvalue()


def test_dry_run_of_a_new_series_counts_what_would_be_asked(settings):
    settings.DUKASCOPY_REQUESTS_PER_S = 2.0

    out = call("-s", "EURUSD", "--from", "2019-02-01", "--to", "2019-02-03")

    assert out.splitlines() == [
        "EURUSD, 2019-02-01 00h to 2019-02-03 23h: 72 never had",
        "EURUSD: 24 hours would be fetched",
        "at least 12 s for 24 requests",
        "nothing was fetched or written",
    ]
    assert not Series.objects.exists()
    assert not ImportHour.objects.exists()


def test_dry_run_counts_hours_by_state_and_estimates_ticks(tmp_path):
    write_hours(tmp_path, {DAY_US: 10, DAY_US + HOUR_US: 20, DAY_US + 3 * HOUR_US: 0})
    run(tmp_path, "2019-02-04T00", "2019-02-04T03")

    out = call(
        *("--from", "2019-02-04", "--to", "2019-02-04", "--json"),
        f"--source=bi5-dir:{tmp_path}",
    )

    assert json.loads(out) == {
        "dry_run": [
            {
                "symbol": "EURUSD",
                "first": "2019-02-04 00h",
                "last": "2019-02-04 23h",
                "hours": {"stored": 2, "empty": 1, "never had": 21},
                "fetched": 21,
                "ticks": 315,
            }
        ],
        "seconds": None,
    }
    assert ImportHour.objects.count() == 3


def test_dry_run_of_gaps_looks_at_all_that_is_stored(tmp_path):
    write_hours(tmp_path, {DAY_US + 5 * HOUR_US: 10, DAY_US + 30 * HOUR_US: 10})
    run(tmp_path, "2019-02-04T05", "2019-02-04T05")
    run(tmp_path, "2019-02-05T06", "2019-02-05T06")

    out = call("--fill-gaps", f"--source=bi5-dir:{tmp_path}")

    assert out.splitlines()[:2] == [
        "EURUSD, 2019-02-04 00h to 2019-02-05 23h: 46 never had, 2 stored",
        "EURUSD: 46 hours would be fetched, about 460 ticks",
    ]
