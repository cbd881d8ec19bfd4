"""The feed of other systems' channels, on a real Redis that may go away."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from brokers.backoff import Backoff
from brokers.connection import FeedState, Timing
from brokers.demand import Change
from brokers.redis import feed as feed_module
from brokers.redis import upstream as upstream_module
from brokers.redis.epochs import claim_epoch_on_redis
from brokers.redis.feed import MAX_DELAY_S, RedisFeed
from brokers.redis.upstream import LIFE_S, Upstream
from brokers.runner import FeedRunner, Outputs
from marketdata.publisher import Publisher
from marketdata.records import Foreign, Kind
from marketdata.redis_pipe import redis_client, redis_pool
from marketdata.topics import Topic
from tests.brokers.fakes import FakeLayer
from tests.brokers.redis.test_messages import ENVELOPES, dumps
from tests.marketdata.polling import until
from tests.marketdata.private_redis import PrivateRedis, find_program

AAPL = Topic(Kind.FOREIGN, "redis", "trade:AAPL")
TATA = Topic(Kind.FOREIGN, "redis", "trade@TATA_INR")
DEPTH = Topic(Kind.FOREIGN, "redis", "depth@TATA_INR")
INTERNAL = Topic(Kind.FOREIGN, "redis", "internal")
TIMING = Timing(
    silence_s=30.0, reconnect_min_s=0.01, reconnect_max_s=MAX_DELAY_S, refresh_s=1.0
)


async def until_redis(ask: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Return once Redis answers so; fail the test after 5 s."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(RedisError, OSError):
                if await ask() == expected:
                    return
            await asyncio.sleep(0.005)


class Rig:
    """A feed with its runner on a Redis of its own, and a client of the same."""

    def __init__(self, server: PrivateRedis) -> None:
        self.server = server
        self.client = Redis.from_url(server.url)
        self.layer = FakeLayer()
        self.upstream = Upstream(redis_client(server.url), "ws-gateway-1", "own")
        self.feed = RedisFeed(lambda: redis_pool(server.url), self.upstream)
        self.runner = FeedRunner(
            self.feed,
            Outputs(Publisher(self.layer, 7)),
            load_instruments=None,
            timing=TIMING,
        )
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.runner.run(self.stop))

    async def until_live(self) -> None:
        await until(lambda: self.runner.connection.state is FeedState.LIVE)
        await until_redis(self.client.pubsub_numpat, 1)

    async def follow(self, *topics: Topic) -> None:
        self.feed.demand(Change(added=topics))
        for topic in topics:
            if "@" in topic.symbol:
                await self.until_count(topic.symbol, 1)

    async def until_count(self, channel: str, count: int) -> None:
        answer = [(channel.encode(), count)]
        await until_redis(lambda: self.client.pubsub_numsub(channel), answer)

    def told(self) -> list[tuple[str, int, bytes]]:
        return [
            (record.symbol, number, record.payload)
            for _, _, number, record in self.layer.published
            if isinstance(record, Foreign)
        ]

    async def close(self) -> None:
        self.stop.set()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.client.aclose()


@pytest.fixture
def server() -> Iterator[PrivateRedis]:
    """A Redis of the test's own."""
    server = PrivateRedis(find_program())
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def rig(server: PrivateRedis) -> AsyncIterator[Rig]:
    """A running feed."""
    rig = Rig(server)
    yield rig
    await rig.close()


async def test_trades_of_demanded_symbols_are_published_numbered(rig: Rig) -> None:
    await rig.until_live()
    await rig.follow(AAPL)

    for channel in ("AAPL", "MSFT", "aapl", "A:B"):
        await rig.client.publish(f"channel:trade:{channel}", dumps())
    await rig.client.publish("channel:trade:AAPL", dumps(price=1))
    await until(lambda: len(rig.told()) == 3)

    assert [(name, number) for name, number, _ in rig.told()] == [
        ("trade:AAPL", 1), ("trade:AAPL", 2), ("trade:AAPL", 3),
    ]  # fmt: skip
    assert rig.layer.published[0][0] == "md.foreign.redis.trade_3a_AAPL"
    assert json.loads(rig.told()[2][2])["price"] == 1


