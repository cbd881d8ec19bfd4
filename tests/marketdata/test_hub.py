import asyncio
import json

import pytest

from marketdata import hub as module
from marketdata.effects import Position
from marketdata.frames.unified import UNIFIED_ENCODING as UNIFIED
from marketdata.hub import Hub
from marketdata.layer_messages import NumberedRecords, encode_message
from marketdata.publisher import Publisher
from marketdata.records import Kind
from marketdata.topics import Topic, group_name
from tests.marketdata.polling import until
from tests.marketdata.samples import BOOK, BTCUSDT, TRADE, catalog, tick

TICKS = Topic(Kind.TICK, "binance", "BTCUSDT")
TRADES = Topic(Kind.TRADE, "binance", "BTCUSDT")
BOOKS = Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")


class RecordingSink:
    """Keeps what is delivered."""

    def __init__(self) -> None:
        self.frames = []

    def deliver(self, frames):
        self.frames.extend(json.loads(frame) for frame in frames)

    @property
    def numbers(self):
        return [frame["seq"] for frame in self.frames]


class FakeLayer:
    """Knows who listens; a test sends through `send`, Redis can be away."""

    def __init__(self) -> None:
        self.listeners = {}
        self.is_away = False

    async def listen(self, group, listener):
        await asyncio.sleep(0)
        if self.is_away:
            raise ConnectionError("away")
        self.listeners[group] = listener

    async def stop_listening(self, group):
        await asyncio.sleep(0)
        if self.is_away:
            raise ConnectionError("away")
        del self.listeners[group]

    def send(self, topic, *records, epoch=7, first=1):
        batch = NumberedRecords(epoch, first, records)
        self.listeners[group_name(topic)](encode_message(batch))


@pytest.fixture
def fake():
    return FakeLayer()


@pytest.fixture
async def hub(fake):
    hub = Hub(fake, catalog("binance"), grace_s=0.01)
    yield hub
    await hub.close()


async def join(hub, topic, sink, encoding=UNIFIED):
    await hub.prepare([topic])
    hub.attach(topic, encoding, sink)


async def test_records_reach_each_sink_of_the_topic_in_order(hub, fake):
    one, other, trades = RecordingSink(), RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    await join(hub, TICKS, other)
    await join(hub, TRADES, trades)

    fake.send(TICKS, tick(0), tick(1))
    fake.send(TRADES, TRADE)
    fake.send(TICKS, tick(2), first=3)

    assert one.numbers == other.numbers == [1, 2, 3]
    assert trades.numbers == [1]
    assert one.frames[0]["data"]["data"]["bid"] == 42_000.0
    assert hub.counters.delivered == 7


