"""A hub that is behind its feeds: when it is, and what it leaves out then."""

import asyncio

import pytest
from msgspec import structs

from marketdata import feed_link
from marketdata.effects import Follow, Position
from marketdata.frames.unified import UNIFIED_ENCODING as UNIFIED
from marketdata.hub import Hub, HubSettings
from marketdata.lag import Lag
from marketdata.layer_messages import NumberedRecords
from marketdata.records import Kind
from marketdata.topics import Topic
from tests.marketdata.hub_fakes import FakeLayer, RecordingSink
from tests.marketdata.samples import TRADE, catalog, tick

TICKS = Topic(Kind.TICK, "binance", "BTCUSDT")
TRADES = Topic(Kind.TRADE, "binance", "BTCUSDT")
S = 1_000_000
NOW_US = 500 * S  # of the hub's clock; the feed's began elsewhere


def behind(beats, broker="binance", epoch=7):
    """Return what is said of each beat, given as (sent, heard)."""
    lag = Lag()
    return [lag.is_behind(broker, epoch, *beat) for beat in beats]


def test_beats_in_time_are_in_time_whatever_the_clocks_say():
    assert behind([(n * S, NOW_US + n * S) for n in range(10)]) == [False] * 10


def test_beat_that_is_more_than_a_second_late_tells_that_the_hub_is_behind():
    beats = [(0, NOW_US), (S, NOW_US + 2 * S), (2 * S, NOW_US + 3 * S + 1)]

    assert behind(beats) == [False, False, True]


def test_beats_that_waited_together_end_in_time():
    late = [(n * S, NOW_US + 5 * S) for n in range(1, 6)]

    assert behind([(0, NOW_US), *late]) == [False, True, True, True, False, False]


def test_clock_that_was_set_is_forgiven_after_a_while():
    beats = [(0, NOW_US)]
    beats += [(n * S, NOW_US + (n + 10) * S) for n in range(1, 122)]

    assert behind(beats) == [False, *[True] * 119, False, False]


def test_each_feed_has_a_clock_of_its_own():
    lag = Lag()
    assert not lag.is_behind("binance", 7, 0, NOW_US)

    assert not lag.is_behind("oanda", 7, 0, NOW_US + 90 * S)
    assert not lag.is_behind("binance", 8, 0, NOW_US + 90 * S)
    lag.forget("binance")
    assert not lag.is_behind("binance", 8, 0, NOW_US + 190 * S)


@pytest.fixture
def fake():
    return FakeLayer()


@pytest.fixture
async def hub(fake, monkeypatch):
    monkeypatch.setattr(feed_link, "STATE_TIMEOUT_S", 0.01)
    hub = Hub(fake, catalog("binance"), control=fake, settings=HubSettings())
    yield hub
    await hub.close()


async def follow(hub, topic, **options):
    sink = RecordingSink()
    await hub.prepare([topic])
    hub.attach(Follow(topic, UNIFIED, **options), sink)
    return sink


def late(fake, by_s, source="binance"):
    """Send a beat that left so long ago, behind one that came at once."""
    now_us = feed_link.time.monotonic_ns() // 1_000
    fake.beat(source, clock_us=now_us)
    fake.beat(source, clock_us=now_us - by_s * S)


async def test_hub_behind_sends_the_newest_tick_and_tells_the_gap(hub, fake):
    sink = await follow(hub, TICKS)
    await fake.send(TICKS, tick(0))

    late(fake, by_s=2)
    fake.tell(TICKS, NumberedRecords(7, 2, [tick(1), tick(2)]))
    await fake.send(TICKS, tick(3), first=4)

    assert (sink.numbers, sink.codes) == ([1, 4], ["GAP"])
    gap = next(frame for frame in sink.frames if frame["type"] == "status")
    assert gap["message"] == "2 records were left out because the server was behind"
    assert gap["from"] == tick(1).time_us // 1_000
    assert gap["to"] == tick(3).time_us // 1_000
    assert hub.position(TICKS) == Position(7, 4)
    assert hub.counters.lost == 0  # on the way to the server


async def test_hub_behind_conflates_who_allows_it(hub, fake):
    sink = await follow(hub, TICKS, conflate_ms=1)

    late(fake, by_s=2)
    await fake.send(TICKS, tick(0), tick(1), tick(2))
    await asyncio.sleep(0.01)

    assert sink.numbers == [3]


async def test_hub_behind_leaves_out_no_trade(hub, fake):
    sink = await follow(hub, TRADES)

    late(fake, by_s=2)
    await fake.send(TRADES, TRADE, TRADE, TRADE)

    assert (sink.numbers, sink.codes) == ([1, 2, 3], [])


@pytest.mark.parametrize("end", ["in time", "silent", "no clock"])
async def test_hub_that_has_caught_up_sends_all(hub, fake, end):
    sink = await follow(hub, TICKS)
    late(fake, by_s=2)

    if end == "in time":
        fake.beat("binance", clock_us=feed_link.time.monotonic_ns() // 1_000)
    elif end == "silent":
        fake.beat("binance", is_live=False)
    else:
        fake.beat("binance")
    await fake.send(TICKS, tick(0), tick(1))

    assert sink.numbers == [1, 2]


async def test_hub_behind_a_private_feed_leaves_out_its_ticks_alone(hub, fake):
    private = structs.replace(TICKS, owner="c1")
    ours, global_ones = await follow(hub, private), await follow(hub, TICKS)

    late(fake, by_s=2, source=private.source)
    await fake.send(private, tick(0), tick(1))
    await fake.send(TICKS, tick(0), tick(1))

    assert ours.numbers == [2]
    assert global_ones.numbers == [1, 2]


async def test_hub_behind_a_global_feed_leaves_out_no_private_tick(hub, fake):
    private = structs.replace(TICKS, owner="c1")
    ours, _ = await follow(hub, private), await follow(hub, TICKS)

    late(fake, by_s=2)
    await fake.send(private, tick(0), tick(1))

    assert ours.numbers == [1, 2]
