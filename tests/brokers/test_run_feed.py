"""`run_feed` as a process of its own: replay server, Redis, database."""

import asyncio
import json
import signal
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections
from redis.asyncio import Redis

from brokers.models import Feed
from history.models import Series, Tick, Trade
from marketdata.layer_messages import (
    Demand,
    NumberedRecords,
    TopicState,
    beat_group,
    decode_message,
    demand_group,
    encode_message,
)
from marketdata.layers import MarketDataChannelLayer
from marketdata.models import BrokerSymbol, Instrument
from marketdata.numbering import unpack
from marketdata.records import Kind, Record
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic, group_name, topic_of
from tests.brokers.processes import manage
from tests.brokers.recordings import SYMBOLS, recorded_frames
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db(transaction=True)

STREAMS = {
    "bookTicker": Kind.TICK,
    "aggTrade": Kind.TRADE,
    "depthUpdate": Kind.ORDERBOOK,
}


class Subscriber:
    """Listens in the channel layer; batches by (kind, symbol) in order of arrival."""

    def __init__(self, layer: MarketDataChannelLayer) -> None:
        self.batches: defaultdict[tuple[Kind, str], list[NumberedRecords]] = (
            defaultdict(list)
        )
        self._layer = layer

    async def listen(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            for kind in STREAMS.values():
                await self._layer.listen(
                    group_name(Topic(kind, "binance", symbol)),
                    partial(self._hear, (kind, symbol)),
                )

    def _hear(self, key: tuple[Kind, str], message: Any) -> None:
        self.batches[key].append(decode_message(message))

    def records(self, kind: Kind, symbol: str) -> list[Record]:
        return [item for batch in self.batches[kind, symbol] for item in batch.records]

    def numbers(self, kind: Kind, symbol: str) -> list[int]:
        return [
            batch.first + place
            for batch in self.batches[kind, symbol]
            for place in range(len(batch.records))
        ]

    def count(self) -> int:
        return sum(
            len(batch.records) for each in self.batches.values() for batch in each
        )


def sent_by_topic() -> dict[tuple[Kind, str], list[dict[str, Any]]]:
    """Return the recorded payloads of the streams that the feed subscribes."""
    topics = defaultdict(list)
    for frame in recorded_frames():
        payload = json.loads(frame)["data"]
        kind = STREAMS.get(payload.get("e", "bookTicker"))
        if kind:
            topics[kind, payload["s"]].append(payload)
    return topics


def binance(server: ReplayServer, prefix: str) -> dict[str, str]:
    return {
        "BINANCE_WS_URL": server.address,
        "BINANCE_REST_URL": "",
        "BINANCE_TRADE_STREAM": "aggTrade",
        "CHANNEL_PREFIX": prefix,
        "RECORDER_FLUSH_S": "0.1",
        "CATALOG_REFRESH_S": "0.2",
    }


def stored(
    model: type[Tick] | type[Trade], symbol: str, broker: str = "binance"
) -> list[Any]:
    """Return the stored rows of a series in the order of their numbers."""
    try:
        series = Series.objects.filter(instrument__symbol=symbol, broker=broker)
        return list(model.objects.filter(series_id__in=series).order_by("seq"))
    finally:
        connections.close_all()


async def until_stored(
    model: type[Tick] | type[Trade], symbol: str, count: int, broker: str = "binance"
) -> None:
    """Return as soon as the series has so many rows."""
    async with asyncio.timeout(20):
        while len(await asyncio.to_thread(stored, model, symbol, broker)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def us(moment: Any) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


async def test_run_feed_binance_publishes_and_stores_everything_that_was_sent(
    instruments: int, server: ReplayServer, make_layer: Any, prefix: str
) -> None:
    # Books are followed while somebody wants them (tests/compat/test_binance_feed.py).
    topics = {
        topic: sent
        for topic, sent in sent_by_topic().items()
        if topic[0] is not Kind.ORDERBOOK
    }
    subscriber = Subscriber(make_layer())
    await subscriber.listen(SYMBOLS)

    async with manage("run_feed", "binance", **binance(server, prefix)) as feed:
        await until(lambda: server.requests, timeout_s=20)
        await server.play(recorded_frames())
        total = sum(map(len, topics.values()))
        await until(lambda: subscriber.count() >= total, timeout_s=20)
        assert await feed.stop() == 0, feed.log

    await asyncio.to_thread(check_published, subscriber, topics)
    await asyncio.to_thread(check_stored, topics)


def check_published(subscriber: Subscriber, topics: dict[Any, Any]) -> None:
    epoch = Feed.objects.get(broker="binance").epoch
    for (kind, symbol), sent in topics.items():
        records = subscriber.records(kind, symbol)
        assert subscriber.numbers(kind, symbol) == list(range(1, len(sent) + 1))
        assert {item.epoch for item in subscriber.batches[kind, symbol]} == {epoch}
        match kind:
            case Kind.TICK:
                found = [(item.bid, item.ask) for item in records]
                assert found == [(float(item["b"]), float(item["a"])) for item in sent]
            case Kind.TRADE:
                assert [item.trade_id for item in records] == [
                    item["a"] for item in sent
                ]
    connections.close_all()


def check_stored(topics: dict[Any, Any]) -> None:
    for (kind, symbol), sent in topics.items():
        if kind is Kind.TICK:
            rows = stored(Tick, symbol)
            assert [unpack(row.seq)[1] for row in rows] == list(range(1, len(sent) + 1))
            assert [(row.bid, row.ask, row.bid_size, row.ask_size) for row in rows] == [
                tuple(float(item[key]) for key in "baBA") for item in sent
            ]
        elif kind is Kind.TRADE:
            assert [
                (row.trade_id, us(row.time), row.price, row.size, row.side)
                for row in stored(Trade, symbol)
            ] == [
                (item["a"], item["T"] * 1000, float(item["p"]), float(item["q"]),
                 -1 if item["m"] else 1)
                for item in sent
            ]  # fmt: skip


async def test_run_feed_binance_trades_of_one_millisecond_are_all_stored(
    instruments: int, server: ReplayServer, prefix: str
) -> None:
    payload = {
        "e": "aggTrade",
        "E": 1700000000001,
        "s": "XMRBTC",
        "p": "0.005",
        "q": "1",
    }
    frames = [
        json.dumps(
            {
                "stream": "xmrbtc@aggTrade",
                "data": {
                    **payload,
                    "a": number,
                    "T": 1700000000000,
                    "m": number % 2 == 0,
                },
            }
        )
        for number in range(100, 110)
    ]

    async with manage("run_feed", "binance", **binance(server, prefix)) as feed:
        await until(lambda: server.requests, timeout_s=20)
        await server.play(frames[:1] + frames)  # the first one twice
        await until_stored(Trade, "XMRBTC", 10)
        assert await feed.stop() == 0, feed.log

    rows = await asyncio.to_thread(stored, Trade, "XMRBTC")
    assert [row.trade_id for row in rows] == list(range(100, 110))
    assert {us(row.time) for row in rows} == {1_700_000_000_000_000}
    assert [row.side for row in rows] == [-1, 1] * 5


async def test_run_feed_binance_lives_through_garbage_drops_and_refusals(
    instruments: int, server: ReplayServer, prefix: str
) -> None:
    server.refusals = [(503, {}), (503, {})]
    settings = binance(server, prefix) | {"RECONNECT_MIN_S": "0.01"}

    async with manage("run_feed", "binance", **settings) as feed:
        await until(lambda: len(server.requests) == 1, timeout_s=20)
        await server.send("garbage")
        await server.drop()
        await until(lambda: len(server.requests) == 2, timeout_s=20)
        assert await feed.stop() == 0, feed.log

    assert server.connections == 4
    assert "malformed=1" in feed.log
    assert "reconnects=3" in feed.log


async def test_run_feed_binance_451_waits_and_connects_again(
    instruments: int, server: ReplayServer, prefix: str
) -> None:
    server.refusals = [(451, {})]
    settings = binance(server, prefix) | {"RECONNECT_MAX_S": "0.2"}

    async with manage("run_feed", "binance", **settings) as feed:
        await until(lambda: server.requests, timeout_s=20)
        assert await feed.stop() == 0, feed.log

    assert "FEED_REFUSED" in feed.log
    assert "the broker answered HTTP 451" in feed.log


async def test_run_feed_binance_stores_symbols_added_in_the_admin_from_the_start(
    instruments: int, server: ReplayServer, prefix: str
) -> None:
    spelling = {"broker_id": "binance", "symbol": "XMRBTC"}
    ticks = [item for item in recorded_frames() if "xmrbtc@bookTicker" in item]

    def remove() -> None:
        BrokerSymbol.objects.filter(**spelling).delete()
        connections.close_all()

    def add() -> None:
        instrument = Instrument.objects.get(symbol="XMRBTC")
        BrokerSymbol.objects.create(instrument=instrument, **spelling)
        connections.close_all()

    await asyncio.to_thread(remove)

    async with manage("run_feed", "binance", **binance(server, prefix)) as feed:
        await until(lambda: len(server.requests) == 1, timeout_s=20)
        assert "xmrbtc@bookTicker" not in server.clients[0].streams

        await asyncio.to_thread(add)
        await until(lambda: len(server.requests) == 2, timeout_s=20)
        await server.play(ticks)
        await until_stored(Tick, "XMRBTC", len(ticks))
        assert await feed.stop(signal.SIGINT) == 0, feed.log

    names = ["xmrbtc@bookTicker", "xmrbtc@aggTrade"]
    assert server.requests[1][1]["params"] == names
    assert server.connections == 1


async def test_run_feed_binance_streams_what_is_not_recorded(
    instruments: int, server: ReplayServer, make_layer: Any, prefix: str
) -> None:
    def stop_recording() -> None:
        Instrument.objects.filter(symbol="XMRBTC").update(record=False)
        connections.close_all()

    await asyncio.to_thread(stop_recording)
    ticks = [item for item in recorded_frames() if "xmrbtc@bookTicker" in item]
    subscriber = Subscriber(make_layer())
    await subscriber.listen(["XMRBTC"])
    control = make_layer(
        "-control", symmetric_encryption_keys=[django_settings.SECRET_KEY]
    )
    demand = Demand("hub", [Topic(Kind.TICK, "binance", "XMRBTC")])

    async with manage("run_feed", "binance", **binance(server, prefix)) as feed:
        await until(lambda: server.requests, timeout_s=20)
        assert "xmrbtc@bookTicker" not in server.clients[0].streams
        await control.group_send(demand_group("binance"), encode_message(demand))
        await until(lambda: "xmrbtc@bookTicker" in server.clients[0].streams)
        await server.play(ticks)
        await until(lambda: subscriber.count() == len(ticks), timeout_s=20)
        assert await feed.stop() == 0, feed.log

    assert await asyncio.to_thread(stored, Tick, "XMRBTC") == []
    assert f"skipped={len(ticks)}" in feed.log


async def test_run_feed_simulated_publishes_marked_records(
    instruments: int, prefix: str
) -> None:
    async with manage("run_feed", "SIMULATED", CHANNEL_PREFIX=prefix) as feed:
        await until(lambda: "feed live" in feed.log, timeout_s=20)
        assert await feed.stop() == 0, feed.log


async def test_run_feed_answers_hubs_and_shows_that_it_lives(
    instruments: int, make_layer: Any, prefix: str
) -> None:
    topic = Topic(Kind.TICK, "simulated", "EURUSD")
    layer = make_layer()
    control = make_layer(
        "-control", symmetric_encryption_keys=[django_settings.SECRET_KEY]
    )
    heard: list[Any] = []
    beats: list[Any] = []
    await layer.listen(
        group_name(topic), lambda item: heard.append(decode_message(item))
    )
    await layer.listen(
        beat_group("simulated"), lambda item: beats.append(decode_message(item))
    )
    settings = {"CHANNEL_PREFIX": prefix, "RECORDER_FLUSH_S": "0.1"}

    async with manage("run_feed", "simulated", **settings) as feed:
        await until(lambda: heard, timeout_s=20)
        demand = encode_message(Demand("hub", [topic], [topic]))
        await control.group_send(demand_group("simulated"), demand)
        await until(lambda: any(beat.stored for beat in beats), timeout_s=20)
        assert await feed.stop() == 0, feed.log

    places = [n for n, item in enumerate(heard) if isinstance(item, TopicState)]
    assert len(places) == 1
    before, state = heard[places[0] - 1], heard[places[0]]
    assert state.head == before.first + len(before.records) - 1
    assert (state.last, state.is_recorded) == (before.records[-1], True)
    assert heard[places[0] + 1].first == state.head + 1
    told = [beat.stored[group_name(topic)] for beat in beats if beat.stored]
    assert 0 < told[0] <= told[-1]
    assert heard[-1].stored > 0
    assert beats[-1].is_live
    assert {item.epoch for item in heard + beats} == {state.epoch}


async def test_run_feed_computes_candles_and_tickers_that_hubs_follow(
    instruments: int, make_layer: Any, prefix: str
) -> None:
    side = PriceSide.ASK
    topics = [
        Topic(Kind.CANDLE, "simulated", "EURUSD", Timeframe.S1, side),
        Topic(Kind.CANDLE, "simulated", "EURUSD", Timeframe.D1, side),
        Topic(Kind.TICKER, "simulated", "EURUSD"),
    ]
    layer = make_layer()
    control = make_layer(
        "-control", symmetric_encryption_keys=[django_settings.SECRET_KEY]
    )
    heard: dict[Topic, list[Any]] = {topic: [] for topic in topics}
    for topic in topics:
        await layer.listen(
            group_name(topic),
            lambda item, topic=topic: heard[topic].append(decode_message(item)),
        )
    settings = {
        "CHANNEL_PREFIX": prefix, "RECORDER_FLUSH_S": "0.1", "CANDLE_GRACE_S": "0.1",
    }  # fmt: skip

    async with manage("run_feed", "simulated", **settings) as feed:
        await until(lambda: "feed live" in feed.log, timeout_s=20)
        demand = encode_message(Demand("hub", topics, topics))
        await control.group_send(demand_group("simulated"), demand)
        await until(lambda: min(map(len, heard.values())) > 3, timeout_s=20)
        assert await feed.stop() == 0, feed.log

    for topic, messages in heard.items():
        places = [n for n, item in enumerate(messages) if isinstance(item, TopicState)]
        assert places in ([0], [1])
        records = [
            record
            for item in messages
            if isinstance(item, NumberedRecords)
            for record in item.records
        ]
        assert {topic_of(record) for record in records} == {topic}
        assert all(record.simulated for record in records)
        if topic.timeframe is Timeframe.S1:
            assert any(record.is_final for record in records)
        if topic.timeframe is Timeframe.D1:
            assert [item.ticks for item in records] == sorted(
                {item.ticks for item in records}
            )
            assert messages[places[0]].is_recorded


async def test_run_feed_redis_needs_no_database_and_follows_what_hubs_do(
    make_layer: Any, prefix: str
) -> None:
    symbol = prefix[-8:].upper()
    topic = Topic(Kind.FOREIGN, "redis", f"trade:{symbol}")
    layer = make_layer()
    control = make_layer(
        "-control", symmetric_encryption_keys=[django_settings.SECRET_KEY]
    )
    client = Redis.from_url(django_settings.REDIS_URL)
    heard: list[Any] = []
    await layer.listen(
        group_name(topic), lambda item: heard.append(decode_message(item))
    )
    payload = {"symbol": symbol, "price": 150.25, "volume": 7, "timestamp": 1}

    async with manage(
        "run_feed", "redis", CHANNEL_PREFIX=prefix, DATABASE_URL=""
    ) as feed:
        await until(lambda: "feed live" in feed.log, timeout_s=20)
        demand = encode_message(Demand("hub", [topic], [topic]))
        await control.group_send(demand_group("redis"), demand)
        await until(lambda: heard, timeout_s=5)
        await client.publish(f"channel:trade:{symbol}", json.dumps(payload))
        await until(lambda: len(heard) == 2, timeout_s=5)
        is_registered = await client.exists(f"ws:symbols:{symbol}")
        assert await feed.stop() == 0, feed.log

    state, batch = heard
    assert (state.head, state.is_recorded, state.is_live) == (0, False, True)
    assert (batch.epoch, batch.first) == (state.epoch, 1)
    assert json.loads(batch.records[0].payload) == payload
    assert is_registered
    assert "warning" not in feed.log
    await client.delete(f"ws:symbols:{symbol}")
    await client.aclose()


async def test_run_feed_redis_away_still_stores(
    instruments: int, server: ReplayServer, prefix: str
) -> None:
    settings = binance(server, prefix) | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    ticks = [item for item in recorded_frames() if "xmrbtc@bookTicker" in item]

    async with manage("run_feed", "binance", **settings) as feed:
        await until(lambda: server.requests, timeout_s=20)
        await server.play(ticks)
        await until_stored(Tick, "XMRBTC", len(ticks))
        assert await feed.stop() == 1, feed.log  # ticks were left unsent

    assert len(await asyncio.to_thread(stored, Tick, "XMRBTC")) == len(ticks)


@pytest.mark.parametrize(
    ("arguments", "environment", "text"),
    [
        (["nobody"], {}, "simulated-oanda, found broker 'nobody'"),
        (["replay"], {"REPLAY_FROM": "soon"}, "REPLAY_FROM: expected a time like"),
        (["oanda"], {"OANDA_ENVIRONMENT": "demo"}, "OANDA_ENVIRONMENT: expected"),
        (["binance"], {"BINANCE_TYPES": "quote"}, "BINANCE_TYPES: expected some of"),
        ([], {}, "the following arguments are required: broker"),
    ],
)
async def test_run_feed_wrong_usage_exits_64(
    arguments: list[str], environment: dict[str, str], text: str
) -> None:
    async with manage("run_feed", *arguments, **environment) as feed:
        assert await feed.wait() == 64

    assert text in feed.log
