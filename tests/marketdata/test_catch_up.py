"""What one session gets that starts in the past; joins at random: test_resume_joins."""

import asyncio
import functools

import pytest

from marketdata import record_catch_up
from marketdata.candle_catch_up import SETTLE_US
from marketdata.effects import Follow, Resume
from marketdata.frames.unified import UNIFIED_ENCODING as UNIFIED
from marketdata.numbering import EPOCH_ORIGIN_S, epoch_text, pack
from marketdata.past import Past
from marketdata.stored_records import Span
from marketdata.topics import Topic, group_name, topic_of
from tests.marketdata.resume_world import TICKS, Client, World
from tests.marketdata.samples import CANDLE, NOW_US, tick
from tests.marketdata.virtual_loop import run_virtual

DAY_MS = 86_400_000


def in_world(**options):
    """Run a test with a world of its own, on a clock of its own."""

    def decorate(test):
        @functools.wraps(test)
        def run():
            async def main():
                world = World(**options)
                beats = asyncio.create_task(beat(world))
                try:
                    await test(world)
                finally:
                    beats.cancel()
                    await world.close()

            run_virtual(main())

        del run.__wrapped__  # pytest would take its parameter for a fixture
        return run

    return decorate


async def beat(world):
    while True:
        await asyncio.sleep(1)
        world.beat()


async def joined(world, since, *, since_days=7, **options):
    client = Client(world, since, **options)
    await client.join(since_days=since_days)
    await world.settle([client])
    return client


def positions(epoch, first, last):
    return [(epoch, number) for number in range(first, last + 1)]


# From the ring


@in_world()
async def test_start_inside_the_ring_sends_at_once_and_asks_nothing(world):
    other = await joined(world, world.resume)
    world.publish(3)
    await asyncio.sleep(0)
    client = Client(world, Resume(epoch_text(100), 1))
    await world.hub.prepare([TICKS])

    client.catch_ups.start(client.follow, since_days=7)

    assert client.positions == positions(100, 2, 3)
    assert not client.is_catching_up
    world.publish()
    await asyncio.sleep(0)
    assert client.positions == other.positions[1:] == positions(100, 2, 4)
    assert world.store.queries == []
    assert all("phase" not in frame for frame in client.data)


@in_world()
async def test_start_at_the_head_of_a_quiet_market_sends_and_waits_for_nothing(world):
    world.publish(3)

    client = Client(world, world.resume)
    await client.join()

    assert not client.is_catching_up
    assert client.port.frames == []


@in_world(ring_bytes=4 << 20)
async def test_start_with_more_in_the_ring_than_the_socket_takes_keeps_the_order(world):
    await joined(world, world.resume)
    for _ in range(40):
        world.publish(50)
        await asyncio.sleep(0)

    client = Client(world, Resume(epoch_text(100), 0), bytes_per_s=500_000)
    await client.join()
    world.publish()
    await world.settle([client])

    assert client.positions == positions(100, 1, 2_001)
    assert not client.has_overflown


@in_world()
async def test_start_with_a_record_that_this_process_has_not_got_yet_waits(world):
    await joined(world, world.resume)
    client = Client(world, Resume(epoch_text(100), 2))
    await client.join()
    await asyncio.sleep(0.3)

    world.publish(3)
    await world.settle([client])

    assert client.positions == positions(100, 3, 3)
    assert client.codes == []


# From the store


@in_world()
async def test_start_before_the_ring_reads_the_store_then_the_ring_then_live(world):
    world.publish(5)
    world.flush()
    client = Client(world, Resume(epoch_text(100), 2))
    await client.join()
    world.publish()
    await world.settle([client])
    world.publish()
    await asyncio.sleep(0)

    assert client.positions == positions(100, 3, 7)
    phases = [frame.get("phase") for frame in client.data]
    assert phases == ["history"] * 3 + [None] * 2
    assert client.codes == []


@in_world()
async def test_start_waits_for_what_is_not_stored_yet(world):
    world.publish(5)
    client = Client(world, Resume(epoch_text(100), 2))
    await client.join()
    await asyncio.sleep(3)
    assert client.data == []

    world.flush()
    world.beat()
    await world.settle([client])

    assert client.positions == positions(100, 3, 5)


