import asyncio
from itertools import pairwise

from brokers.feed import FollowedInstrument
from brokers.simulated.feed import SimulatedFeed
from marketdata.records import Record, Tick
from tests.marketdata.polling import until

EUR = FollowedInstrument("EURUSD", "EURUSD", 5)
BTC = FollowedInstrument("BTCUSDT", "BTCUSDT", 2)


async def collect(feed: SimulatedFeed, seconds: float) -> list[Record]:
    records: list[Record] = []
    task = asyncio.create_task(feed.run(records.extend))
    await asyncio.sleep(seconds)
    task.cancel()
    return records


def ticks(records: list[Record], symbol: str) -> list[Tick]:
    return [
        item for item in records if isinstance(item, Tick) and item.symbol == symbol
    ]


async def test_run_same_seed_gives_the_same_prices_beside_any_other_symbol() -> None:
    alone, both = SimulatedFeed(500, seed=7), SimulatedFeed(500, seed=7)
    alone.follow([EUR])
    both.follow([BTC, EUR])

    first = ticks(await collect(alone, 0.1), "EURUSD")
    second = ticks(await collect(both, 0.1), "EURUSD")

    count = min(len(first), len(second))
    assert count > 10
    assert [item.bid for item in first[:count]] == [item.bid for item in second[:count]]


async def test_run_rate_is_per_symbol_and_times_are_evenly_spaced() -> None:
    feed = SimulatedFeed(200, seed=1)
    feed.follow([EUR, BTC])

    records = await collect(feed, 0.5)

    for symbol in ("EURUSD", "BTCUSDT"):
        found = ticks(records, symbol)
        # 5 ms apart whatever the machine does; a busy one only delivers them late.
        gaps = [after.time_us - item.time_us for item, after in pairwise(found)]
        assert len(found) >= 50
        assert all(4_000 < gap < 6_000 for gap in gaps)
        assert all(item.time_us <= item.received_us for item in found)
        assert all(item.simulated for item in found)
    assert feed.counters.received == len(records)


async def test_follow_while_running_keeps_the_walks_that_stay() -> None:
    feed = SimulatedFeed(500, seed=1)
    feed.follow([EUR])
    records: list[Record] = []
    task = asyncio.create_task(feed.run(records.extend))
    await until(lambda: len(records) > 10)
    before = ticks(records, "EURUSD")[-1]

    feed.follow([EUR, BTC])
    await until(lambda: ticks(records, "BTCUSDT"))
    task.cancel()

    after = next(
        item for item in ticks(records, "EURUSD") if item.time_us > before.time_us
    )
    assert abs(after.bid / before.bid - 1) < 0.001


async def test_run_without_instruments_or_rate_emits_nothing() -> None:
    idle, still = SimulatedFeed(500, seed=1), SimulatedFeed(0, seed=1)
    still.follow([EUR])

    assert await collect(idle, 0.02) == []
    assert await collect(still, 0.02) == []
