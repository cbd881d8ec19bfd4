"""A feed as `run_feed` runs it without a database, which says what it is told to say.

    python -m benchmarks.fanout.feed

Reads lines "<records a second> <topics> <seconds>" and answers "live" once hubs take it
for live, then after each "done <records>". Needs REDIS_URL, CHANNEL_PREFIX, SECRET_KEY.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

import django
import uvloop
from channels.layers import get_channel_layer
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# Models can be imported only now.
from benchmarks.fanout.processes import BROKER  # noqa: E402
from benchmarks.fanout.topics import BenchTopic, bench_topics  # noqa: E402
from brokers.connection import Timing  # noqa: E402
from brokers.feed import Emit, FeedCounters, FollowedInstrument  # noqa: E402
from brokers.hub_link import HubLink, Layers  # noqa: E402
from brokers.live_topics import LiveOptions, LiveTopics  # noqa: E402
from brokers.runner import FeedRunner, Outputs  # noqa: E402
from marketdata.numbering import next_epoch  # noqa: E402
from marketdata.publisher import Publisher  # noqa: E402
from marketdata.records import Kind, Record, Tick, Trade  # noqa: E402

TURN_S = 0.002  # a feed's socket gives what came since the last wake-up
_TIMING = Timing(silence_s=1e9, reconnect_min_s=1.0, reconnect_max_s=1.0, refresh_s=1e9)


class BenchFeed:
    """Emits records of the bench's topics in turn, each with the time it is made."""

    broker = BROKER
    is_simulated = False

    def __init__(self, jobs: asyncio.StreamReader) -> None:
        self.counters = FeedCounters()
        self.stop = asyncio.Event()
        self._jobs = jobs

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Do nothing: the jobs say what is sent."""

    async def run(self, emit: Emit) -> None:
        """Do one job after the other until the input ends."""
        emit([])  # shows that we are connected
        print("live", flush=True)
        while line := await self._jobs.readline():
            rate, topics, seconds = line.split()
            count = await self._work(
                emit, float(rate), bench_topics(int(topics)), float(seconds)
            )
            print("done", count, flush=True)
        self.stop.set()
        await asyncio.sleep(3600)

    async def _work(
        self, emit: Emit, rate: float, topics: Sequence[BenchTopic], seconds: float
    ) -> int:
        count, total = 0, int(rate * seconds)
        start_s = time.monotonic()
        while count < total:
            due = min(total, int((time.monotonic() - start_s) * rate) + 1)
            now_us = time.time_ns() // 1_000
            emit(
                [_record(n, topics[n % len(topics)], now_us) for n in range(count, due)]
            )
            self.counters.received += due - count
            count = due
            await asyncio.sleep(TURN_S)
        return count


def _record(number: int, topic: BenchTopic, now_us: int) -> Record:
    step = number % 100 / 1e5
    if topic.kind is Kind.TRADE:
        return Trade(
            broker=BROKER,
            symbol=topic.symbol,
            time_us=now_us,
            received_us=now_us,
            price=1.08512 + step,
            size=1_500_000.0,
            trade_id=now_us,
        )
    return Tick(
        broker=BROKER,
        symbol=topic.symbol,
        time_us=now_us,
        received_us=now_us,
        bid=1.08512 + step,
        ask=1.08523 + step,
        bid_size=1_500_000.0,
        ask_size=float(now_us),
    )


async def _main() -> None:
    loop = asyncio.get_running_loop()
    jobs = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(jobs), sys.stdin)
    feed = BenchFeed(jobs)
    publisher = Publisher(get_channel_layer(), next_epoch(0, time.time()))
    live = LiveTopics(
        publisher,
        None,
        LiveOptions(
            grace_s=settings.CANDLE_GRACE_S,
            revision_s=settings.CANDLE_REFRESH_S,
            is_simulated=False,
        ),
    )
    layers = Layers(get_channel_layer(), get_channel_layer("control"))
    hubs = HubLink(BROKER, publisher, layers, computed=live)
    outputs = Outputs(publisher, derived=live, hubs=hubs)
    runner = FeedRunner(feed, outputs, load_instruments=None, timing=_TIMING)
    await runner.run(feed.stop)


if __name__ == "__main__":
    uvloop.run(_main())
