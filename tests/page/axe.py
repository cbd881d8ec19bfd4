"""axe-core's rules of accessibility, run in a page that a test has open in Chromium.

    from tests.page.axe import find_issues

    async with browsing(...) as page:  # tests/page/browser.py
        await page.open(address)
        await page.until("what shows that the page is complete")
        assert await find_issues(page) == []

The page is looked at four times: dark and light (by `prefers-color-scheme`, without
motion), wide and narrow; each issue says in which. It is left as a wide, light one.
axe-core comes from npm by package-lock.json, fetched when it is not there.
"""

import asyncio
import json

from services.page import ensure_tools
from tests.page.browser import Page

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SCHEMES = ("dark", "light")
IMPACTS = ("serious", "critical")
# Two frames: one in which styles are computed anew, one in which they are painted.
SETTLED = """new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"""
RUN = """axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
    violations.filter((rule) => %s.includes(rule.impact)).flatMap((rule) =>
        rule.nodes.map(({target, failureSummary}) =>
            `${rule.impact} ${rule.id} at ${target.join(" ")}: ${failureSummary}`)))"""


async def find_issues(page: Page) -> list[str]:
    """Return the serious and critical issues of what the tab shows."""
    modules = await asyncio.to_thread(ensure_tools)
    source = await asyncio.to_thread((modules / "axe-core" / "axe.min.js").read_text)
    await page.evaluate(f"{source}; typeof axe")
    issues = []
    for size in SIZES:
        for scheme in SCHEMES:
            await show_as(page, size=size, scheme=scheme)
            found = await page.evaluate(RUN % json.dumps(IMPACTS))
            issues += [f"{scheme} {size}: {issue}" for issue in found]
    await page.call("Emulation.clearDeviceMetricsOverride")
    return issues


async def show_as(page: Page, *, size: str, scheme: str) -> None:
    """Give the tab a size and a colour scheme, and wait until it is painted."""
    width, height = SIZES[size]
    await page.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=False,
    )
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    await page.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": name, "value": value} for name, value in features.items()],
    )
    await page.evaluate(SETTLED)
