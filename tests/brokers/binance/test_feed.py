import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from brokers.binance import connection as connection_module
from brokers.binance import intake, lane, lanes, streams
from brokers.binance.feed import BinanceFeed
from brokers.exceptions import FeedLost, FeedRefused, SubscribeFailed
from brokers.feed import FollowedInstrument, Key
from marketdata.records import Kind, Record, Tick
from tests.brokers.recordings import APRIL, read_recording, shape_frames
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until

BTC = FollowedInstrument("BTCUSDT", "BTCUSDT", 2)
ETH = FollowedInstrument("ETHBTC", "ethbtc", 6)
SWRV = FollowedInstrument("SWRVBUSD", "SWRVBUSD", 3)


class Running:
    """A feed that runs against a server; ``records`` is what it emitted."""

    def __init__(self, server: ReplayServer, *suffixes: str) -> None:
        self.records: list[Record] = []
        names = suffixes or ("bookTicker",)
        self.feed = BinanceFeed(server.address, dict(zip(Kind, names, strict=False)))
        self.task: asyncio.Task[None] | None = None

    def start(self, *instruments: FollowedInstrument) -> None:
        self.feed.follow(instruments)
        self.task = asyncio.create_task(self.feed.run(self.records.extend))

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def running(server: ReplayServer) -> AsyncIterator[Running]:
    """A feed of book tickers, not yet started."""
    running = Running(server)
    yield running
    await running.stop()


def asked(server: ReplayServer) -> list[tuple[str, list[str]]]:
    return [(item["method"], item["params"]) for _, item in server.requests]


async def test_run_subscribes_in_lower_case_and_emits_what_comes(
    server: ReplayServer, running: Running
) -> None:
    running.start(BTC, ETH)
    await until(lambda: server.requests)

    await server.send(shape_frames("bookTicker")[0])
    await until(lambda: running.records)

    assert asked(server) == [("SUBSCRIBE", ["btcusdt@bookTicker", "ethbtc@bookTicker"])]
    assert server.clients[0].is_combined
    (tick,) = running.records
    assert isinstance(tick, Tick)
    assert (tick.symbol, tick.bid, tick.ask) == ("BTCUSDT", 37123.44, 37123.45)


async def test_follow_while_running_changes_the_subscriptions(
    server: ReplayServer, running: Running
) -> None:
    running.start(BTC)
    await until(lambda: len(server.requests) == 1)

    running.feed.follow([ETH])
    await until(lambda: len(server.requests) == 3)

    assert asked(server)[1:] == [
        ("UNSUBSCRIBE", ["btcusdt@bookTicker"]),
        ("SUBSCRIBE", ["ethbtc@bookTicker"]),
    ]
    assert list(server.clients[0].streams) == ["ethbtc@bookTicker"]
    assert server.connections == 1


async def test_run_spreads_many_streams_over_requests_of_200(
    server: ReplayServer, running: Running
) -> None:
    running.start(*(FollowedInstrument(f"C{n}", f"C{n}", 2) for n in range(450)))

    await until(lambda: len(server.requests) == 3)

    assert [len(params) for _, params in asked(server)] == [200, 200, 50]
    times = [time_s for time_s, _ in server.requests]
    assert times[2] - times[0] > 2 * 0.33 * 0.9


async def test_run_counts_what_gives_no_record(
    server: ReplayServer, running: Running
) -> None:
    running.start(ETH, FollowedInstrument("GTOBTC", "GTOBTC", 8))
    await until(lambda: server.requests)

    for text in (
        "garbage",
        b"\xff\xfe",
        *shape_frames("bookTicker"),  # of BTCUSDT, which is not followed, and empty
        *shape_frames("unknown"),
        *shape_frames("24hrTicker")[1:],
    ):
        await server.send(text)
    await until(lambda: running.records)

    counters = running.feed.counters
    assert (counters.received, counters.malformed) == (7, 1 + 1)
    assert (counters.unknown_symbols, counters.unknown_events) == (1, 1)
    assert counters.no_quotes == 1
    assert [type(record).__name__ for record in running.records] == ["Ticker"]


async def test_run_answers_the_servers_ping(
    server: ReplayServer, running: Running
) -> None:
    running.start(BTC)
    await until(lambda: server.requests)

    pong = await server.clients[0].socket.ping()

    assert await asyncio.wait_for(pong, 5) >= 0


async def test_run_dropped_connection_raises_feed_lost(
    server: ReplayServer, running: Running
) -> None:
    running.start(BTC)
    await until(lambda: server.requests)

    await server.drop()

    with pytest.raises(FeedLost, match="1001"):
        await running.task


