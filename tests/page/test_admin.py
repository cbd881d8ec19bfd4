"""The admin in a headless Chromium: as staff uses it, on two web processes."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.db.models import Model
from websockets.asyncio.client import connect

from brokers.models import BrokerAccount
from marketdata.account_store import ensure_plans
from marketdata.instruments import load_instruments
from marketdata.models import ApiKey, Broker
from tests.marketdata.server_process import running_server, test_database_url
from tests.page.axe import find_issues, show_as
from tests.page.browser import Browser, Page
from tests.page.site import PICTURES, running_site

pytestmark = pytest.mark.django_db

PASSWORD = "of the boss of this test"
SECRET = "token-which-never-comes-back"
TEXT = "(document.body?.innerText ?? '')"
MESSAGES = "(document.querySelector('#main')?.innerText ?? '')"


@pytest.fixture(scope="module")
def sites(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[str, str]]:
    """The addresses of two web processes that know of each other by Redis alone."""
    with django_db_blocker.unblock():
        load_instruments()
        ensure_plans()
        User.objects.create_superuser("boss", password=PASSWORD)
        connections.close_all()
    settings = {
        "CHANNEL_PREFIX": f"admin-{uuid4().hex[:8]}",
        "BROKERS_ENABLED": "simulated",
        "BROKER_KEYS": Fernet.generate_key().decode(),
    }
    with (
        running_site("simulated", **settings) as one,
        running_server(
            settings["CHANNEL_PREFIX"],
            **settings | {"DATABASE_URL": test_database_url()},
        ) as two,
    ):
        yield one, f"http://{two.host}/"
    with django_db_blocker.unblock():
        call_command("flush", interactive=False, verbosity=0)


async def stored(model: type[Model], **key: str) -> Any:
    """Return a row, of a connection that is not left open."""

    def select() -> Model:
        try:
            return model._default_manager.get(**key)
        finally:
            connections.close_all()

    return await asyncio.to_thread(select)


async def log_in(page: Page, site: str) -> None:
    await page.open(site + "admin/")
    await page.until("document.querySelector('[name=password]')")
    await fill(page, {"username": "boss", "password": PASSWORD})
    await submit(page, "[name=password]")
    await page.until("document.querySelector('#live')")


async def go(page: Page, address: str, shows: str = "true") -> None:
    await page.call("Page.navigate", url=address)
    is_there = f"document.readyState === 'complete' && location.href === '{address}'"
    await page.until(f"{is_there} && ({shows})")


async def fill(page: Page, values: dict[str, str]) -> None:
    for name, value in values.items():
        await page.evaluate(
            f"{{const field = document.querySelector('[name={name}]');"
            f"field.value = {json.dumps(value)};"
            "field.dispatchEvent(new Event('change', {bubbles: true}));}"
        )


async def submit(page: Page, field: str) -> None:
    await page.evaluate(f"document.querySelector('{field}').form.requestSubmit()")


async def test_admin_shows_figures_and_has_no_serious_issue(
    browser: Browser, sites: tuple[str, str]
) -> None:
    feed = "document.querySelector('[data-feed=simulated]')?.innerText ?? ''"
    async with browser.tab(size="1400,1000") as page:
        await log_in(page, sites[0])
        # The page reads itself anew: what it shows now was not there at first.
        await page.until(f"({feed}).includes('live') && ({feed}).includes('s ago')")
        issues = await find_issues(page)
        await page.picture(PICTURES / "admin-dashboard.png")
        # The scheme is looked at when the page is loaded, and then kept.
        await show_as(page, size="desktop", scheme="dark")
        await go(page, sites[0] + "admin/", f"({feed}).includes('live')")
        await page.picture(PICTURES / "admin-dashboard-dark.png")
        assert await page.evaluate("document.documentElement.className") == "dark"
        issues += await find_issues(page)
        await go(page, sites[0] + "admin/feeds/", f"({feed}).includes('live')")
        issues += await find_issues(page)
        loaded = await page.evaluate(
            "performance.getEntriesByType('resource').map(({name}) => name)"
        )
        problems = page.problems

    assert issues == []
    assert [name for name in loaded if not name.startswith(sites[0])] == []
    assert problems == []


async def test_admin_says_when_its_figures_are_old(
    browser: Browser, sites: tuple[str, str]
) -> None:
    note = "document.getElementById('live-note')"
    online = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    async with browser.tab() as page:
        await log_in(page, sites[0])
        await page.call("Network.emulateNetworkConditions", offline=True, **online)
        await read_anew(page)
        await page.until(f"{note}.textContent.includes('does not answer')")
        await page.call("Network.emulateNetworkConditions", offline=False, **online)
        await read_anew(page)
        await page.until(f"{note}.textContent === ''")
        await page.call("Network.clearBrowserCookies")
        await read_anew(page)
        await page.until(f"{note}.textContent.includes('session has ended')")
        is_still_there = await page.evaluate(
            "document.querySelector('#live [data-live]') !== null"
        )

    assert is_still_there


async def read_anew(page: Page) -> None:
    """Have the figures read as they are every few seconds."""
    await page.evaluate(
        "void htmx.ajax('GET', location.href, {target: '#live', select: '[data-live]'})"
    )


async def test_admin_shows_a_new_key_once(
    browser: Browser, sites: tuple[str, str]
) -> None:
    async with browser.tab() as page:
        await log_in(page, sites[0])
        keys = sites[0] + "admin/marketdata/apikey/"
        await go(page, keys + "add/", "document.querySelector('[name=plan]')")
        await fill(page, {"name": "desk", "plan": "anonymous"})
        await page.picture(PICTURES / "admin-key-add.png")
        await submit(page, "[name=plan]")
        shown = "document.getElementById('new-key')?.textContent"
        key = await page.until(shown)
        await page.picture(PICTURES / "admin-key.png")
        await go(page, keys, f"{TEXT}.includes('desk')")
        listed = await page.evaluate("document.documentElement.outerHTML")
        await page.picture(PICTURES / "admin-keys.png")

    row = await stored(ApiKey)
    assert key.startswith(row.prefix)
    assert row.prefix in listed
    assert key not in listed


async def test_admin_takes_an_account_and_gives_no_secret_back(
    browser: Browser, sites: tuple[str, str]
) -> None:
    async with browser.tab() as page:
        await log_in(page, sites[0])
        accounts = sites[0] + "admin/brokers/brokeraccount/"
        await go(page, accounts + "add/", "document.querySelector('[name=apiKey]')")
        await fill(page, {"broker": "oanda", "apiKey": SECRET, "accountId": "101-1"})
        await submit(page, "[name=apiKey]")
        await page.until(f"{MESSAGES}.includes('was added successfully')")
        pages = [await page.evaluate("document.documentElement.outerHTML")]
        for path in ("oanda/change/", "oanda/history/"):
            await go(page, accounts + path)
            pages.append(await page.evaluate("document.documentElement.outerHTML"))
            values = "[...document.querySelectorAll('input')].map((item) => item.value)"
            pages.append(str(await page.evaluate(values)))
        await go(page, accounts + "oanda/change/")
        await page.picture(PICTURES / "admin-account.png")

    encrypted = (await stored(BrokerAccount)).encrypted
    assert encrypted
    assert SECRET not in encrypted
    assert [text for text in pages if SECRET in text or encrypted in text] == []


async def test_admin_closes_a_client_of_another_process(
    browser: Browser, sites: tuple[str, str]
) -> None:
    here, there = sites
    url = there.replace("http", "ws")
    async with (
        browser.tab(size="1400,800") as page,
        connect(url, proxy=None) as kept,
        connect(url + "binance/ws", proxy=None) as closed,
    ):
        await kept.recv()
        await log_in(page, here)
        rows = "document.querySelectorAll('#live tbody form').length"
        await go(page, here + "admin/connections/", f"{rows} === 2")
        await page.picture(PICTURES / "admin-connections.png")
        await page.evaluate(
            "[...document.querySelectorAll('#live tbody tr')].find((row) =>"
            " row.querySelector('[title=\"/binance/ws\"]')).querySelector('form')"
            ".requestSubmit()"
        )
        async with asyncio.timeout(20):
            await closed.wait_closed()
        await page.until(f"{MESSAGES}.includes('Closed an anonymous client')")
        await page.until(f"{rows} === 1")
        await kept.send('{"action":"ping"}')
        answer = json.loads(await kept.recv())

    assert closed.close_code == 4507
    assert answer["type"] == "pong"


async def test_admin_switches_a_feed(browser: Browser, sites: tuple[str, str]) -> None:
    button = "document.querySelector('[data-feed=kraken] [value=on]')"
    async with browser.tab(size="1400,800") as page:
        await log_in(page, sites[1])
        await go(page, sites[1] + "admin/feeds/", button)
        await page.evaluate(f"{button}.click()")
        await page.until(f"{MESSAGES}.includes('Kraken: on')")
        await page.until(f"{button}.getAttribute('aria-pressed') === 'true'")
        await page.picture(PICTURES / "admin-feeds.png")

    assert (await stored(Broker, pk="kraken")).is_enabled is True
