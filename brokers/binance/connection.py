"""One socket to Binance: reads frames, keeps what it follows as it is wanted."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog
from websockets.asyncio.client import ClientConnection

from brokers.binance.converters import BROKER
from brokers.binance.messages import Ack, Refusal
from brokers.binance.streams import REQUESTS_PER_S, encode_request, split_requests
from brokers.exceptions import SubscribeFailed
from brokers.run_together import run_together
from brokers.websocket import open_socket

REPLY_TIMEOUT_S = 10.0

Take = Callable[["Connection", bytes], None]

log = structlog.get_logger(__name__)


class Connection:
    """Follows ``streams`` over one socket; whoever reads its frames notes replies.

    ``is_subscribed`` is set while Binance has taken all requests; ``is_ending`` once
    somebody knows that the server is going to close. ``on_subscribed`` is called with
    the streams of each request to follow, once Binance has taken it, ``on_alive`` at
    each ping or pong of its.
    """

    def __init__(
        self,
        address: str,
        streams: Mapping[str, None],
        on_subscribed: Callable[[Sequence[str]], None],
        on_alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.is_subscribed = asyncio.Event()
        self.is_ending = asyncio.Event()
        self._address = address
        self._streams = streams
        self._streams_changed = asyncio.Event()
        self._on_subscribed = on_subscribed
        self._on_alive = on_alive
        self._last_request = 0
        self._replies: dict[int, asyncio.Future[Ack | Refusal]] = {}
        self._socket: ClientConnection | None = None

    @property
    def is_open(self) -> bool:
        """Return whether the socket is open."""
        return self._socket is not None

    def follow(self, streams: Mapping[str, None]) -> None:
        """Follow exactly these from now on."""
        self._streams = streams
        self.is_subscribed.clear()
        self._streams_changed.set()

    def note_reply(self, answer: Ack | Refusal) -> None:
        """Take the answer to a request, which came as a frame."""
        reply = self._replies.get(answer.id) if answer.id is not None else None
        if reply is not None and not reply.done():
            reply.set_result(answer)

    async def run(self, take: Take) -> None:
        """Connect once and hand frames to ``take`` until the connection ends.

        Raises:
            FeedLost: the connection ended or could not be made. Never returns.
        """
        async with open_socket(self._address, on_alive=self._on_alive) as socket:
            self._socket = socket
            try:
                await run_together(self._read(socket, take), self._subscribe(socket))
            finally:
                self._socket = None

    async def close(self) -> None:
        """Close; ``run`` ends when all frames that came before have been read."""
        if self._socket is not None:
            await self._socket.close()

    async def _read(self, socket: ClientConnection, take: Take) -> None:
        # `recv` does not suspend while frames are queued, so all frames of one read
        # from the socket are emitted in one turn of the loop and published together.
        while True:
            take(self, await socket.recv(decode=False))

    async def _subscribe(self, socket: ClientConnection) -> None:
        """Keep the connection's streams what ``follow`` said last. Never returns."""
        followed: Mapping[str, None] = {}
        while True:
            self._streams_changed.clear()
            wanted = self._streams
            gone = [name for name in followed if name not in wanted]
            added = [name for name in wanted if name not in followed]
            for method, names in (("UNSUBSCRIBE", gone), ("SUBSCRIBE", added)):
                for part in split_requests(names):
                    await self._request(socket, method, part)
                    if method == "SUBSCRIBE":
                        self._on_subscribed(part)
                    await asyncio.sleep(1 / REQUESTS_PER_S)
            followed = wanted
            log.info("subscribed", broker=BROKER, streams=len(followed))
            if not self._streams_changed.is_set():
                self.is_subscribed.set()
            await self._streams_changed.wait()

    async def _request(
        self, socket: ClientConnection, method: str, streams: Sequence[str]
    ) -> None:
        self._last_request += 1
        number = self._last_request
        reply = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            await socket.send(encode_request(method, streams, number))
            # Not `wait_for`: up to Python 3.11 it forgets a cancellation that comes in
            # the turn of the reply, and the end of this connection would wait for ever.
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                answer = await reply
        except TimeoutError as exc:
            raise SubscribeFailed(
                f"no reply to {method} of {len(streams)} streams "
                f"in {REPLY_TIMEOUT_S:g} s"
            ) from exc
        finally:
            del self._replies[number]
        if isinstance(answer, Refusal):
            raise SubscribeFailed(
                f"{method} refused with code {answer.code}: {answer.message}"
            )
