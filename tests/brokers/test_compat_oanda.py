"""COMPAT checks 15 and 21 from outside: OANDA's server, feed, web process, client."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from django.db import connections
from websockets.asyncio.client import connect

from marketdata.models import Instrument
from tests.brokers.oanda_server import ACCOUNT, KEY, OandaServer, price_line
from tests.brokers.processes import manage
from tests.brokers.test_compat_feeds import Client
from tests.marketdata.polling import until
from tests.test_live_path import address_of

pytestmark = pytest.mark.django_db(transaction=True)

BROKERS = "oanda,simulated,simulated-oanda,binance"


def record_only(symbol: str) -> None:
    """Have the feed follow nothing else until a client wants it."""
    Instrument.objects.exclude(symbol=symbol).update(record=False)
    connections.close_all()


def bids(client: Client) -> Iterator[tuple[str, str, float]]:
    """Yield broker, symbol and bid of each frame with data."""
    for frame in client.frames:
        if frame["type"] == "data":
            yield frame["broker"], frame["symbol"], frame["data"]["data"]["bid"]


async def test_compat_check_15_and_21_forex_goes_to_oanda_and_to_nobody_else(
    instruments: int, prefix: str
) -> None:
    await asyncio.to_thread(record_only, "USDJPY")
    async with OandaServer() as oanda:
        settings = {
            "CHANNEL_PREFIX": prefix,
            "BROKERS_ENABLED": BROKERS,
            "OANDA_API_KEY": KEY,
            "OANDA_ACCOUNT_ID": ACCOUNT,
            "OANDA_URL": oanda.address,
            "RECONNECT_MIN_S": "0.2",
            "RECONNECT_MAX_S": "0.5",
            "SIMULATED_RATE": "50",
        }
        async with (
            manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web,
            manage("run_feed", "oanda", **settings) as feed,
            manage("run_feed", "simulated", **settings),
        ):
            await until(lambda: oanda.streams, timeout_s=20)
            assert oanda.streams[0].instruments == ["USD_JPY"]
            async with (
                connect(await address_of(web), proxy=None) as socket,
                connect(await address_of(web), proxy=None) as late,
            ):
                client = Client(socket)
                reply = await client.ask(action="subscribe", symbols=["EUR/USD"])
                await until(lambda: "EUR_USD" in oanda.streams[-1].instruments)
                lines = [price_line("USD_JPY", 155.5, 156.5)]
                lines += [price_line("EUR_USD", 1.25, 1.5)]
                await oanda.streams[-1].play(lines)
                await until(lambda: list(bids(client)))

                (accepted,) = reply["accepted"]
                assert (accepted["broker"], accepted["symbol"]) == ("oanda", "EUR/USD")
                assert accepted["recorded"] is False
                assert list(bids(client)) == [("oanda", "EUR/USD", 1.25)]

                oanda.refusals = [(401, {})] * 10_000
                asked = len(oanda.requests)
                for stream in oanda.streams:
                    stream.end()
                await until(lambda: "FEED_DOWN" in client.codes(), timeout_s=20)
                second = Client(late)
                reply = await second.ask(action="subscribe", symbols=["EURUSD"])
                await until(lambda: "FEED_DOWN" in second.codes(), timeout_s=20)
                await asyncio.sleep(0.5)  # 25 prices of the simulated broker

                assert [item["broker"] for item in reply["accepted"]] == ["oanda"]
                assert len(oanda.requests) == asked + 1  # once in 30 s
                # What followers of the topic were told last may be told to who joins.
                assert {*bids(client), *bids(second)} == {("oanda", "EUR/USD", 1.25)}
            assert await feed.stop() == 0, json.dumps(feed.log)
