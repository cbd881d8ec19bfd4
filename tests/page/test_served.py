"""The page over HTTP, as a browser loads it: under our server and stock daphne."""

import asyncio
import http.client
import re
import sys
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urljoin

import pytest

from services.ports import find_free
from tests.marketdata.polling import until
from tests.marketdata.server_process import ROOT, running_server

MAX_FIRST_LOAD_BYTES = 300_000
VENDOR = ROOT / "static" / "vendor" / "lightweight-charts.mjs"
PAGE = ROOT / "static" / "page"


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with running_server("page-served", DATABASE_URL="") as server:
        yield server.host


@pytest.fixture
async def daphne_host(monkeypatch) -> AsyncIterator[str]:
    monkeypatch.setenv("ALLOWED_HOSTS", "127.0.0.1")
    port = find_free()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daphne", "-p", str(port), "config.asgi:application",
        cwd=ROOT,
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def get(host: str, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    body = response.read()
    connection.close()
    return response.status, headers, body


def load(host: str) -> dict[str, int]:
    """Load the page and all that it names, modules' imports too; sizes by path."""
    sizes, left = {}, {"/"}
    while left:
        path = left.pop()
        status, headers, body = get(host, path)
        assert status == 200, path
        sizes[path] = len(body)
        if headers.get("content-encoding") == "gzip":
            continue
        named = re.findall(
            r'(?:src|href|from|LIBRARY =)[= ]*"([^"]+\.(?:js|mjs|css|svg))"',
            body.decode(),
        )
        left |= {urljoin(path, name) for name in named} - sizes.keys()
    return sizes


def test_page_and_all_that_it_names_is_served_within_the_limit(host: str) -> None:
    sizes = load(host)

    ours = {f"/static/page/{path.name}" for path in PAGE.iterdir()}
    assert sizes.keys() == {"/", "/static/vendor/lightweight-charts.mjs"} | ours
    assert sum(sizes.values()) < MAX_FIRST_LOAD_BYTES


def test_page_lets_nothing_inline_or_foreign_run(host: str) -> None:
    _, headers, body = get(host, "/")

    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert f"connect-src 'self' ws://{host} wss://{host};" in policy
    assert re.findall(rb"<script(?![^>]*src=)", body) == []
    assert re.findall(rb'\son\w+="|\sstyle="', body) == []
    assert re.findall(rb'(?:src|<link[^>]*href)="https?:', body) == []


def test_modules_have_the_type_that_browsers_insist_on(host: str) -> None:
    for path in ("/static/page/main.js", "/static/vendor/lightweight-charts.mjs"):
        _, headers, _ = get(host, path)

        assert headers["content-type"].startswith("text/javascript")


def test_chart_library_keeps_its_licence_and_attribution(host: str) -> None:
    status, _, _ = get(host, "/static/vendor/lightweight-charts.LICENSE.txt")

    assert status == 200
    assert b"TradingView Lightweight Charts" in VENDOR.read_bytes()
    assert b"https://www.tradingview.com/" in get(host, "/")[2]


def test_lock_names_hashes_and_no_registry() -> None:
    text = (ROOT / "package-lock.json").read_text()

    assert text.count('"integrity": "sha512-') == text.count('"version":')
    assert "resolved" not in text
    assert "http" not in text


async def test_stock_daphne_serves_the_page_too(daphne_host: str) -> None:
    def answers() -> bool:
        try:
            return get(daphne_host, "/")[0] == 200
        except OSError:
            return False

    await until(answers, timeout_s=30)

    assert (await asyncio.to_thread(load, daphne_host)).keys() >= {
        "/static/page/main.js",
        "/static/vendor/lightweight-charts.mjs",
    }
