"""The line of statistics in the log of a web process."""

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

            expected = f"connections=2 received=1 sent=3 server={name} subscriptions=2 "
            await until(lambda: expected in server.log)
        gone = f"connections=0 received=1 sent=3 server={name} subscriptions=0 "
        await until(lambda: gone in server.log)
    await layer.flush()

    line = next(line for line in server.log.splitlines() if expected in line)
    assert re.search(r"\bstatistics\b", line)
    assert re.search(r"\buptime_s=\d+\b", line)


async def test_no_interval_means_no_statistics():
    async with serving(CHANNEL_PREFIX=PREFIX, STATISTICS_S="0") as server:
        client = Client(await connect(f"ws://{server.host}/"))
        await client.receive()
        await client.receive_nothing()
        await client.socket.close()

    assert "statistics" not in server.log
