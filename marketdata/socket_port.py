"""The sending side of a socket of our server: straight into the kernel where it can.

Twisted's transport writes in the next turn of the loop, after asking the kernel when it
may: three system calls and a callback per write. A socket with nothing left to send
needs one of them.
"""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from autobahn.websocket.protocol import WebSocketProtocol as Autobahn
from twisted.internet import interfaces, tcp, unix
from zope.interface import implementer

from marketdata.sinks import Send
from marketdata.wire import Batch, close_reason

# Bytes that the kernel keeps unsent. Left alone it takes 3.8 MiB of a reader that
# stopped, so that what a slow one reads would be long past.
NOTSENT_BYTES = 128 * 1024
SHORT_NOTSENT_BYTES = 16 * 1024
# So a client that vanished is gone within two intervals of its last pong.
MAX_UNANSWERED_PINGS = 1

# Behind TLS the transport is another type, whose socket takes ciphered bytes only.
_PLAIN_TRANSPORTS = (tcp.Server, unix.Server)
_OPEN = Autobahn.STATE_OPEN


class SocketPort(ABC):
    """A `Port` of a WebSocket protocol that has its transport.

    ``unanswered_pings`` is for the protocol to set.
    """

    # Fewer cache lines per client on the way of a frame than with a dictionary each.
    __slots__ = (
        "_has_deflate",
        "_protocol",
        "_transport",
        "is_ready",
        "on_ready",
        "send",
        "unanswered_pings",
    )

    is_streaming: bool  # which kind of producer it is to the transport

    def __init__(self, protocol: Any) -> None:
        self.is_ready = True
        self.send: Send | None = None
        self.on_ready: Callable[[], None] = lambda: None
        self.unanswered_pings = 0
        self._has_deflate = False
        self._protocol = protocol
        self._transport = protocol.transport

    def open(self, *, has_deflate: bool) -> None:
        """Note what the handshake agreed on: from now on frames may go out."""
        self._has_deflate = has_deflate

    def end(self) -> None:
        """Note that nothing may go out any more, or only a close frame."""
        self.is_ready = False
        self.send = None

    @abstractmethod
    def write_bytes(self, data: bytes) -> None:
        """Send after all that was written before, by whomever."""

    def write(self, batch: Batch) -> None:
        if self._protocol.state == _OPEN:
            self.write_bytes(batch.deflated_wire if self._has_deflate else batch.wire)

    def write_rest(self, batch: Batch, taken: int) -> None:
        self._transport.write(batch.wire[taken:])

    def close(self, code: int, reason: str) -> None:
        if self._protocol.state == _OPEN:
            # sendClose refuses 1001 and 1009.
            self._protocol.sendCloseFrame(int(code), close_reason(reason))
        self.end()

    def keep_short(self) -> None:
        return

    def is_answering(self) -> bool:
        self.unanswered_pings += 1
        return self.unanswered_pings <= MAX_UNANSWERED_PINGS

    async def finish(self) -> None:
        return

    def resumeProducing(self) -> None:
        if self._protocol.state == _OPEN:
            self.is_ready = True
            self.on_ready()

    def stopProducing(self) -> None:
        self.end()


@implementer(interfaces.IPullProducer)
class PlainPort(SocketPort):
    """Writes to a plain socket itself; the transport gets what that did not take.

    As a pull producer it is called whenever the transport has emptied its buffer. All
    that Autobahn writes comes through here, too (`LiveProtocol.sendData`), so the
    buffer is empty while the port is ready.
    """

    __slots__ = ("_socket_send",)

    is_streaming = False

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol)
        self._socket_send: Send = self._transport.socket.send

    def open(self, *, has_deflate: bool) -> None:
        super().open(has_deflate=has_deflate)
        self._offer_send()

    def write_bytes(self, data: bytes) -> None:
        transport = self._transport
        if transport._tempDataBuffer or transport.dataBuffer:
            self._write_rest(data, 0)
            return
        try:
            taken = self._socket_send(data)
        except OSError:
            # Full, or broken: then the transport will notice and end the connection.
            taken = 0
        if taken != len(data):
            self._write_rest(data, taken)

    def write_rest(self, batch: Batch, taken: int) -> None:
        self._write_rest(batch.wire, taken)

    def keep_short(self) -> None:
        limit_unsent(self._transport.socket, SHORT_NOTSENT_BYTES)

    def resumeProducing(self) -> None:
        transport = self._transport
        if not transport._tempDataBuffer and not transport.dataBuffer:
            self._offer_send()
            super().resumeProducing()

    def _offer_send(self) -> None:
        if self._protocol.state == _OPEN and not self._has_deflate:
            self.send = self._socket_send

    def _write_rest(self, data: bytes, taken: int) -> None:
        self.is_ready = False
        self.send = None
        self._transport.write(data[taken:] if taken else data)


@implementer(interfaces.IPushProducer)
class TransportPort(SocketPort):
    """Writes to the transport alone: TLS, and whatever else is not a plain socket.

    As a push producer it is told when the transport's buffer passes 64 KiB and when it
    is empty again.
    """

    __slots__ = ()

    is_streaming = True

    def write_bytes(self, data: bytes) -> None:
        self._transport.write(data)

    def pauseProducing(self) -> None:
        self.is_ready = False


def make_port(protocol: Any) -> SocketPort:
    """Return the port of a WebSocket protocol that has its transport."""
    transport = protocol.transport
    if type(transport) in _PLAIN_TRANSPORTS and not getattr(transport, "TLS", False):
        return PlainPort(protocol)
    return TransportPort(protocol)


def limit_unsent(connection: socket.socket, size: int) -> None:
    """Let the kernel take at most so many bytes that it cannot send yet."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)
