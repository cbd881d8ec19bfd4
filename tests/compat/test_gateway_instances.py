"""COMPAT checks 77 and 79: several instances, and what upstream hears of clients."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from config.env import DEMAND_EXPIRY_S
from tests.compat.conftest import wait_for_listener
from tests.compat.sockets import Socket, client
from tests.marketdata.polling import until

# Makes pytest-django create the database that the processes use.
pytestmark = pytest.mark.django_db

# Longer than the 10 s after which a web process repeats what it follows.
EXPIRY_S = 14.0


class Upstream:
    """Stands where C's manager of the provider's socket is."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.heard: list[dict[str, Any]] = []
        self._pubsub = redis.pubsub()
        self._task: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        await self._pubsub.subscribe("finnhub:control")
        self._task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        async for message in self._pubsub.listen():
            if message["type"] == "message":
                self.heard.append(json.loads(message["data"]))

    def of(self, symbol: str) -> list[str]:
        return [item["action"] for item in self.heard if item["symbol"] == symbol]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._pubsub.aclose()


@pytest.fixture
async def upstream(private_redis) -> AsyncIterator[Upstream]:
    """C's upstream manager, listening."""
    async with Redis.from_url(private_redis.url) as redis:
        upstream = Upstream(redis)
        await upstream.listen()
        yield upstream
        await upstream.close()


@pytest.fixture(scope="module")
def instances(start_server, start_feed, private_redis):
    """Two of our servers and one feed of Redis channels."""
    with (
        start_feed("redis", DEMAND_EXPIRY_S=str(EXPIRY_S)),
        start_server() as one,
        start_server() as other,
    ):
        wait_for_listener(private_redis)
        yield one, other


@contextlib.asynccontextmanager
async def follower(server, symbol: str) -> AsyncIterator[tuple[Socket, str]]:
    """Connect, subscribe to the symbol; give the client and its server's id."""
    async with client(server.url, "/gateway") as socket:
        welcome = await socket.json()
        reply = await socket.ask({"action": "subscribe", "symbols": [symbol]})
        assert reply["type"] == "success"
        yield socket, welcome["data"]["serverId"]


def trade(symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "price": 1.5, "volume": 2, "timestamp": 1_704_153_600_000}


async def test_compat_77_one_publish_reaches_the_clients_of_both_instances(
    instances, channels, upstream
):
    one, other = instances
    async with (
        follower(one, "AAPL") as (first, first_id),
        follower(other, "AAPL") as (second, second_id),
    ):
        await until(lambda: upstream.of("AAPL"))
        # The other instance's demand is on its way, too.
        await asyncio.sleep(0.3)
        await channels.publish("channel:trade:AAPL", trade("AAPL"))
        frames = [await first.json(), await second.json()]

    assert [frame["data"] for frame in frames] == [trade("AAPL")] * 2
    assert first_id != second_id


async def test_compat_79_first_client_subscribes_upstream_and_last_unsubscribes(
    instances, channels, upstream
):
    one, other = instances
    async with follower(one, "TSLA"):
        await until(lambda: upstream.of("TSLA") == ["subscribe"])
        assert await upstream.redis.scard("ws:symbols:TSLA") == 1
        assert 86_000 < await upstream.redis.ttl("ws:symbols:TSLA") <= 86_400
        async with follower(other, "TSLA"), follower(other, "TSLA"):
            await asyncio.sleep(0.5)
        await asyncio.sleep(1.5)  # longer than the grace after the last client
        assert upstream.of("TSLA") == ["subscribe"]
    await until(lambda: upstream.of("TSLA") == ["subscribe", "unsubscribe"])

    assert await upstream.redis.exists("ws:symbols:TSLA") == 0
    assert {frozenset(item) for item in upstream.heard} == {
        frozenset({"action", "symbol", "serverId", "timestamp"})
    }


async def test_compat_79_a_killed_instance_is_forgotten(
    instances, start_server, upstream
):
    with start_server() as victim:
        connected = client(victim.url, "/gateway")
        socket = await connected.__aenter__()
        await socket.json()
        await socket.ask({"action": "subscribe", "symbols": ["MSFT"]})
        await until(lambda: upstream.of("MSFT") == ["subscribe"])

        victim.process.send_signal(signal.SIGKILL)
        started_s = time.monotonic()
        await until(lambda: upstream.of("MSFT")[-1] == "unsubscribe")
        with contextlib.suppress(Exception):
            await connected.__aexit__(None, None, None)

    assert time.monotonic() - started_s > 1.0
    assert DEMAND_EXPIRY_S == 30.0
