import asyncio
import json

import pytest
from msgspec import structs

from marketdata.conflation import Conflator, Numbered, is_conflatable
from marketdata.wire import Batch
from tests.marketdata.hub_fakes import RecordingSink
from tests.marketdata.polling import until
from tests.marketdata.samples import BOOK, CANDLE, FOREIGN, TICK, TICKER, TRADE
from tests.marketdata.virtual_loop import virtual

CHANGE = structs.replace(BOOK, is_snapshot=False)
FINAL = structs.replace(CANDLE, is_final=True)
INTERVAL_S = 0.05


class Frames:
    """Counts how often it encodes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, item, skipped):
        self.count += 1
        frame = {"type": "data", "seq": item.number, "skipped": skipped}
        return json.dumps(frame).encode()


@pytest.fixture
def frames():
    return Frames()


@pytest.fixture
async def conflator(frames):
    return Conflator(INTERVAL_S, frames, 0)


def numbered(*numbers, record=TICK):
    return [Numbered(record, number, "7", number) for number in numbers]


def seen(sink):
    return [(frame["seq"], frame["skipped"]) for frame in sink.frames]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (TICK, True),
        (TICKER, True),
        (BOOK, True),
        (CANDLE, True),
        (CHANGE, False),
        (FINAL, False),
        (TRADE, False),
        (FOREIGN, False),
    ],
)
def test_records_that_the_next_one_replaces_are_conflatable(record, expected):
    assert is_conflatable(record) is expected


async def test_first_record_leaves_at_once(conflator):
    sink = RecordingSink()
    conflator.add(sink)

    conflator.put(numbered(1))

    assert seen(sink) == [(1, 0)]


async def test_within_the_interval_only_the_newest_is_kept(conflator):
    sink = RecordingSink()
    conflator.add(sink)

    for number in range(1, 6):
        conflator.put(numbered(number))
    assert seen(sink) == [(1, 0)]
    await until(lambda: len(sink.frames) == 2)

    assert seen(sink) == [(1, 0), (5, 3)]
    assert sink.skipped == 3


async def test_frames_are_at_least_an_interval_apart(conflator):
    sink, times = RecordingSink(), []
    loop = asyncio.get_running_loop()
    deliver = sink.deliver
    sink.deliver = lambda batch: (times.append(loop.time()), deliver(batch))
    conflator.add(sink)

    for number in range(1, 120):
        conflator.put(numbered(number))
        await asyncio.sleep(0.002)
    await until(lambda: sink.frames[-1]["seq"] == 119)

    gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert min(gaps) >= INTERVAL_S - 0.002
    assert sum(skipped + 1 for _, skipped in seen(sink)) == 119


async def test_record_after_a_quiet_time_leaves_at_once(conflator):
    sink = RecordingSink()
    conflator.add(sink)
    conflator.put(numbered(1))
    await asyncio.sleep(2.5 * INTERVAL_S)

    conflator.put(numbered(2))

    assert seen(sink) == [(1, 0), (2, 0)]


async def test_full_socket_gets_what_is_newest_when_it_accepts(conflator, frames):
    sink = RecordingSink()
    sink.is_ready = False
    conflator.add(sink)

    for number in range(1, 8):
        conflator.put(numbered(number))
        await asyncio.sleep(INTERVAL_S / 3)
    assert frames.count == 0
    sink.take_offers()

    assert seen(sink) == [(7, 6)]


@virtual
async def test_socket_that_took_its_frame_late_waits_an_interval(frames):
    conflator = Conflator(INTERVAL_S, frames, 0)
    sink, other = RecordingSink(), RecordingSink()
    conflator.add(sink)
    conflator.add(other)
    sink.is_ready = False
    conflator.put(numbered(1))
    await asyncio.sleep(0.8 * INTERVAL_S)

    sink.is_ready = True
    sink.take_offers()
    conflator.put(numbered(2))
    await until(lambda: len(other.frames) == 2)

    assert seen(sink) == [(1, 0)]
    await until(lambda: seen(sink) == [(1, 0), (2, 0)])


async def test_frame_is_encoded_once_per_number_of_skipped(conflator, frames):
    sinks = [RecordingSink() for _ in range(5)]
    for sink in sinks:
        conflator.add(sink)
    sinks[0].is_ready = False

    conflator.put(numbered(1))
    conflator.put(numbered(2))
    await until(lambda: len(sinks[1].frames) == 2)
    sinks[0].take_offers()

    assert [seen(sink)[-1] for sink in sinks] == [(2, 1), *[(2, 0)] * 4]
    assert frames.count == 3
    assert sinks[1].batches[1] is sinks[4].batches[1]


async def test_sink_that_comes_later_has_skipped_nothing(conflator):
    one, other = RecordingSink(), RecordingSink()
    conflator.add(one)
    conflator.put(numbered(1, 2, 3))

    conflator.add(other)
    conflator.put(numbered(4))
    await until(lambda: other.frames)

    assert seen(other) == [(4, 0)]


async def test_change_of_a_book_comes_behind_the_whole_one_that_waited(conflator):
    sink = RecordingSink()
    conflator.add(sink)
    books = numbered(1, 2, 3, record=BOOK)

    conflator.put(books[:1])
    conflator.put(books[1:])
    conflator.put(numbered(4, 5, record=CHANGE))

    assert seen(sink) == [(1, 0), (3, 1), (4, 0), (5, 0)]
    assert sink.skipped == 1


async def test_changes_go_to_full_sockets_too_in_order(conflator):
    sink = RecordingSink()
    sink.is_ready = False
    conflator.add(sink)

    conflator.put(numbered(1, 2, record=BOOK) + numbered(3, record=CHANGE))
    sink.take_offers()

    assert seen(sink) == [(2, 1), (3, 0)]


async def test_notice_comes_behind_what_waited(conflator):
    sink = RecordingSink()
    conflator.add(sink)
    conflator.put(numbered(1))
    conflator.put(numbered(2))

    conflator.announce(Batch((b'{"seq":"notice","skipped":0}',)))

    assert seen(sink) == [(1, 0), (2, 0), ("notice", 0)]


async def test_removed_sink_takes_nothing_although_it_was_offered(conflator):
    sink = RecordingSink()
    sink.is_ready = False
    conflator.add(sink)
    conflator.put(numbered(1))

    assert conflator.remove(sink)
    assert not conflator.remove(sink)
    sink.take_offers()

    assert sink.frames == []


async def test_record_that_is_nothing_to_the_encoding_is_left_out():
    conflator = Conflator(INTERVAL_S, lambda item, skipped: None, 0)
    sink = RecordingSink()
    conflator.add(sink)

    conflator.put(numbered(1))

    assert sink.batches == []
