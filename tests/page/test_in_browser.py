"""The page in a headless Chromium, on a running server and simulated feed."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from services.chromium import find_chromium
from services.ports import find_free
from tests.brokers.processes import ROOT, Managed, manage
from tests.marketdata.polling import until
from tests.page.browser import Page, browsing
from tests.test_live_path import prepare

PICTURES = ROOT / "var" / "pictures"
MAX_FIRST_LOAD_BYTES = 300_000
# What the browser says of a server that is away, and of a series that has just begun:
# no defects of the page.
EXPECTED = r"ERR_(CONNECTION|EMPTY)|status of 404 .*/api/(candles|coverage)\?"
ROW = "document.querySelector('[data-series=\"simulated EURUSD\"]')"
BID = f"{ROW}?.querySelector('.price').textContent"
CONNECTION = "document.getElementById('connection').dataset.phase"
NEWEST = "Number(document.getElementById('chart').dataset.newest)"
BARS = "Number(document.getElementById('chart').dataset.bars)"
TITLE = "document.getElementById('chart-title').textContent"


@pytest.fixture(autouse=True)
def _pictures() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def settings_of_processes() -> dict[str, str]:
    return {
        "ALLOWED_HOSTS": "127.0.0.1",
        "BROKERS_ENABLED": "simulated",
        "CHANNEL_PREFIX": f"browser-{uuid4().hex[:8]}",
        "PORT": str(find_free()),
    }


@asynccontextmanager
async def serving(settings: dict[str, str]) -> AsyncIterator[Managed]:
    async with manage("serve", "--host", "127.0.0.1", **settings) as web:
        await until(lambda: "listening on" in web.log, timeout_s=20)
        yield web


@asynccontextmanager
async def showing(
    address: str, folder: Path, *, size: str = "1280,800"
) -> AsyncIterator[Page]:
    """Open the page and wait for prices and candles."""
    program, environ = await asyncio.to_thread(find_chromium)
    async with browsing([str(program)], folder, environ=environ, size=size) as page:
        await page.open(address)
        await page.until(f"/\\d/.test({BID} ?? '')")
        await page.until(f"{NEWEST} > 0", timeout_s=30)
        yield page


def address_of(web: Managed) -> str:
    host = urlsplit(re.search(r"ws://\S+", web.log)[0]).netloc
    return f"http://{host}/#simulated/EURUSD"


@pytest.mark.django_db(transaction=True)
async def test_page_shows_prices_that_move_and_a_chart_that_resumes(
    settings_of_processes: dict[str, str], tmp_path: Path
) -> None:
    await asyncio.to_thread(prepare)
    async with manage("run_feed", "simulated", **settings_of_processes) as feed:
        async with serving(settings_of_processes) as web:
            address = address_of(web)
            async with showing(address, tmp_path) as page:
                first_load = page.received_bytes
                await see_prices_move(page)
                await see_what_is_charted(page)
                await switch_by_keyboard(page)
                await page.picture(PICTURES / "page.png")

                await web.stop()
                await page.until(f"{CONNECTION} === 'waiting'")
                async with serving(settings_of_processes):
                    await page.evaluate("document.getElementById('reconnect').click()")
                    await page.until(f"{CONNECTION} === 'open'", timeout_s=40)
                    await see_prices_move(page)

                problems = page.problems
        assert await feed.stop() == 0, feed.log
    assert first_load < MAX_FIRST_LOAD_BYTES
    assert unexpected(problems) == []


def unexpected(problems: list[str]) -> list[str]:
    return [item for item in problems if not re.search(EXPECTED, item)]


async def see_prices_move(page: Page) -> None:
    before = await page.evaluate(BID)

    await page.until(f"{BID} !== '{before}'")
    await page.until("document.querySelector('.price[data-went]') !== null")


async def see_what_is_charted(page: Page) -> None:
    assert await page.evaluate(TITLE) == "EUR/USD · 1m"
    source = await page.evaluate("document.getElementById('source').textContent")
    assert source == (
        "mid prices of one broker: simulated made-up prices (history and live)"
    )
    assert await page.evaluate("document.querySelectorAll('#chart canvas').length > 0")
    badge = await page.evaluate(f"{ROW}.querySelector('.badge').textContent")
    assert badge == "simulated"


async def switch_by_keyboard(page: Page) -> None:
    """An arrow key goes from 1m to 5m; its newest candle begins at a full 5 minutes."""
    await page.evaluate("document.querySelector('[name=timeframe]').focus()")
    await page.press("ArrowRight", 39)

    await page.until(f"{TITLE} === 'EUR/USD · 5m'")
    await page.until(f"{NEWEST} % 300 === 0")


@pytest.mark.django_db(transaction=True)
async def test_scrolling_back_brings_all_of_the_imported_day(
    settings_of_processes: dict[str, str], tmp_path: Path
) -> None:
    await asyncio.to_thread(prepare)
    await import_day(settings_of_processes)
    async with (
        manage("run_feed", "simulated", **settings_of_processes),
        serving(settings_of_processes) as web,
        showing(address_of(web), tmp_path, size="390,844") as page,
    ):
        await page.evaluate(
            "{const list = document.getElementById('broker'); list.value = 'dukascopy';"
            "list.dispatchEvent(new Event('change'));}"
        )
        await page.until(f"{BARS} === 500")
        await page.evaluate("document.getElementById('chart').focus()")
        for bars in (1000, 1440):
            await scroll_back_to(page, bars)
        oldest = await page.evaluate("document.getElementById('chart').dataset.oldest")
        source = await page.evaluate("document.getElementById('source').textContent")
        await page.picture(PICTURES / "page-phone.png")
        problems = page.problems

    assert oldest == "1549238400"
    assert "dukascopy (history only" in source
    assert unexpected(problems) == []


async def scroll_back_to(page: Page, bars: int) -> None:
    """Press Page Up until the chart has so many bars."""
    async with asyncio.timeout(30):
        while (now := await page.evaluate(BARS)) != bars:
            assert now < bars, now
            await page.press("PageUp", 33)


async def import_day(settings: dict[str, str]) -> None:
    source = f"bi5-dir:{ROOT / 'tests' / 'payloads' / 'dukascopy'}"
    day = ["--from", "2019-02-04", "--to", "2019-02-04", "--source", source]
    command = manage("import_ticks", "--symbol", "EURUSD", *day, **settings)
    async with command as importing:
        assert await importing.wait(60) == 0, importing.log


@pytest.mark.django_db(transaction=True)
async def test_page_without_its_chart_library_says_so_and_prices_move(
    settings_of_processes: dict[str, str], tmp_path: Path
) -> None:
    await asyncio.to_thread(prepare)
    program, environ = await asyncio.to_thread(find_chromium)
    async with (
        manage("run_feed", "simulated", **settings_of_processes),
        serving(settings_of_processes) as web,
        browsing([str(program)], tmp_path, environ=environ) as page,
    ):
        await page.block("*/static/vendor/*")
        await page.open(address_of(web))

        await page.until(f"/\\d/.test({BID} ?? '')")
        await see_prices_move(page)
        text = await page.evaluate("document.getElementById('chart').textContent")

    assert text.startswith("The chart library is not installed on this server")
