"""COMPAT check 19: a stub speaks Binance's protocol, our feed and server follow it."""

import asyncio
import json
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect

from brokers.binance.feed import BinanceFeed
from brokers.connection import FeedState, KeptConnection, Timing
from brokers.exceptions import FeedRefused
from brokers.feed import FollowedInstrument
from marketdata.records import Candle, Kind, OrderBook, Record, Tick, Trade
from tests.brokers.binance.recorded_books import TrueBook, recorded_answers
from tests.brokers.processes import manage
from tests.brokers.recordings import AUGUST, read_recording
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until
from tests.test_live_path import address_of, prepare

SYMBOL = "FTMUSDT"
SUFFIXES = {
    Kind.TICK: "bookTicker",
    Kind.TRADE: "aggTrade",
    Kind.ORDERBOOK: "depth@100ms",
}
FRAMES = [frame for _, frame in read_recording(AUGUST) if "ftmusdt@" in frame]


def payloads(event: str) -> list[dict]:
    data = [json.loads(frame)["data"] for frame in FRAMES]
    return [item for item in data if item.get("e", "bookTicker") == event]


def followed(*names: str) -> list[FollowedInstrument]:
    return [FollowedInstrument(name, name, 5) for name in names]


@pytest.fixture
async def server():
    async with ReplayServer() as server:
        yield server


