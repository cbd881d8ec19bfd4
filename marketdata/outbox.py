"""A session's way out: replies, data, heartbeats and close pass through here, in order.

What the socket cannot take waits here, bounded in bytes. A reader that is slower than
its topics for longer is cut: memory is finite, and old prices are worth nothing.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

# The key of a scope's `extensions` under which our server offers a socket's port;
# absent under other servers.
PORT_EXTENSION = "marketdata.port"


class Port(Protocol):
    """A socket's sending side.

    ``is_ready`` is False while it holds enough; ``on_ready`` is called when it turns
    True again. ``write`` and ``close`` work in either state and never block.
    """

    is_ready: bool
    on_ready: Callable[[], None]

    def write(self, frame: bytes) -> None:
        """Send a text frame."""

    def close(self, code: int) -> None:
        """Send a close frame after what was written."""

    async def finish(self) -> None:
        """Return when all is handed over that will ever be."""


class Outbox:
    """The frames of one session; a `Sink` of the hub."""

    def __init__(
        self, port: Port, max_bytes: int, on_overflow: Callable[[], None]
    ) -> None:
        self.is_closed = False
        self.sent = 0
        self.queued_bytes = 0
        self._has_ended = False
        self._port = port
        self._max_bytes = max_bytes
        self._on_overflow = on_overflow
        self._queue: deque[bytes] = deque()
        port.on_ready = self.flush

    def deliver(self, frames: Sequence[bytes]) -> None:
        """Send the frames in order, or keep them until the socket takes them.

        Over the limit of bytes kept it takes no more and calls ``on_overflow``, which
        must not change the hub's sets in the same turn of the loop.
        """
        if self.is_closed:
            return
        if self._port.is_ready:
            self.sent += len(frames)
            for frame in frames:
                self._port.write(frame)
            return
        self._queue.extend(frames)
        self.queued_bytes += sum(map(len, frames))
        if self.queued_bytes > self._max_bytes:
            self._discard()
            self.is_closed = True
            self._on_overflow()

    def flush(self) -> None:
        """Hand what waits to the socket as far as it takes it."""
        while self._queue and self._port.is_ready:
            frame = self._queue.popleft()
            self.queued_bytes -= len(frame)
            self.sent += 1
            self._port.write(frame)

    def close(self, code: int, frame: bytes | None = None) -> None:
        """Send a last frame and close, once; what still waits is dropped."""
        if self._has_ended:
            return
        self.is_closed = self._has_ended = True
        self._discard()
        if frame is not None:
            self._port.write(frame)
        self._port.close(code)

    def _discard(self) -> None:
        self._queue.clear()
        self.queued_bytes = 0


class AsgiPort:
    """A port over ASGI ``send``, for servers that offer nothing better.

    ``send`` may wait for the socket, so a task does it; the port is ready while the
    task has nothing to do.
    """

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self.is_ready = True
        self.on_ready: Callable[[], None] = lambda: None
        self._send = send
        self._messages: deque[dict[str, Any]] = deque()
        self._task: asyncio.Task[None] | None = None

    def write(self, frame: bytes) -> None:
        self._put({"type": "websocket.send", "text": frame.decode()})

    def close(self, code: int) -> None:
        self._put({"type": "websocket.close", "code": int(code)})

    async def finish(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=1.0)
            self._task.cancel()

    def _put(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        self.is_ready = False
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._messages:
            try:
                await self._send(self._messages.popleft())
            except OSError:  # the client is gone; the server says so by a disconnect
                self._messages.clear()
                return
            if not self._messages:
                self.is_ready = True
                self.on_ready()
