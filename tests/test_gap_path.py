"""A gap of a feed, from the lost connection to the client, to coverage and candles.

`run_feed simulated`, which cuts its own connection -> Redis and database -> `serve` ->
WebSocket and REST, all processes of their own.
"""

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connections
from websockets.asyncio.client import ClientConnection, connect

from marketdata.instruments import load_instruments
from tests.brokers.processes import manage
from tests.history.test_rest_over_socket import get_json
from tests.test_live_path import address_of

SUBSCRIBE = {"action": "subscribe", "symbols": ["EUR/USD"], "types": ["tick", "candle"]}


@pytest.mark.django_db(transaction=True)
async def test_gap_of_a_lost_connection_and_of_a_killed_feed_is_told_and_stored() -> (
    None
):
    await asyncio.to_thread(prepare)
    settings = {
        "CHANNEL_PREFIX": f"gap-path-{uuid4().hex[:8]}",
        "BROKERS_ENABLED": "simulated",
        "ALLOWED_HOSTS": "127.0.0.1",
        "RECORDER_FLUSH_S": "0.1",
        "SIMULATED_RATE": "20",
    }
    async with manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web:
        address = await address_of(web)
        port = urlsplit(address).port
        async with connect(address, proxy=None) as client:
            await client.send(json.dumps(SUBSCRIBE))
            async with manage(
                "run_feed",
                "simulated",
                **settings,
                SIMULATED_FAULTS="disconnect=3",
                RECONNECT_MIN_S="1.5",
            ) as feed:
                lost = await gaps(client, "connection lost")
                await coverage(port, "connection lost")
                feed.process.kill()
            async with manage("run_feed", "simulated", **settings) as feed:
                restarted = await gaps(client, "feed not running")
                stored = await coverage(port, "feed not running")
                await feed_state(port, "live")
                assert await feed.stop() == 0, feed.log
            await feed_state(port, "stopped")
        candles = await asyncio.to_thread(get_json, port, candles_of(lost))
        assert await web.stop() == 0, web.log

    assert {frame["data_type"] for frame in lost} == {"tick", "candle"}
    for frame in (*lost, *restarted):
        assert (frame["broker"], frame["symbol"]) == ("simulated", "EUR/USD")
        assert 0 < frame["to"] - frame["from"] < 60_000
        assert any(
            gap["type"] == "tick"
            and gap["from"] == frame["from"] // 1_000
            and gap["to"] * 1_000 >= frame["to"] > gap["to"] * 1_000 - 1_001
            for gap in stored
        )
    status, rows = candles
    assert status == 200, rows
    assert rows[0]["complete"] is False


def prepare() -> None:
    try:
        load_instruments()
    finally:
        connections.close_all()


async def gaps(client: ClientConnection, reason: str) -> list[dict[str, Any]]:
    """Return the GAP frames of the next gap of ticks, and of the candles of them."""
    found: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(30):
        while len(found) < 2:
            frame = json.loads(await client.recv())
            if frame.get("code") == "GAP" and reason in frame["message"]:
                found.setdefault(frame["data_type"], frame)
    return list(found.values())


async def coverage(port: int, reason: str) -> list[dict[str, Any]]:
    """Return the gaps of the feed, once there is one for the reason."""
    address = (
        f"/api/coverage?symbol=EURUSD&broker=simulated&from={int(time.time()) - 1}"
    )
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        status, body = await asyncio.to_thread(get_json, port, address)
        assert status == 200, body
        found = [gap for gap in body["gaps"] if gap["reason"] == reason]
        if found:
            return [gap for gap in body["gaps"] if "type" in gap]
        await asyncio.sleep(0.1)
    raise AssertionError(f"not stored: {body}")


async def feed_state(port: int, state: str) -> None:
    """Return once coverage has the feed's state."""
    address = (
        f"/api/coverage?symbol=EURUSD&broker=simulated&from={int(time.time()) - 1}"
    )
    async with asyncio.timeout(20):
        while True:
            _, body = await asyncio.to_thread(get_json, port, address)
            if body["feed"]["state"] == state:
                break
            await asyncio.sleep(0.1)
    # Whole seconds.
    assert time.time() - 60 < body["feed"]["live_until"] <= time.time() + 1


def candles_of(frames: list[dict[str, Any]]) -> str:
    """Return the address of the 1s candle in which the gap began."""
    start = frames[0]["from"] // 1_000
    return (
        f"/api/candles?symbol=EURUSD&broker=simulated&timeframe=1s"
        f"&from={start}&to={start + 1}&fields=full"
    )
