"""The page in a headless Chromium, on a running server and simulated feed."""

import asyncio

import pytest

from tests.page.axe import find_issues
from tests.page.browser import Browser, Page
from tests.page.site import (
    BARS,
    BID,
    DRAWN,
    PICTURES,
    ROW,
    TITLE,
    candles,
    choose,
    choose_broker,
    unexpected,
)

# Without transaction=True nothing is emptied between tests: they share one site.
pytestmark = pytest.mark.django_db

MAX_FIRST_LOAD_BYTES = 300_000
CHART = "#simulated/EURUSD"


async def see_it_complete(page: Page, address: str) -> None:
    await page.open(address)
    await page.until(f"/\\d/.test({BID} ?? '')")
    await page.until(f"{BARS}", timeout_s=30)


async def see_prices_move(page: Page) -> None:
    before = await page.evaluate(BID)

    await page.until(f"{BID} !== '{before}'")
    await page.until("document.querySelector('.price[data-went]') !== null")


async def test_page_shows_prices_that_move_and_a_chart(
    browser: Browser, site: str
) -> None:
    async with browser.tab() as page:
        await see_it_complete(page, site + CHART)
        first_load = page.received_bytes
        await see_prices_move(page)
        await see_what_is_charted(page)
        await switch_by_keyboard(page)
        await see_trades(page)
        await page.picture(PICTURES / "page.png")
        problems = page.problems

    assert first_load < MAX_FIRST_LOAD_BYTES
    assert unexpected(problems) == []


async def see_what_is_charted(page: Page) -> None:
    assert await page.evaluate(TITLE) == "EUR/USD · 1m"
    source = await page.evaluate("document.getElementById('source').textContent")
    assert source == (
        "mid prices of one broker: simulated made-up prices (history and live)"
    )
    assert await page.evaluate("document.querySelectorAll('#chart canvas').length > 0")
    group = f"{ROW}.closest('tbody').querySelector('.badge').textContent"
    badge = await page.evaluate(group)
    assert badge == "simulated"


async def switch_by_keyboard(page: Page) -> None:
    """An arrow key goes from 1m to 5m; its newest candle begins at a full 5 minutes."""
    await page.evaluate("document.querySelector('[name=timeframe]').focus()")
    await page.press("ArrowRight", 39)

    await page.until(f"{TITLE} === 'EUR/USD · 5m'")
    await page.until(f"{DRAWN}.then((bars) => bars.at(-1)?.[0] % 300 === 0)")


async def see_trades(page: Page) -> None:
    """Candles of trades are a series of their own; pairs have none."""
    row = "document.querySelector('[data-series=\"simulated BTCUSDT\"]')"
    await page.evaluate(f"{row}.click()")
    await choose(page, "price", "trade")

    await page.until(
        "document.getElementById('source').textContent.startsWith('trade prices')"
    )
    await page.until(f"{BARS}", timeout_s=30)
    assert (
        await page.evaluate("document.getElementById('chart-note').textContent") == ""
    )


async def test_scrolling_back_draws_all_that_rest_has_without_a_seam(
    browser: Browser, site: str
) -> None:
    async with browser.tab(size="390,844") as page:
        await see_it_complete(page, site + CHART)
        await choose_broker(page, "dukascopy")
        await page.until(f"{BARS}.then((count) => count === 500)")
        await page.evaluate("document.getElementById('chart').focus()")
        for bars in (1000, 1440):
            await scroll_back_to(page, bars)
        drawn = await page.evaluate(DRAWN)
        source = await page.evaluate("document.getElementById('source').textContent")
        await page.picture(PICTURES / "page-phone.png")
        problems = page.problems

    series = {"symbol": "EURUSD", "broker": "dukascopy", "timeframe": "1m"}
    day = {"from": 1549238400, "to": 1549324799}
    assert drawn == await asyncio.to_thread(candles, site, **series, **day)
    assert "dukascopy (history only" in source
    assert unexpected(problems) == []


async def scroll_back_to(page: Page, bars: int) -> None:
    """Press Page Up until the chart has so many bars."""
    async with asyncio.timeout(30):
        while (now := await page.evaluate(BARS)) != bars:
            assert now < bars, now
            await page.press("PageUp", 33)


async def test_page_has_no_serious_issue_of_accessibility(
    browser: Browser, site: str
) -> None:
    async with browser.tab() as page:
        await see_it_complete(page, site + CHART)

        assert await find_issues(page) == []


async def test_page_without_its_chart_library_says_so_and_prices_move(
    browser: Browser, site: str
) -> None:
    async with browser.tab() as page:
        await page.block("*/static/vendor/*")
        await page.open(site)

        await page.until(f"/\\d/.test({BID} ?? '')")
        await see_prices_move(page)
        text = await page.evaluate("document.getElementById('chart').textContent")

    assert text.startswith("The chart library is not installed on this server")
