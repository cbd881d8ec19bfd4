"""A WebSocket connection of our server: Daphne's protocol with a port for the session.

Daphne and Autobahn do handshakes and what clients send; frames to clients are made once
for all of them and pass both by.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from autobahn.twisted import websocket as autobahn_twisted
from autobahn.websocket import protocol as autobahn_protocol
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateOfferAccept,
)
from autobahn.websocket.types import ConnectionDeny
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel

from marketdata.socket_port import SocketPort, make_port

# Reads what is still on its way to a slow client before the socket is cut.
CLOSE_HANDSHAKE_S = 3.0
_TIMERS = (
    "_abort_timer",
    "closeHandshakeTimeoutCall",
    "openHandshakeTimeoutCall",
    "serverConnectionDropTimeoutCall",
)
# An attempt to connect: the peer's address and its X-Real-IP, "" if there is none.
Admits = Callable[[str, str], bool]

# They make parts of debug lines that nobody reads, in colours, at each connect and
# disconnect: a quarter of its CPU time.
for _module in (autobahn_protocol, autobahn_twisted):
    for _name in {"pformat", "hltype", "hlval"} & vars(_module).keys():
        setattr(_module, _name, lambda value: "")


class DeflateAnswer(PerMessageDeflateOfferAccept):
    """Accepts an offer without context takeover, so that one frame fits all clients."""

    def __init__(self, offer: PerMessageDeflateOffer) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            offer,
            # No window of 32 KiB per client between its frames.
            request_no_context_takeover=offer.accept_no_context_takeover,
            no_context_takeover=True,
        )

    def get_extension_string(self) -> str:
        """Return the answer; the original leaves out what was not asked for."""
        answer = f"{self.EXTENSION_NAME}; server_no_context_takeover"
        if self.request_no_context_takeover:
            answer += "; client_no_context_takeover"
        return answer


def accept_deflate(offers: Sequence[Any]) -> DeflateAnswer | None:
    """Return the answer to a client's offers; None if our frames fit none of them."""
    for offer in offers:
        is_deflate = isinstance(offer, PerMessageDeflateOffer)
        # Ours have the largest window.
        if is_deflate and offer.request_max_window_bits in (0, 15):
            return DeflateAnswer(offer)
    return None


def _free_channel(channel: Any) -> None:
    """Free the HTTP channel that got the handshake, and its request."""
    if isinstance(channel, HTTPChannel):
        for request in channel.requests:
            request.channel = request.transport = request.notifications = None
        channel.requests = []
        channel.transport = None
        channel._networkProducer = None  # type: ignore[assignment]


class LiveProtocol(WebSocketProtocol):
    """A WebSocket whose session writes through a `SocketPort`."""

    port: SocketPort | None = None
    admits: Admits = staticmethod(lambda peer, real_ip: True)
    _abort_timer: asyncio.TimerHandle | None = None

    def onConnect(self, request: Any) -> Any:
        peer = getattr(self.transport.getPeer(), "host", "")
        if not self.admits(peer, request.headers.get("x-real-ip", "")):
            raise ConnectionDeny(  # type: ignore[no-untyped-call]
                429, "Too Many Requests"
            )
        self.port = make_port(self)
        return super().onConnect(request)

    def onOpen(self) -> None:
        port = self.port
        assert port is not None  # made by onConnect
        _free_channel(self.transport.producer)
        self.transport.unregisterProducer()
        port.open(has_deflate=self._perMessageCompress is not None)
        self.transport.registerProducer(port, port.is_streaming)
        super().onOpen()

    def onPong(self, payload: bytes) -> None:
        if self.port is not None:
            self.port.unanswered_pings = 0

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        # The original expects that there was an onConnect.
        if self.port is not None:
            super().onClose(wasClean, code, reason)

    def dataReceived(self, data: bytes) -> None:
        # The original formats two debug lines first.
        self._dataReceived(data)

    def sendData(
        self, data: bytes, sync: bool = False, chopsize: int | None = None
    ) -> None:
        # The original also formats a log line for each frame, whether anybody wants it
        # or not: 40 % of a delivery (cProfile of the hot scenario).
        if self.port is None:
            self.transport.write(data)
        else:
            self.port.write_bytes(data)

    def sendCloseFrame(
        self,
        code: int | None = None,
        reasonUtf8: bytes | None = None,
        isReply: bool = False,
    ) -> None:
        # No byte may follow it, whoever sends it: also Autobahn answers one.
        if self.port is not None:
            self.port.end()
        super().sendCloseFrame(code, reasonUtf8, isReply)

    def failHandshake(
        self, reason: str, code: int = 400, responseHeaders: Any = None
    ) -> None:
        headers = [("Content-Length", "0"), ("Connection", "close")]
        if code == 429:
            headers.append(("Retry-After", "1"))
        super().failHandshake(reason, code, headers)

    def dropConnection(self, abort: bool = False) -> None:
        if self.port is not None:
            self.port.end()
        super().dropConnection(abort)
        if not abort:
            # A peer that reads nothing would keep what waits for it, and the socket.
            self._abort_timer = asyncio.get_running_loop().call_later(
                CLOSE_HANDSHAKE_S, self.transport.abortConnection
            )

    def connectionLost(self, reason: Any = connectionDone) -> None:
        super().connectionLost(reason)
        # They would keep this alive until they are due, and as a cycle after that.
        for name in _TIMERS:
            timer = getattr(self, name)
            if timer is not None:
                timer.cancel()
                setattr(self, name, None)

    def release(self) -> None:
        """Let go of what refers back to this; nobody uses it any more.

        So it is freed at once: the garbage collector would stop the loop for longer the
        more clients there are (0.3 s and more at 4,500).
        """
        self.is_open = self.is_closed = self.port = None
