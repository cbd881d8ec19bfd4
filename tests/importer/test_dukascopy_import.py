"""A day imported over HTTP from a server that fails now and then."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from history.timestamps import to_datetime
from importer.hours import parse_range
from importer.import_ticks import ImportOrder, import_ticks
from importer.instruments import select_instruments
from importer.outcomes import Outcome
from importer.sources.registry import open_source
from marketdata.models import BrokerSymbol
from tests.importer.bi5_files import DAY, DAY_TICKS, DAY_US, HOUR_US, PAYLOADS
from tests.importer.dukascopy_server import Archive, FakeDukascopy, Fault, serving
from tests.importer.imports import Seen, now_us, run, series_of, stored_ticks
from tests.marketdata.polling import STALL_S

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


@pytest.fixture
def server(settings) -> Iterator[FakeDukascopy]:
    """A server with the day of EURUSD, and settings that lead to it."""
    with serving(Archive()) as server:
        settings.DUKASCOPY_URL = server.api_url
        settings.DUKASCOPY_BI5_URL = server.bi5_url
        settings.DUKASCOPY_CONCURRENCY = 4
        settings.DUKASCOPY_REQUESTS_PER_S = 1e6
        settings.DUKASCOPY_SILENCE_S = 0.3
        settings.DUKASCOPY_REQUEST_S = 1.0
        settings.DUKASCOPY_HOUR_S = 5.0
        settings.DUKASCOPY_CACHE = ""
        yield server


def fetch_day(spec: str):
    hours = parse_range(DAY, DAY, now_us=now_us())
    order = ImportOrder(
        select_instruments(["EURUSD"]),
        hours,
        open_source(spec),
        workers=1,  # one connection, as a test is a transaction that others do not see
    )
    return import_ticks(order, Seen(), now_us=now_us)


@pytest.mark.parametrize("spec", ["dukascopy", "bi5-http"])
def test_import_ticks_over_http_stores_what_the_files_have(server, spec):
    server.fail_at_random({Fault.ERROR: 0.1, Fault.STALL: 0.05}, seed=1)

    report = fetch_day(spec)
    again = run(PAYLOADS, is_forced=True)

    ticks = stored_ticks(series_of().pk)
    assert (report.ticks, report.hole_count) == (DAY_TICKS, 0)
    assert server.peak <= 4
    # The same hours from files have the same checksums, so nothing is written.
    assert again.ticks == 0
    assert again.hours[Outcome.UNCHANGED] == 24
    assert np.all(np.diff(ticks.time_us) >= 0)


def test_import_ticks_with_hours_that_stay_broken_goes_on_and_names_them(server):
    server.break_for_good(DAY_US + 7 * HOUR_US, Fault.DRIP_HEADERS)
    server.break_for_good(DAY_US + 9 * HOUR_US, Fault.UNAVAILABLE)
    started_s = time.monotonic()

    report = fetch_day("dukascopy")

    assert report.hours[Outcome.STORED] == 22
    assert report.hours[Outcome.FAILED] == 2
    assert [hole.hour_us for hole in report.holes] == [
        DAY_US + 7 * HOUR_US,
        DAY_US + 9 * HOUR_US,
    ]
    assert "status 503 (Retry-After 1 s)" in report.holes[1].reason
    assert time.monotonic() - started_s < 15 + STALL_S


def test_import_ticks_from_a_server_that_is_away_ends_soon(server, settings):
    settings.DUKASCOPY_URL = "http://127.0.0.1:9/v1"
    settings.DUKASCOPY_RETRIES = 1
    started_s = time.monotonic()

    report = fetch_day("dukascopy")

    assert report.hours[Outcome.FAILED] == 24
    assert time.monotonic() - started_s < 15 + STALL_S


def test_import_ticks_before_the_first_tick_finds_no_holes(server):
    first_tick = to_datetime(DAY_US + HOUR_US + 1)
    BrokerSymbol.objects.filter(symbol="EUR-USD").update(first_tick=first_tick)
    for hour in (0, 1):
        server.break_for_good(DAY_US + hour * HOUR_US, Fault.NOT_FOUND)

    report = fetch_day("dukascopy")

    assert report.hours[Outcome.CLOSED] == 1
    assert [hole.hour_us for hole in report.holes] == [DAY_US + HOUR_US]
