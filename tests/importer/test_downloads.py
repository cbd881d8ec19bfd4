"""Getting hours from a server that fails in every way."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from importer.exceptions import DamagedFile, UnreadableFile
from importer.sources import downloads
from importer.sources.cache import FolderCache
from importer.sources.downloads import Downloader, DownloadLimits
from importer.sources.http import HttpClient
from importer.sources.pacing import Pacer
from importer.sources.retry import RetryPolicy
from tests.importer.bi5_files import DAY_US, HOUR_US, tick_file
from tests.importer.dukascopy_server import FakeDukascopy, Fault, serving
from tests.marketdata.polling import STALL_S

QUICK = RetryPolicy(first_s=0.02, cap_s=0.05, retry_after_cap_s=0.2)
PATH = "/EURUSD/2019/01/04/00h_ticks.bi5"


@pytest.fixture
def server() -> Iterator[FakeDukascopy]:
    """A server with the day of EURUSD."""
    with serving() as server:
        server.retry_after = "0"
        yield server


class Fetching:
    """Fetches the first hour of the day, with limits that suit a test."""

    def __init__(self, server: FakeDukascopy, **options) -> None:
        self.server = server
        self.url = server.bi5_url + PATH
        limits = DownloadLimits(tries=3, request_s=0.5, hour_s=5)
        limits = options.pop("limits", limits)
        pacer = options.pop("pacer", Pacer(1e6, 4))
        client = HttpClient(connections=4, silence_s=0.3)
        self.downloader = Downloader(client, pacer, limits, policy=QUICK, **options)

    def __call__(self, hour_us: int = DAY_US) -> bytes | None:
        return self.downloader.fetch(self.url, hour_us, check)


def check(data: bytes) -> int:
    if data and data != tick_file(0):
        raise DamagedFile("it", "the file", "another")
    return len(data)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.TOO_MANY,
        Fault.ERROR,
        Fault.BAD_GATEWAY,
        Fault.UNAVAILABLE,
        Fault.HTML,
        Fault.TRUNCATED,
        Fault.CUT,
        Fault.RESET,
        Fault.STALL,
        Fault.DRIP,
        Fault.DRIP_HEADERS,
    ],
)
def test_fetch_tries_again_after_what_may_pass(server, fault):
    server.plan(DAY_US, fault, fault)

    assert Fetching(server)() == tick_file(0)
    assert len(server.asked) == 3


def test_fetch_of_a_404_gives_nothing_and_asks_once(server):
    server.plan(DAY_US, Fault.NOT_FOUND)

    assert Fetching(server)() is None
    assert len(server.asked) == 1


def test_fetch_of_an_empty_file_gives_no_bytes(server):
    server.plan(DAY_US, Fault.EMPTY)

    assert Fetching(server)() == b""


@pytest.mark.parametrize("fault", [Fault.FORBIDDEN, Fault.REDIRECT])
def test_fetch_of_a_refusal_asks_once(server, fault):
    server.break_for_good(DAY_US, fault)
    fetch = Fetching(server)

    with pytest.raises(UnreadableFile) as caught:
        fetch()

    found = f"status {fault.value}"
    assert str(caught.value) == (
        f"expected status 200 or 404, found {found} in {fetch.url}"
    )
    assert len(server.asked) == 1


def test_fetch_that_never_succeeds_names_what_was_tried(server):
    server.plan(DAY_US, Fault.ERROR, Fault.STALL, Fault.HTML)

    with pytest.raises(UnreadableFile) as caught:
        Fetching(server)()

    tried = "status 500; silence for 0.3 s; text/html; charset=utf-8, 59 bytes"
    assert caught.value.found.startswith("in 3 tries and 0.")
    assert caught.value.found.endswith(f" s: {tried}")
    assert caught.value.name.endswith(PATH)


def test_fetch_of_a_file_that_stays_damaged_says_so(server):
    server.break_for_good(DAY_US, Fault.CUT)

    with pytest.raises(DamagedFile, match="expected the file, found in 3 tries") as it:
        Fetching(server)()

    assert it.value.found.endswith("another; another; another")
    assert len(server.asked) == 3


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.DRIP, Fault.DRIP_HEADERS])
def test_fetch_takes_no_longer_than_an_hour_may(server, fault):
    server.break_for_good(DAY_US, fault)
    limits = DownloadLimits(tries=1_000, request_s=0.3, hour_s=1.0)
    started_s = time.monotonic()

    with pytest.raises(UnreadableFile, match=r"found in \d tr\w+ and \d\.\d s: "):
        Fetching(server, limits=limits)()

    assert time.monotonic() - started_s < 1 + STALL_S


def test_fetch_waits_as_the_server_asks_and_no_longer_than_the_cap(server):
    server.plan(DAY_US, Fault.UNAVAILABLE, Fault.TOO_MANY)
    server.retry_after = "1000"
    pacer = Pacer(1e6, 4)

    assert Fetching(server, pacer=pacer)() == tick_file(0)

    asked = [moment for moment, _ in server.asked]
    assert 0.2 <= asked[1] - asked[0] < 0.5
    assert 0.2 <= asked[2] - asked[1] < 0.5


def test_fetch_keeps_to_the_rate(server):
    pacer = Pacer(20, 1)
    fetches = [Fetching(server, pacer=pacer) for _ in range(2)]

    for fetch in fetches * 3:
        fetch()

    asked = [moment for moment, _ in server.asked]
    assert asked[5] - asked[0] >= 5 / 20 - 0.02


def test_fetch_without_a_turn_in_time_says_so(server):
    limits = DownloadLimits(tries=1, request_s=1, hour_s=0.1)
    pacer = Pacer(0.1, 1)

    assert Fetching(server, pacer=pacer, limits=limits)() == tick_file(0)
    with pytest.raises(UnreadableFile, match="s: none in time in http"):
        Fetching(server, pacer=pacer, limits=limits)()


def test_fetch_in_an_outage_tries_each_hour_once_until_one_is_answered(
    server, monkeypatch
):
    monkeypatch.setattr(downloads, "OUTAGE_HOURS", 2)
    fetch = Fetching(server)
    server.plan(DAY_US, *[Fault.ERROR] * 8)

    asked = []
    for _ in range(4):
        with pytest.raises(UnreadableFile):
            fetch()
        asked.append(len(server.asked))
    fetch()
    server.plan(DAY_US, *[Fault.ERROR] * 2)
    fetch()

    assert asked == [3, 6, 7, 8]
    assert len(server.asked) == 8 + 1 + 3


def test_fetch_after_close_fails_at_once(server):
    fetch = Fetching(server)

    fetch.downloader.close()

    with pytest.raises(UnreadableFile, match="in 1 try and 0.0 s: the import ending"):
        fetch()
    assert server.asked == []


def test_fetch_from_the_cache_asks_nobody(server, tmp_path):
    for _ in range(2):
        fetch = Fetching(server, cache=FolderCache(tmp_path))
        assert fetch() == tick_file(0)

    assert len(server.asked) == 1


def test_fetch_of_a_damaged_copy_asks_again(server, tmp_path):
    fetch = Fetching(server, cache=FolderCache(tmp_path))
    fetch()
    [path] = tmp_path.rglob("00h_ticks.bi5")

    path.write_bytes(b"damaged")

    assert fetch() == tick_file(0)
    assert path.read_bytes() == tick_file(0)


def test_fetch_without_reading_the_cache_replaces_what_it_has(server, tmp_path):
    cache = FolderCache(tmp_path)
    fetch = Fetching(server, cache=cache, reads_cache=False)
    cache.write(fetch.url, b"old")

    assert fetch() == tick_file(0)
    assert cache.read(fetch.url) == tick_file(0)


@pytest.mark.parametrize(
    "faults",
    [[Fault.EMPTY], [Fault.NOT_FOUND], [Fault.ERROR] * 3, [Fault.HTML] * 3],
)
def test_fetch_keeps_nothing_but_files_with_ticks(server, tmp_path, faults):
    server.plan(DAY_US, *faults)

    with suppress(UnreadableFile):
        Fetching(server, cache=FolderCache(tmp_path))()

    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(("age_h", "is_kept"), [(0, False), (23, False), (26, True)])
def test_fetch_keeps_no_hour_that_is_young(server, tmp_path, age_h, is_kept):
    hour_us = (time.time_ns() // 1_000 // HOUR_US - age_h) * HOUR_US

    Fetching(server, cache=FolderCache(tmp_path))(hour_us)

    assert bool(list(tmp_path.rglob("*.bi5"))) is is_kept
