"""A process's fan-out: one membership per topic, each record encoded once per encoding.

Everything here runs in one event loop and nothing on the way of a record waits. Sinks
are the outboxes of sessions; a topic's group is joined while it has any.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from marketdata.catalog import Catalog, Instrument
from marketdata.effects import Position
from marketdata.encodings import Encoding
from marketdata.exceptions import InvalidLayerMessage
from marketdata.layer_messages import NumberedRecords, decode_message
from marketdata.layers import Message
from marketdata.membership import GroupLayer, Membership
from marketdata.numbering import epoch_text
from marketdata.records import OrderBook, Record
from marketdata.topics import Topic, group_name

# A client waits this long for its topics' groups. Redis answers in about 1 ms; if it
# is away the client is told so by null positions, and gets data once Redis is back.
JOIN_TIMEOUT_S = 0.3


class Sink(Protocol):
    """Where frames go; called on the hot path, so it must not block or raise."""

    def deliver(self, frames: Sequence[bytes]) -> None:
        """Take frames of one topic, in order."""


class HubCounters(msgspec.Struct):
    """Messages and records in, frames out, and what was wrong with the numbers.

    ``lost`` counts the records that ``gaps`` holes held; ``stale`` those of a lower
    epoch than known, ``repeated`` those with a number that was delivered before.
    """

    messages: int = 0
    records: int = 0
    delivered: int = 0
    invalid: int = 0
    gaps: int = 0
    lost: int = 0
    stale: int = 0
    repeated: int = 0


class _Line:
    """One topic in this process: who follows it, and where it is."""

    __slots__ = (
        "epoch",
        "epoch_text",
        "instrument",
        "last",
        "leave_timer",
        "number",
        "sinks",
        "topic",
    )

    def __init__(self, topic: Topic, instrument: Instrument | None) -> None:
        self.topic = topic
        self.instrument = instrument
        self.sinks: dict[Encoding, dict[Sink, None]] = {}
        self.epoch = 0
        self.epoch_text = ""
        self.number = 0
        self.last: Record | None = None
        self.leave_timer: asyncio.TimerHandle | None = None


class Hub:
    """Delivers the records of topics to sinks. Belongs to one event loop."""

    def __init__(self, layer: GroupLayer, catalog: Catalog, *, grace_s: float) -> None:
        self.catalog = catalog
        self.counters = HubCounters()
        self._grace_s = grace_s
        self._lines: dict[Topic, _Line] = {}
        self._membership = Membership(layer)

    async def prepare(self, topics: Iterable[Topic]) -> None:
        """Join the groups of topics; returns when Redis has confirmed, or too late.

        ``attach`` in the same turn of the loop, else an unused topic is left again.
        """
        lines = [self._line(topic) for topic in topics]
        groups = [group_name(line.topic) for line in lines]
        try:
            await self._membership.wait_for(groups, timeout_s=JOIN_TIMEOUT_S)
        finally:
            for line in lines:
                self._leave_if_unused(line)

    def attach(self, topic: Topic, encoding: Encoding, sink: Sink) -> None:
        """Deliver the topic's records to the sink from now on; twice is once."""
        line = self._line(topic)
        line.sinks.setdefault(encoding, {})[sink] = None
        self._keep(line)

    def detach(self, topic: Topic, encoding: Encoding, sink: Sink) -> None:
        """Deliver nothing more of the topic to the sink; harmless if it has none."""
        line = self._lines.get(topic)
        if line is None or encoding not in line.sinks:
            return
        line.sinks[encoding].pop(sink, None)
        if not line.sinks[encoding]:
            del line.sinks[encoding]
        self._leave_if_unused(line)

    def position(self, topic: Topic) -> Position | None:
        """Return where the topic is; None before the first record since the join."""
        line = self._lines.get(topic)
        if line is None or line.last is None:
            return None
        return Position(line.epoch, line.number)

    def snapshot(self, topic: Topic, encoding: Encoding) -> bytes | None:
        """Return the frame of the last record; None if unknown or only a change."""
        line = self._lines.get(topic)
        if line is None or line.last is None:
            return None
        if isinstance(line.last, OrderBook) and not line.last.is_snapshot:
            return None
        return encoding.data(
            line.last,
            line.instrument,
            number=line.number,
            epoch=line.epoch_text,
            phase="snapshot",
        )

    def set_catalog(self, catalog: Catalog) -> None:
        """Use another catalog from now on; followed topics go on without a pause."""
        self.catalog = catalog
        for line in self._lines.values():
            line.instrument = catalog.instruments.get(
                line.topic.symbol, line.instrument
            )

    async def close(self) -> None:
        """Leave all groups and stop; the layer stays open."""
        for line in self._lines.values():
            if line.leave_timer:
                line.leave_timer.cancel()
        self._lines.clear()
        await self._membership.close()

    # Membership

    def _line(self, topic: Topic) -> _Line:
        line = self._lines.get(topic)
        if line is None:
            line = _Line(topic, self.catalog.instruments.get(topic.symbol))
            self._lines[topic] = line
            self._membership.join(
                group_name(topic), lambda message: self._receive(line, message)
            )
        self._keep(line)
        return line

    def _keep(self, line: _Line) -> None:
        if line.leave_timer:
            line.leave_timer.cancel()
            line.leave_timer = None

    def _leave_if_unused(self, line: _Line) -> None:
        if not line.sinks and line.leave_timer is None:
            loop = asyncio.get_running_loop()
            line.leave_timer = loop.call_later(self._grace_s, self._leave, line)

    def _leave(self, line: _Line) -> None:
        del self._lines[line.topic]
        self._membership.leave(group_name(line.topic))

    # Records

    def _receive(self, line: _Line, message: Message) -> None:
        self.counters.messages += 1
        try:
            batch = decode_message(message)
        except InvalidLayerMessage:
            self.counters.invalid += 1
            return
        if not isinstance(batch, NumberedRecords):
            return
        records = self._new_records(line, batch)
        if records:
            self._deliver(line, records)

    def _new_records(self, line: _Line, batch: NumberedRecords) -> Sequence[Record]:
        """Advance the line and return what it has not delivered yet."""
        records, first = batch.records, batch.first
        self.counters.records += len(records)
        if batch.epoch < line.epoch:
            self.counters.stale += len(records)
            return ()
        if batch.epoch > line.epoch:
            expected = 1 if line.epoch else first
            line.epoch, line.epoch_text = batch.epoch, epoch_text(batch.epoch)
        else:
            expected = line.number + 1
        if first < expected:
            self.counters.repeated += min(expected - first, len(records))
            records, first = records[expected - first :], expected
        elif first > expected:
            self.counters.gaps += 1
            self.counters.lost += first - expected
        if records:
            line.number = first + len(records) - 1
            line.last = records[-1]
        return records

    def _deliver(self, line: _Line, records: Sequence[Record]) -> None:
        first = line.number - len(records) + 1
        for encoding, sinks in line.sinks.items():
            frames = [
                frame
                for number, record in enumerate(records, first)
                if (
                    frame := encoding.data(
                        record, line.instrument, number=number, epoch=line.epoch_text
                    )
                )
            ]
            self.counters.delivered += len(frames) * len(sinks)
            for sink in sinks:
                sink.deliver(frames)