async def test_run_announced_shutdown_moves_to_another_socket_without_a_loss(
    server: ReplayServer, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "OVERLAP_S", 0.2)
    running.start(SWRV)
    await until(lambda: server.requests)
    frames = [frame for _, frame in read_recording(APRIL) if "bookTicker" in frame]
    sent = [frame for frame in frames if "swrvbusd" in frame]

    await server.play(sent[:10])
    await server.send(shape_frames("serverShutdown")[1])
    await until(lambda: len(server.clients) == 2)
    await until(lambda: all(client.streams for client in server.clients))
    await server.play(sent[10:20])
    await until(lambda: len(server.clients) == 1)
    await server.play(sent[20:])
    await until(lambda: len(running.records) >= len(sent))

    assert server.connections == 2
    assert prices(running.records) == [bid_and_ask(frame) for frame in sent]
    assert running.feed.counters.repeated == 10
    assert not running.task.done()


async def test_run_socket_that_ends_before_the_next_one_follows_leaves_a_gap(
    server: ReplayServer, running: Running
) -> None:
    told: list[tuple[str, set[Key]]] = []
    running.feed.on_part_lost = lambda keys: told.append(("lost", set(keys)))
    running.feed.on_part_back = lambda keys: told.append(("back", set(keys)))
    running.start(SWRV)
    await until(lambda: told)
    frames = [frame for _, frame in read_recording(APRIL) if "bookTicker" in frame]
    sent = [frame for frame in frames if "swrvbusd" in frame]
    await server.play(sent[:5])
    await until(lambda: len(running.records) == 5)

    server.is_answering = False
    await server.send(shape_frames("serverShutdown")[1])
    await until(lambda: len(server.requests) == 2)
    await server.clients[0].socket.close(1001)
    await until(lambda: len(server.clients) == 1)
    await server.play(sent[5:10])
    await server.send('{"result":null,"id":1}')
    await until(lambda: len(running.records) == 10)

    swrv = {(Kind.TICK, "SWRVBUSD")}
    assert told == [("back", swrv), ("lost", swrv), ("back", swrv)]
    assert prices(running.records) == [bid_and_ask(frame) for frame in sent[:10]]
    assert not running.task.done()


async def test_compat_check_19_another_socket_takes_over_before_24_hours(
    server: ReplayServer, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "OVERLAP_S", 0.05)
    monkeypatch.setattr(lane, "SUCCEED_AFTER_S", 0.3)
    running.start(SWRV)
    frames = [frame for _, frame in read_recording(APRIL) if "bookTicker" in frame]
    sent = [frame for frame in frames if "swrvbusd" in frame]
    await until(lambda: server.clients and server.clients[0].streams)

    for frame in sent:
        await server.play([frame])
        await asyncio.sleep(2.0 / len(sent))
    await until(lambda: len(running.records) >= len(sent))

    assert server.connections >= 3
    assert prices(running.records) == [bid_and_ask(frame) for frame in sent]


async def test_run_keeps_its_socket_while_no_other_is_to_be_had(
    server: ReplayServer, running: Running
) -> None:
    running.start(SWRV)
    await until(lambda: server.requests)
    server.refusals = [(451, {})]

    await server.send(shape_frames("serverShutdown")[0])
    await until(lambda: server.connections == 2)
    await server.play([frame for _, frame in read_recording(APRIL)][:50])
    await until(lambda: running.records)

    assert not running.task.done()


async def test_run_more_streams_than_one_connection_takes_use_another(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 3)
    running = Running(server, "bookTicker", "trade")
    running.start(BTC)
    await until(lambda: server.requests)

    running.feed.follow([BTC, ETH, SWRV])
    await until(lambda: sum(len(client.streams) for client in server.clients) == 6)

    assert [len(client.streams) for client in server.clients] == [3, 3]
    await running.stop()


async def test_run_lost_socket_of_several_is_made_again_and_others_go_on(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)
    monkeypatch.setattr(lanes, "RETRY_MIN_S", 0.01)
    running = Running(server, "bookTicker", "trade")
    told: list[tuple[str, set[Key]]] = []
    running.feed.on_part_lost = lambda keys: told.append(("lost", set(keys)))
    running.feed.on_part_back = lambda keys: told.append(("back", set(keys)))
    running.start(BTC, ETH)
    await until(lambda: len(told) == 2)
    stays, goes = sorted(
        server.clients, key=lambda each: "ethbtc@trade" in each.streams
    )
    told.clear()

    await goes.socket.close(1001, "dropped")
    await until(lambda: len(told) == 2)

    eth = {(Kind.TICK, "ETHBTC"), (Kind.TRADE, "ETHBTC")}
    assert told == [("lost", eth), ("back", eth)]
    assert server.connections == 3
    assert stays in server.clients
    assert len(asked(server)) == 3
    assert running.task is not None
    assert not running.task.done()
    server.refusals = [(503, {})] * 1_000
    await server.drop()
    with pytest.raises(FeedLost):
        await asyncio.wait_for(running.task, 10)


