"""From OANDA's and Kraken's sockets to a client's and the database, as users run it.

A server in the broker's place -> `run_feed` -> Redis -> `serve` -> client.
"""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from websockets.asyncio.client import ClientConnection, connect

from history.models import Series, Tick
from tests.brokers.kraken_server import KrakenServer, ticker_frame
from tests.brokers.oanda_server import ACCOUNT, KEY, OandaServer, price_line
from tests.brokers.processes import manage
from tests.marketdata.polling import until
from tests.test_live_path import address_of, prepare

pytestmark = pytest.mark.django_db(transaction=True)

EUR_BIDS = [round(1.085 + n / 100_000, 5) for n in range(100)]
YEN_BIDS = [round(162.5 + n / 1_000, 3) for n in range(100)]
# With nanoseconds, which a float of seconds would not keep.
START_NS = 1_700_000_000_123_456_789


async def test_compat_check_21_client_and_database_get_oandas_prices() -> None:
    await asyncio.to_thread(prepare)
    settings = {
        "CHANNEL_PREFIX": f"oanda-path-{uuid4().hex[:8]}",
        "BROKERS_ENABLED": "oanda",
        "OANDA_API_KEY": KEY,
        "OANDA_ACCOUNT_ID": ACCOUNT,
    }
    async with OandaServer() as oanda:
        settings["OANDA_URL"] = oanda.address
        async with (
            manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web,
            manage("run_feed", "oanda", **settings) as feed,
        ):
            await until(lambda: oanda.streams)
            async with connect(await address_of(web), proxy=None) as client:
                await subscribe(client, "oanda", ["EUR_USD", "eur/jpy"])

                data = b"".join(line + b"\n" for line in prices())
                await oanda.streams[0].send(data, chunk_bytes=333)

                got = await receive(client, 200)
            assert await feed.stop() == 0, feed.log
            assert await web.stop() == 0, web.log

    assert "EUR_USD" in oanda.streams[0].instruments
    for symbol, bids in (("EUR/USD", EUR_BIDS), ("EUR/JPY", YEN_BIDS)):
        frames = [frame for frame in got if frame["symbol"] == symbol]
        ticks = [frame["data"]["data"] for frame in frames]
        assert [frame["seq"] for frame in frames] == list(range(1, 101))
        assert [tick["bid"] for tick in ticks] == bids
        for tick in ticks:
            assert tick["price"] == pytest.approx((tick["bid"] + tick["ask"]) / 2)
            assert (tick["bid_size"], tick["ask_size"]) == (1_000_000, 2_000_000)
        times = [frame["data"]["timestamp"] for frame in frames]
        assert times == [
            (START_NS + n * 1_000_000_001) // 1_000_000 for n in range(100)
        ]
        assert all(isinstance(item, int) for item in times)
    stored = await asyncio.to_thread(stored_ticks, "oanda", "EURUSD")
    assert stored == [
        ((START_NS + n * 1_000_000_001) // 1_000, bid) for n, bid in enumerate(EUR_BIDS)
    ]
    for text in (feed.log, web.log):
        assert KEY not in text
        assert ACCOUNT not in text


@pytest.mark.parametrize("asked", ["BTC_USD", "BTCUSD", "XBT/USD"])
async def test_compat_check_22_client_gets_bitcoin_in_its_spelling(asked: str) -> None:
    await asyncio.to_thread(prepare)
    settings = {
        "CHANNEL_PREFIX": f"kraken-path-{uuid4().hex[:8]}",
        "BROKERS_ENABLED": "kraken",
    }
    async with KrakenServer() as kraken:
        settings["KRAKEN_WS_URL"] = kraken.address
        async with (
            manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web,
            manage("run_feed", "kraken", **settings) as feed,
        ):
            await until(lambda: kraken.asked("subscribe"))
            async with connect(await address_of(web), proxy=None) as client:
                await subscribe(client, "", [asked])

                await kraken.send(ticker_frame("XBT/USD", 51000.5, 51001))

                (frame,) = await receive(client, 1)
            assert await feed.stop() == 0, feed.log

    assert "XBT/USD" in kraken.asked("subscribe")[0]
    assert (frame["broker"], frame["symbol"]) == ("kraken", "BTC/USD")
    tick = frame["data"]["data"]
    assert (tick["bid"], tick["ask"], tick["bid_size"]) == (51000.5, 51001, 2.25)
    assert abs(frame["data"]["timestamp"] - time.time() * 1_000) < 60_000


def prices() -> list[bytes]:
    """Return 100 prices of two instruments in turn, a second and a nanosecond apart."""
    lines = []
    for n, bids in enumerate(zip(EUR_BIDS, YEN_BIDS, strict=True)):
        seconds, nanos = divmod(START_NS + n * 1_000_000_001, 1_000_000_000)
        for name, bid in zip(("EUR_USD", "EUR_JPY"), bids, strict=True):
            line = json.loads(price_line(name, bid, bid + 1))
            line["time"] = f"{seconds}.{nanos:09}"
            lines.append(json.dumps(line).encode())
    return lines


async def subscribe(client: ClientConnection, broker: str, symbols: list[str]) -> None:
    """Follow the symbols' ticks; everything must be accepted."""
    request = {"action": "subscribe", "symbols": symbols, "id": "all"}
    if broker:
        request["broker"] = broker
    await client.send(json.dumps(request))
    async with asyncio.timeout(60):
        while (reply := json.loads(await client.recv())).get("id") != "all":
            pass
    assert reply["type"] == "status", reply
    assert reply["rejected"] == []


async def receive(client: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Return the next ``count`` data frames."""
    frames = []
    async with asyncio.timeout(60):
        while len(frames) < count:
            frame = json.loads(await client.recv())
            if frame["type"] == "data":
                frames.append(frame)
    return frames


def stored_ticks(broker: str, symbol: str) -> list[tuple[int, float]]:
    """Return (time in microseconds, bid) of the stored ticks, by their numbers."""
    try:
        series = Series.objects.get(instrument__symbol=symbol, broker=broker)
        rows = Tick.objects.filter(series_id=series.pk).order_by("seq")
        return [
            (int(row.time.timestamp()) * 1_000_000 + row.time.microsecond, row.bid)
            for row in rows
        ]
    finally:
        connections.close_all()
