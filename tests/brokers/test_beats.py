"""Beats: a sign of life with what was stored meanwhile."""

import asyncio
import time

import pytest
from msgspec import structs
from redis.exceptions import ConnectionError as RedisConnectionError

from brokers import beats as module
from brokers.beats import Beats
from marketdata.layer_messages import Beat, decode_message
from marketdata.publisher import Publisher
from marketdata.records import Kind
from marketdata.topics import Topic, group_name
from tests.marketdata.polling import until

EUR = Topic(Kind.TICK, "oanda", "EURUSD")
GROUP = group_name(EUR)


class BeatLayer:
    """Keeps the beats that are sent; fails as often as it is told first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sent: list[tuple[str, Beat]] = []

    async def group_send_many(self, messages) -> None:
        if self.failures:
            self.failures -= 1
            raise RedisConnectionError("away")
        self.sent += [(group, decode_message(item)) for group, item in messages]


def beats_of(layer: BeatLayer, stored: dict[str, int]) -> Beats:
    return Beats("oanda", Publisher(layer, 7, stored_numbers=stored), layer)


def test_next_beat_tells_only_stored_numbers_that_changed() -> None:
    stored = {GROUP: 5, "md.tick.oanda.GBPUSD": 9}
    beats = beats_of(BeatLayer(), stored)

    assert beats.next_beat([GROUP], is_live=True) == Beat("oanda", 7, True, {GROUP: 5})
    assert beats.next_beat([GROUP], is_live=False) == Beat("oanda", 7, False, {})
    stored[GROUP] = 6
    assert beats.next_beat([GROUP], is_live=True).stored == {GROUP: 6}


def test_next_beat_tells_the_number_again_to_who_follows_again() -> None:
    beats = beats_of(BeatLayer(), {GROUP: 5})
    beats.next_beat([GROUP], is_live=True)
    beats.next_beat([], is_live=True)

    assert beats.next_beat([GROUP], is_live=True).stored == {GROUP: 5}


def test_next_beat_of_a_topic_without_stored_records_says_nothing() -> None:
    assert beats_of(BeatLayer(), {}).next_beat([GROUP], is_live=True).stored == {}


def test_beats_come_each_second() -> None:
    assert module.BEAT_S == 1.0


async def test_run_sends_beats_and_tells_again_what_did_not_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.005)
    layer = BeatLayer(failures=2)
    beats = beats_of(layer, {GROUP: 5})

    running = asyncio.create_task(beats.run(lambda: True, lambda: [EUR]))
    await until(lambda: len(layer.sent) >= 3)
    running.cancel()

    assert [group for group, _ in layer.sent[:2]] == ["md.beat.oanda"] * 2
    first, second = (beat for _, beat in layer.sent[:2])
    assert structs.replace(first, clock_us=0) == Beat("oanda", 7, True, {GROUP: 5})
    assert structs.replace(second, clock_us=0) == Beat("oanda", 7, True, {})
    assert 0 < first.clock_us < second.clock_us < time.monotonic_ns() // 1_000