async def test_sink_that_is_attached_twice_gets_one_copy(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    await join(hub, TICKS, sink)

    fake.send(TICKS, tick(0))

    assert sink.numbers == [1]


async def test_record_is_encoded_once_per_encoding(hub, fake):
    encoding = _CountingEncoding()
    for _ in range(3):
        await join(hub, TICKS, RecordingSink(), UNIFIED)
        await join(hub, TICKS, _IgnoringSink(), encoding)

    fake.send(TICKS, tick(0), tick(1))

    assert encoding.numbers == [1, 2]


class _CountingEncoding:
    def __init__(self):
        self.numbers = []

    def data(self, record, instrument, *, number, epoch, **options):
        self.numbers.append(number)
        return b"0"


class _IgnoringSink:
    def deliver(self, frames):
        pass


async def test_detached_sink_gets_nothing_and_others_go_on(hub, fake):
    one, other = RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    await join(hub, TICKS, other)

    hub.detach(TICKS, UNIFIED, one)
    fake.send(TICKS, tick(0))

    assert (one.numbers, other.numbers) == ([], [1])


async def test_detach_of_what_was_never_attached_is_harmless(hub):
    hub.detach(TICKS, UNIFIED, RecordingSink())


async def test_group_is_left_after_the_grace_and_not_before_the_last_sink(hub, fake):
    one, other = RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    await join(hub, TICKS, other)

    hub.detach(TICKS, UNIFIED, one)
    await asyncio.sleep(0.05)
    assert list(fake.listeners) == [group_name(TICKS)]
    hub.detach(TICKS, UNIFIED, other)

    await until(lambda: not fake.listeners)


async def test_group_is_kept_if_a_sink_comes_within_the_grace(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    fake.send(TICKS, tick(0))

    hub.detach(TICKS, UNIFIED, sink)
    await join(hub, TICKS, sink)
    await asyncio.sleep(0.05)
    fake.send(TICKS, tick(1), first=2)

    assert sink.numbers == [1, 2]


async def test_group_that_was_prepared_and_never_used_is_left(hub, fake):
    await hub.prepare([TICKS])

    await until(lambda: not fake.listeners)


async def test_position_is_that_of_the_last_record(hub, fake):
    await join(hub, TICKS, RecordingSink())
    assert hub.position(TICKS) is None

    fake.send(TICKS, tick(0), tick(1), epoch=7, first=11)

    assert hub.position(TICKS) == Position(7, 12)


async def test_position_is_unknown_again_after_the_group_was_left(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    fake.send(TICKS, tick(0))
    hub.detach(TICKS, UNIFIED, sink)
    await until(lambda: not fake.listeners)

    await join(hub, TICKS, sink)

    assert hub.position(TICKS) is None


async def test_lower_epoch_is_ignored_and_counted(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    fake.send(TICKS, tick(0), epoch=8)
    fake.send(TICKS, tick(1), tick(2), epoch=7, first=40)

    assert sink.numbers == [1]
    assert hub.counters.stale == 2
    assert hub.position(TICKS) == Position(8, 1)


async def test_higher_epoch_begins_anew(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    fake.send(TICKS, tick(0), epoch=7, first=40)
    fake.send(TICKS, tick(1), epoch=8, first=1)

    assert [(frame["epoch"], frame["seq"]) for frame in sink.frames] == [
        ("7", 40),
        ("8", 1),
    ]
    assert hub.counters.gaps == 0


@pytest.mark.parametrize(
    ("epoch", "first", "lost"), [(7, 5, 3), (7, 2, 0), (8, 1, 0), (8, 4, 3)]
)
async def test_holes_in_the_numbers_are_counted(hub, fake, epoch, first, lost):
    await join(hub, TICKS, RecordingSink())

    fake.send(TICKS, tick(0), epoch=7, first=1)
    fake.send(TICKS, tick(1), epoch=epoch, first=first)

    assert (hub.counters.gaps, hub.counters.lost) == (lost > 0, lost)


async def test_join_in_the_middle_of_an_epoch_is_no_hole(hub, fake):
    await join(hub, TICKS, RecordingSink())

    fake.send(TICKS, tick(0), first=1_000)

    assert hub.counters.gaps == 0


async def test_repeated_numbers_are_delivered_once(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    fake.send(TICKS, tick(0), tick(1), first=1)
    fake.send(TICKS, tick(1), tick(2), first=2)
    fake.send(TICKS, tick(0), first=1)

    assert sink.numbers == [1, 2, 3]
    assert hub.counters.repeated == 2


async def test_message_that_is_not_ours_is_counted(hub, fake):
    await join(hub, TICKS, RecordingSink())

    fake.listeners[group_name(TICKS)]({"type": "other"})

    assert hub.counters.invalid == 1


async def test_snapshot_is_the_last_record_with_its_number(hub, fake):
    await join(hub, TICKS, RecordingSink())
    assert hub.snapshot(TICKS, UNIFIED) is None

    fake.send(TICKS, tick(0), tick(1))

    assert hub.snapshot(TICKS, UNIFIED) == UNIFIED.data(
        tick(1), BTCUSDT, number=2, epoch="7", phase="snapshot"
    )


async def test_snapshot_of_a_book_is_a_whole_book_only(hub, fake):
    change = type(BOOK)(
        **{name: getattr(BOOK, name) for name in BOOK.__struct_fields__}
        | {"is_snapshot": False}
    )
    await join(hub, BOOKS, RecordingSink())

    fake.send(BOOKS, BOOK)
    assert json.loads(hub.snapshot(BOOKS, UNIFIED))["seq"] == 1
    fake.send(BOOKS, change, first=2)

    assert hub.snapshot(BOOKS, UNIFIED) is None


async def test_new_catalog_changes_frames_of_followed_topics(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    renamed = catalog("binance")
    renamed.instruments["BTCUSDT"] = type(BTCUSDT)(
        "BTCUSDT", "XBT/USDT", BTCUSDT.type, 0, BTCUSDT.brokers
    )

    hub.set_catalog(renamed)
    fake.send(TICKS, tick(0, bid=1.26, ask=1.26))

    assert sink.frames[0]["symbol"] == "XBT/USDT"
    assert sink.frames[0]["data"]["data"]["bid"] == 1.3


async def test_catalog_without_the_instrument_keeps_followed_topics(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    hub.set_catalog(type(catalog())([], []))
    fake.send(TICKS, tick(0))

    assert sink.frames[0]["symbol"] == "BTC/USDT"


async def test_prepare_returns_while_redis_is_away_and_data_come_later(
    hub, fake, monkeypatch
):
    monkeypatch.setattr(module, "JOIN_TIMEOUT_S", 0.02)
    fake.is_away = True
    sink = RecordingSink()

    await join(hub, TICKS, sink)
    assert not fake.listeners
    fake.is_away = False

    await until(lambda: fake.listeners)
    fake.send(TICKS, tick(0))
    assert sink.numbers == [1]


async def test_group_is_left_although_redis_was_away(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    fake.is_away = True
    hub.detach(TICKS, UNIFIED, sink)
    await asyncio.sleep(0.05)

    fake.is_away = False

    await until(lambda: not fake.listeners)


async def test_two_thousand_ticks_go_through_redis_in_order(make_layer, redis, prefix):
    hub = Hub(make_layer(), catalog("binance"), grace_s=0.01)
    publisher = Publisher(make_layer(), epoch=7)
    one, other = RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    await join(hub, TICKS, other)

    for start in range(0, 2_000, 7):
        publisher.publish([tick(n) for n in range(start, min(start + 7, 2_000))])
        await asyncio.sleep(0)
    await publisher.drain()

    await until(lambda: len(other.frames) == 2_000)
    assert one.numbers == other.numbers == list(range(1, 2_001))
    assert hub.counters.gaps == 0
    name = f"{prefix}__group__{group_name(TICKS)}"
    assert await redis.pubsub_numsub(name) == [(name.encode(), 1)]
    await hub.close()
    assert await redis.pubsub_numsub(name) == [(name.encode(), 0)]
