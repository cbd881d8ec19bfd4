"""What a hub says to the feeds of the brokers that it follows, and hears from them."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from uuid import uuid4

import structlog

from marketdata.codes import StatusCode
from marketdata.delivery import Delivery
from marketdata.demands import ControlLayer, Demands
from marketdata.encodings import Notice
from marketdata.feed_states import FeedStates
from marketdata.intake import Intake
from marketdata.lag import Lag
from marketdata.layer_messages import Beat, Gaps, ToldGap, beat_group
from marketdata.layers import Message
from marketdata.line import Line
from marketdata.membership import Membership
from marketdata.price_basis import is_made_of
from marketdata.topics import Topic

log = structlog.get_logger(__name__)

STATE_TIMEOUT_S = 0.3  # a client waits so long for a feed to say where its topics are


class FeedLink:
    """The lines of a hub by source, and the state of their feeds."""

    def __init__(
        self,
        membership: Membership,
        delivery: Delivery,
        intake: Intake,
        *,
        control: ControlLayer,
        silent_s: float,
    ) -> None:
        self._membership = membership
        self._delivery = delivery
        self._intake = intake
        self._lag = Lag()
        intake.on_missed_book = lambda line: self.ask(line.topic)
        self._reconnects = 0
        self._brokers: dict[str, dict[Topic, Line]] = {}
        self._feeds = FeedStates(silent_s, self._tell_state, self._ask_all)
        self._demands = Demands(control, uuid4().hex, self._followed, self._ask_again)

    def add(self, line: Line) -> None:
        """Listen to the feed of the line's broker."""
        broker = line.topic.source
        if broker not in self._brokers:
            self._brokers[broker] = {}
            self._feeds.watch(broker)
            self._membership.join(beat_group(broker), self._receive_beat)
        self._brokers[broker][line.topic] = line

    def remove(self, line: Line) -> None:
        """Follow the line no more, and tell the feed."""
        broker = line.topic.source
        lines = self._brokers[broker]
        del lines[line.topic]
        if not lines:
            del self._brokers[broker]
            self._feeds.forget(broker)
            self._note_lag(broker, None)
            self._membership.leave(beat_group(broker))
        self._demands.change(broker)

    def ask(self, topic: Topic) -> None:
        """Ask the feed where the topic is; its group has been joined."""
        self._demands.ask(topic)

    async def wait_for(self, lines: Iterable[Line]) -> None:
        """Return when the feeds have said where the lines are, or soon."""
        waits = [
            line.is_answered.wait()
            for line in lines
            if not line.is_answered.is_set()
            and line.position is None
            and self._feeds.reason(line.topic.source) is None
        ]
        if waits:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STATE_TIMEOUT_S):
                    await asyncio.gather(*waits)

    def down_notice(self, topic: Topic) -> Notice | None:
        """Return what to tell of the topic's feed if that is down."""
        reason = self._feeds.reason(topic.source)
        return Notice(StatusCode.FEED_DOWN, topic, reason) if reason else None

    async def close(self) -> None:
        """Stop."""
        self._brokers.clear()
        self._feeds.close()
        await self._demands.close()

    def _followed(self) -> dict[str, list[Topic]]:
        return {broker: list(lines) for broker, lines in self._brokers.items()}

    def _ask_again(self) -> None:
        for lines in self._brokers.values():
            for topic, line in lines.items():
                if not line.is_answered.is_set():
                    self._demands.ask(topic)

    def _ask_all(self, broker: str) -> None:
        for topic in self._brokers.get(broker, ()):
            self._demands.ask(topic)

    def _tell_state(self, broker: str) -> None:
        up = StatusCode.FEED_UP
        for topic, line in self._brokers[broker].items():
            self._delivery.flush(line)
            notice = self.down_notice(topic)
            line.announce(notice or Notice(up, topic, "the feed is back"))
        self._note_lag(broker, None)

    def _tell_gaps(self, told: Gaps) -> None:
        if self._feeds.is_replaced(told.broker, told.epoch):
            return
        for topic, line in self._brokers.get(told.broker, {}).items():
            for gap in told.gaps:
                if gap.symbol == topic.symbol and is_made_of(topic, gap.kind):
                    self._delivery.flush(line)
                    line.announce(_gap_notice(topic, gap))

    def _receive_beat(self, message: Message) -> None:
        beat = self._intake.receive_beat(message)
        if isinstance(beat, Gaps):
            self._tell_gaps(beat)
            return
        if beat is None or not self._feeds.beat(beat):
            return
        self._note_lag(beat.broker, beat)
        for line in self._brokers[beat.broker].values():
            line.note_stored(beat.epoch, beat.stored.get(line.group, 0))
        if self._reconnects != self._membership.reconnects():
            # What was sent while Redis was away never came: learn how much that was.
            self._reconnects = self._membership.reconnects()
            for broker in self._brokers:
                self._ask_all(broker)

    def _note_lag(self, source: str, beat: Beat | None) -> None:
        """Note when a beat came, or that no others are to be expected."""
        is_behind = False
        if beat is None:
            self._lag.forget(source)
        elif beat.clock_us:
            now_us = time.monotonic_ns() // 1_000
            is_behind = self._lag.is_behind(source, beat.epoch, beat.clock_us, now_us)
        if self._delivery.set_behind(source, is_behind):
            log.warning(
                "behind the feed" if is_behind else "caught up with the feed",
                broker=source.partition("~")[0],  # owners appear in no log
                left_out=self._delivery.left_out,
            )


def _gap_notice(topic: Topic, gap: ToldGap) -> Notice:
    return Notice(
        StatusCode.GAP,
        topic,
        f"the broker's records are missing: {gap.reason}",
        from_us=gap.from_us,
        to_us=gap.to_us,
    )
