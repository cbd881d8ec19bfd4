"""COMPAT checks 15, 16 and 23 from outside: upstream, feed, web process, clients."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from django.db import connections
from websockets.asyncio.client import ClientConnection, connect

from marketdata.models import Instrument
from tests.brokers.processes import Managed, manage
from tests.brokers.recordings import recorded_frames
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until
from tests.test_live_path import address_of

pytestmark = pytest.mark.django_db(transaction=True)

SYMBOL, STREAM = "XMR/BTC", "xmrbtc@bookTicker"
MIN_S, MAX_S = 0.2, 0.8


class World(NamedTuple):
    """A web process and Binance's feed; clients connect to ``address``."""

    address: str
    feed: Managed


@pytest.fixture
async def world(
    instruments: int, server: ReplayServer, prefix: str
) -> AsyncIterator[World]:
    """Both processes on `server`; only SYMBOL is not recorded."""
    await asyncio.to_thread(stop_recording)
    settings = {
        "CHANNEL_PREFIX": prefix,
        "BROKERS_ENABLED": "binance,simulated",
        "BINANCE_WS_URL": server.address,
        "GROUP_GRACE_S": "0.1",
        "FEED_GRACE_S": "0.5",
        "RECONNECT_MIN_S": str(MIN_S),
        "RECONNECT_MAX_S": str(MAX_S),
        "RECONNECT_RESET_S": "0.3",
    }
    async with (
        manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web,
        manage("run_feed", "binance", **settings) as feed,
    ):
        await until(lambda: server.requests)
        yield World(await address_of(web), feed)
        assert await feed.stop() == 0, feed.log
        assert await web.stop() == 0, web.log


def stop_recording() -> None:
    Instrument.objects.filter(symbol="XMRBTC").update(record=False)
    connections.close_all()


class Client:
    """Asks, and keeps all other frames that came."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.frames: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self._socket:
            self.frames.append(json.loads(text))

    async def ask(self, **request: Any) -> dict[str, Any]:
        await self._socket.send(json.dumps({**request, "id": "asked"}))
        await until(lambda: any("id" in frame for frame in self.frames))
        (reply,) = [frame for frame in self.frames if "id" in frame]
        self.frames.remove(reply)
        return reply

    def numbers(self) -> list[int]:
        return [frame["seq"] for frame in self.frames if frame["type"] == "data"]

    def codes(self) -> list[str]:
        return [frame["code"] for frame in self.frames if frame.get("code")]


@asynccontextmanager
async def client(world: World) -> AsyncIterator[Client]:
    async with connect(world.address, proxy=None) as socket:
        yield Client(socket)


async def test_compat_check_15_an_unknown_symbol_is_an_error_and_never_a_mock(
    world: World,
) -> None:
    async with client(world) as one:
        reply = await one.ask(action="subscribe", symbols=["NOSUCHCOIN"])

        assert reply["type"] == "error"
        assert [item["code"] for item in reply["rejected"]] == ["UNKNOWN_SYMBOL"]
        other = await one.ask(action="subscribe", symbols=["EUR/USD"])
        assert [item["code"] for item in other["rejected"]] == ["NO_BROKER"]


async def test_compat_check_15_crypto_goes_to_binance_even_if_nobody_followed_it_before(
    world: World, server: ReplayServer
) -> None:
    assert STREAM not in server.clients[0].streams

    async with client(world) as one:
        reply = await one.ask(action="subscribe", symbols=["xmr_btc"])
        await until(lambda: STREAM in server.clients[0].streams)

    (accepted,) = reply["accepted"]
    assert (accepted["broker"], accepted["symbol"]) == ("binance", SYMBOL)
    assert accepted["recorded"] is False


async def test_compat_check_16_a_symbol_lasts_as_long_as_somebody_follows_it(
    world: World, server: ReplayServer
) -> None:
    ticks = [item for item in recorded_frames() if STREAM in item]
    request = {"symbols": [SYMBOL], "broker": "binance"}
    async with client(world) as one, client(world) as two:
        for each in (one, two):
            reply = await each.ask(action="subscribe", **request)
            assert reply["accepted"][0]["recorded"] is False
        await until(lambda: STREAM in server.clients[0].streams)
        asked = len(server.requests)
        await server.play(ticks[:10])
        await until(lambda: len(one.numbers()) == len(two.numbers()) == 10)

        await one.ask(action="unsubscribe", **request)
        await asyncio.sleep(1.0)  # longer than both grace periods
        await server.play(ticks[10:20])
        await until(lambda: len(two.numbers()) == 20)

        assert two.numbers() == list(range(1, 21))
        assert one.numbers() == list(range(1, 11))
        assert (len(server.requests), server.connections) == (asked, 1)
        await two.ask(action="unsubscribe", **request)
        await until(lambda: STREAM not in server.clients[0].streams)

    others = server.clients[0].streams
    assert others  # what is recorded is followed without clients
    assert server.connections == 1


async def test_compat_check_23_delays_grow_to_a_cap_and_clients_are_told(
    world: World, server: ReplayServer
) -> None:
    ticks = [item for item in recorded_frames() if STREAM in item]
    async with client(world) as one:
        await one.ask(action="subscribe", symbols=[SYMBOL], broker="binance")
        await until(lambda: STREAM in server.clients[0].streams)

        server.refusals = [(503, {})] * 1_000
        await server.drop()
        await until(lambda: "FEED_DOWN" in one.codes())
        await until(lambda: has_grown(delays(world.feed)))
        server.refusals.clear()
        await until(lambda: "FEED_UP" in one.codes())
        await until(lambda: server.clients and STREAM in server.clients[0].streams)
        live_s = time.monotonic()
        await server.play(ticks[:1])
        await until(one.numbers)
        failures = len(delays(world.feed))
        await until(lambda: time.monotonic() - live_s > 0.4)
        await server.drop()
        await until(lambda: len(delays(world.feed)) > failures)

    found = delays(world.feed)
    caps = [min(MAX_S, MIN_S * 2**number) for number in range(failures)]
    assert all(delay <= cap for delay, cap in zip(found, caps, strict=False))
    assert len(set(found[:failures])) > 1  # jitter
    assert found[failures] <= MIN_S  # a success was between
    assert one.codes()[:2] == ["FEED_DOWN", "FEED_UP"]


def delays(feed: Managed) -> list[float]:
    """Return the seconds that the feed said it would wait, in order."""
    return [float(found) for found in re.findall(r"retry_in_s=([\d.]+)", feed.log)]


def has_grown(found: list[float]) -> bool:
    """Return whether six attempts failed and one had to wait longer than the first."""
    return len(found) >= 7 and max(found) > MIN_S
