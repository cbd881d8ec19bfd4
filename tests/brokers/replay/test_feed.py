"""Stored history as a live feed: in this process, and as `run_feed replay`."""

import asyncio
import time
from typing import Any

import pytest
from django.db import connections

from brokers.feed import FollowedInstrument
from brokers.replay.feed import ReplayFeed
from brokers.replay.options import ReplayOptions
from history.live_pages import LivePages
from history.models import Series
from history.reader import Plans, Reader
from marketdata.instruments import load_instruments
from marketdata.layer_messages import NumberedRecords, decode_message
from marketdata.records import Kind, Record
from marketdata.topics import Topic, group_name
from tests.brokers.processes import manage
from tests.history.factories import T0, fixture_quotes, store_quotes
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db(transaction=True)

S = 1_000_000
EUR = FollowedInstrument("EURUSD", "EURUSD", 5)
GBP = FollowedInstrument("GBPUSD", "GBPUSD", 5)


@pytest.fixture
def quotes() -> list[tuple[float, float, float]]:
    """A thousand ticks of EURUSD by dukascopy, one every 7 s, and some of GBPUSD."""
    load_instruments()
    store_quotes(fixture_quotes())
    store_quotes([(T0 + 10, 1.25, 1.26)], symbol="GBPUSD")
    return fixture_quotes()


def feed_of(speed: float, *, to_s: float = 7_000, keeps_times: bool = False):
    reader = Reader(max_connections=1, timeout_s=5.0, plans=Plans.OF_EACH)
    options = ReplayOptions(
        "dukascopy",
        frozenset({"EURUSD"}),
        T0 * S,
        int((T0 + to_s) * S),
        speed,
        keeps_times=keeps_times,
    )
    pages = LivePages(reader, max_queries=1)
    return ReplayFeed(options, pages, close=reader.close)


async def test_replay_as_fast_as_possible_gives_all_that_is_stored(quotes) -> None:
    feed = feed_of(float("inf"), keeps_times=True)
    feed.follow([EUR, GBP])
    records: list[Record] = []

    task = asyncio.create_task(feed.run(records.extend))
    await until(lambda: len(records) >= 1_000)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert [(row.time_us, row.bid, row.ask) for row in records] == [
        (int(at * S), bid, ask) for at, bid, ask in quotes
    ]
    assert {(row.broker, row.symbol, row.simulated) for row in records} == {
        ("replay", "EURUSD", True)
    }


@pytest.mark.usefixtures("quotes")
async def test_replay_at_a_speed_gives_times_of_now(quotes) -> None:
    feed = feed_of(140.0)  # a record each 50 ms
    feed.follow([EUR])
    records: list[Record] = []

    started_us = time.time_ns() // 1_000
    task = asyncio.create_task(feed.run(records.extend))
    await until(lambda: len(records) >= 11)
    took_s = time.time_ns() / 1e9 - started_us / 1e6
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert took_s >= 0.5
    steps = [row.time_us - records[0].time_us for row in records[:11]]
    assert steps == pytest.approx([50_000 * step for step in range(11)], abs=2)
    assert all(started_us <= row.time_us <= row.received_us for row in records)


@pytest.mark.usefixtures("quotes")
async def test_replay_that_is_over_stays_connected() -> None:
    feed = feed_of(float("inf"), to_s=20)
    feed.follow([EUR])
    records: list[Record] = []

    task = asyncio.create_task(feed.run(records.extend))
    await until(lambda: len(records) == 3)
    before = feed.counters.received
    await until(lambda: feed.counters.received > before)

    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.usefixtures("quotes")
async def test_run_feed_replay_publishes_and_stores_nothing(
    make_layer: Any, prefix: str
) -> None:
    batches: list[NumberedRecords] = []
    group = group_name(Topic(Kind.TICK, "replay", "EURUSD"))
    await make_layer().listen(
        group, lambda message: batches.append(decode_message(message))
    )
    settings = {
        "CHANNEL_PREFIX": prefix,
        "REPLAY_SYMBOLS": "eur/usd",
        "REPLAY_FROM": "2024-01-02T00:00:00Z",
        "REPLAY_SPEED": "max",
        "RECORDER_FLUSH_S": "0.1",
    }

    async with manage("run_feed", "replay", **settings) as feed:
        await until(
            lambda: sum(len(batch.records) for batch in batches) == 1_000, timeout_s=20
        )
        assert await feed.stop() == 0, feed.log

    assert all(row.simulated for batch in batches for row in batch.records)
    assert await asyncio.to_thread(brokers_with_history) == ["dukascopy", "dukascopy"]


def brokers_with_history() -> list[str]:
    try:
        return list(Series.objects.values_list("broker", flat=True))
    finally:
        connections.close_all()
