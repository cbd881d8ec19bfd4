"""The stall watchdog at given times, and connections that are made anew."""

import asyncio
from datetime import UTC, datetime

import pytest
from msgspec import structs

from brokers.connection import FeedState, KeptConnection, Timing
from brokers.exceptions import FeedUnauthorized
from brokers.feed import FollowedInstrument
from marketdata.catalog import InstrumentType
from tests.brokers.fakes import FakeFeed
from tests.marketdata.polling import until

FOREX = FollowedInstrument("EURUSD", "EURUSD", 5, market=InstrumentType.FOREX)
CRYPTO = FollowedInstrument("BTCUSDT", "BTCUSDT", 2, market=InstrumentType.CRYPTO)
SATURDAY = datetime(2026, 11, 21, 15, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 15, tzinfo=UTC)
TIMING = Timing(
    silence_s=0.05, reconnect_min_s=0.001, reconnect_max_s=0.01, refresh_s=1.0
)


class Clock:
    """Stands where it was set."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now_us(self) -> int:
        return int(self.moment.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("moment", "followed", "stalls"),
    [
        (SATURDAY, [FOREX], False),
        (SATURDAY, [CRYPTO], True),
        (SATURDAY, [FOREX, CRYPTO], True),
        (MONDAY, [FOREX], True),
    ],
)
async def test_silence_is_a_stall_while_a_market_is_open(
    moment: datetime, followed: list[FollowedInstrument], stalls: bool
) -> None:
    feed = FakeFeed()
    connection = KeptConnection(feed, TIMING, now_us=Clock(moment).now_us)
    connection.follow(followed)
    running = asyncio.create_task(connection.run(lambda records: None))

    if stalls:
        await until(lambda: feed.connections >= 3)
    else:
        await asyncio.sleep(5 * TIMING.silence_s)
        assert feed.connections == 1

    running.cancel()


async def test_silence_counts_from_the_opening_of_the_market() -> None:
    clock, feed = Clock(SATURDAY), FakeFeed()
    connection = KeptConnection(feed, TIMING, now_us=clock.now_us)
    connection.follow([FOREX])
    running = asyncio.create_task(connection.run(lambda records: None))
    await asyncio.sleep(3 * TIMING.silence_s)
    assert feed.connections == 1

    clock.moment = MONDAY

    await until(lambda: feed.connections >= 2)
    running.cancel()


async def test_connect_again_ends_the_connection_and_the_wait_for_the_next() -> None:
    feed = FakeFeed()
    states: list[FeedState] = []
    refused_s = structs.replace(TIMING, reconnect_max_s=1_000.0, silence_s=1_000.0)
    connection = KeptConnection(feed, refused_s)
    connection.on_state = states.append
    connection.follow([CRYPTO])
    running = asyncio.create_task(connection.run(lambda records: None))
    await until(lambda: feed.connections == 1)

    connection.connect_again("changed")
    await until(lambda: feed.connections == 2)
    feed.ends.append(FeedUnauthorized(401, "unknown"))
    connection.connect_again("changed")
    await until(lambda: feed.connections == 3 and states[-1] is FeedState.LOST)
    connection.connect_again("changed")

    await until(lambda: feed.connections == 4)
    running.cancel()
