"""After a restart of the server, or of a feed, the chart has each candle that REST has.

Trades of Binance's protocol, three a minute of the last hour: their own times put them
into candles, so that no test waits for a minute to pass.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connections

from services.ports import find_free
from tests.brokers.processes import Managed, manage
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until
from tests.page.browser import Browser, Page
from tests.page.site import CONNECTION, DRAWN, candles, choose

pytestmark = pytest.mark.django_db

MINUTES = 60
PER_MINUTE = 3
WAIT_S = 90


class Market:
    """Binance as far as it matters: a symbol, of which a part is played at a time."""

    def __init__(self, binance: ReplayServer, symbol: str) -> None:
        self.binance = binance
        self.symbol = symbol
        self._stream = f"{symbol.lower()}@aggTrade"
        self.start_s = int(time.time()) // 60 * 60 - MINUTES * 60

    async def play(self, first: int, last: int) -> None:
        """Trade in the minutes of the hour from the first to the last."""
        await until(lambda: self.binance.followed(self._stream), timeout_s=WAIT_S)
        numbers = range(first * PER_MINUTE, (last + 1) * PER_MINUTE)
        await self.binance.play([self._frame(number) for number in numbers])

    def _frame(self, number: int) -> str:
        time_ms = (self.start_s + number * 60 // PER_MINUTE) * 1000
        price = 60_000 + number * 7919 % 1000 / 4
        data = {
            **{"e": "aggTrade", "E": time_ms, "s": self.symbol, "a": 1000 + number},
            **{"p": f"{price:.2f}", "q": "0.01000000", "f": number, "l": number},
            **{"T": time_ms, "m": bool(number % 2), "M": True},
        }
        return json.dumps({"stream": self._stream, "data": data})


@asynccontextmanager
async def trading(symbol: str) -> AsyncIterator[tuple[Market, dict[str, str]]]:
    """Yield a market and the settings of all processes that know it."""
    async with ReplayServer() as binance:
        yield (
            Market(binance, symbol),
            {
                "ALLOWED_HOSTS": "127.0.0.1",
                "BINANCE_WS_URL": binance.address,
                "BINANCE_REST_URL": "",
                "BINANCE_TRADE_STREAM": "aggTrade",
                "BROKERS_ENABLED": "binance",
                "FEED_SILENCE_S": "600",
                "CHANNEL_PREFIX": f"resume-{uuid4().hex[:8]}",
                "PORT": str(find_free()),
            },
        )


@asynccontextmanager
async def serving(settings: dict[str, str]) -> AsyncIterator[Managed]:
    async with manage("serve", "--host", "127.0.0.1", **settings) as web:
        await until(lambda: "listening on" in web.log, timeout_s=WAIT_S)
        yield web


async def chart(page: Page, address: str, symbol: str) -> None:
    await page.open(f"{address}#binance/{symbol}")
    await page.until("!!document.querySelector('[data-selected]')", timeout_s=WAIT_S)
    await choose(page, "price", "trade")


def stored(address: str, symbol: str) -> list[list[float]]:
    """Bring candles up to date, as the worker does every few seconds; return them."""
    series = {"symbol": symbol, "broker": "binance", "timeframe": "1m"}
    try:
        call_command("refresh_candles", stdout=StringIO())
        return candles(address, countback=1000, price="trade", **series)
    finally:
        connections.close_all()


async def store(address: str, symbol: str, minutes: int) -> None:
    """Wait until REST has so many candles."""
    deadline_s = time.monotonic() + WAIT_S
    while len(await asyncio.to_thread(stored, address, symbol)) < minutes:
        assert time.monotonic() < deadline_s, f"{minutes} minutes are not stored"


async def see_all(page: Page, address: str, market: Market, minutes: int) -> list[Any]:
    """Wait until the chart has so many candles, each as REST tells it."""
    drawn, told = [], []
    deadline_s = time.monotonic() + WAIT_S
    while len(told) != minutes or drawn != told:
        assert time.monotonic() < deadline_s, (len(drawn), len(told), page.problems)
        told = await asyncio.to_thread(stored, address, market.symbol)
        drawn = await page.evaluate(DRAWN)
    return drawn


async def test_no_candle_is_missing_after_a_restart_of_the_server(
    browser: Browser, installed: None
) -> None:
    async with (
        trading("BTCUSDT") as (market, settings),
        manage("run_feed", "binance", **settings) as feed,
        browser.tab() as page,
    ):
        address = f"http://127.0.0.1:{settings['PORT']}/"
        await market.play(0, 51)
        async with serving(settings) as web:
            await store(address, market.symbol, 52)
            await chart(page, address, market.symbol)
            await see_all(page, address, market, 52)
            await market.play(52, 53)
            await see_all(page, address, market, 54)
            await web.stop()
        await page.until(f"{CONNECTION} === 'waiting'")
        await market.play(54, 56)
        async with serving(settings):
            await page.until(f"{CONNECTION} === 'open'", timeout_s=WAIT_S)
            await market.play(57, 59)
            drawn = await see_all(page, address, market, MINUTES)
        assert await feed.stop() == 0, feed.log

    assert [time_s for time_s, *_ in drawn] == [
        market.start_s + minute * 60 for minute in range(MINUTES)
    ]


async def test_after_a_restart_of_the_feed_the_gap_is_marked_and_all_else_is_there(
    browser: Browser, installed: None
) -> None:
    async with (
        trading("ETHUSDT") as (market, settings),
        serving(settings),
        browser.tab() as page,
    ):
        address = f"http://127.0.0.1:{settings['PORT']}/"
        async with manage("run_feed", "binance", **settings) as feed:
            await market.play(0, 53)
            await store(address, market.symbol, 54)
            await chart(page, address, market.symbol)
            await see_all(page, address, market, 54)
            assert await feed.stop() == 0, feed.log
        async with manage("run_feed", "binance", **settings):
            await market.play(57, 59)
            drawn = await see_all(page, address, market, 57)
            await page.until("!document.getElementById('holes').hidden")
            holes = await page.evaluate("document.getElementById('holes').textContent")

    times = [time_s for time_s, *_ in drawn]
    assert times[53:55] == [market.start_s + minute * 60 for minute in (53, 57)]
    assert "Data are missing in 1 place" in holes
