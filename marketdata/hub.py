"""A process's fan-out: one membership per topic, each record encoded once per encoding.

Everything here runs in one event loop and nothing on the way of a record waits. What
comes in a turn of the loop goes out at its end, joined per topic. Sinks are the
outboxes of sessions; a topic's group is joined while it has any.
"""

import asyncio
from collections.abc import Iterable
from functools import partial

import msgspec

from marketdata.catalog import Catalog
from marketdata.delivery import Delivery
from marketdata.demands import ControlLayer
from marketdata.effects import Follow, Position
from marketdata.encodings import Encoding
from marketdata.feed_link import FeedLink
from marketdata.feed_states import FEED_SILENT_S
from marketdata.intake import HubCounters, Intake
from marketdata.lag_histogram import LagHistogram
from marketdata.line import Line
from marketdata.membership import GroupLayer, Membership
from marketdata.ring import MAX_BYTES, Ring, Stretch
from marketdata.sinks import Sink
from marketdata.topics import Topic
from marketdata.wire import Batch

# A client waits this long for its topics' groups. Redis answers in about 1 ms; if it
# is away the client is told so by null positions, and gets data once Redis is back.
JOIN_TIMEOUT_S = 0.3


class HubSettings(msgspec.Struct, frozen=True):
    """How long an unused topic stays joined, how much of one is kept, and so on."""

    grace_s: float = 10.0
    feed_silent_s: float = FEED_SILENT_S
    ring_bytes: int = MAX_BYTES


class Hub:
    """Delivers the records of topics to sinks. Belongs to one event loop.

    ``control`` carries demands to feeds; records come through ``layer``.
    """

    def __init__(
        self,
        layer: GroupLayer,
        catalog: Catalog,
        *,
        control: ControlLayer,
        settings: HubSettings,
    ) -> None:
        self.catalog = catalog
        self._settings = settings
        self._lines: dict[Topic, Line] = {}
        self._delivery = Delivery(layer.defer)
        self._intake = Intake(self._delivery)
        self._membership = Membership(layer)
        self._feeds = FeedLink(
            self._membership,
            self._delivery,
            self._intake,
            control=control,
            silent_s=settings.feed_silent_s,
        )

    @property
    def counters(self) -> HubCounters:
        """What came from feeds."""
        return self._intake.counters

    @property
    def delivered(self) -> int:
        """Frames that were handed to sinks, times the sinks."""
        return self._delivery.delivered

    @property
    def left_out(self) -> int:
        """Records that were not delivered because the process was behind."""
        return self._delivery.left_out

    @property
    def lag(self) -> LagHistogram:
        """How late records went out."""
        return self._delivery.lag

    async def prepare(self, topics: Iterable[Topic]) -> None:
        """Join the groups of topics and learn where they are, or give up soon.

        ``attach`` in the same turn of the loop, else an unused topic is left again.
        """
        lines = [self._line(topic) for topic in topics]
        try:
            groups = [line.group for line in lines]
            if await self._membership.wait_for(groups, timeout_s=JOIN_TIMEOUT_S):
                await self._feeds.wait_for(lines)
        finally:
            for line in lines:
                self._leave_if_unused(line)

    def attach(self, follow: Follow, sink: Sink) -> None:
        """Deliver a topic's records to the sink from now on; twice is once."""
        line = self._line(follow.topic)
        self._delivery.flush(line)
        line.attach(follow, sink)

    def detach(self, topic: Topic, encoding: Encoding, sink: Sink) -> None:
        """Deliver nothing more of the topic to the sink; harmless if it has none."""
        line = self._lines.get(topic)
        if line is not None:
            line.detach(encoding, sink)
            self._leave_if_unused(line)

    def position(self, topic: Topic) -> Position | None:
        """Return where the topic is: its last record that was delivered, if known."""
        line = self._flushed(topic)
        return line.position if line else None

    def snapshot(self, topic: Topic, encoding: Encoding) -> bytes | None:
        """Return the frame of the last record, of a book the last whole one."""
        line = self._flushed(topic)
        return line.snapshot(encoding) if line else None

    def feed_notice(self, topic: Topic, encoding: Encoding) -> bytes | None:
        """Return the frame that tells that the topic's feed is down, None if it is not.

        For a client that joins; those who are there are told when it happens.
        """
        line, notice = self._lines.get(topic), self._feeds.down_notice(topic)
        if line is None or notice is None:
            return None
        return encoding.notice(notice, line.instrument)

    def ring_since(
        self, topic: Topic, encoding: Encoding, position: Position
    ) -> list[Batch] | None:
        """Return what was delivered after a position, None if it is not all here."""
        line = self._flushed(topic)
        return line.since(encoding, position) if line else None

    def has_since(self, topic: Topic, position: Position) -> bool:
        """Return True if the ring has all that was delivered after a position."""
        line = self._flushed(topic)
        head = line.position if line else None
        return bool(line and head and line.ring.has_all(position, head=head))

    def held(self, topic: Topic) -> list[Stretch]:
        """Return all records of the last seconds up to the position, oldest first."""
        line = self._flushed(topic)
        return line.ring.up_to(line.position) if line and line.position else []

    def stored(self, topic: Topic) -> int:
        """Return up to which number of its epoch a topic is stored; 0 if unknown."""
        line = self._lines.get(topic)
        return line.stored if line is not None else 0

    def set_catalog(self, catalog: Catalog) -> None:
        """Use another catalog from now on; followed topics go on without a pause."""
        self.catalog = catalog
        for line in self._lines.values():
            line.instrument = catalog.instruments.get(
                line.topic.symbol, line.instrument
            )

    async def close(self) -> None:
        """Leave all groups and stop; the layers stay open."""
        for line in self._lines.values():
            if line.leave_timer:
                line.leave_timer.cancel()
        self._lines.clear()
        await self._feeds.close()
        await self._membership.close()

    # Membership

    def _line(self, topic: Topic) -> Line:
        line = self._lines.get(topic)
        if line is None:
            instrument = self.catalog.instruments.get(topic.symbol)
            line = Line(topic, instrument, Ring(self._settings.ring_bytes))
            self._lines[topic] = line
            self._feeds.add(line)
            self._membership.join(
                line.group,
                partial(self._intake.receive, line),
                on_joined=partial(self._feeds.ask, topic),
            )
        if line.leave_timer:
            line.leave_timer.cancel()
            line.leave_timer = None
        return line

    def _leave_if_unused(self, line: Line) -> None:
        is_known = self._lines.get(line.topic) is line
        if is_known and not line.is_followed and line.leave_timer is None:
            loop = asyncio.get_running_loop()
            line.leave_timer = loop.call_later(
                self._settings.grace_s, self._leave, line
            )

    def _leave(self, line: Line) -> None:
        del self._lines[line.topic]
        self._membership.leave(line.group)
        self._feeds.remove(line)

    def _flushed(self, topic: Topic) -> Line | None:
        line = self._lines.get(topic)
        if line is not None:
            self._delivery.flush(line)
        return line
