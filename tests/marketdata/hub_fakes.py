"""A channel layer and sinks that record, for tests of the hub."""

import asyncio
import json

from marketdata.layer_messages import (
    Beat,
    Demand,
    Gaps,
    NumberedRecords,
    TopicState,
    beat_group,
    decode_message,
    encode_message,
)
from marketdata.topics import group_name


class NoWay:
    """Leads into no socket: all is delivered to the sink."""

    send = None


class RecordingSink:
    """Keeps what is delivered; takes offers at once while ``is_ready``."""

    def __init__(self) -> None:
        self.way = NoWay()
        self.frames = []
        self.batches = []
        self.skipped = 0
        self.is_ready = True
        self.offers = {}

    def deliver(self, batch):
        self.batches.append(batch)
        self.frames.extend(json.loads(frame) for frame in batch.payloads)

    def offer(self, source):
        self.offers[source] = None
        if self.is_ready:
            self.take_offers()

    def take_offers(self):
        """Take what was offered, as a socket that accepts again."""
        offers, self.offers = self.offers, {}
        for source in offers:
            batch = source.take(self)
            if batch is not None:
                self.deliver(batch)

    @property
    def numbers(self):
        return [frame["seq"] for frame in self.frames if frame["type"] == "data"]

    @property
    def codes(self):
        return [frame["code"] for frame in self.frames if frame["type"] == "status"]


class FakeLayer:
    """Knows who listens; a test sends as a feed, Redis can be away.

    ``states`` answers demands: the state of each topic that has one.
    """

    def __init__(self) -> None:
        self.listeners = {}
        self.demands = []
        self.states = {}
        self.is_away = False
        self.reconnected = 0

    def defer(self, callback):
        asyncio.get_running_loop().call_soon(callback)

    async def listen(self, group, listener):
        await asyncio.sleep(0)
        self._check()
        self.listeners[group] = listener

    async def stop_listening(self, group):
        await asyncio.sleep(0)
        self._check()
        del self.listeners[group]

    async def group_send_many(self, messages):
        await asyncio.sleep(0)
        self._check()
        for group, message in messages:
            demand = decode_message(message)
            assert isinstance(demand, Demand)
            self.demands.append((group, demand))
            for topic in demand.asked:
                if topic in self.states:
                    self.tell(topic, self.states[topic])

    def reconnects(self):
        return self.reconnected

    async def send(self, topic, *records, epoch=7, first=1, stored=0):
        """Send records as a feed; returns when they have been delivered."""
        self.tell(topic, NumberedRecords(epoch, first, records, stored))
        await asyncio.sleep(0)

    def tell(self, topic, content):
        """Send any message on the topic's group."""
        self.listeners[group_name(topic)](encode_message(content))

    def beat(self, broker, *, epoch=7, is_live=True, stored=None, clock_us=0):
        """Send a beat of the broker's feed."""
        beat = Beat(broker, epoch, is_live, stored or {}, clock_us)
        self.listeners[beat_group(broker)](encode_message(beat))

    def miss(self, broker, *gaps, epoch=7):
        """Send gaps as the broker's feed."""
        message = encode_message(Gaps(broker, epoch, gaps))
        self.listeners[beat_group(broker)](message)

    def _check(self):
        if self.is_away:
            raise ConnectionError("away")


def state(epoch=7, head=0, *, stored=0, last=None, is_recorded=True):
    """Return the state of a topic whose feed is live."""
    return TopicState(epoch, head, stored, is_recorded, True, last)
