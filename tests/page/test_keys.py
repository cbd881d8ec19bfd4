"""A server that asks for a key is given one in the page."""

from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command

from marketdata.models import ClientPlan
from tests.page.axe import find_issues
from tests.page.browser import Browser, Page
from tests.page.site import BARS, BID, CONNECTION, PICTURES, running_site

pytestmark = pytest.mark.django_db

ASKS = "document.getElementById('access')?.hidden === false"
NOTE = "document.getElementById('key-note')?.textContent"
WATCH_NOTE = "document.getElementById('watch-note')?.textContent"
# The form's own way: what a person types, and the button.
GIVE = """(() => {
    document.getElementById('key').value = '%s';
    document.querySelector('#access button').click();
})()"""


@pytest.fixture(scope="module")
def closed_site(installed: None) -> Iterator[str]:
    """A server that shows nothing, over REST either, to who has no key."""
    closed = {"brokers": ["dukascopy"]}
    ClientPlan.objects.update_or_create(name="anonymous", defaults=closed)
    ClientPlan.objects.create(name="desk")
    with running_site("simulated", WS_AUTH_REQUIRED="true") as address:
        yield address


@pytest.fixture(scope="module")
def key(closed_site: str) -> str:
    """A key of plan `desk`, as the command prints it."""
    output = StringIO()
    call_command("create_api_key", "page", "--plan", "desk", stdout=output)
    return output.getvalue().strip()


async def give(page: Page, key: str) -> None:
    """Type a key; the page loads anew."""
    await page.evaluate("window.isOld = true")
    await page.evaluate(GIVE % key)
    await page.until("!window.isOld && document.readyState === 'complete'")


async def test_page_asks_for_a_key_and_uses_it_for_rest_and_websocket(
    browser: Browser, closed_site: str, key: str
) -> None:
    async with browser.tab() as page:
        await page.open(closed_site)
        await page.until(ASKS)
        await page.until(f"{WATCH_NOTE}?.startsWith('No enabled broker')")
        assert await page.evaluate("document.querySelector('[data-series]') === null")

        await page.picture(PICTURES / "page-key.png")
        assert await find_issues(page) == []
        await give(page, key)
        await page.until(f"/\\d/.test({BID} ?? '')")
        await page.until(BARS, timeout_s=30)
        assert await page.evaluate(CONNECTION) == "open"
        assert not await page.evaluate(ASKS)
        assert await page.evaluate("Object.values(sessionStorage)") == [key]
        assert key not in await page.evaluate("JSON.stringify(localStorage)")
        assert key not in await page.evaluate("document.cookie + location.href")


async def test_key_that_is_wrong_is_asked_for_again(
    browser: Browser, closed_site: str
) -> None:
    async with browser.tab() as page:
        await page.open(closed_site)
        await page.until(ASKS)

        await give(page, "mds_wrong")

        await page.until(f"{ASKS} && {NOTE}?.startsWith('The server does not accept')")
