"""From a broker's socket to a client's and to the database, as users run it.

Replay server in Binance's place -> `run_feed binance` -> Redis -> `serve` -> client;
the same records are in the database. All but the client are processes of their own.
"""

import asyncio
import json
import re
import time
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connections
from websockets.asyncio.client import ClientConnection, connect

from history.models import Series, Tick, Trade
from marketdata.instruments import load_instruments
from marketdata.models import Instrument
from marketdata.numbering import pack, parse_epoch
from tests.brokers.processes import Managed, manage
from tests.brokers.recordings import SYMBOLS, recorded_frames
from tests.brokers.replay_server import ReplayServer
from tests.history.test_rest_over_socket import get_json
from tests.marketdata.polling import STALL_S, until

TYPES = {"bookTicker": "tick", "aggTrade": "trade", "depthUpdate": "orderbook"}

Frames = dict[tuple[str, str], list[dict[str, Any]]]  # (type, canonical symbol)


@pytest.mark.django_db(transaction=True)
async def test_live_path_client_and_database_get_everything_that_was_sent() -> None:
    sent = sent_by_topic()
    displays = await asyncio.to_thread(prepare)
    settings = {"CHANNEL_PREFIX": f"live-path-{uuid4().hex[:8]}"}
    async with ReplayServer() as binance:
        settings |= {
            "BINANCE_WS_URL": binance.address,
            "BINANCE_REST_URL": "",
            "BINANCE_TRADE_STREAM": "aggTrade",
            "BROKERS_ENABLED": "binance",
        }
        async with (
            manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web,
            manage("run_feed", "binance", **settings) as feed,
        ):
            await until(lambda: binance.requests)
            async with connect(await address_of(web), proxy=None) as client:
                await subscribe(client, displays)
                # Books are followed once somebody wants them.
                books = len(displays)
                await until(lambda: binance.followed("@depth@100ms") == books)

                await binance.play(recorded_frames())

                got = await receive(client, sum(map(len, sent.values())), displays)
                assert await feed.stop() == 0, feed.log
            assert await web.stop() == 0, web.log

    check_received(got, sent)
    await asyncio.to_thread(check_stored, got)


@pytest.mark.django_db(transaction=True)
async def test_compat_check_40_live_tick_is_in_the_1m_candle_within_2_s() -> None:
    frame = next(item for item in recorded_frames() if "bookTicker" in item)
    payload = json.loads(frame)["data"]
    mid = (float(payload["b"]) + float(payload["a"])) / 2
    address = f"/api/candles/{payload['s']}/1m?broker=binance&countback=1&fields=full"
    await asyncio.to_thread(prepare)
    settings = {"CHANNEL_PREFIX": f"live-path-{uuid4().hex[:8]}"}
    async with ReplayServer() as binance:
        settings |= {
            "ALLOWED_HOSTS": "127.0.0.1",
            "BINANCE_WS_URL": binance.address,
            "BINANCE_REST_URL": "",
            "BROKERS_ENABLED": "binance",
        }
        async with (
            manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web,
            manage("run_feed", "binance", **settings) as feed,
        ):
            await until(lambda: binance.requests)
            port = urlsplit(await address_of(web)).port
            await binance.play([frame])
            sent_s = time.monotonic()
            candle = await asyncio.to_thread(first_candle, port, address)
            took_s = time.monotonic() - sent_s
            assert await feed.stop() == 0, feed.log
            assert await web.stop() == 0, web.log

    assert took_s <= 2 + STALL_S  # the flush is due after 1 s
    assert (candle["close"], candle["ticks"]) == (pytest.approx(mid), 1)
    assert candle["complete"] is False


