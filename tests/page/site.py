"""Our processes as a browser meets them, and what tests ask of the page in it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

from tests.marketdata.server_process import ROOT, running_server, test_database_url
from tests.page.browser import Page

PICTURES = ROOT / "var" / "pictures"
ROW = "document.querySelector('[data-series=\"simulated EURUSD\"]')"
BID = f"{ROW}?.querySelector('.price').textContent"
CONNECTION = "document.getElementById('connection').dataset.phase"
TITLE = "document.getElementById('chart-title').textContent"
# What the library draws: [[time, open, high, low, close], ...], ascending.
DRAWN = """import("/static/page/main.js").then(({panel}) =>
    panel.drawn.map((bar) => [bar.time, bar.open, bar.high, bar.low, bar.close]))"""
BARS = """import("/static/page/main.js").then(({panel}) => panel.drawn.length)"""


@contextmanager
def running_site(*feeds: str, **settings: str) -> Iterator[str]:
    """Run the feeds and a server on the tests' database; yield its address."""
    prefix = f"page-{uuid4().hex[:8]}"
    environment = {"BROKERS_ENABLED": ",".join(feeds), **settings}
    processes = [_start("run_feed", feed, prefix, environment) for feed in feeds]
    try:
        with running_server(
            prefix, DATABASE_URL=test_database_url(), **environment
        ) as server:
            yield f"http://{server.host}/"
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(15)


def _start(
    command: str, feed: str, prefix: str, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    ours = {"DATABASE_URL": test_database_url(), "CHANNEL_PREFIX": prefix}
    return subprocess.Popen(
        [sys.executable, "manage.py", command, feed],
        cwd=ROOT,
        env={**os.environ, **ours, **environment},
        stdout=subprocess.DEVNULL,
    )


def candles(address: str, **query: object) -> list[list[float]]:
    """Return what REST says, as `DRAWN` does; nothing while nothing is stored."""
    text = "&".join(f"{name}={value}" for name, value in query.items())
    try:
        with urlopen(f"{address}api/candles?{text}", timeout=20) as answer:
            rows: list[dict[str, Any]] = json.load(answer)
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.NOT_FOUND:
            return []
        raise
    return [
        [row[key] for key in ("time", "open", "high", "low", "close")] for row in rows
    ]


async def choose(page: Page, name: str, value: str) -> None:
    """Take a timeframe or a price, by the name of its radio buttons."""
    await page.evaluate(
        f"document.querySelector('[name={name}][value=\"{value}\"]').click()"
    )


async def choose_broker(page: Page, broker: str) -> None:
    """Take the broker in the list above the chart."""
    await page.evaluate(
        f"{{const list = document.getElementById('broker'); list.value = '{broker}';"
        "list.dispatchEvent(new Event('change'));}"
    )


def unexpected(problems: list[str]) -> list[str]:
    """Return what is no mere "nothing is stored of this series yet"."""
    begun = "status of 404"
    paths = ("/api/candles?", "/api/coverage?")
    return [
        item
        for item in problems
        if not (begun in item and any(path in item for path in paths))
    ]
