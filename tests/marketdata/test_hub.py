import asyncio
import json

import pytest
from msgspec import structs

from marketdata import delivery, demands, feed_link
from marketdata import hub as module
from marketdata.effects import Follow, Position
from marketdata.frames.stream import StreamEncoding
from marketdata.frames.stream_names import Event, Form
from marketdata.frames.unified import UNIFIED_ENCODING as UNIFIED
from marketdata.hub import Hub, HubSettings
from marketdata.layer_messages import (
    NumberedRecords,
    ToldGap,
    beat_group,
    demand_group,
)
from marketdata.publisher import Publisher
from marketdata.records import Kind
from marketdata.topics import Topic, group_name, topic_of
from tests.marketdata.hub_fakes import FakeLayer, NoWay, RecordingSink, state
from tests.marketdata.polling import until
from tests.marketdata.samples import BOOK, BTCUSDT, CANDLE, TRADE, catalog, tick

TICKS = Topic(Kind.TICK, "binance", "BTCUSDT")
TRADES = Topic(Kind.TRADE, "binance", "BTCUSDT")
BOOKS = Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")
CANDLES = topic_of(CANDLE)
SETTINGS = HubSettings(grace_s=0.01)


@pytest.fixture
def fake():
    return FakeLayer()


@pytest.fixture
async def hub(fake, monkeypatch):
    monkeypatch.setattr(feed_link, "STATE_TIMEOUT_S", 0.01)
    hub = Hub(fake, catalog("binance"), control=fake, settings=SETTINGS)
    yield hub
    await hub.close()


async def join(hub, topic, sink, encoding=UNIFIED, **options):
    await hub.prepare([topic])
    hub.attach(Follow(topic, encoding, **options), sink)


async def test_records_reach_each_sink_of_the_topic_in_order(hub, fake):
    one, other, trades = RecordingSink(), RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    await join(hub, TICKS, other)
    await join(hub, TRADES, trades)

    await fake.send(TICKS, tick(0), tick(1))
    await fake.send(TRADES, TRADE)
    await fake.send(TICKS, tick(2), first=3)

    assert one.numbers == other.numbers == [1, 2, 3]
    assert trades.numbers == [1]
    assert one.frames[0]["data"]["data"]["bid"] == 42_000.0
    assert hub.delivered == 7


