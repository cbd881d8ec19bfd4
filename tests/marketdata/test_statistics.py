"""The line of statistics in the log of a web process."""

import asyncio
import re
from uuid import uuid4

from django.conf import settings
from websockets.asyncio.client import connect

from marketdata.layers import MarketDataChannelLayer
from marketdata.publisher import Publisher
from tests.marketdata.polling import until
from tests.marketdata.samples import tick
from tests.marketdata.server_process import Client
from tests.marketdata.serving import serving

PREFIX = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"


async def test_compat_check_76_statistics_have_the_numbers_of_the_process():
    layer = MarketDataChannelLayer(hosts=[settings.REDIS_URL], prefix=PREFIX)
    publisher = Publisher(layer, epoch=7)
    environment = {"CHANNEL_PREFIX": PREFIX, "STATISTICS_S": "0.1"}
    async with serving(**environment) as server:
        url = f"ws://{server.host}/"
        async with connect(url) as one, connect(url):
            client = Client(one)
            name = (await client.receive())["server"]
            await client.ask(action="subscribe", symbols=["BTCUSDT", "ETHUSDT"])
            publisher.publish([tick(n) for n in range(3)])
            for _ in range(3):
                await client.receive()

            # Two welcomes, a reply, three ticks.
            expected = figures(connections=2, sent=6, server=name, subscriptions=2)
            await until(lambda: expected in server.log)
        gone = figures(connections=0, sent=6, server=name, subscriptions=0)
        await until(lambda: gone in server.log)
    await layer.flush()

    line = next(line for line in server.log.splitlines() if expected in line)
    assert re.search(r"\bstatistics\b", line)
    assert re.search(r"\buptime_s=\d+\b", line)


def figures(*, connections: int, sent: int, server: str, subscriptions: int) -> str:
    return (
        f"connections={connections} connections_total=2 received=1 sent={sent} "
        f"server={server} subscriptions={subscriptions} "
    )


async def test_compat_check_76_statistics_count_what_conflation_left():
    layer = MarketDataChannelLayer(hosts=[settings.REDIS_URL], prefix=PREFIX)
    publisher = Publisher(layer, epoch=8)
    async with (
        serving(CHANNEL_PREFIX=PREFIX, STATISTICS_S="0.1") as server,
        connect(f"ws://{server.host}/") as one,
    ):
        client = Client(one)
        await client.receive()
        await client.ask(action="subscribe", symbols=["BTCUSDT"], delivery="conflate")
        publisher.publish([tick(n) for n in range(3)])
        await client.receive()

        await until(lambda: " sent=3 " in server.log)
    await layer.flush()


async def test_compat_check_76_statistics_come_before_the_first_client():
    async with serving(CHANNEL_PREFIX=PREFIX, STATISTICS_S="0.1") as server:
        await until(lambda: "connections=0 connections_total=0 " in server.log)


async def test_side_of_http_has_no_statistics():
    environment = {"CHANNEL_PREFIX": PREFIX, "STATISTICS_S": "0.1"}
    async with serving("--only", "http", **environment) as server:
        await until(lambda: "listening on" in server.log)
        await asyncio.sleep(0.3)

    assert "statistics" not in server.log


async def test_no_interval_means_no_statistics():
    async with serving(CHANNEL_PREFIX=PREFIX, STATISTICS_S="0") as server:
        client = Client(await connect(f"ws://{server.host}/"))
        await client.receive()
        await client.receive_nothing()
        await client.socket.close()

    assert "statistics" not in server.log
