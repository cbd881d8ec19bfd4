"""The stall watchdog, at given times."""

import asyncio
from datetime import UTC, datetime

import pytest

from brokers.connection import KeptConnection, Timing
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
