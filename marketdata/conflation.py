"""Conflation: at most one frame of a topic per interval, and that one the newest.

A frame is made when the socket takes it, not before, so what a slow reader gets is
never old. What was left out is counted in the next frame.
"""

import asyncio
from collections.abc import Callable, Sequence

from marketdata.records import Candle, OrderBook, Record, Tick, Ticker
from marketdata.sinks import Sink
from marketdata.wire import Batch

_CLOCK_S = 0.001  # a timer may be this early


class Numbered:
    """A record, its number and epoch, and how many records the topic had before it."""

    __slots__ = ("count", "epoch", "number", "record")

    def __init__(self, record: Record, number: int, epoch: str, count: int) -> None:
        self.record = record
        self.number = number
        self.epoch = epoch
        self.count = count


Encode = Callable[[Numbered, int], bytes | None]


class _Mark:
    """Up to which record a sink is, and when it got a frame."""

    __slots__ = ("count", "sent_s")

    def __init__(self, count: int) -> None:
        self.count = count
        self.sent_s = float("-inf")


def is_conflatable(record: Record) -> bool:
    """Return True if the next record of the topic makes this one superfluous."""
    match record:
        case Tick() | Ticker():
            return True
        case OrderBook():
            return record.is_snapshot
        case Candle():
            return not record.is_final
    return False


class Conflator:
    """The newest record of a topic, for the sinks that want one per interval.

    ``encode`` makes the frame of a record and the number of those that were skipped;
    records that the next one does not make ``is_superfluous`` are all delivered.
    All sinks share a timer; without new records it stands still.
    """

    def __init__(
        self,
        interval_s: float,
        encode: Encode,
        count: int,
        *,
        is_superfluous: Callable[[Record], bool] = is_conflatable,
    ) -> None:
        self._interval_s = interval_s
        self._encode = encode
        self._is_superfluous = is_superfluous
        self._sinks: dict[Sink, _Mark] = {}
        self._newest: Numbered | None = None
        self._count = count  # of the newest
        self._batches: dict[int, Batch | None] = {}  # of the newest, by skipped
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._sinks)

    def has(self, sink: Sink) -> bool:
        """Return True if the sink is served."""
        return sink in self._sinks

    def add(self, sink: Sink) -> None:
        """Serve the sink from the next record on."""
        self._sinks.setdefault(sink, _Mark(self._count))

    def remove(self, sink: Sink) -> bool:
        """Serve the sink no more; False if it was not served."""
        is_served = self._sinks.pop(sink, None) is not None
        if not self._sinks and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return is_served

    def put(self, records: Sequence[Numbered]) -> None:
        """Take the next records of the topic, in order."""
        for item in records:
            if not self._is_superfluous(item.record):
                self.flush()
                self._deliver(item)
            else:
                self._newest, self._count = item, item.count
        self._batches.clear()
        if self._timer is None:
            self._offer()

    def announce(self, batch: Batch) -> None:
        """Deliver frames to all sinks, after what waits for them."""
        self.flush()
        for sink in self._sinks:
            sink.deliver(batch)

    def take(self, sink: Sink) -> Batch | None:
        """Return the newest frame, None if the sink has it already."""
        mark = self._sinks.get(sink)
        if mark is None or mark.count == self._count or self._newest is None:
            return None
        skipped = self._count - mark.count - 1
        mark.count, mark.sent_s = self._count, self._loop.time()
        sink.skipped += skipped
        if skipped not in self._batches:
            frame = self._encode(self._newest, skipped)
            self._batches[skipped] = Batch((frame,)) if frame else None
        return self._batches[skipped]

    def flush(self) -> None:
        """Deliver what waits, whether the sockets take it or not."""
        self._batches.clear()
        for sink in self._sinks:
            batch = self.take(sink)
            if batch is not None:
                sink.deliver(batch)

    def _deliver(self, item: Numbered) -> None:
        self._newest, self._count = item, item.count
        frame = self._encode(item, 0)
        batch = Batch((frame,)) if frame else None
        for sink, mark in self._sinks.items():
            mark.count = item.count
            if batch is not None:
                sink.deliver(batch)

    def _offer(self) -> None:
        self._timer = None
        # A socket that took its last frame late waits for the turn after this one.
        latest_s = self._loop.time() - self._interval_s + _CLOCK_S
        has_more = False
        for sink, mark in self._sinks.items():
            if mark.count != self._count:
                has_more = True
                if mark.sent_s <= latest_s:
                    sink.offer(self)
        if has_more:
            self._timer = self._loop.call_later(self._interval_s, self._offer)
