import asyncio
from random import Random

import pytest

from brokers.exceptions import FeedLost, InvalidFeedSetting
from brokers.feed import FollowedInstrument
from brokers.simulated.faults import FaultOptions, Faults, Window, parse_faults
from brokers.simulated.feed import SimulatedFeed
from marketdata.records import Record
from tests.brokers.fakes import tick

EUR = FollowedInstrument("EURUSD", "EURUSD", 5)
TEN = [tick(float(number)) for number in range(10)]


def faults(text: str) -> Faults:
    return Faults(parse_faults(text), Random(1).random)


def test_parse_faults_reads_each() -> None:
    found = parse_faults("drop=0.01, duplicate=1,stall=5/60,burst=2/30,disconnect=90")

    assert found == FaultOptions(0.01, 1.0, Window(5, 60), Window(2, 30), 90.0)
    assert parse_faults("") == FaultOptions()


@pytest.mark.parametrize(
    "text",
    [
        "drop",
        "drop=2",
        "drop=nan",
        "duplicate=-1",
        "stall=5",
        "stall=60/5",
        "burst=0/5",
        "burst=1/inf",
        "disconnect=0",
        "rain=1",
    ],
)
def test_parse_faults_of_something_else_raises(text: str) -> None:
    with pytest.raises(InvalidFeedSetting, match="SIMULATED_FAULTS: expected drop="):
        parse_faults(text)


def test_apply_without_faults_gives_the_records() -> None:
    assert faults("").apply(TEN, 0.0) is TEN


def test_apply_drop_leaves_records_out() -> None:
    found = faults("drop=0.3")

    come = [record for _ in range(100) for record in found.apply(TEN, 0.0)]

    assert len(come) == 1_000 - found.counters.dropped
    assert 250 < found.counters.dropped < 350


def test_apply_duplicate_gives_records_twice_in_order() -> None:
    found = faults("duplicate=0.3")

    come = [record for _ in range(100) for record in found.apply(TEN, 0.0)]

    assert len(come) == 1_000 + found.counters.duplicated
    assert 250 < found.counters.duplicated < 350
    bids = [record.bid for record in found.apply(TEN, 0.0)]
    assert bids == sorted(bids)


def test_apply_stall_gives_nothing_for_the_end_of_each_period() -> None:
    found = faults("stall=5/60")

    given = [len(found.apply(TEN, 100.0 + since)) for since in (0, 54, 55, 59, 60, 115)]

    assert given == [10, 10, 0, 0, 10, 0]
    assert found.counters.dropped == 30


def test_apply_burst_gives_all_at_once_when_it_is_over() -> None:
    found = faults("burst=2/30")

    given = [len(found.apply(TEN, since)) for since in (0.0, 28.0, 29.9, 30.0, 31.0)]

    assert given == [10, 0, 0, 30, 10]
    assert found.counters.delayed == 20


async def test_feed_disconnects_and_goes_on_where_it_was() -> None:
    feed = SimulatedFeed(500, 1, faults=parse_faults("disconnect=0.05"))
    feed.follow([EUR])
    records: list[Record] = []

    for _ in range(2):
        with pytest.raises(FeedLost, match="a fault ended the connection"):
            async with asyncio.timeout(60):
                await feed.run(records.extend)

    assert feed.counters.received == len(records) > 20


async def test_feed_that_stalls_counts_nothing() -> None:
    feed = SimulatedFeed(500, 1, faults=parse_faults("stall=0.999999/1"))
    feed.follow([EUR])
    records: list[Record] = []

    task = asyncio.create_task(feed.run(records.extend))
    await asyncio.sleep(0.1)
    task.cancel()

    assert feed.faults.counters.dropped > 10
    assert feed.counters.received == len(records) == 1
