"""Trades that no process heard: `run_feed` is killed, another one fetches them."""

import asyncio
import json
import signal
import time
from typing import Any

import pytest

from history.models import Trade
from tests.brokers.processes import manage
from tests.brokers.replay_server import ReplayServer
from tests.brokers.test_run_feed import binance, stored, until_stored
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db(transaction=True)

FIRST_MS = int(time.time() * 1_000) - 60_000
SYMBOL, STREAM = "XMRBTC", "xmrbtc@aggTrade"


def payload(number: int) -> dict[str, Any]:
    """Return an aggregate trade: two in each millisecond."""
    time_ms = FIRST_MS + number // 2
    price = f"0.00{number:04}"
    return {"a": number, "p": price, "q": "1", "T": time_ms, "m": True}


def frame(number: int) -> str:
    data = payload(number) | {"e": "aggTrade", "E": FIRST_MS, "s": SYMBOL}
    return json.dumps({"stream": STREAM, "data": data})


def answer(fields: dict[str, str]) -> list[dict[str, Any]]:
    """Answer as `aggTrades` of a market whose last trade is 1,600."""
    assert fields["symbol"] == SYMBOL
    first, limit = int(fields["fromId"]), int(fields["limit"])
    return [payload(number) for number in range(first, min(first + limit, 1_601))]


async def test_trades_of_the_time_without_a_feed_are_fetched(
    instruments: int, server: ReplayServer, prefix: str
) -> None:
    server.answers["/api/v3/aggTrades"] = answer
    settings = binance(server, prefix) | {
        "BINANCE_REST_URL": server.rest_address,
        "BINANCE_TYPES": "trade",
        "LEASE_EXPIRY_S": "1",
    }

    async with manage("run_feed", "binance", **settings) as feed:
        await until(lambda: server.requests, timeout_s=20)
        await server.play([frame(100), frame(101)])
        await until_stored(Trade, SYMBOL, 2)
        await feed.stop(signal.SIGKILL)
    asked = len(server.requests)
    async with manage("run_feed", "binance", **settings) as feed:
        await until(lambda: len(server.requests) > asked, timeout_s=20)
        await server.play([frame(1_600)])
        await until_stored(Trade, SYMBOL, 1_501)
        assert await feed.stop() == 0, feed.log

    rows = await asyncio.to_thread(stored, Trade, SYMBOL)
    rows.sort(key=lambda row: (row.time, row.seq))
    assert [row.trade_id for row in rows] == list(range(100, 1_601))
    assert [fields["fromId"] for _, fields in server.asked] == ["102", "1102"]
