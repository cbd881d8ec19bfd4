"""A session's way out: replies, data, heartbeats and close pass through here, in order.

What the socket cannot take waits here, bounded in bytes. A reader that is slower than
its topics for longer is cut: memory is finite, and old prices are worth nothing.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from marketdata.sinks import Offer, Send
from marketdata.wire import PING_BATCH, Batch

# The key of a scope's `extensions` under which our server offers a socket's port;
# absent under other servers.
PORT_EXTENSION = "marketdata.port"


def _nothing() -> None:
    """Do nothing."""


class Port(Protocol):
    """A socket's sending side.

    ``is_ready`` is False while it holds enough, and after ``close``; ``on_ready`` is
    called when it turns True again. ``write`` and ``close`` never block and work in
    either state. ``send`` is the way past ``write`` (see `Way`).
    """

    is_ready: bool
    send: Send | None
    on_ready: Callable[[], None]

    def write(self, batch: Batch) -> None:
        """Send frames."""

    def write_rest(self, batch: Batch, taken: int) -> None:
        """Send what ``send`` left of frames."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame after what was written, and nothing after that."""

    def keep_short(self) -> None:
        """Let little wait in the kernel: what is sent must not be old."""

    def is_answering(self) -> bool:
        """Return False if the client left the last ping unanswered.

        To be asked before each ping.
        """

    async def finish(self) -> None:
        """Return when all is handed over that will ever be."""


class Outbox:
    """The frames of one session; a `Sink` of the hub.

    ``sent`` counts frames, ``queued_bytes`` what waits here, ``skipped`` the records
    that conflation left out. ``waits_since_s`` is when the socket last stopped taking
    all (`time.monotonic`), None while it does.
    """

    __slots__ = (
        "_has_ended",
        "_is_short",
        "_max_bytes",
        "_offers",
        "_on_overflow",
        "_queue",
        "is_closed",
        "queued_bytes",
        "sent",
        "skipped",
        "waits_since_s",
        "way",
    )

    def __init__(
        self, port: Port, max_bytes: int, on_overflow: Callable[[], None]
    ) -> None:
        self.is_closed = False
        self.sent = 0
        self.queued_bytes = 0
        self.skipped = 0
        self.waits_since_s: float | None = None
        self._has_ended = False
        self._is_short = False
        self.way = port
        self._max_bytes = max_bytes
        self._on_overflow = on_overflow
        self._queue: deque[Batch] = deque()
        self._offers: dict[Offer, None] = {}
        port.on_ready = self.flush

    def deliver(self, batch: Batch) -> None:
        """Send the frames in order, or keep them until the socket takes them.

        Over the limit of bytes kept it takes no more and calls ``on_overflow``, which
        must not change the hub's sets in the same turn of the loop.
        """
        if self.is_closed:
            return
        if self.way.is_ready:
            self.sent += batch.count
            self.way.write(batch)
            return
        self._queue.append(batch)
        self.queued_bytes += batch.size
        self._note_wait()
        if self.queued_bytes > self._max_bytes:
            on_overflow = self._on_overflow
            self.stop()
            on_overflow()

    def finish(self, batch: Batch, taken: int) -> None:
        """Send the rest of frames of which ``way.send`` took so many bytes."""
        self.sent += batch.count
        self.way.write_rest(batch, taken)

    def offer(self, source: Offer) -> None:
        """Take the newest frame of a topic as soon as the socket would."""
        if self.is_closed:
            return
        if not self._is_short:
            self._is_short = True
            self.way.keep_short()
        self._offers[source] = None
        if self.way.is_ready:
            self._take_offers()
        else:
            self._note_wait()

    def send_text(self, text: bytes) -> None:
        """Send a text of the session's own, after what was delivered before."""
        self.deliver(Batch((text,)))

    def ping(self) -> bool:
        """Send a ping; False instead if the client has answered none for too long."""
        if not self.way.is_answering():
            return False
        self.deliver(PING_BATCH)
        return True

    def flush(self) -> None:
        """Hand what waits to the socket as far as it takes it."""
        queue, port = self._queue, self.way
        while queue and port.is_ready:
            batch = queue.popleft()
            self.queued_bytes -= batch.size
            self.sent += batch.count
            port.write(batch)
        self._take_offers()
        if not queue and not self._offers:
            self.waits_since_s = None

    def stop(self) -> None:
        """Take no more frames, and drop what waits."""
        self.is_closed = True
        self.way.send = None
        # Who made us is freed at once, not by the garbage collector.
        self._on_overflow = self.way.on_ready = _nothing
        self._queue.clear()
        self._offers.clear()
        self.queued_bytes = 0

    def close(self, code: int, reason: str = "", frame: bytes | None = None) -> bool:
        """Send a last frame and close; what still waits is dropped. False if closed."""
        if self._has_ended:
            return False
        self._has_ended = True
        self.stop()
        if frame is not None:
            self.way.write(Batch((frame,)))
        self.way.close(code, reason)
        return True

    def _note_wait(self) -> None:
        if self.waits_since_s is None:
            self.waits_since_s = time.monotonic()

    def _take_offers(self) -> None:
        while self._offers and self.way.is_ready:
            source = next(iter(self._offers))
            del self._offers[source]
            batch = source.take(self)
            if batch is not None:
                self.sent += batch.count
                self.way.write(batch)
