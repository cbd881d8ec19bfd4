"""What is a stall and what a quiet market, at given times and over real sockets."""

import asyncio

from msgspec import structs
from websockets.asyncio.server import ServerConnection, serve

from brokers.binance.feed import BinanceFeed
from brokers.connection import FeedState, KeptConnection
from brokers.feed import FollowedInstrument
from brokers.silence import Silence
from marketdata.records import Kind
from tests.brokers.test_connection import TIMING
from tests.marketdata.polling import until

BTC = FollowedInstrument("BTCUSDT", "BTCUSDT", 2)
LIMIT_S = 30.0


def silence_after(frames_s: list[int], *, signs_until_s: int) -> float | None:
    """Return when silence is a stall, looked at each second; None: not in 5 minutes."""
    silence, signs = Silence(LIMIT_S, 0.0, 0, 0), 0
    for now_s in range(300):
        received = sum(at_s <= now_s for at_s in frames_s)
        signs += now_s % 20 == 0 and now_s <= signs_until_s
        silence.look(float(now_s), received, signs)
        if silence.is_too_long(float(now_s)):
            return now_s
    return None


def test_silence_of_a_quiet_feed_is_none_while_pings_are_answered() -> None:
    assert silence_after([0, 1], signs_until_s=300) is None
    assert silence_after([0, 1, 40, 95], signs_until_s=300) is None


def test_silence_of_a_quiet_feed_begins_with_the_last_ping() -> None:
    assert silence_after([0, 1], signs_until_s=100) == 130


def test_silence_without_pings_begins_with_the_last_frame() -> None:
    assert silence_after([1, 2, 5], signs_until_s=-1) == 35


def test_silence_of_a_busy_feed_is_a_stall_whatever_pings_say() -> None:
    assert silence_after(list(range(60)), signs_until_s=300) == 89
    assert silence_after(list(range(0, 90, 7)), signs_until_s=300) == 84 + 30


def test_silence_behind_a_burst_is_that_of_a_quiet_feed() -> None:
    assert silence_after([*range(15)], signs_until_s=300) is None


def test_silence_begins_when_it_is_no_longer_excused() -> None:
    silence = Silence(LIMIT_S, 0.0, 0, 0)

    silence.excuse(100.0)

    assert not silence.is_too_long(129.0)
    assert silence.is_too_long(130.0)


async def connections_while(*, pings: bool) -> int:
    """Return how often a feed connects to a server that tells it nothing.

    It ends at the third connection, or when 50 pings were answered.
    """
    connections, pongs = 0, 0

    async def hold(socket: ServerConnection) -> None:
        nonlocal connections, pongs
        connections += 1
        while pings:
            await asyncio.sleep(0.02)
            await (await socket.ping())
            pongs += 1
        await socket.wait_closed()

    async with serve(
        hold, "127.0.0.1", 0, ping_interval=None, close_timeout=1
    ) as server:
        port = server.sockets[0].getsockname()[1]
        feed = BinanceFeed(f"ws://127.0.0.1:{port}", {Kind.TICK: "bookTicker"})
        timing = structs.replace(TIMING, silence_s=0.5)
        kept = KeptConnection(feed, timing)
        kept.follow([BTC])
        running = asyncio.create_task(kept.run(lambda records: None))
        await until(lambda: connections >= 3 or pongs >= 50, timeout_s=30)
        assert kept.state is not FeedState.LIVE
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return connections


async def test_broker_that_pings_and_tells_nothing_is_not_silent() -> None:
    assert await connections_while(pings=True) == 1


async def test_broker_that_does_nothing_at_all_is_silent() -> None:
    assert await connections_while(pings=False) == 3
