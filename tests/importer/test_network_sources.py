"""The two sources over HTTP, opened as a command opens them."""

from collections.abc import Iterator

import numpy as np
import pytest

from importer import bi5
from importer.exceptions import InvalidSource, UnreadableFile
from importer.sources.registry import open_source
from tests.importer.bi5_files import DAY_US, HOUR_US, tick_file
from tests.importer.dukascopy_server import Archive, FakeDukascopy, Fault, serving
from tests.importer.test_jetta import RECORDED, RECORDED_US


@pytest.fixture
def server(settings) -> Iterator[FakeDukascopy]:
    """A server with the day of EURUSD, and settings that lead to it."""
    with serving(Archive()) as server:
        settings.DUKASCOPY_URL = server.api_url
        settings.DUKASCOPY_BI5_URL = server.bi5_url
        settings.DUKASCOPY_REQUESTS_PER_S = 1e6
        settings.DUKASCOPY_SILENCE_S = 0.3
        settings.DUKASCOPY_REQUEST_S = 0.5
        settings.DUKASCOPY_RETRIES = 0
        settings.DUKASCOPY_CACHE = ""
        yield server


@pytest.mark.parametrize("symbol", ["EURUSD", "EUR-USD"])
@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("dukascopy", "/v1/ticks/EUR-USD/2019/2/4/9"),
        ("bi5-http", "/datafeed/EURUSD/2019/01/04/09h_ticks.bi5"),
    ],
)
def test_fetch_asks_at_the_address_of_the_hour(server, spec, path, symbol):
    source = open_source(spec)
    hour_us = DAY_US + 9 * HOUR_US

    file = source.fetch(symbol, hour_us)
    ticks = source.decode(file, hour_us, price_scale=100_000)

    assert [asked for _, asked in server.asked] == [path]
    assert file.name.endswith(path)
    good = bi5.decode_ticks(tick_file(9), hour_us, price_scale=100_000, name="file")
    for column in ("time_us", "bid", "ask", "bid_size", "ask_size"):
        assert np.array_equal(getattr(ticks, column), getattr(good, column))


def test_fetch_of_the_api_gives_its_recorded_answer(server):
    source = open_source("dukascopy")

    file = source.fetch("BTC-USD", RECORDED_US)

    assert file.data == RECORDED
    assert len(source.decode(file, RECORDED_US, price_scale=10)) == 8_523


def test_bi5_http_takes_another_address(server, settings):
    settings.DUKASCOPY_BI5_URL = "http://nobody.invalid"
    source = open_source(f"bi5-http:{server.bi5_url}/")

    assert source.fetch("EURUSD", DAY_US).data == tick_file(0)
    assert source.spec == f"bi5-http:{server.bi5_url}/"


@pytest.mark.parametrize("spec", ["dukascopy", "bi5-http"])
def test_fetch_of_hours_without_ticks_and_without_a_file(server, spec):
    server.archive = Archive(repeats=True)
    source = open_source(spec)
    saturday_us = DAY_US + 5 * 24 * HOUR_US

    file = source.fetch("EURUSD", saturday_us)

    assert len(source.decode(file, saturday_us, price_scale=1)) == 0
    assert source.fetch("GBPUSD", DAY_US) is None


@pytest.mark.parametrize("spec", ["dukascopy", "bi5-http"])
@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.STALL, Fault.CUT, Fault.HTML])
def test_fetch_of_a_bad_answer_raises(server, spec, fault):
    server.break_for_good(DAY_US, fault)

    with pytest.raises(UnreadableFile if fault is not Fault.CUT else Exception) as it:
        open_source(spec).fetch("EUR-USD", DAY_US)

    assert "in 1 try and 0." in str(it.value)


def test_fetch_of_an_empty_answer_is_damage_for_the_api_alone(server):
    server.break_for_good(DAY_US, Fault.EMPTY)

    assert open_source("bi5-http").fetch("EUR-USD", DAY_US).data == b""
    with pytest.raises(Exception, match="found in 1 try and 0.0 s: 0 bytes beginning"):
        open_source("dukascopy").fetch("EUR-USD", DAY_US)


def test_a_cache_of_bi5_files_is_a_source(server, settings, tmp_path):
    settings.DUKASCOPY_CACHE = str(tmp_path)
    open_source("bi5-http").fetch("EUR-USD", DAY_US)

    source = open_source(f"bi5-dir:{tmp_path}")

    assert source.fetch("EUR-USD", DAY_US).data == tick_file(0)


def test_sources_read_the_cache_unless_told_to_ask_anew(server, settings, tmp_path):
    settings.DUKASCOPY_CACHE = str(tmp_path)

    for reads_cache in (True, True, False):
        source = open_source("dukascopy", reads_cache=reads_cache)
        source.fetch("EUR-USD", DAY_US)

    assert len(server.asked) == 2


def test_sources_of_a_process_share_the_rate(server, settings):
    settings.DUKASCOPY_REQUESTS_PER_S = 20.0
    settings.DUKASCOPY_CONCURRENCY = 1

    for spec in ("dukascopy", "bi5-http", "dukascopy", "bi5-http"):
        open_source(spec).fetch("EUR-USD", DAY_US)

    asked = [moment for moment, _ in server.asked]
    assert asked[-1] - asked[0] >= 3 / 20 - 0.02


def test_network_sources_fetch_as_many_at_a_time_as_configured(settings):
    settings.DUKASCOPY_CONCURRENCY = 7

    assert open_source("dukascopy").threads == 7
    assert open_source("bi5-http").threads == 7


@pytest.mark.parametrize("address", ["ftp://host/x", "host/x", "http://", "//host"])
def test_open_source_of_no_address_raises(settings, address):
    settings.DUKASCOPY_URL = address

    with pytest.raises(InvalidSource, match="expected an address as https://host/path"):
        open_source("dukascopy")
    with pytest.raises(InvalidSource):
        open_source(f"bi5-http:{address}")


def test_open_source_of_dukascopy_takes_no_place():
    with pytest.raises(InvalidSource, match="its address is DUKASCOPY_URL"):
        open_source("dukascopy:http://host")