async def test_run_follows_the_wanted_kinds_only(server: ReplayServer) -> None:
    running = Running(server, "bookTicker", "trade", "depth@100ms")
    wants = {"kinds": frozenset({Kind.ORDERBOOK})}
    candles = {"kinds": frozenset({Kind.CANDLE})}
    running.start(
        FollowedInstrument("BTCUSDT", "BTCUSDT", 2, **wants),
        FollowedInstrument("ETHBTC", "ETHBTC", 6, **candles),
    )
    await until(lambda: server.requests)

    assert asked(server)[0][1] == [
        "btcusdt@depth@100ms",
        "ethbtc@bookTicker",
        "ethbtc@trade",
    ]
    await running.stop()


async def test_run_names_streams_that_stay_silent(
    server: ReplayServer, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "SILENT_S", 0.2)
    running.start(SWRV, FollowedInstrument("NOPEUSDT", "NOPEUSDT", 2))
    await until(lambda: server.requests)

    with capture_logs() as logs:
        await server.play([frame for _, frame in read_recording(APRIL)][:50])
        await until(lambda: running.feed.counters.silent)
        await asyncio.sleep(0.2)

    (named,) = [item["streams"] for item in logs if "count" in item]
    assert named == ["nopeusdt@bookTicker"]
    assert running.feed.counters.silent == 1


async def test_run_refused_handshake_raises_feed_refused_with_its_delay(
    server: ReplayServer, running: Running
) -> None:
    server.refusals = [(429, {"Retry-After": "120"})]

    running.start(BTC)

    with pytest.raises(FeedRefused) as raised:
        await running.task
    assert (raised.value.status, raised.value.retry_after_s) == (429, 120.0)


@pytest.mark.parametrize("status", [403, 418, 451])
async def test_run_other_refusals_raise_feed_refused(
    server: ReplayServer, running: Running, status: int
) -> None:
    server.refusals = [(status, {})]

    running.start(BTC)

    with pytest.raises(FeedRefused) as raised:
        await running.task
    assert (raised.value.status, raised.value.retry_after_s) == (status, 0.0)


async def test_run_server_error_at_the_handshake_raises_feed_lost(
    server: ReplayServer, running: Running
) -> None:
    server.refusals = [(503, {})]

    running.start(BTC)

    with pytest.raises(FeedLost) as raised:
        await running.task
    assert str(raised.value) == "expected HTTP 101, found 503"
    assert not isinstance(raised.value, FeedRefused)


async def test_run_nobody_listens_raises_feed_lost() -> None:
    feed = BinanceFeed("ws://127.0.0.1:1", {Kind.TICK: "bookTicker"})
    feed.follow([BTC])

    with pytest.raises(FeedLost):
        await feed.run(lambda records: None)


async def test_run_subscription_without_reply_raises_subscribe_failed(
    server: ReplayServer, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "REPLY_TIMEOUT_S", 0.05)
    server.is_answering = False

    running.start(BTC)

    with pytest.raises(SubscribeFailed) as raised:
        await running.task
    assert str(raised.value) == "no reply to SUBSCRIBE of 1 streams in 0.05 s"


async def test_run_refused_subscription_raises_subscribe_failed(
    server: ReplayServer, running: Running
) -> None:
    server.is_answering = False
    running.start(BTC)
    await until(lambda: server.requests)

    await server.send('{"error":{"code":2,"msg":"Invalid request"},"id":1}')

    with pytest.raises(SubscribeFailed) as raised:
        await running.task
    assert str(raised.value) == "SUBSCRIBE refused with code 2: Invalid request"


async def test_run_recording_gives_the_records_of_followed_streams_in_order(
    server: ReplayServer, running: Running
) -> None:
    frames = [frame for _, frame in read_recording(APRIL)]
    running.start(FollowedInstrument("SWRVBUSD", "SWRVBUSD", 3))
    await until(lambda: server.requests)
    sent = [json.loads(frame) for frame in frames]
    expected = [
        (float(item["data"]["b"]), float(item["data"]["a"]))
        for item in sent
        if item["stream"] == "swrvbusd@bookTicker"
    ]

    await server.play(frames)
    await until(lambda: len(running.records) >= len(expected))

    assert [(tick.bid, tick.ask) for tick in running.records] == expected


def prices(records: list[Record]) -> list[tuple[float, float]]:
    return [(item.bid, item.ask) for item in records if isinstance(item, Tick)]


def bid_and_ask(frame: str) -> tuple[float, float]:
    data = json.loads(frame)["data"]
    return float(data["b"]), float(data["a"])
