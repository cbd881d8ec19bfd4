"""A month from a server that fails, and a process that is killed in the middle."""

import pytest
from django.db import connection

from history.models import ChangedRange
from importer.models import ImportHour
from tests.history.storage import assert_candles_match
from tests.importer.archives import write_hours
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.dukascopy_server import Archive, Fault, serving
from tests.importer.imports import series_of, stored_ticks
from tests.importer.test_killed_import import wait_until

pytestmark = pytest.mark.usefixtures("committed_instruments")

TICKS = 20  # an hour
# January 2019 has 744 hours; forex is closed for four week ends of 48.
OPEN_HOURS = 744 - 4 * 48
MONTH = ["--from", "2019-01-01", "--to", "2019-01-31", "--source=bi5-http"]


@pytest.fixture
def server(tmp_path):
    """A server that fails in 2 % of its answers and stalls in 1 %."""
    write_hours(tmp_path, {DAY_US + hour * HOUR_US: TICKS for hour in range(24)})
    with serving(Archive(tmp_path, repeats=True)) as server:
        server.fail_at_random({Fault.ERROR: 0.02, Fault.STALL: 0.01}, seed=3)
        yield server


@pytest.fixture
def start(manage, server):
    """Starts the import of the month, or of other days."""

    def start(*arguments, **environment):
        return manage(
            *(arguments or MONTH),
            **environment,
            DUKASCOPY_BI5_URL=server.bi5_url,
            DUKASCOPY_REQUESTS_PER_S="1000000",
            DUKASCOPY_CONCURRENCY="8",
            DUKASCOPY_SILENCE_S="0.3",
            DUKASCOPY_CACHE="",
        )

    return start


def test_a_month_is_complete_after_a_kill_and_one_restart(start, server):
    process = start()
    wait_until(lambda: ImportHour.objects.count() > 5 * 24, "committed days")
    process.kill()
    process.result()
    stored_before = ImportHour.objects.filter(state="stored").count()
    asked_before = len(server.asked)

    code, out, err = start().result()

    series = series_of()
    assert 0 < stored_before < OPEN_HOURS
    assert code == 0, out + err
    assert f"{OPEN_HOURS - stored_before} stored" in out
    assert ImportHour.objects.filter(state="stored").count() == OPEN_HOURS
    assert series.tick_count == count_ticks() == OPEN_HOURS * TICKS
    assert not ChangedRange.objects.exists()
    assert_candles_match(series.pk, [stored_ticks(series.pk)])
    # What was stored is not asked for again; some failed and were.
    assert len(server.asked) - asked_before < (OPEN_HOURS - stored_before) * 1.15


def test_an_import_with_an_hour_that_stays_broken_names_it_and_exits_with_2(
    start, server
):
    server.break_for_good(DAY_US + 9 * HOUR_US, Fault.ERROR)

    code, out, err = start(
        *("--from", "2019-02-04", "--to", "2019-02-05", "--source=bi5-http"),
        DUKASCOPY_RETRIES="2",
    ).result()

    assert code == 2
    assert out.splitlines()[-1].startswith("EURUSD 2019-02-04 09h failed: expected ")
    assert "1 of 48 hours are missing or failed" in err
    assert count_ticks() == 47 * TICKS


def count_ticks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ticks")
        return cursor.fetchone()[0]
