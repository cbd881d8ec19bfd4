"""A session's way into one topic: history first, then the ring, then live.

While history goes out the topic is held: its records are kept in the ring, but none is
delivered to the session, which hears only of its feed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from marketdata.catalog import Instrument
from marketdata.codes import StatusCode
from marketdata.effects import Follow, Position
from marketdata.encodings import Encoding, Notice
from marketdata.hub import Hub
from marketdata.outbox import Outbox
from marketdata.past import Page
from marketdata.records import Record
from marketdata.sinks import Offer
from marketdata.wire import Batch

# What goes out at once beside live records; an outbox holds 1 MiB by default.
BURST_BYTES = 256 * 1024
# An outbox says nothing when it is empty again; a reader that is slow is asked rarely.
ROOM_MIN_S = 0.005
ROOM_MAX_S = 0.1


class NoticesOnly(msgspec.Struct, frozen=True):
    """Another encoding's notices, and no record.

    A hole in the live records is none to a session that gets them from the store.
    """

    encoding: Encoding

    def data(
        self,
        record: Record,
        instrument: Instrument | None,
        *,
        number: int | None,
        epoch: str | None,
        phase: str | None = None,
        skipped: int = 0,
    ) -> bytes | None:
        """Return None."""
        return None

    def notice(self, notice: Notice, instrument: Instrument | None) -> bytes | None:
        """Return the frame, None for a GAP."""
        if notice.code is StatusCode.GAP:
            return None
        return self.encoding.notice(notice, instrument)


class _Hold:
    """The sink of a session that is on its way."""

    def __init__(self, outbox: Outbox) -> None:
        self.way = outbox.way
        self.sent = 0
        self.skipped = 0
        self._outbox = outbox

    def deliver(self, batch: Batch) -> None:
        self._outbox.deliver(batch)

    def finish(self, batch: Batch, taken: int) -> None:
        self._outbox.finish(batch, taken)

    def offer(self, source: Offer) -> None:
        return


class Joining:
    """Holds a topic for a session from the start until ``attach`` or ``release``.

    ``turn`` is the session's: one page at a time waits for its outbox. The group of the
    topic must have been joined (`Hub.prepare`) in the same turn of the loop.
    """

    def __init__(
        self, hub: Hub, outbox: Outbox, follow: Follow, turn: asyncio.Lock
    ) -> None:
        self.hub = hub
        self.follow = follow
        self.topic = follow.topic
        self.encoding = follow.encoding
        self._outbox = outbox
        self._turn = turn
        self._hold = _Hold(outbox)
        self._notices = NoticesOnly(follow.encoding)
        hub.attach(Follow(follow.topic, self._notices), self._hold)
        hub.detach(follow.topic, follow.encoding, outbox)

    @property
    def instrument(self) -> Instrument | None:
        """The topic's instrument."""
        return self.hub.catalog.instruments.get(self.topic.symbol)

    def attach(self) -> None:
        """Let live records follow from now on."""
        self.hub.attach(self.follow, self._outbox)
        self.release()

    def release(self) -> None:
        """Hold the topic no more; harmless if that was done."""
        self.hub.detach(self.topic, self._notices, self._hold)

    def join_at_once(self, position: Position) -> bool:
        """Send what the ring has after a position, and attach; False if it cannot be.

        Then nothing was sent: the ring has not all of it, or it is too much at once.
        """
        batches = self.hub.ring_since(self.topic, self.encoding, position)
        return batches is not None and self._finish(batches)

    async def join_after(self, position: Position) -> Position | None:
        """Send what the ring has after a position, and attach.

        None if that was done, else up to where the client has got: what follows there
        has left the ring.
        """
        while True:
            batches = self.hub.ring_since(self.topic, self.encoding, position)
            if batches is None:
                return position
            if self._finish(batches):
                return None
            position = self.hub.position(self.topic) or position
            for batch in batches:
                async with self._turn:
                    await self._wait_for_room()
                    self._outbox.deliver(batch)

    async def send(self, load: Callable[[], Awaitable[Page]]) -> Page:
        """Load a page once there is room for it, send and return it."""
        async with self._turn:
            await asyncio.sleep(0)  # pages that others asked for come at once
            await self._wait_for_room()
            page = await load()
            if page.batch.count:
                self._outbox.deliver(page.batch)
            return page

    def tell(
        self,
        code: StatusCode,
        message: str,
        *,
        from_us: int | None = None,
        to_us: int | None = None,
    ) -> None:
        """Send a notice of the topic."""
        notice = Notice(code, self.topic, message, from_us=from_us, to_us=to_us)
        if frame := self.encoding.notice(notice, self.instrument):
            self._outbox.send_text(frame)

    def send_snapshot(self) -> None:
        """Send the last known record."""
        if frame := self.hub.snapshot(self.topic, self.encoding):
            self._outbox.send_text(frame)

    def _finish(self, batches: Sequence[Batch]) -> bool:
        size = sum(batch.size for batch in batches)
        if batches and (self._outbox.queued_bytes or size > BURST_BYTES):
            return False
        for batch in batches:
            self._outbox.deliver(batch)
        self.attach()
        return True

    async def _wait_for_room(self) -> None:
        pause_s = ROOM_MIN_S
        while self._outbox.queued_bytes:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, ROOM_MAX_S)