async def test_streams_are_subscribed_only_while_demanded(rig: Rig) -> None:
    name = TATA.symbol
    await rig.until_live()
    assert await rig.client.pubsub_numpat() == 1
    await rig.until_count(name, 0)

    await rig.follow(TATA, DEPTH)
    await rig.client.publish(name, ENVELOPES[name])
    await until(lambda: rig.told())
    rig.feed.demand(Change(removed=(TATA,)))
    await rig.until_count(name, 0)

    assert rig.told() == [(name, 1, ENVELOPES[name])]
    await rig.until_count(DEPTH.symbol, 1)


async def test_other_channels_are_never_subscribed(rig: Rig) -> None:
    await rig.until_live()

    rig.feed.demand(Change(added=(INTERNAL, TATA)))
    await rig.until_count(TATA.symbol, 1)

    assert await rig.client.pubsub_channels() == [TATA.symbol.encode()]
    rig.feed.demand(Change(removed=(INTERNAL,)))


async def test_bad_payloads_are_counted_logged_once_and_dropped(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    await rig.until_live()
    await rig.follow(AAPL, TATA)

    for _ in range(50):
        await rig.client.publish("channel:trade:AAPL", b"null")
        await rig.client.publish(TATA.symbol, ENVELOPES[DEPTH.symbol])
    await rig.client.publish("channel:trade:AAPL", dumps())
    await until(lambda: rig.told())

    assert rig.feed.counters.malformed == 100
    assert capfd.readouterr().err.count("malformed message") <= 1


async def test_messages_of_one_read_are_published_in_one_batch(rig: Rig) -> None:
    await rig.until_live()
    await rig.follow(AAPL)

    async with rig.client.pipeline(transaction=False) as pipeline:
        for number in range(500):
            pipeline.publish("channel:trade:AAPL", dumps(volume=number))
        await pipeline.execute()
    await until(lambda: len(rig.told()) == 500)

    assert [json.loads(payload)["volume"] for *_, payload in rig.told()] == list(
        range(500)
    )


async def test_stream_goes_on_within_5_s_after_redis_came_back(
    rig: Rig, server: PrivateRedis
) -> None:
    await rig.until_live()
    await rig.follow(AAPL, TATA)
    server.kill()
    await until(lambda: rig.runner.connection.state is FeedState.LOST)
    await asyncio.sleep(1.0)  # some vain tries
    server.start()

    async with asyncio.timeout(60):
        while len({name for name, *_ in rig.told()}) < 2:
            with contextlib.suppress(RedisError, OSError):
                await rig.client.publish("channel:trade:AAPL", dumps())
                await rig.client.publish(TATA.symbol, ENVELOPES[TATA.symbol])
            await asyncio.sleep(0.02)


def test_longest_delay_leaves_time_to_resume_within_5_s() -> None:
    backoff = Backoff(1.0, MAX_DELAY_S)

    assert max(backoff.next_delay_s(0.999) for _ in range(10)) <= 2.0


async def test_quiet_redis_is_not_silent(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "PING_S", 0.02)
    await rig.until_live()
    before = rig.feed.counters.received

    await until(lambda: rig.feed.counters.received > before + 3)


class Manager:
    """Stands where C's upstream manager listens."""

    def __init__(self, client: Redis) -> None:
        self.pubsub = client.pubsub()
        self.heard: list[dict[str, Any]] = []

    async def listen(self) -> None:
        await self.pubsub.subscribe("finnhub:control")
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for message in self.pubsub.listen():
            if message["type"] == "message":
                self.heard.append(json.loads(message["data"]))

    def actions(self) -> list[tuple[str, str]]:
        return [(item["action"], item["symbol"]) for item in self.heard]

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.pubsub.aclose()


@pytest.fixture
async def manager(rig: Rig) -> AsyncIterator[Manager]:
    """The upstream manager."""
    manager = Manager(rig.client)
    await manager.listen()
    yield manager
    await manager.close()


async def test_first_demand_registers_and_last_removes(
    rig: Rig, manager: Manager
) -> None:
    await rig.until_live()
    await rig.follow(AAPL)
    await until(lambda: manager.heard)
    members = await rig.client.smembers("ws:symbols:AAPL")
    life_s = await rig.client.ttl("ws:symbols:AAPL")

    rig.feed.demand(Change(removed=(AAPL,)))
    await until(lambda: len(manager.heard) == 2)

    assert members == {b"ws-gateway-1"}
    assert LIFE_S - 5 < life_s <= LIFE_S == 86_400
    assert manager.actions() == [("subscribe", "AAPL"), ("unsubscribe", "AAPL")]
    first = manager.heard[0]
    assert set(first) == {"action", "symbol", "serverId", "timestamp"}
    assert first["serverId"] == "ws-gateway-1"
    assert first["timestamp"] > 1_700_000_000_000
    assert await rig.client.exists("ws:symbols:AAPL", "own") == 0


async def test_another_server_that_wants_the_symbol_keeps_it_upstream(
    rig: Rig, manager: Manager
) -> None:
    await rig.client.sadd("ws:symbols:AAPL", "another")
    await rig.until_live()
    await rig.follow(AAPL)
    await until(lambda: manager.heard)
    rig.feed.demand(Change(removed=(AAPL,)))
    await until_redis(lambda: rig.client.scard("ws:symbols:AAPL"), 1)

    assert await rig.client.smembers("ws:symbols:AAPL") == {b"another"}
    assert manager.actions() == [("subscribe", "AAPL")]


async def test_streams_are_not_registered_upstream(rig: Rig) -> None:
    await rig.until_live()
    await rig.follow(TATA, AAPL)
    await until_redis(lambda: rig.client.exists("ws:symbols:AAPL"), 1)

    assert [key async for key in rig.client.scan_iter("ws:symbols:*")] == [
        b"ws:symbols:AAPL"
    ]


async def test_symbols_of_a_killed_process_are_removed_or_taken_over(
    server: PrivateRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_module, "ADOPTED_S", 0.3)
    client = Redis.from_url(server.url)
    for symbol in ("AAPL", "MSFT"):
        await client.sadd(f"ws:symbols:{symbol}", "ws-gateway-1")
        await client.sadd("own", symbol)
    rig = Rig(server)
    manager = Manager(client)
    await manager.listen()
    await rig.until_live()
    await rig.follow(AAPL)

    await until(lambda: manager.heard)
    await asyncio.sleep(0.5)  # longer than what was left behind stays

    assert manager.actions() == [("unsubscribe", "MSFT")]
    assert await client.smembers("ws:symbols:AAPL") == {b"ws-gateway-1"}
    await manager.close()
    await rig.close()
    await client.aclose()


async def test_redis_that_forgot_is_told_again(
    rig: Rig, manager: Manager, server: PrivateRedis
) -> None:
    await rig.until_live()
    await rig.follow(AAPL)
    await until(lambda: manager.heard)
    server.kill()
    await until(lambda: rig.runner.connection.state is FeedState.LOST)
    server.start()

    await until_redis(lambda: rig.client.exists("ws:symbols:AAPL"), 1)


async def test_claim_epoch_rises_with_each_start(server: PrivateRedis) -> None:
    claimed = [
        await claim_epoch_on_redis(redis_client(server.url), "epoch", now_s)
        for now_s in (
            1_700_000_000.2,
            1_700_000_000.7,
            1_700_000_900.0,
            1_600_000_000.0,
        )
    ]

    first = 1_700_000_000 - 1_577_836_800
    assert claimed == [first, first + 1, first + 900, first + 901]


async def test_claim_epoch_without_redis_takes_the_clock() -> None:
    client = redis_client("redis://127.0.0.1:1/0")

    epoch = await claim_epoch_on_redis(client, "epoch", 1_700_000_000.0)

    assert epoch == 1_700_000_000 - 1_577_836_800
