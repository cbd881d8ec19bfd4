import asyncio

import msgspec
from redis.exceptions import ConnectionError as RedisConnectionError

from marketdata import publisher as module
from marketdata.layer_messages import TopicState, decode_message
from marketdata.publisher import Publisher
from marketdata.records import Kind
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic
from tests.marketdata.polling import until
from tests.marketdata.samples import BOOK, CANDLE, TRADE, tick


class RecordingLayer:
    """Keeps what is sent; fails as often as it is told first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.flushes = []

    async def group_send_many(self, messages):
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise RedisConnectionError("away")
        self.flushes.append([(group, decode_message(item)) for group, item in messages])

    def numbers(self, group):
        return [
            number
            for flush in self.flushes
            for name, batch in flush
            if name == group
            for number in range(batch.first, batch.first + len(batch.records))
        ]


async def test_publish_numbers_each_topic_from_one():
    publisher = Publisher(RecordingLayer(), epoch=7)

    numbers = publisher.publish([tick(0), TRADE, tick(1), BOOK, CANDLE, tick(2)])

    assert numbers == [1, 1, 2, 1, 1, 3]
    await publisher.drain()


async def test_publish_sends_one_message_per_topic_and_turn():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.publish([tick(0), TRADE])
    publisher.publish([tick(1)])
    await publisher.drain()

    assert len(layer.flushes) == 1
    (ticks_group, ticks), (trades_group, trades) = layer.flushes[0]
    assert ticks_group == "md.tick.binance.BTCUSDT"
    assert (ticks.epoch, ticks.first, ticks.records) == (7, 1, [tick(0), tick(1)])
    assert trades_group == "md.trade.binance.BTCUSDT"
    assert (trades.epoch, trades.first, trades.records) == (7, 1, [TRADE])


async def test_publish_nothing_sends_nothing():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    assert publisher.publish([]) == []
    assert await publisher.drain()
    assert layer.flushes == []


async def test_many_records_are_split_and_stay_in_order():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.publish([tick(n) for n in range(1_200)])
    await publisher.drain()

    sizes = [len(batch.records) for flush in layer.flushes for _, batch in flush]
    assert sizes == [500, 500, 200]
    assert layer.numbers("md.tick.binance.BTCUSDT") == list(range(1, 1_201))
    assert publisher.counters.published == 1_200


async def test_failed_flush_is_repeated_without_a_hole(monkeypatch):
    monkeypatch.setattr(module, "RETRY_MIN_S", 0.001)
    layer = RecordingLayer(failures=3)
    publisher = Publisher(layer, epoch=7)

    publisher.publish([tick(0), tick(1)])
    await until(lambda: publisher.counters.failed_flushes >= 1)
    publisher.publish([tick(2)])
    assert await publisher.drain()

    assert layer.numbers("md.tick.binance.BTCUSDT") == [1, 2, 3]
    assert publisher.counters.failed_flushes == 3


async def test_full_topic_drops_its_oldest_and_spends_their_numbers(monkeypatch):
    monkeypatch.setattr(module, "MAX_PENDING_PER_TOPIC", 3)
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.publish([TRADE, *(tick(n) for n in range(5))])
    await publisher.drain()

    assert layer.numbers("md.tick.binance.BTCUSDT") == [3, 4, 5]
    assert layer.numbers("md.trade.binance.BTCUSDT") == [1]
    assert publisher.counters.dropped == 2


async def test_full_publisher_drops_the_oldest_of_the_topic_at_hand(monkeypatch):
    monkeypatch.setattr(module, "MAX_PENDING", 4)
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.publish([TRADE, BOOK, *(tick(n) for n in range(4))])
    await publisher.drain()

    assert layer.numbers("md.tick.binance.BTCUSDT") == [3, 4]
    assert publisher.counters.records == 6
    assert publisher.counters.published == 4
    assert publisher.counters.dropped == 2


async def test_records_dropped_on_their_way_are_not_forgotten_twice(monkeypatch):
    monkeypatch.setattr(module, "MAX_PENDING_PER_TOPIC", 2)
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.publish([tick(0), tick(1)])
    await asyncio.sleep(0)  # the flush has begun and waits in the layer
    publisher.publish([tick(2)])
    await publisher.drain()

    assert layer.numbers("md.tick.binance.BTCUSDT") == [1, 2, 3]


async def test_drain_gives_up_after_the_time():
    publisher = Publisher(RecordingLayer(failures=1_000), epoch=7)

    publisher.publish([tick()])

    assert not await publisher.drain(timeout_s=0.05)


def states(layer, group="md.tick.binance.BTCUSDT"):
    """Return the flushes' messages of the group: records' numbers, or the state."""
    return [
        batch
        if isinstance(batch, TopicState)
        else [*range(batch.first, batch.first + len(batch.records))]
        for flush in layer.flushes
        for name, batch in flush
        if name == group
    ]


TICKS = Topic(Kind.TICK, "binance", "BTCUSDT")
BOOKS = Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")
CANDLES = Topic(Kind.CANDLE, "binance", "BTCUSDT", Timeframe.M1, PriceSide.MID)


async def test_announce_follows_what_waits_and_precedes_what_comes():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7, stored_numbers={"md.tick.binance.BTCUSDT": 1})

    publisher.publish([tick(0), tick(1)])
    publisher.announce(TICKS, is_recorded=True, is_live=True)
    await until(lambda: layer.flushes)
    publisher.publish([tick(2)])
    await publisher.drain()

    assert states(layer) == [[1, 2], TopicState(7, 2, 1, True, True, tick(1)), [3]]


async def test_announce_in_the_turn_of_records_counts_those_behind_it_too():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.announce(TICKS, is_recorded=True, is_live=False)
    publisher.publish([tick(0)])
    await publisher.drain()

    assert states(layer) == [[1], TopicState(7, 1, 0, True, False, tick(0))]


async def test_announce_of_a_topic_without_records_tells_what_was_known_before():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.announce(TICKS, is_recorded=False, is_live=True, last=tick(5))
    await publisher.drain()

    assert states(layer) == [TopicState(7, 0, 0, False, True, tick(5))]


async def test_announce_behind_many_records_comes_after_the_last():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.publish([tick(n) for n in range(700)])
    publisher.announce(TICKS, is_recorded=True, is_live=True)
    await publisher.drain()

    first, second, state = states(layer)
    assert (len(first), len(second)) == (500, 200)
    assert (state.head, state.last) == (700, tick(699))


async def test_announce_while_redis_is_away_is_sent_once_with_the_numbers_of_then(
    monkeypatch,
):
    monkeypatch.setattr(module, "RETRY_MIN_S", 0.001)
    layer = RecordingLayer(failures=1_000)
    publisher = Publisher(layer, epoch=7)

    publisher.announce(TICKS, is_recorded=True, is_live=True)
    await until(lambda: publisher.counters.failed_flushes)
    publisher.publish([tick(0)])
    layer.failures = 1
    assert await publisher.drain()

    assert states(layer) == [[1], TopicState(7, 1, 0, True, True, tick(0))]


async def test_announce_during_a_flush_is_answered_again():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    publisher.announce(TICKS, is_recorded=True, is_live=True)
    await asyncio.sleep(0)  # the flush has begun and waits in the layer
    publisher.announce(TICKS, is_recorded=True, is_live=True)
    await publisher.drain()

    assert len(states(layer)) == 2


async def test_announce_of_books_tells_the_whole_one_that_it_is_now():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)
    change = msgspec.structs.replace(BOOK, is_snapshot=False, asks=((1e6, 1.0),))
    now = msgspec.structs.replace(BOOK, asks=(*BOOK.asks, (1e6, 1.0)), first_id=None)

    publisher.publish([BOOK, change])
    publisher.announce(BOOKS, is_recorded=False, is_live=True)
    await publisher.drain()

    state = states(layer, "md.orderbook.binance.BTCUSDT")[-1]
    assert (state.head, state.last) == (2, now)
    assert publisher.last(BOOKS) == now


async def test_last_is_the_newest_record_of_the_topic():
    publisher = Publisher(RecordingLayer(), epoch=7)

    publisher.publish([CANDLE, TRADE, msgspec.structs.replace(CANDLE, rev=1)])

    assert publisher.last(CANDLES) == msgspec.structs.replace(CANDLE, rev=1)
    assert publisher.last(TICKS) is None
    await publisher.drain()


async def test_every_batch_carries_the_stored_number_of_its_moment():
    stored = {}
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7, stored_numbers=stored)

    publisher.publish([tick(0)])
    await until(lambda: layer.flushes)
    stored["md.tick.binance.BTCUSDT"] = 1
    publisher.publish([tick(1)])
    await publisher.drain()

    assert [flush[0][1].stored for flush in layer.flushes] == [0, 1]


async def test_before_send_is_called_before_records_leave():
    layer = RecordingLayer()
    seen = []
    publisher = Publisher(
        layer, epoch=7, before_send=lambda: seen.append(len(layer.flushes))
    )

    publisher.publish([tick(0)])
    assert seen == []
    await publisher.drain()

    assert seen == [0]
    assert len(layer.flushes) == 1


async def test_topics_that_were_only_asked_for_are_not_kept():
    layer = RecordingLayer()
    publisher = Publisher(layer, epoch=7)

    for number in range(100):
        topic = Topic(Kind.FOREIGN, "redis", f"trade@{number}")
        publisher.announce(topic, is_recorded=False, is_live=True)
    publisher.announce(TICKS, is_recorded=True, is_live=True)
    publisher.publish([tick(0)])
    await publisher.drain()

    assert sum(len(flush) for flush in layer.flushes) == 102
    assert len(publisher._lines) == 1
    assert publisher.publish([tick(1)]) == [2]
    await publisher.drain()
