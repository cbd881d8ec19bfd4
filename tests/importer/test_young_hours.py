"""Hours that were fetched before the provider had them whole: asked for once more."""

import pytest

from importer.import_ticks import ImportOrder, import_ticks
from importer.instruments import select_instruments
from importer.outcomes import Outcome
from importer.sources.registry import open_source
from tests.importer.archives import hours_of, write_hour
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.dukascopy_server import Archive, Fault, serving
from tests.importer.imports import Seen, ledger, series_of

pytestmark = pytest.mark.usefixtures("instruments")

FIRST, LAST = "2019-02-04T00", "2019-02-04T01"
END_US = DAY_US + 2 * HOUR_US
SOON_US, LATER_US = END_US + HOUR_US, END_US + 24 * HOUR_US


@pytest.fixture
def server(tmp_path, settings):
    """A server with an hour of 3 ticks and an empty one."""
    write_hour(tmp_path, DAY_US, 3)
    write_hour(tmp_path, DAY_US + HOUR_US, 0)
    settings.DUKASCOPY_REQUESTS_PER_S = 1e6
    settings.DUKASCOPY_RETRIES = 0
    settings.DUKASCOPY_CACHE = ""
    with serving(Archive(tmp_path)) as server:
        settings.DUKASCOPY_BI5_URL = server.bi5_url
        yield server


def fetch(now_us, spec="bi5-http", **options):
    order = ImportOrder(
        select_instruments(["EURUSD"]),
        hours_of(FIRST, LAST),
        open_source(spec),
        workers=1,
        **options,
    )
    return import_ticks(order, Seen(), now_us=lambda: now_us)


def test_import_ticks_asks_again_for_hours_that_were_young_and_stores_more(
    server, tmp_path
):
    fetch(SOON_US)
    server.archive = Archive(tmp_path / "later")
    server.archive.folder.mkdir()
    write_hour(server.archive.folder, DAY_US, 9)
    write_hour(server.archive.folder, DAY_US + HOUR_US, 4)

    report = fetch(SOON_US + 1)

    assert report.hours == {Outcome.STORED: 2}
    assert series_of().tick_count == 13
    assert set(ledger().values()) == {("stored", 9), ("stored", 4)}


def test_import_ticks_a_day_later_asks_for_the_last_time(server):
    fetch(SOON_US)
    fetch(SOON_US + 1)
    asked = len(server.asked)

    confirmed = fetch(LATER_US)
    fetch(LATER_US + 1)

    assert confirmed.hours == {Outcome.UNCHANGED: 2}
    assert (asked, len(server.asked)) == (4, 6)
    assert series_of().revision == 0


def test_import_ticks_asks_for_a_young_hour_until_there_is_an_answer(server):
    fetch(SOON_US)
    server.plan(DAY_US, Fault.ERROR)

    failed = fetch(LATER_US)
    fetch(LATER_US + 1)

    assert [hole.hour_us for hole in failed.holes] == [DAY_US]
    assert len(server.asked) == 5
    assert ledger()["2019-02-04 00h"] == ("stored", 3)


def test_import_ticks_from_disk_leaves_young_hours(server, tmp_path):
    fetch(SOON_US)
    write_hour(tmp_path, DAY_US, 9)

    report = fetch(SOON_US, f"bi5-dir:{tmp_path}")

    assert report.hours == {Outcome.UNCHANGED: 2}
    assert series_of().tick_count == 3
