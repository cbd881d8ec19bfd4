"""A feed's talk with hubs over the real Redis: demand, answers, expiry."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.conf import settings
from msgspec import structs

from brokers import hub_link as module
from brokers.demand import Change
from brokers.hub_link import HubLink, Layers
from marketdata.layer_messages import (
    Beat,
    Demand,
    NumberedRecords,
    TopicState,
    beat_group,
    decode_message,
    demand_group,
    encode_message,
)
from marketdata.layers import MarketDataChannelLayer
from marketdata.publisher import Publisher
from marketdata.records import Kind
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic, group_name
from tests.brokers.fakes import tick
from tests.marketdata.polling import until

TICKS = Topic(Kind.TICK, "fake", "EURUSD")
BOOKS = Topic(Kind.ORDERBOOK, "fake", "EURUSD")
CANDLES = Topic(Kind.CANDLE, "fake", "EURUSD", Timeframe.M1, PriceSide.MID)
UNRECORDED = Topic(Kind.TICK, "fake", "GBPUSD")


class Facts:
    is_live = True

    def is_recorded(self, symbol: str) -> bool:
        return symbol == "EURUSD"


class FakeComputed:
    """Is ready when told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.waiting: dict[Topic, Callable[[], None]] = {}

    def change(self, change: Change) -> None:
        self.changes.append(change)

    def when_ready(self, topic: Topic, do: Callable[[], None]) -> None:
        if topic.kind is Kind.CANDLE:
            self.waiting[topic] = do
        else:
            do()

    async def run(self) -> None:
        await asyncio.Event().wait()


class Rig:
    """A link of a feed, and a hub's ears and voice."""

    def __init__(self, make_layer: Any) -> None:
        self.data: MarketDataChannelLayer = make_layer()
        keys = {"symmetric_encryption_keys": ["key"]}
        self.control: MarketDataChannelLayer = make_layer("-control", **keys)
        self.hub_control: MarketDataChannelLayer = make_layer("-control", **keys)
        self.publisher = Publisher(self.data, 7)
        self.computed = FakeComputed()
        self.facts = Facts()
        self.changes: list[Change] = []
        self.heard: list[Any] = []
        self.task: asyncio.Task[None] | None = None

    async def start(self, **options: float) -> None:
        link = HubLink(
            "fake",
            self.publisher,
            Layers(self.data, self.control),
            computed=self.computed,
            **options,
        )
        link.on_change = self.changes.append
        self.task = asyncio.create_task(link.run(self.facts))
        group = demand_group("fake")
        await until(lambda: group in str(self.control._get_layer().listeners))
        await self.control.listen(group, link._hear)  # returns once confirmed

    async def hear(self, *topics: Topic) -> None:
        for topic in topics:
            await self.data.listen(
                group_name(topic), lambda item: self.heard.append(decode_message(item))
            )

    async def say(self, followed: list[Topic], asked: list[Topic] = ()) -> None:
        demand = encode_message(Demand("hub", followed, asked))
        await self.hub_control.group_send(demand_group("fake"), demand)


@pytest.fixture
async def rig(make_layer: Any) -> AsyncIterator[Rig]:
    """A link on the real Redis, not yet started."""
    rig = Rig(make_layer)
    yield rig
    if rig.task is not None:
        rig.task.cancel()
        await asyncio.gather(rig.task, return_exceptions=True)
    await rig.publisher.drain()


async def test_asked_topic_is_answered_between_its_records(rig: Rig) -> None:
    await rig.start()
    await rig.hear(TICKS)
    rig.publisher.publish([tick(1.0), tick(2.0)])
    await rig.say([TICKS], asked=[TICKS])
    await until(lambda: any(isinstance(item, TopicState) for item in rig.heard))
    rig.publisher.publish([tick(3.0)])
    await until(lambda: len(rig.heard) == 3)

    before, state, after = rig.heard
    assert isinstance(before, NumberedRecords)
    assert state == TopicState(7, 2, 0, True, True, tick(2.0))
    assert (after.first, after.records) == (3, [tick(3.0)])


