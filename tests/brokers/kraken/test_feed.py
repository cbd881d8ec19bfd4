import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from brokers.connection import KeptConnection, Timing
from brokers.exceptions import FeedLost
from brokers.feed import FollowedInstrument
from brokers.kraken.feed import PING_S, KrakenFeed
from marketdata.catalog import Broker, Catalog, Instrument, InstrumentType
from marketdata.records import Record
from tests.brokers.kraken_server import (
    PAIRS,
    KrakenServer,
    recorded_frames,
    ticker_frame,
)
from tests.marketdata.polling import until

BTC = FollowedInstrument("BTCUSD", "XBT/USD", 1)
ETH = FollowedInstrument("ETHUSD", "ETH/USD", 2)
ADA = FollowedInstrument("ADABTC", "ADA/XBT", 8)


class Kept:
    """A feed that is kept connected; ``records`` is what it emitted."""

    def __init__(self, server: KrakenServer, ping_s: float = PING_S) -> None:
        self.records: list[Record] = []
        self.feed = KrakenFeed(server.address, ping_s)
        self.connection = KeptConnection(self.feed, Timing(5, 0.01, 0.05, 1))
        self.task = asyncio.create_task(self.connection.run(self.records.extend))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def server() -> AsyncIterator[KrakenServer]:
    """A server in Kraken's place."""
    async with KrakenServer() as server:
        yield server


@pytest.fixture
async def kept(server: KrakenServer) -> AsyncIterator[Kept]:
    """A feed that is kept connected and follows nothing yet."""
    kept = Kept(server)
    yield kept
    await kept.stop()


@pytest.mark.parametrize("spelling", ["BTC/USD", "BTC_USD", "BTCUSD", "XBT/USD"])
async def test_compat_check_22_bitcoin_is_asked_for_as_xbt(
    server: KrakenServer, kept: Kept, spelling: str
) -> None:
    kept.connection.follow([FollowedInstrument("BTCUSD", spelling, 1)])
    await until(lambda: server.clients and server.requests)

    await server.send(ticker_frame("XBT/USD", 51000.5, 51001))
    await until(lambda: kept.records)

    assert server.asked("subscribe") == [["XBT/USD"]]
    (tick,) = kept.records
    assert (tick.broker, tick.symbol, tick.bid) == ("kraken", "BTCUSD", 51000.5)
    assert server.user_agents[0].startswith("Mozilla/5.0")


@pytest.mark.parametrize(
    "asked", ["BTC_USD", "BTCUSD", "XBT/USD", "btc/usd", "xbt_usd"]
)
def test_compat_check_22_clients_find_it_in_any_spelling(asked: str) -> None:
    crypto = InstrumentType.CRYPTO
    bitcoin = Instrument("BTCUSD", "BTC/USD", crypto, 1, {"kraken": "XBT/USD"})
    catalog = Catalog([bitcoin], [Broker("kraken", is_enabled=True)])

    assert catalog.find(asked) is bitcoin
    assert catalog.route(bitcoin).name == "kraken"


async def test_compat_check_22_pings_at_intervals(server: KrakenServer) -> None:
    kept = Kept(server, ping_s=0.1)
    kept.connection.follow([BTC])
    await until(lambda: [x for x in server.requests if x[1] == {"event": "ping"}][2:])
    await kept.stop()

    times = [at_s for at_s, item in server.requests if item["event"] == "ping"]
    assert times[2] - times[0] >= 0.18
    assert PING_S == 30


async def test_compat_check_22_drop_resubscribes_all_also_what_came_meanwhile(
    server: KrakenServer, kept: Kept
) -> None:
    kept.connection.follow([BTC])
    await until(lambda: server.requests)

    await server.stop()
    await until(lambda: not kept.connection.is_live)
    kept.connection.follow([BTC, ETH])
    await server.start()
    await until(lambda: len(server.asked("subscribe")) == 2)
    await server.send(ticker_frame("ETH/USD", 1, 2))
    await until(lambda: kept.records)

    assert server.asked("subscribe") == [["XBT/USD"], ["XBT/USD", "ETH/USD"]]
    assert kept.records[0].symbol == "ETHUSD"


async def test_follow_while_running_changes_the_subscriptions(
    server: KrakenServer, kept: Kept
) -> None:
    kept.connection.follow([BTC, ETH])
    await until(lambda: server.requests)

    kept.connection.follow([ETH, ADA])
    await until(lambda: len(server.requests) == 3)

    assert server.asked("unsubscribe") == [["XBT/USD"]]
    assert server.asked("subscribe")[1:] == [["ADA/XBT"]]


async def test_run_refused_pair_costs_the_others_nothing(
    server: KrakenServer, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    server.unknown = {"FOO/USD"}
    kept.connection.follow([FollowedInstrument("FOOUSD", "FOO/USD", 1), BTC])
    await until(lambda: server.clients and list(server.clients.values())[0])

    await server.send(ticker_frame("XBT/USD", 1, 2))
    await until(lambda: kept.records)

    assert kept.connection.reconnects == 0


async def test_run_replays_the_recording_whole_and_in_order(
    server: KrakenServer, kept: Kept
) -> None:
    kept.connection.follow(
        [FollowedInstrument(pair.replace("/", ""), pair, 8) for pair in PAIRS]
    )
    await until(lambda: server.asked("subscribe"))
    frames = recorded_frames()

    for frame in [*frames, "garbage", *reversed(frames), "[340,{"]:
        for socket in server.clients:
            await socket.send(frame)
    await until(lambda: kept.feed.counters.malformed == 2)

    tickers = [json.loads(frame) for frame in frames if frame.startswith("[")]
    expected = [(item[3].replace("/", ""), float(item[1]["b"][0])) for item in tickers]
    got = [(item.symbol, item.bid) for item in kept.records]
    assert got == expected + expected[::-1]


async def test_run_nobody_there_raises_feed_lost() -> None:
    with pytest.raises(FeedLost):
        await KrakenFeed("ws://127.0.0.1:1").run(lambda records: None)
