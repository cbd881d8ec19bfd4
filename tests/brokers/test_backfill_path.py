"""Trades that a cut connection cost, from the gap to the store that has them all.

A server in Binance's place -> `run_feed binance` -> Redis and database -> `serve` ->
REST, all processes of their own.
"""

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from history.models import Trade
from tests.brokers.processes import manage
from tests.brokers.replay_server import ReplayServer
from tests.brokers.test_run_feed import binance, stored, until_stored
from tests.brokers.test_run_feed_backfill import FIRST_MS, SYMBOL, answer, frame
from tests.history.test_rest_over_socket import get_json
from tests.marketdata.polling import until
from tests.test_live_path import address_of

pytestmark = pytest.mark.django_db(transaction=True)


async def test_missed_trades_are_fetched_and_their_gap_is_closed(
    instruments: int, server: ReplayServer, prefix: str
) -> None:
    server.answers["/api/v3/aggTrades"] = answer
    server.may_answer.clear()
    settings = binance(server, prefix) | {
        "ALLOWED_HOSTS": "127.0.0.1",
        "BINANCE_REST_URL": server.rest_address,
        "BINANCE_TYPES": "trade",
        "CANDLE_GRACE_S": "0.1",
    }
    async with (
        manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web,
        manage("run_feed", "binance", **settings) as feed,
    ):
        port = urlsplit(await address_of(web)).port or 0
        await until(lambda: server.requests, timeout_s=20)
        await server.play([frame(100), frame(101)])
        await until_stored(Trade, SYMBOL, 2)

        asked = len(server.requests)
        await server.drop()
        await until(lambda: len(server.requests) > asked, timeout_s=20)
        await server.play([frame(1_600)])

        assert await gaps_until(port, expected=1) == ["connection lost"]
        assert await complete(port) == {False}
        server.may_answer.set()
        assert await gaps_until(port, expected=0) == []
        assert await complete(port) == {True}
        assert await feed.stop() == 0, feed.log
        assert await web.stop() == 0, web.log

    rows = await asyncio.to_thread(stored, Trade, SYMBOL)
    assert sorted(row.trade_id for row in rows) == list(range(100, 1_601))
    assert [fields["fromId"] for _, fields in server.asked] == ["102", "1102"]


async def gaps_until(port: int, *, expected: int) -> list[str]:
    """Return the reasons of the gaps of trades, once there are so many."""
    start = FIRST_MS // 1_000 - 1
    address = f"/api/coverage?symbol={SYMBOL}&broker=binance&from={start}"
    async with asyncio.timeout(30):
        while True:
            _, body = await asyncio.to_thread(get_json, port, address)
            found = [gap for gap in body["gaps"] if gap.get("type") == "trade"]
            if len(found) == expected:
                return [gap["reason"] for gap in found]
            await asyncio.sleep(0.1)


async def complete(port: int) -> set[Any]:
    """Return what the candles of the trades say of themselves."""
    start = FIRST_MS // 1_000 - 1
    address = (
        f"/api/candles?symbol={SYMBOL}&broker=binance&timeframe=1s&price=trade"
        f"&from={start}&to={int(time.time()) - 30}&fields=full"
    )
    status, body = await asyncio.to_thread(get_json, port, address)
    assert status == 200, body
    assert body
    return {candle["complete"] for candle in body}