async def test_compat_check_19_three_subscribes_share_one_socket(server) -> None:
    feed = BinanceFeed(server.address, SUFFIXES)
    feed.follow(followed("BTCUSDT"))
    task = asyncio.create_task(feed.run(lambda records: None))
    await until(lambda: len(server.requests) == 1)

    feed.follow(followed("BTCUSDT", "ETHUSDT"))
    await until(lambda: len(server.requests) == 2)
    feed.follow(followed("ETHUSDT", "FTMUSDT"))
    await until(lambda: len(server.requests) == 4)
    pong = await server.clients[0].socket.ping()

    assert await asyncio.wait_for(pong, 60) >= 0
    methods = [request["method"] for _, request in server.requests]
    assert methods == ["SUBSCRIBE", "SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]
    names = [name for _, request in server.requests for name in request["params"]]
    assert {name.partition("@")[0] for name in names} == {
        "btcusdt",
        "ethusdt",
        "ftmusdt",
    }
    assert (server.connections, len(server.clients)) == (1, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_compat_check_19_samples_give_records_with_the_right_numbers(
    server,
) -> None:
    records: list[Record] = []
    feed = BinanceFeed(server.address, SUFFIXES)
    feed.follow(followed(SYMBOL))
    task = asyncio.create_task(feed.run(records.extend))
    await until(lambda: server.requests)

    await server.play(FRAMES, to_all=True)
    await until(lambda: len(records) == len(FRAMES))

    ticks, trades, books, candles = (
        [record for record in records if isinstance(record, kind)]
        for kind in (Tick, Trade, OrderBook, Candle)
    )
    assert [(item.bid, item.ask_size) for item in ticks] == [
        (float(item["b"]), float(item["A"])) for item in payloads("bookTicker")
    ]
    assert [(item.price, item.trade_id) for item in trades] == [
        (float(item["p"]), item["a"]) for item in payloads("aggTrade")
    ]
    assert [item.last_id for item in books] == [
        item["u"] for item in payloads("depthUpdate")
    ]
    assert [(item.close, item.volume) for item in candles] == [
        (float(item["k"]["c"]), float(item["k"]["v"])) for item in payloads("kline")
    ]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_compat_check_19_451_is_a_state_and_asked_again_later(server) -> None:
    server.refusals = [(451, {}), (451, {})]
    feed = BinanceFeed(server.address, {Kind.TICK: "bookTicker"})
    timing = Timing(
        silence_s=30, reconnect_min_s=0.05, reconnect_max_s=0.3, refresh_s=1
    )
    kept = KeptConnection(feed, timing)
    kept.follow(followed(SYMBOL))
    task = asyncio.create_task(kept.run(lambda records: None))

    await until(lambda: kept.state is FeedState.LOST)
    assert not kept.is_live
    await until(lambda: server.connections == 3)
    await server.play(FRAMES)
    await until(lambda: kept.state is FeedState.LIVE)

    assert kept.reconnects == 2
    assert FeedRefused(451).code == "FEED_REFUSED"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.django_db(transaction=True)
async def test_compat_check_19_clients_get_frames_and_partial_books(server) -> None:
    await asyncio.to_thread(prepare)
    answers = recorded_answers()
    true = TrueBook(answers[SYMBOL])
    server.answers["/api/v3/depth"] = lambda fields: answers.get(fields["symbol"])
    settings = {
        "CHANNEL_PREFIX": f"check-19-{uuid4().hex[:8]}",
        "BINANCE_WS_URL": server.address,
        "BINANCE_REST_URL": server.rest_address,
        "BINANCE_TRADE_STREAM": "aggTrade",
        "BROKERS_ENABLED": "binance",
    }
    async with (
        manage("serve", "--host", "127.0.0.1", "--port", "0", **settings) as web,
        manage("run_feed", "binance", **settings) as feed,
    ):
        await until(lambda: server.requests, timeout_s=60)
        address = await address_of(web)
        stream = address.rstrip("/").removesuffix("/ws") + "/binance/ws"
        async with (
            connect(f"{stream}/ftmusdt@depth5@100ms", proxy=None) as depth,
            connect(address, proxy=None) as unified,
        ):
            await ask(unified)
            # Its book is followed, and asked for, once somebody wants it.
            await until(lambda: server.followed("@depth@100ms"))
            await until(lambda: answered(server))
            await server.play(FRAMES)
            for payload in payloads("depthUpdate"):
                true.apply(payload)
            book = await last_book(depth, true.last_id)
            kinds = await kinds_of(unified, 4)
        async with connect(address, proxy=None) as late:
            await ask(late)
            snapshot = await next_book(late)
        assert await feed.stop() == 0, feed.log
        assert await web.stop() == 0, web.log

    bids, asks = true.levels(5)
    assert [tuple(map(float, level)) for level in book["bids"]] == bids
    assert [tuple(map(float, level)) for level in book["asks"]] == asks
    assert kinds == {"tick", "trade", "orderbook", "candle"}
    whole = snapshot["data"]["data"]
    assert (snapshot["phase"], whole["snapshot"]) == ("snapshot", True)
    assert [tuple(level) for level in whole["bids"]] == true.levels(5_000)[0]


def answered(server: ReplayServer) -> bool:
    """Whether the feed has asked for the book of our symbol."""
    return any(fields["symbol"] == SYMBOL for _, fields in server.asked)


async def ask(client: ClientConnection) -> None:
    request = {
        "action": "subscribe",
        "symbols": [SYMBOL],
        "broker": "binance",
        "types": ["tick", "trade", "orderbook", "candle"],
        "id": 1,
    }
    await client.send(json.dumps(request))
    async with asyncio.timeout(60):
        while (reply := json.loads(await client.recv())).get("id") != 1:
            pass
    assert reply["rejected"] == []


async def last_book(client: ClientConnection, update_id: int) -> dict:
    async with asyncio.timeout(60):
        while (book := json.loads(await client.recv()))["lastUpdateId"] < update_id:
            pass
    return book


async def next_book(client: ClientConnection) -> dict:
    async with asyncio.timeout(60):
        while True:
            frame = json.loads(await client.recv())
            if frame["type"] == "data" and frame["data"]["type"] == "orderbook":
                return frame


async def kinds_of(client: ClientConnection, count: int) -> set[str]:
    kinds: set[str] = set()
    async with asyncio.timeout(60):
        while len(kinds) < count:
            frame = json.loads(await client.recv())
            if frame["type"] == "data":
                kinds.add(frame["data"]["type"])
    return kinds