def first_candle(port: int, address: str) -> dict[str, Any]:
    """Ask until there is a candle."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        status, body = get_json(port, address)
        if status == 200 and body:
            return body[0]
        time.sleep(0.1)
    raise AssertionError(f"no candle within 60 s: {status} {body}")


def sent_by_topic() -> Frames:
    """Return the recorded payloads of the streams that the feed follows."""
    topics = defaultdict(list)
    for frame in recorded_frames():
        payload = json.loads(frame)["data"]
        kind = TYPES.get(payload.get("e", "bookTicker"))
        if kind:
            topics[kind, payload["s"]].append(payload)
    return topics


def prepare() -> dict[str, str]:
    """Store the instruments; return the canonical symbol of each display symbol."""
    try:
        load_instruments()
        rows = Instrument.objects.filter(symbol__in=SYMBOLS)
        return {row.display: row.symbol for row in rows}
    finally:
        connections.close_all()


async def address_of(web: Managed) -> str:
    """Return where the web process listens, as it says."""
    await until(lambda: "listening on" in web.log)
    return re.search(r"ws://\S+", web.log)[0]


async def subscribe(client: ClientConnection, displays: dict[str, str]) -> None:
    """Follow all types of the symbols; everything must be accepted."""
    request = {
        "action": "subscribe",
        "symbols": list(displays),
        "broker": "binance",
        "types": list(TYPES.values()),
        "id": "all",
    }
    await client.send(json.dumps(request))
    async with asyncio.timeout(60):
        while (reply := json.loads(await client.recv())).get("id") != "all":
            pass
    assert len(reply["accepted"]) == len(displays) * len(TYPES), reply
    assert reply["rejected"] == []


async def receive(
    client: ClientConnection, count: int, displays: dict[str, str]
) -> Frames:
    """Return the next ``count`` data frames by type and canonical symbol."""
    frames = defaultdict(list)
    async with asyncio.timeout(60):
        while count:
            frame = json.loads(await client.recv())
            if frame["type"] == "data":
                key = frame["data"]["type"], displays[frame["symbol"]]
                frames[key].append(frame)
                count -= 1
    return frames


def check_received(got: Frames, sent: Frames) -> None:
    assert got.keys() == sent.keys()
    for (kind, symbol), payloads in sent.items():
        frames = got[kind, symbol]
        numbers = [frame["data"]["data"] for frame in frames]
        assert [frame["seq"] for frame in frames] == list(range(1, len(payloads) + 1))
        if kind == "tick":
            assert prices(numbers, "bid", "ask") == prices(payloads, "b", "a")
        elif kind == "trade":
            assert prices(numbers, "price", "volume") == prices(payloads, "p", "q")
            assert [item["id"] for item in numbers] == [item["a"] for item in payloads]
            times = [frame["data"]["timestamp"] for frame in frames]
            assert times == [item["T"] for item in payloads]
        else:
            for item, payload in zip(numbers, payloads, strict=True):
                assert prices(item["bids"], 0, 1) == prices(payload["b"], 0, 1)
                assert prices(item["asks"], 0, 1) == prices(payload["a"], 0, 1)
    epochs = {frame["epoch"] for frames in got.values() for frame in frames}
    assert len(epochs) == 1


def prices(rows: list[Any], *keys: Any) -> list[tuple[float, ...]]:
    return [tuple(float(row[key]) for key in keys) for row in rows]


def check_stored(got: Frames) -> None:
    """Compare each stored row with the frame of the same number."""
    try:
        for (kind, symbol), frames in got.items():
            if kind == "orderbook":
                continue
            series = Series.objects.get(instrument__symbol=symbol, broker="binance")
            model, keys = (
                (Tick, ("bid", "ask"))
                if kind == "tick"
                else (Trade, ("price", "trade_id"))
            )
            rows = model.objects.filter(series_id=series.pk).order_by("seq")
            names = ("bid", "ask") if kind == "tick" else ("price", "id")
            assert list(rows.values_list("seq", *keys)) == [
                (
                    pack(parse_epoch(frame["epoch"]), frame["seq"]),
                    *(frame["data"]["data"][name] for name in names),
                )
                for frame in frames
            ]
    finally:
        connections.close_all()
