"""A socket's sending side over plain ASGI, for servers that offer nothing better."""

import asyncio
from asyncio import FIRST_COMPLETED
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from marketdata.sinks import Send as SendBytes
from marketdata.wire import Batch

# What a server accepts from an application (RFC 6455 7.4). Daphne raises at others, so
# plain ASGI clients get 4000 for them, "reconnect"; the last frame says why.
NORMAL_CLOSE = 1000
APPLICATION_CLOSE_CODES = range(3000, 5000)
PLAIN_CLOSE = 4000
ABNORMAL_CLOSE = 1006  # never sent: stands for "no close frame came"

Event = dict[str, Any]  # of ASGI
Send = Callable[[Event], Awaitable[None]]
Receive = Callable[[], Awaitable[Event]]


class AsgiPort:
    """A port over ASGI ``send``; the server itself pings.

    ``send`` may wait for the socket, so a task does it; the port is ready while the
    task has nothing to do. Once ``send`` failed, ``receive`` says so.
    """

    def __init__(self, send: Send, receive: Receive) -> None:
        self.is_ready = True
        self.send: SendBytes | None = None
        self.on_ready: Callable[[], None] = lambda: None
        self._send = send
        self._receive = receive
        self._is_closed = False
        self._messages: deque[Event] = deque()
        self._task: asyncio.Task[None] | None = None
        self._failure: asyncio.Future[Exception] = asyncio.Future()

    def write(self, batch: Batch) -> None:
        for payload in batch.payloads:
            self._put({"type": "websocket.send", "text": payload.decode()})

    def write_rest(self, batch: Batch, taken: int) -> None:
        raise RuntimeError("expected no rest, because there is no way past write()")

    def close(self, code: int, reason: str) -> None:
        allowed = code == NORMAL_CLOSE or code in APPLICATION_CLOSE_CODES
        code = int(code) if allowed else PLAIN_CLOSE
        self._put({"type": "websocket.close", "code": code, "reason": reason})
        self._is_closed = True

    def keep_short(self) -> None:
        return

    def is_answering(self) -> bool:
        return True

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
        if self._is_closed:
            return
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
            if not self._messages and not self._is_closed:
                self.is_ready = True
                self.on_ready()
