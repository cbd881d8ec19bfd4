"""A session's way out: replies, data, heartbeats and close pass through here, in order.

What the socket cannot take waits here, bounded in bytes. A reader that is slower than
its topics for longer is cut: memory is finite, and old prices are worth nothing.
"""

import asyncio
from asyncio import FIRST_COMPLETED
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

# The key of a scope's `extensions` under which our server offers a socket's port;
# absent under other servers.
PORT_EXTENSION = "marketdata.port"
# What a server accepts from an application (RFC 6455 7.4). Daphne raises at others, so
# plain ASGI clients get 4000 for them, "reconnect"; the last frame says why.
NORMAL_CLOSE = 1000
APPLICATION_CLOSE_CODES = range(3000, 5000)
PLAIN_CLOSE = 4000
ABNORMAL_CLOSE = 1006  # never sent: stands for "no close frame came"

Event = dict[str, Any]  # of ASGI
Send = Callable[[Event], Awaitable[None]]
Receive = Callable[[], Awaitable[Event]]


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
    task has nothing to do. Once ``send`` failed, ``receive`` says so.
    """

    def __init__(self, send: Send, receive: Receive) -> None:
        self.is_ready = True
        self.on_ready: Callable[[], None] = lambda: None
        self._send = send
        self._receive = receive
        self._messages: deque[Event] = deque()
        self._task: asyncio.Task[None] | None = None
        self._failure: asyncio.Future[Exception] = asyncio.Future()

    def write(self, frame: bytes) -> None:
        self._put({"type": "websocket.send", "text": frame.decode()})

    def close(self, code: int) -> None:
        allowed = code == NORMAL_CLOSE or code in APPLICATION_CLOSE_CODES
        code = int(code) if allowed else PLAIN_CLOSE
        self._put({"type": "websocket.close", "code": code})

    async def finish(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task], timeout=1.0)
            self._task.cancel()

    async def receive(self) -> Event:
        """Return the client's next event; a disconnect once it went away in sending.

        Raises:
            Exception: what ``send`` raised: the client may be there, unserved.
        """
        event = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait((event, self._failure), return_when=FIRST_COMPLETED)
            if not self._failure.done():
                return event.result()
        finally:
            event.cancel()
        failure = self._failure.result()
        if isinstance(failure, OSError):
            return {"type": "websocket.disconnect", "code": ABNORMAL_CLOSE}
        raise failure

    def _put(self, message: Event) -> None:
        self._messages.append(message)
        self.is_ready = False
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._messages:
            try:
                await self._send(self._messages.popleft())
            except Exception as exc:  # whatever a server raises, the session ends
                self._messages.clear()
                if not self._failure.done():
                    self._failure.set_result(exc)
                return
            if not self._messages:
                self.is_ready = True
                self.on_ready()