@in_world()
async def test_start_by_time_begins_with_that_moment(world):
    for _ in range(5):
        world.publish()
        await asyncio.sleep(1)
    world.flush()

    client = await joined(world, (NOW_US + 2_000_000) // 1_000)

    assert client.positions == positions(100, 3, 5)


@in_world()
async def test_start_by_time_leaves_out_older_records_of_the_ring(world):
    await joined(world, world.resume)
    world.publish()
    world.flush()
    for _ in range(4):
        await asyncio.sleep(1)
        world.publish()
    since_ms = world.now_us() // 1_000 - 1_500

    client = await joined(world, since_ms)

    assert client.positions == positions(100, 4, 5)


@in_world()
async def test_start_across_a_restart_of_the_feed_gets_both_epochs(world):
    world.publish(5)
    world.stop_feed()
    world.start_feed()
    world.publish(3)
    world.flush()

    client = await joined(world, Resume(epoch_text(100), 4))

    assert client.positions == [(100, 5), *positions(world.epoch, 1, 3)]


@in_world()
async def test_imported_rows_come_in_order_of_time_without_numbers(world):
    world.publish()
    await asyncio.sleep(2)
    world.publish()
    world.import_rows(NOW_US - 1_000_000, NOW_US + 1_000_000)
    world.flush()

    by_time = await joined(world, NOW_US // 1_000 - 5_000)
    by_number = await joined(world, Resume(epoch_text(100), 1))

    assert by_time.seqs == [None, pack(100, 1), None, pack(100, 2)]
    assert by_number.seqs == [None, pack(100, 2)]
    imported = by_number.data[0]
    assert "epoch" not in imported
    assert imported["phase"] == "history"


@in_world()
async def test_record_with_an_earlier_time_than_the_last_one_is_not_lost(world):
    world.publish()
    world.publish()
    late = tick(3, time_us=NOW_US - 30_000_000)
    world.number = 3
    world.buffer.append((late, pack(100, 3)))
    world.flush()

    client = await joined(world, Resume(epoch_text(100), 2))

    assert client.positions == positions(100, 3, 3)


@in_world(ring_bytes=100)
async def test_feed_that_stopped_is_waited_for_no_longer_than_its_rows_need(world):
    await joined(world, world.resume)
    world.beat()
    world.publish(2)
    world.flush()
    world.is_up = False  # and tells no more that the rows are stored
    await asyncio.sleep(5)  # until it counts as down
    started_s = asyncio.get_running_loop().time()

    client = Client(world, Resume(epoch_text(100), 1))
    await client.join()
    await world.settle([client])

    assert client.positions == positions(100, 2, 2)
    assert asyncio.get_running_loop().time() - started_s < 2.0
    assert "PARTIAL_HISTORY" not in client.codes


@in_world()
async def test_without_a_feed_the_stored_comes_and_live_follows_once_there_is_one(
    world,
):
    world.publish(4)
    world.stop_feed()
    client = Client(world, Resume(epoch_text(100), 1))
    await client.join()
    await asyncio.sleep(20)
    assert client.positions == positions(100, 2, 4)

    world.start_feed()
    world.publish(2)
    world.answer(TICKS)
    await asyncio.sleep(0.5)
    world.publish()
    world.flush()
    world.beat()
    await world.settle([client])

    assert client.positions[3:] == positions(world.epoch, 1, 3)
    assert "GAP" not in client.codes


@in_world()
async def test_client_that_got_no_record_yet_resumes_from_number_0(world):
    world.epoch = NOW_US // 1_000_000 - EPOCH_ORIGIN_S
    world.publish(3)
    world.flush()

    client = await joined(world, Resume(epoch_text(world.epoch), 0))

    assert client.positions == positions(world.epoch, 1, 3)
    assert client.codes == []


@in_world()
async def test_stored_number_of_another_epoch_says_nothing_of_this_one(world):
    await joined(world, world.resume)
    world.publish(8)

    world.layer.beat("binance", epoch=101, stored={group_name(TICKS): 5})

    assert world.hub.position(TICKS) == (100, 8)
    assert world.hub.stored(TICKS) == 0


@in_world()
async def test_what_the_client_has_is_not_sent_again_once_it_is_stored(world):
    world.publish(5)
    world.flush(3)
    world.is_up = False  # nobody says where the topic is
    client = Client(world, Resume(epoch_text(100), 5))
    await client.join()
    await asyncio.sleep(1)

    world.is_up = True
    world.publish()
    world.flush()
    world.answer(TICKS)
    await world.settle([client])

    assert client.positions == [(100, 6)]


# Less than was asked for


@in_world()
async def test_more_than_the_plan_allows_is_cut_and_said_first(world):
    world.import_rows(NOW_US - 3 * DAY_MS * 1_000, NOW_US - 1_000_000)
    world.publish()
    world.flush()

    client = await joined(world, NOW_US // 1_000 - 4 * DAY_MS, since_days=1)

    assert client.port.frames[0]["code"] == "PARTIAL_HISTORY"
    assert client.notices[0]["from"] == NOW_US // 1_000 - DAY_MS
    assert client.notices[0]["message"] == "the plan allows 1 days"
    assert client.seqs == [None, pack(100, 1)]


@in_world()
async def test_more_than_is_stored_says_where_the_store_begins(world):
    world.publish()
    world.flush()

    client = await joined(world, NOW_US // 1_000 - 60_000)

    assert client.notices[0]["from"] == NOW_US // 1_000
    assert client.notices[0]["message"] == "nothing older is stored"
    assert client.positions == [(100, 1)]


@pytest.mark.parametrize("epoch", ["zz", "0", "?", "zzzzzzzzz"])
def test_unknown_epoch_gets_what_the_ring_has(epoch):
    @in_world()
    async def run(world):
        await joined(world, world.resume)
        world.publish(2)
        world.flush()
        world.beat()

        client = await joined(world, Resume(epoch, 7))

        assert client.codes == ["PARTIAL_HISTORY"]
        assert client.notices[0]["from"] == NOW_US // 1_000 + 1_000
        assert "epoch is unknown" in client.notices[0]["message"]
        assert client.positions == positions(100, 1, 2)

    run()


@in_world()
async def test_unknown_epoch_with_a_time_gets_what_is_stored_since(world):
    for _ in range(3):
        world.publish()
        await asyncio.sleep(1)
    world.flush()

    client = await joined(world, Resume("2", 7, NOW_US // 1_000 + 1_000))

    assert client.codes == ["PARTIAL_HISTORY"]
    assert client.positions == positions(100, 2, 3)


@in_world()
async def test_store_that_is_away_leaves_the_ring(world):
    await joined(world, world.resume)
    world.publish(2)
    world.store.is_away = True

    client = await joined(world, NOW_US // 1_000 - 1_000)
    world.publish()
    await asyncio.sleep(0)

    assert [frame["type"] for frame in client.port.frames] == ["status", *["data"] * 3]
    assert client.notices[0]["message"] == "the store cannot be read"
    assert client.positions == positions(100, 1, 3)


@in_world()
async def test_records_that_are_not_stored_in_time_are_waited_for_5_s(world):
    world.publish(2)
    client = Client(world, Resume(epoch_text(100), 0))
    await client.join()
    await asyncio.sleep(4.9)
    assert client.port.frames == []

    await asyncio.sleep(0.5)
    world.publish()
    await asyncio.sleep(0)

    assert client.codes == ["PARTIAL_HISTORY"]
    assert client.notices[0]["message"] == "the newest records are not stored yet"
    assert client.positions == [(100, 3)]


@in_world(ring_bytes=2_000)
async def test_what_is_stored_comes_even_if_the_newest_is_not(world):
    await joined(world, world.resume)
    for count in (3, 30):
        world.publish(count)
        await asyncio.sleep(0.1)
    world.flush(10)
    world.beat()
    started_s = asyncio.get_running_loop().time()

    client = await joined(world, Resume(epoch_text(100), 2))

    assert client.positions[:8] == positions(100, 3, 10)
    assert client.codes == ["PARTIAL_HISTORY"]
    assert asyncio.get_running_loop().time() - started_s < 7.5


@in_world()
async def test_topic_that_is_not_recorded_leaves_the_ring_without_waiting(world):
    topic = Topic(TICKS.kind, "oanda", "EURUSD")
    client = Client(world, NOW_US // 1_000)
    await world.hub.prepare([topic])

    client.catch_ups.start(Follow(topic, UNIFIED, since=1), since_days=7)
    await asyncio.sleep(0.01)

    assert client.codes == ["PARTIAL_HISTORY"]
    assert client.notices[0]["message"] == "the topic is not stored"
    assert not client.catch_ups.is_running(topic, UNIFIED)


@in_world()
async def test_numbers_that_no_row_has_are_told(world):
    world.publish(5)
    del world.buffer[2:4]
    world.flush()

    client = await joined(world, Resume(epoch_text(100), 1))

    assert client.positions == [(100, 2), (100, 5)]
    assert client.codes == ["GAP"]
    assert client.notices[0]["message"] == "2 records of this time are not stored"


# The session


@in_world()
async def test_slow_reader_has_a_page_or_two_in_its_outbox_and_no_more(world):
    world.publish(5_000)
    world.flush()
    client = Client(world, Resume(epoch_text(100), 1), bytes_per_s=200_000)
    await client.join()
    most = 0
    while client.is_catching_up:
        await asyncio.sleep(0.1)
        most = max(most, client.outbox.queued_bytes)
    await asyncio.sleep(2)

    assert client.positions == positions(100, 2, 5_000)
    assert 0 < most <= record_catch_up.PAGE_ROWS * 300


@in_world()
async def test_live_records_of_other_topics_and_notices_pass_meanwhile(world):
    world.publish(3)
    client = Client(world, Resume(epoch_text(100), 0))
    await client.join()
    world.layer.beat("binance", epoch=100, is_live=False)

    assert client.codes == ["FEED_DOWN"]
    assert client.data == []


@in_world()
async def test_stop_sends_nothing_more_and_leaves_the_topic(world):
    world.publish(3)
    client = Client(world, Resume(epoch_text(100), 0))
    await client.join()

    client.catch_ups.stop(TICKS, UNIFIED)
    world.flush()
    world.beat()
    await asyncio.sleep(2)

    assert client.port.frames == []
    assert world.layer.listeners == {}


@in_world()
async def test_start_again_begins_anew_and_ends_what_was_attached(world):
    world.publish(3)
    world.flush()
    client = await joined(world, Resume(epoch_text(100), 1))

    client.catch_ups.start(client.follow, since_days=7)
    world.publish()
    await asyncio.sleep(0)
    client.catch_ups.start(client.follow, since_days=7)
    world.flush()
    await world.settle([client])

    assert client.positions == [*positions(100, 2, 3), *positions(100, 2, 4)]


@in_world()
async def test_hole_in_the_live_records_is_filled_from_the_store(world):
    world.publish()
    await joined(world, world.resume)
    tell, world.tell = world.tell, lambda content: None
    world.publish(2)
    world.tell = tell
    client = Client(world, Resume(epoch_text(99), 1))
    world.published.append((pack(99, 1), 0))
    world.import_rows(NOW_US - 1)
    world.store.add(tick(1, time_us=NOW_US - 2), pack(99, 1))
    await client.join()
    world.publish()
    await asyncio.sleep(0)
    world.flush()
    await world.settle([client])

    assert client.seqs == [None, *(pack(100, number) for number in range(1, 5))]
    assert client.codes == []


@in_world()
async def test_clients_that_lack_the_same_share_its_queries(world):
    world.publish(1_200)
    world.flush()
    clients = [Client(world, Resume(epoch_text(100), 1)) for _ in range(50)]
    for client in clients:
        await client.join()
    await world.settle(clients)

    assert all(client.positions == positions(100, 2, 1_200) for client in clients)
    assert world.store.queries == ["span", "find", *["page"] * 3]
    one, other = (client.port for client in clients[:2])
    assert one.batches[0] is other.batches[0]


@in_world()
async def test_conflated_session_gets_all_of_the_past_then_the_newest(world):
    world.publish(3)
    world.flush()

    client = await joined(world, Resume(epoch_text(100), 1), conflate_ms=250)
    for _ in range(3):
        world.publish()
    await asyncio.sleep(1)

    assert client.positions == [*positions(100, 2, 3), (100, 6)]
    assert client.data[-1]["skipped"] == 2


@in_world()
async def test_defect_in_a_catch_up_leaves_live_records(world):
    async def fail(topic):
        raise ZeroDivisionError

    world.publish()
    world.flush()
    world.store.span = fail
    client = await joined(world, Resume(epoch_text(100), 0))
    world.publish()
    await asyncio.sleep(0)

    assert client.codes == ["PARTIAL_HISTORY"]
    assert client.positions == [(100, 2)]


# Candles

MINUTE_US = 60_000_000
CANDLES = topic_of(CANDLE)


class CandleStore:
    """Candles of each minute since a time; those not settled yet lack something."""

    def __init__(self, now_us):
        self.now_us = now_us
        self.asked = []

    async def span(self, topic):
        return Span(CANDLE.time_us - 100 * MINUTE_US, self.now_us())

    async def candles(self, topic, start_us, end_us, *, limit):
        self.asked.append((start_us, end_us))
        found = []
        for time_us in range(start_us + -start_us % MINUTE_US, end_us + 1, MINUTE_US):
            is_whole = self.now_us() >= time_us + MINUTE_US + SETTLE_US - 10
            fields = {name: getattr(CANDLE, name) for name in CANDLE.__struct_fields__}
            changes = {"time_us": time_us, "ticks": is_whole, "is_final": True}
            found.append(type(CANDLE)(**(fields | changes)))
        return found[:limit]


@pytest.mark.parametrize("second", [0.5, 30.0, 59.9])
def test_candles_come_up_to_the_open_one_each_whole(second):
    @in_world()
    async def run(world):
        store = CandleStore(world.now_us)
        world.past = Past(store)
        await asyncio.sleep(second)
        client = Client(world, None)
        since_ms = (CANDLE.time_us - 10 * MINUTE_US) // 1_000
        await world.hub.prepare([CANDLES])

        follow = Follow(CANDLES, UNIFIED, since=since_ms)
        client.catch_ups.start(follow, since_days=7)
        await asyncio.sleep(3)

        open_us = CANDLES.timeframe.floor_us(world.now_us())
        candles = [frame["data"] for frame in client.data]
        assert [item["timestamp"] for item in candles] == list(
            range(since_ms, open_us // 1_000, 60_000)
        )
        assert all(item["data"]["ticks"] for item in candles)
        assert not client.catch_ups.is_running(CANDLES, UNIFIED)
        assert client.codes == []

    run()