async def test_answer_tells_what_is_stored_of_a_kind(rig: Rig) -> None:
    rig.facts.is_live = False
    await rig.start()
    await rig.hear(TICKS, UNRECORDED, BOOKS)

    await rig.say([], asked=[TICKS, UNRECORDED, BOOKS])
    await until(lambda: len(rig.heard) == 3)

    assert [item.is_recorded for item in rig.heard] == [True, False, False]
    assert not any(item.is_live for item in rig.heard)


async def test_topics_of_other_brokers_are_not_answered(rig: Rig) -> None:
    other = Topic(Kind.TICK, "other", "EURUSD")
    await rig.start()
    await rig.hear(other, TICKS)

    await rig.say([other, TICKS], asked=[other, TICKS])
    await until(lambda: rig.heard)

    assert rig.changes == [Change(added=(TICKS,))]
    assert len(rig.heard) == 1


async def test_computed_topic_is_answered_when_it_is_ready(rig: Rig) -> None:
    await rig.start()
    await rig.hear(CANDLES, TICKS)

    await rig.say([CANDLES, TICKS], asked=[CANDLES, TICKS])
    await until(lambda: len(rig.heard) == 1)
    assert rig.computed.changes == rig.changes
    assert set(rig.changes[0].added) == {CANDLES, TICKS}
    rig.computed.waiting[CANDLES]()

    await until(lambda: len(rig.heard) == 2)
    assert rig.heard[1].is_recorded


async def test_hub_that_fell_silent_is_forgotten(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXPIRE_EVERY_S", 0.01)
    await rig.start(expiry_s=0.2)

    await rig.say([TICKS])
    await until(lambda: len(rig.changes) == 2)

    assert rig.changes == [Change(added=(TICKS,)), Change(removed=(TICKS,))]


async def test_beats_tell_what_is_followed_and_stored(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.publisher.stored_numbers = {group_name(TICKS): 4, group_name(BOOKS): 9}
    beats: list[Beat] = []
    await rig.start()
    await rig.data.listen(
        beat_group("fake"), lambda item: beats.append(decode_message(item))
    )

    await rig.say([TICKS])
    await until(lambda: any(beat.stored for beat in beats))

    beat = structs.replace(beats[-1], clock_us=0)
    assert beat == Beat("fake", 7, True, {group_name(TICKS): 4})


async def test_no_beat_is_sent_before_hubs_are_heard(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    may_listen = asyncio.Event()
    listen = rig.control.listen

    async def listen_late(*arguments: Any) -> None:
        await may_listen.wait()
        await listen(*arguments)

    monkeypatch.setattr(rig.control, "listen", listen_late)
    await rig.data.listen(beat_group("fake"), heard.append)
    link = HubLink("fake", rig.publisher, Layers(rig.data, rig.control))
    rig.task = asyncio.create_task(link.run(rig.facts))
    await asyncio.sleep(0.1)
    await rig.data.group_send(beat_group("fake"), {"type": "marker"})
    await until(lambda: heard)
    may_listen.set()
    await until(lambda: len(heard) > 1)

    assert heard[0]["type"] == "marker"


async def test_what_is_no_demand_is_ignored(rig: Rig) -> None:
    await rig.start()
    await rig.hear(TICKS)
    group = demand_group("fake")
    for message in ({"type": "x"}, encode_message(Beat("fake", 1, True))):
        await rig.hub_control.group_send(group, message)

    await rig.say([TICKS], asked=[TICKS])
    await until(lambda: rig.heard)


async def test_demand_that_is_not_encrypted_with_our_key_is_ignored(
    rig: Rig, make_layer: Any
) -> None:
    await rig.start()
    await rig.hear(TICKS)
    demand = encode_message(Demand("hub", [BOOKS], [BOOKS]))
    for keys in (None, ["another key"]):
        stranger = make_layer("-control", symmetric_encryption_keys=keys)
        await stranger.group_send(demand_group("fake"), demand)

    await rig.say([TICKS], asked=[TICKS])
    await until(lambda: rig.heard)

    assert rig.changes == [Change(added=(TICKS,))]


def test_control_layer_is_encrypted_with_the_secret_key() -> None:
    control = settings.CHANNEL_LAYERS["control"]

    assert control["BACKEND"] == settings.CHANNEL_LAYERS["default"]["BACKEND"]
    assert control["CONFIG"]["symmetric_encryption_keys"] == [settings.SECRET_KEY]