async def test_sink_that_is_attached_twice_gets_one_copy(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    await join(hub, TICKS, sink)

    await fake.send(TICKS, tick(0))

    assert sink.numbers == [1]


async def test_records_of_one_turn_go_out_together_in_one_batch(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    fake.tell(TICKS, NumberedRecords(7, 1, [tick(0), tick(1)]))
    fake.tell(TICKS, NumberedRecords(7, 3, [tick(2)]))
    assert sink.batches == []
    await asyncio.sleep(0)

    assert [batch.count for batch in sink.batches] == [3]
    assert sink.numbers == [1, 2, 3]


async def test_sinks_share_the_bytes_of_a_batch(hub, fake):
    one, other = RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    await join(hub, TICKS, other)

    await fake.send(TICKS, tick(0))

    assert one.batches[0].wire is other.batches[0].wire


async def test_position_is_behind_what_was_pending_and_is_delivered_first(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    fake.tell(TICKS, NumberedRecords(7, 1, [tick(0), tick(1)]))

    assert hub.position(TICKS) == Position(7, 2)
    assert sink.numbers == [1, 2]


async def test_sink_that_attaches_gets_nothing_that_was_pending_before(hub, fake):
    one, other = RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    fake.tell(TICKS, NumberedRecords(7, 1, [tick(0)]))

    hub.attach(Follow(TICKS, UNIFIED), other)
    await fake.send(TICKS, tick(1), first=2)

    assert (one.numbers, other.numbers) == ([1, 2], [2])


async def test_topic_whose_encoding_fails_does_not_stop_the_others(hub, fake):
    class Broken:
        def data(self, record, instrument, **options):
            raise RuntimeError("a defect")

    sink = RecordingSink()
    await join(hub, TICKS, RecordingSink(), Broken())
    await join(hub, TRADES, sink)

    fake.tell(TICKS, NumberedRecords(7, 1, [tick(0)]))
    await fake.send(TRADES, TRADE)

    assert sink.numbers == [1]


async def test_many_topics_leave_room_for_the_rest_of_the_loop(hub, fake, monkeypatch):
    monkeypatch.setattr(delivery, "MAX_TURN_S", -1.0)
    ticks, trades, turns = RecordingSink(), RecordingSink(), []
    await join(hub, TICKS, ticks)
    await join(hub, TRADES, trades)

    fake.tell(TICKS, NumberedRecords(7, 1, [tick(0)]))
    fake.tell(TRADES, NumberedRecords(7, 1, [TRADE]))
    for _ in range(3):
        turns.append((len(ticks.frames), len(trades.frames)))
        await asyncio.sleep(0)

    assert turns == [(0, 0), (1, 0), (1, 1)]


async def test_record_is_encoded_once_per_encoding(hub, fake):
    encoding = _CountingEncoding()
    for _ in range(3):
        await join(hub, TICKS, RecordingSink(), UNIFIED)
        await join(hub, TICKS, _IgnoringSink(), encoding)

    await fake.send(TICKS, tick(0), tick(1))

    assert encoding.numbers == [1, 2]


class _CountingEncoding:
    def __init__(self):
        self.numbers = []

    def data(self, record, instrument, *, number, epoch, **options):
        self.numbers.append(number)
        return b"0"


class _IgnoringSink:
    way = NoWay()

    def deliver(self, frames):
        pass


async def test_detached_sink_gets_nothing_and_others_go_on(hub, fake):
    one, other = RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    await join(hub, TICKS, other)

    hub.detach(TICKS, UNIFIED, one)
    await fake.send(TICKS, tick(0))

    assert (one.numbers, other.numbers) == ([], [1])


async def test_detach_of_what_was_never_attached_is_harmless(hub):
    hub.detach(TICKS, UNIFIED, RecordingSink())


async def test_group_is_left_after_the_grace_and_not_before_the_last_sink(hub, fake):
    one, other = RecordingSink(), RecordingSink()
    await join(hub, TICKS, one)
    await join(hub, TICKS, other)

    hub.detach(TICKS, UNIFIED, one)
    await asyncio.sleep(0.05)
    assert set(fake.listeners) == {group_name(TICKS), beat_group("binance")}
    hub.detach(TICKS, UNIFIED, other)

    await until(lambda: not fake.listeners)


async def test_group_is_kept_if_a_sink_comes_within_the_grace(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    await fake.send(TICKS, tick(0))

    hub.detach(TICKS, UNIFIED, sink)
    await join(hub, TICKS, sink)
    await asyncio.sleep(0.05)
    await fake.send(TICKS, tick(1), first=2)

    assert sink.numbers == [1, 2]


async def test_group_that_was_prepared_and_never_used_is_left(hub, fake):
    await hub.prepare([TICKS])

    await until(lambda: not fake.listeners)


async def test_position_is_that_of_the_last_record(hub, fake):
    await join(hub, TICKS, RecordingSink())
    assert hub.position(TICKS) is None

    await fake.send(TICKS, tick(0), tick(1), epoch=7, first=11)

    assert hub.position(TICKS) == Position(7, 12)


async def test_position_is_unknown_again_after_the_group_was_left(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    await fake.send(TICKS, tick(0))
    hub.detach(TICKS, UNIFIED, sink)
    await until(lambda: not fake.listeners)

    await join(hub, TICKS, sink)

    assert hub.position(TICKS) is None


async def test_lower_epoch_is_ignored_and_counted(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    await fake.send(TICKS, tick(0), epoch=8)
    await fake.send(TICKS, tick(1), tick(2), epoch=7, first=40)

    assert sink.numbers == [1]
    assert hub.counters.stale == 2
    assert hub.position(TICKS) == Position(8, 1)


async def test_higher_epoch_begins_anew(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    await fake.send(TICKS, tick(0), epoch=7, first=40)
    await fake.send(TICKS, tick(1), epoch=8, first=1)

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

    await fake.send(TICKS, tick(0), epoch=7, first=1)
    await fake.send(TICKS, tick(1), epoch=epoch, first=first)

    assert (hub.counters.gaps, hub.counters.lost) == (lost > 0, lost)


async def test_join_in_the_middle_of_an_epoch_is_no_hole(hub, fake):
    await join(hub, TICKS, RecordingSink())

    await fake.send(TICKS, tick(0), first=1_000)

    assert hub.counters.gaps == 0


async def test_repeated_numbers_are_delivered_once(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    await fake.send(TICKS, tick(0), tick(1), first=1)
    await fake.send(TICKS, tick(1), tick(2), first=2)
    await fake.send(TICKS, tick(0), first=1)

    assert sink.numbers == [1, 2, 3]
    assert hub.counters.repeated == 2


async def test_message_that_is_not_ours_is_counted(hub, fake):
    await join(hub, TICKS, RecordingSink())

    fake.listeners[group_name(TICKS)]({"type": "other"})

    assert hub.counters.invalid == 1


async def test_snapshot_is_the_last_record_with_its_number(hub, fake):
    await join(hub, TICKS, RecordingSink())
    assert hub.snapshot(TICKS, UNIFIED) is None

    await fake.send(TICKS, tick(0), tick(1))

    assert hub.snapshot(TICKS, UNIFIED) == UNIFIED.data(
        tick(1), BTCUSDT, number=2, epoch="7", phase="snapshot"
    )


async def test_snapshot_of_a_book_is_the_whole_one_that_it_is_now(hub, fake):
    change = structs.replace(BOOK, is_snapshot=False, bids=((42_000.11, 0.0),))
    await join(hub, BOOKS, RecordingSink())

    await fake.send(BOOKS, BOOK)
    await fake.send(BOOKS, change, change, first=2)

    snapshot = json.loads(hub.snapshot(BOOKS, UNIFIED))
    assert (snapshot["seq"], snapshot["data"]["data"]["snapshot"]) == (3, True)
    assert snapshot["data"]["data"]["bids"] == [[42_000.1, 2.0]]
    assert hub.position(BOOKS) == Position(7, 3)


def partial_depth(levels: int) -> StreamEncoding:
    form = Form(f"depth{levels}", Event.PARTIAL_DEPTH, levels, 100)
    return StreamEncoding(form, is_combined=False)


async def test_partial_depth_is_made_of_changes(hub, fake):
    sink = RecordingSink()
    change = structs.replace(BOOK, is_snapshot=False, bids=((42_000.2, 9.0),))
    options = {"conflate_ms": 20, "whole_books": True}
    await join(hub, BOOKS, sink, partial_depth(2), **options)

    await fake.send(BOOKS, change)
    await fake.send(BOOKS, BOOK, first=2)
    await fake.send(BOOKS, structs.replace(change, last_id=13), first=3)
    await until(lambda: sink.frames and sink.frames[-1]["lastUpdateId"] == 13)

    prices = [[float(price) for price, _ in frame["bids"]] for frame in sink.frames]
    assert prices[-1] == [42_000.2, 42_000.11]
    assert len(sink.frames) <= 2


async def test_book_that_missed_a_change_is_asked_for_and_sent_whole(hub, fake):
    sink = RecordingSink()
    change = structs.replace(BOOK, is_snapshot=False)
    healed = structs.replace(BOOK, last_id=15)
    await join(hub, BOOKS, sink)
    await fake.send(BOOKS, BOOK)

    await fake.send(BOOKS, change, first=4)
    assert hub.snapshot(BOOKS, UNIFIED) is None
    fake.tell(BOOKS, state(7, 4, last=healed))
    await fake.send(BOOKS, change, first=5)

    assert [frame.get("seq") for frame in sink.frames] == [1, None, 4, 4, 5]
    assert sink.frames[1]["code"] == "GAP"
    assert [frame.get("phase") for frame in sink.frames][3] == "snapshot"
    assert hub.snapshot(BOOKS, UNIFIED) is not None


async def test_answer_that_is_older_than_the_book_is_no_news(hub, fake):
    change = structs.replace(BOOK, is_snapshot=False, bids=((42_000.11, 0.0),))
    await join(hub, BOOKS, RecordingSink())
    await fake.send(BOOKS, BOOK, change)

    fake.tell(BOOKS, state(7, 1, last=BOOK))

    snapshot = json.loads(hub.snapshot(BOOKS, UNIFIED))
    assert snapshot["data"]["data"]["bids"] == [[42_000.1, 2.0]]


async def test_new_catalog_changes_frames_of_followed_topics(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    renamed = catalog("binance")
    renamed.instruments["BTCUSDT"] = type(BTCUSDT)(
        "BTCUSDT", "XBT/USDT", BTCUSDT.type, 0, BTCUSDT.brokers
    )

    hub.set_catalog(renamed)
    await fake.send(TICKS, tick(0, bid=1.26, ask=1.26))

    assert sink.frames[0]["symbol"] == "XBT/USDT"
    assert sink.frames[0]["data"]["data"]["bid"] == 1.3


async def test_catalog_without_the_instrument_keeps_followed_topics(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    hub.set_catalog(type(catalog())([], []))
    await fake.send(TICKS, tick(0))

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
    await fake.send(TICKS, tick(0))
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
    layer = make_layer()
    hub = Hub(layer, catalog("binance"), control=layer, settings=SETTINGS)
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


# What feeds say


async def test_first_follower_asks_where_the_topic_is_and_waits_for_it(hub, fake):
    fake.states[TICKS] = state(epoch=7, head=40, stored=38, last=tick(0))

    await hub.prepare([TICKS])

    ((group, demand),) = fake.demands
    assert group == demand_group("binance")
    assert (demand.followed, demand.asked) == ([TICKS], [TICKS])
    assert hub.position(TICKS) == Position(7, 40)
    assert hub.stored(TICKS) == 38
    assert json.loads(hub.snapshot(TICKS, UNIFIED))["seq"] == 40


async def test_demand_names_all_topics_of_the_broker_once_per_turn(hub, fake):
    await hub.prepare([TICKS, TRADES, BOOKS])
    await until(lambda: fake.demands)
    await asyncio.sleep(0.01)

    ((_, demand),) = fake.demands
    assert set(demand.followed) == set(demand.asked) == {TICKS, TRADES, BOOKS}


async def test_demand_no_longer_names_a_topic_that_was_left(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    await join(hub, TRADES, sink)
    fake.demands.clear()

    hub.detach(TICKS, UNIFIED, sink)
    await until(lambda: fake.demands)

    ((_, demand),) = fake.demands
    assert (demand.followed, demand.asked) == ([TRADES], [])


async def test_demand_is_repeated_and_asks_again_what_was_not_answered(
    hub, fake, monkeypatch
):
    monkeypatch.setattr(demands, "REPEAT_S", 0.03)
    fake.states[TICKS] = state(head=1)
    await hub.prepare([TICKS, TRADES])
    hub.attach(Follow(TICKS, UNIFIED), RecordingSink())
    hub.attach(Follow(TRADES, UNIFIED), RecordingSink())

    await until(lambda: len(fake.demands) == 3)

    assert {tuple(demand.asked) for _, demand in fake.demands[1:]} == {(TRADES,)}


async def test_demand_waits_while_redis_is_away(hub, fake, monkeypatch):
    monkeypatch.setattr(demands, "_RETRY_S", 0.01)
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    fake.demands.clear()
    fake.is_away = True
    hub.detach(TICKS, UNIFIED, sink)
    await asyncio.sleep(0.05)

    fake.is_away = False

    await until(lambda: fake.demands)
    assert fake.demands[0][1].followed == []


async def test_records_after_the_state_have_no_hole(hub, fake):
    fake.states[TICKS] = state(epoch=7, head=40)
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    await fake.send(TICKS, tick(0), first=41)

    assert sink.codes == []
    assert hub.counters.gaps == 0


async def test_state_with_a_higher_head_tells_what_was_lost(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    await fake.send(TICKS, tick(0), first=1)

    fake.tell(TICKS, state(epoch=7, head=4, last=tick(3)))
    await fake.send(TICKS, tick(4), first=5)

    gap = sink.frames[1]
    assert (gap["code"], gap["symbol"]) == ("GAP", "BTC/USDT")
    assert (gap["from"], gap["to"]) == (1_704_153_600_123, 1_704_153_600_126)
    assert sink.numbers == [1, 5]
    assert hub.counters.lost == 3


async def test_state_that_is_older_than_the_records_changes_nothing(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    await fake.send(TICKS, tick(5), first=6)

    fake.tell(TICKS, state(epoch=7, head=2, last=tick(1)))
    fake.tell(TICKS, state(epoch=6, head=90, last=tick(1)))

    assert hub.position(TICKS) == Position(7, 6)
    assert json.loads(hub.snapshot(TICKS, UNIFIED))["seq"] == 6
    assert sink.codes == []


async def test_what_is_known_from_before_the_epoch_has_no_number(hub, fake):
    fake.states[TICKS] = state(epoch=7, head=0, last=tick(0))

    await hub.prepare([TICKS])

    assert hub.position(TICKS) == Position(7, 0)
    snapshot = json.loads(hub.snapshot(TICKS, UNIFIED))
    assert ("seq" in snapshot, snapshot["phase"]) == (False, "snapshot")


async def test_gap_comes_before_the_records_that_follow_it(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    await fake.send(TICKS, tick(0), first=1)
    fake.tell(TICKS, NumberedRecords(7, 2, [tick(1)]))
    await fake.send(TICKS, tick(9), first=10)

    assert [frame.get("seq", frame.get("code")) for frame in sink.frames] == [
        *(1, 2, "GAP", 10)
    ]
    gap = sink.frames[2]
    assert gap["from"] == sink.frames[1]["data"]["timestamp"]
    assert gap["to"] == sink.frames[3]["data"]["timestamp"]


async def test_silent_feed_is_told_once_and_so_is_its_return(fake, monkeypatch):
    monkeypatch.setattr(feed_link, "STATE_TIMEOUT_S", 0.01)
    settings = HubSettings(grace_s=0.01, feed_silent_s=0.1)
    hub = Hub(fake, catalog("binance"), control=fake, settings=settings)
    sink, trades = RecordingSink(), RecordingSink()
    await join(hub, TICKS, sink)
    await join(hub, TRADES, trades)

    for _ in range(4):
        fake.beat("binance")
        await asyncio.sleep(0.05)
    assert sink.codes == []
    assert hub.feed_notice(TICKS, UNIFIED) is None
    await until(lambda: sink.codes)
    assert json.loads(hub.feed_notice(TICKS, UNIFIED)) == sink.frames[0]
    await asyncio.sleep(0.15)
    fake.beat("binance")

    assert sink.codes == trades.codes == ["FEED_DOWN", "FEED_UP"]
    assert sink.frames[0]["broker"] == "binance"
    await hub.close()


async def test_feed_without_its_broker_is_down(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    fake.beat("binance", is_live=False)
    fake.beat("binance", is_live=False)
    fake.beat("binance", epoch=6)
    fake.beat("binance")

    assert sink.codes == ["FEED_DOWN", "FEED_UP"]


async def test_gap_of_the_broker_is_told_to_those_whose_records_are_missing(hub, fake):
    sink, candles, books = RecordingSink(), RecordingSink(), RecordingSink()
    await join(hub, TICKS, sink)
    await join(hub, CANDLES, candles, conflate_ms=250)
    await join(hub, BOOKS, books)
    fake.beat("binance")
    gap = ToldGap(Kind.TICK, "BTCUSDT", 1_000_000, 3_500_000, "connection lost")

    fake.tell(TICKS, NumberedRecords(7, 1, [tick(0)]))
    fake.miss("binance", gap)
    fake.miss("binance", gap, epoch=6)
    fake.miss("binance", structs.replace(gap, symbol="ETHUSDT"))

    assert [frame["type"] for frame in sink.frames] == ["data", "status"]
    assert sink.frames[1] == {
        "type": "status",
        "code": "GAP",
        "broker": "binance",
        "symbol": "BTC/USDT",
        "data_type": "tick",
        "from": 1_000,
        "to": 3_500,
        "message": "the broker's records are missing: connection lost",
    }
    assert candles.codes == ["GAP"]
    assert books.codes == []


async def test_feed_that_starts_anew_is_asked_again(hub, fake):
    await join(hub, TICKS, RecordingSink())
    fake.beat("binance", epoch=7)
    await until(lambda: len(fake.demands) == 2)

    fake.beat("binance", epoch=8)

    await until(lambda: len(fake.demands) == 3)
    assert fake.demands[-1][1].asked == [TICKS]


async def test_topics_are_asked_again_after_redis_was_away(hub, fake):
    await join(hub, TICKS, RecordingSink())
    fake.beat("binance")
    await until(lambda: len(fake.demands) == 2)

    fake.reconnected = 1
    fake.beat("binance")

    await until(lambda: len(fake.demands) == 3)
    assert fake.demands[-1][1].asked == [TICKS]


async def test_beats_carry_what_is_stored(hub, fake):
    await join(hub, TICKS, RecordingSink())
    await fake.send(TICKS, tick(0), epoch=7, first=50, stored=12)
    assert hub.stored(TICKS) == 12

    fake.beat("binance", epoch=7, stored={group_name(TICKS): 49})
    assert hub.stored(TICKS) == 49
    await fake.send(TICKS, tick(1), epoch=8, first=1)

    assert hub.stored(TICKS) == 0


async def test_beats_of_a_broker_that_nobody_follows_are_left(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)

    hub.detach(TICKS, UNIFIED, sink)

    await until(lambda: not fake.listeners)


# The ring


async def test_ring_has_what_followed_a_position(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    for start in range(0, 9, 3):
        await fake.send(TICKS, *(tick(start + n) for n in range(3)), first=start + 1)

    found = hub.ring_since(TICKS, UNIFIED, Position(7, 4))

    frames = [frame for batch in found for frame in batch.payloads]
    assert [json.loads(frame)["seq"] for frame in frames] == [5, 6, 7, 8, 9]
    assert found[-1] is sink.batches[-1]
    assert hub.ring_since(TICKS, UNIFIED, Position(7, 9)) == []


@pytest.mark.parametrize("position", [(7, 0), (6, 5), (8, 1)])
async def test_ring_does_not_have_what_it_never_got(hub, fake, position):
    await join(hub, TICKS, RecordingSink())
    await fake.send(TICKS, tick(4), first=5)

    assert hub.ring_since(TICKS, UNIFIED, Position(*position)) is None


async def test_ring_encodes_for_an_encoding_that_nobody_used(hub, fake):
    await join(hub, TICKS, RecordingSink(), UNIFIED)
    await fake.send(TICKS, tick(0), tick(1), first=1)

    (batch,) = hub.ring_since(TICKS, Numbers(), Position(7, 1))

    assert batch.payloads == [b"2"]


class Numbers:
    """Frames that are the number."""

    def data(self, record, instrument, *, number, **options):
        return str(number).encode()


# Conflation; its rules are tested in test_conflation


async def test_conflated_sink_gets_the_newest_and_what_it_missed(hub, fake):
    full, slow = RecordingSink(), RecordingSink()
    await join(hub, TICKS, full)
    await join(hub, TICKS, slow, conflate_ms=20)
    slow.is_ready = False

    for number in range(5):
        await fake.send(TICKS, tick(number), first=number + 1)
    slow.is_ready = True
    slow.take_offers()

    assert full.numbers == [1, 2, 3, 4, 5]
    assert slow.numbers == [5]
    assert (slow.frames[0]["skipped"], slow.skipped) == (4, 4)


async def test_trades_are_never_conflated(hub, fake):
    sink = RecordingSink()
    await join(hub, TRADES, sink, conflate_ms=20)

    await fake.send(TRADES, TRADE, TRADE)

    assert sink.numbers == [1, 2]


async def test_sink_that_attaches_again_goes_on_as_wanted_now(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink)
    await join(hub, TICKS, sink, conflate_ms=1_000)
    await fake.send(TICKS, tick(0), tick(1), first=1)
    assert sink.numbers == [2]

    await join(hub, TICKS, sink)
    await fake.send(TICKS, tick(2), tick(3), first=3)

    assert sink.numbers == [2, 3, 4]
    hub.detach(TICKS, UNIFIED, sink)
    await fake.send(TICKS, tick(4), first=5)
    assert sink.numbers == [2, 3, 4]


async def test_conflated_sink_hears_of_gaps(hub, fake):
    sink = RecordingSink()
    await join(hub, TICKS, sink, conflate_ms=1_000)

    await fake.send(TICKS, tick(0), first=1)
    await fake.send(TICKS, tick(9), first=10)

    assert sink.codes == ["GAP"]


async def test_final_candle_is_not_left_out(hub, fake):
    sink = RecordingSink()
    await join(hub, CANDLES, sink, conflate_ms=1_000)
    final = structs.replace(CANDLE, is_final=True)

    await fake.send(CANDLES, CANDLE, CANDLE, final, CANDLE)

    assert sink.numbers == [2, 3]
