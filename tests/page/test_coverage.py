"""The coverage page in Chromium: its map, and an import that a person starts there."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from marketdata.instruments import load_instruments
from tests.importer.bi5_files import DAY_US
from tests.importer.dukascopy_server import Archive, serving
from tests.importer.workers import worker
from tests.page.axe import find_issues
from tests.page.browser import Browser, Page
from tests.page.site import PICTURES, running_site

# Without it there is no test database, and the site would be on the real one.
pytestmark = pytest.mark.django_db

FEBRUARY = "coverage#dukascopy/EURUSD/2019-02"
LATER_US = DAY_US + 86_400_000_000
HOUR = "document.querySelector('[aria-label^=\"{}\"]')"
MONTHS = "[...document.querySelectorAll('.month span')].map((s) => s.textContent)"
IS_COMPLETE = f"{MONTHS}.length === 12 && !{MONTHS}.includes('…')"
TITLE = "document.getElementById('month-title').textContent"
BROKER = "document.getElementById('broker').selectedOptions[0].text"
JOB = "document.querySelector('#jobs li')"
LEGEND = """Object.fromEntries([...document.querySelectorAll('#legend tr')].map((row) =>
    [row.children[0].dataset.state, row.children[2].textContent]))"""


@dataclass(frozen=True)
class GatedArchive(Archive):
    """The real day for every day; hours from the second on wait for the gate."""

    gate: threading.Event = field(default_factory=threading.Event)

    def bi5(self, symbol: str, hour_us: int) -> bytes | None:
        if hour_us >= LATER_US:
            assert self.gate.wait(60)
        return super().bi5(symbol, hour_us)


@dataclass
class Site:
    """A server, a worker and an archive; ``session`` is a cookie of a superuser."""

    address: str
    session: str
    archive: GatedArchive


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: Any) -> Iterator[Site]:
    """A new installation, without any history."""
    archive = GatedArchive(repeats=True)
    with django_db_blocker.unblock(), serving(archive) as server:
        assert connection.settings_dict["NAME"].startswith("test_")
        load_instruments()
        settings = {
            "CHANNEL_PREFIX": f"coverage-{uuid4().hex[:8]}",
            "DUKASCOPY_SOURCE": f"bi5-http:{server.bi5_url}",
            "DUKASCOPY_REQUESTS_PER_S": "1000",
            # For the hours that wait.
            "DUKASCOPY_SILENCE_S": "60",
            "DUKASCOPY_REQUEST_S": "60",
        }
        try:
            with running_site(**settings) as address, worker(**settings):
                yield Site(address, log_in(), archive)
        finally:
            archive.gate.set()
            call_command("flush", interactive=False, verbosity=0)


def log_in() -> str:
    client = Client()
    client.force_login(
        User.objects.create(username="boss", is_staff=True, is_superuser=True)
    )
    return str(client.cookies["sessionid"].value)


async def open_map(page: Page, site: Site, *, as_staff: bool) -> None:
    if as_staff:
        cookie = {"name": "sessionid", "value": site.session, "url": site.address}
        await page.call("Network.setCookie", **cookie)
    await page.open(site.address + FEBRUARY)
    await page.until(IS_COMPLETE)


async def test_strangers_see_the_map_and_no_buttons(
    browser: Browser, site: Site
) -> None:
    async with browser.tab() as page:
        await open_map(page, site, as_staff=False)
        legend = await page.evaluate(LEGEND)
        buttons = await page.evaluate(
            "document.querySelectorAll('#start, #jobs').length"
        )
        sign_in = await page.evaluate(
            "document.getElementById('sign-in').getAttribute('href')"
        )

    assert (legend["missing"], legend["closed"]) == ("480", "192")
    assert buttons == 0
    assert unquote(sign_in).endswith(
        "/admin/login/?next=/coverage#dukascopy/EURUSD/2019-02"
    )
    assert page.problems == []


async def test_keys_go_over_the_hours_and_months_and_say_what_is_there(
    browser: Browser, site: Site
) -> None:
    async with browser.tab(size="390,844") as page:
        await open_map(page, site, as_staff=False)
        await page.evaluate("document.querySelector('#map [tabindex=\"0\"]').focus()")
        await page.press("ArrowDown", 40)
        await page.press("End", 35)
        tip = await page.evaluate("document.getElementById('tip').textContent")
        await page.press("PageDown", 34)
        title = await page.evaluate(
            "document.getElementById('month-title').textContent"
        )
        focused = await page.evaluate("document.activeElement.ariaLabel")
        link = await page.evaluate("document.getElementById('to-prices').href")
        wide = await page.evaluate("document.documentElement.scrollWidth")

    assert tip == "2019-02-02 23:00 UTC: closed"
    assert title == "March 2019"
    assert focused == "2019-03-02 23:00 UTC: closed"
    assert link == f"{site.address}#dukascopy/EURUSD"
    assert wide <= 390


async def test_import_started_stopped_and_tried_again_turns_the_map_to_ok(
    browser: Browser, site: Site
) -> None:
    async with browser.tab() as page:
        await open_map(page, site, as_staff=True)
        monday = HOUR.format("2019-02-04 13:00 UTC:")
        assert await page.evaluate(f"{monday}.dataset.state") == "missing"
        assert await page.evaluate(BROKER) == "dukascopy (nothing stored)"

        await start_import(page, "2019-02-04", "2019-02-06")
        await page.until(f"{JOB}?.querySelector('progress').value === 24", 60)
        await page.until(f"{monday}.dataset.state === 'stored'")
        await page.picture(PICTURES / "coverage.png")

        await page.evaluate(f"{JOB}.querySelector('button').click()")
        await page.until(f"{JOB}.textContent.includes('stops after this day')")
        site.archive.gate.set()
        await page.until(f"{JOB}.dataset.state === 'stopped'", 60)
        await page.evaluate(f"{JOB}.querySelector('button').click()")
        await page.until(f"{JOB}.dataset.state === 'done'", 60)

        text = await page.evaluate(f"{JOB}.querySelector('p').textContent")
        label = await page.evaluate(f"{monday}.ariaLabel")
        await page.until(f"{LEGEND}.stored === '72'")
        await page.until(f"{BROKER} === 'dukascopy'")
        february = await page.evaluate(f"{MONTHS}[1]")
        await page.evaluate(
            "{const list = document.getElementById('symbol'); list.value = 'GBPUSD';"
            "list.dispatchEvent(new Event('change'));}"
        )
        note = "document.getElementById('jobs-note').textContent"
        await page.until(f"{note} === 'No import of GBPUSD yet.'")
        jobs_of_another = await page.evaluate(f"{JOB} !== null")

    assert text == "done · 72 of 72 h · 410,223 ticks"
    assert label == "2019-02-04 13:00 UTC: 7,763 ticks, ok"
    assert february == "72 of 480 hours"
    assert not jobs_of_another
    assert page.problems == []


async def start_import(page: Page, first: str, last: str) -> None:
    await page.evaluate(
        "{const {first, last} = document.getElementById('start').elements;"
        f"first.value = '{first}'; last.value = '{last}';"
        "document.querySelector('#start button').click();}"
    )


async def test_what_cannot_be_imported_is_said(browser: Browser, site: Site) -> None:
    async with browser.tab() as page:
        await open_map(page, site, as_staff=True)

        await start_import(page, "2019-02-04", "2019-02-03")

        error = "document.getElementById('jobs-error').textContent"
        assert await page.until(error) == (
            "expected a last day from 2019-02-04 on, found 2019-02-03"
        )


async def test_map_has_no_serious_issue_of_accessibility(
    browser: Browser, site: Site
) -> None:
    async with browser.tab() as page:
        await open_map(page, site, as_staff=True)

        assert await find_issues(page) == []
        await page.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark"}],
        )
        await page.picture(PICTURES / "coverage-dark.png")
