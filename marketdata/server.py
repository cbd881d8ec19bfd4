"""The web process: Daphne with a port for sessions, exact limits and a clean end."""

# Daphne first: it installs its reactor, which has to happen before any other import of
# Twisted's.
from daphne.server import Server, reactor, twisted_loop  # isort: skip
from daphne.ws_protocol import WebSocketProtocol  # isort: skip

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import structlog
from autobahn.websocket.protocol import WebSocketProtocol as Autobahn
from twisted.internet import defer, interfaces
from zope.interface import implementer

from marketdata.asgi_extensions import ABORT_EXTENSION
from marketdata.outbox import PORT_EXTENSION
from marketdata.stream_gate import StreamGates

BACKLOG = 2048  # with Twisted's 50 a burst of 1500 connects got in at 52 per second
DRAIN_S = 3.0  # for close handshakes and requests under way
# Reads what is still on its way to a slow client before the socket is cut.
CLOSE_HANDSHAKE_S = 3.0
CONNECT_TIMEOUT_S = 10
PING_TIMEOUT_S = 20
# Daphne looks every 2 s who is due, so this much earlier is never late.
PING_EARLY_S = 2.0
# Limits what Autobahn reads into memory. The consumer holds clients to MAX_FRAME_BYTES,
# because Autobahn's limit of messages would bind what we send, too.
MAX_MESSAGE_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)


@implementer(interfaces.IPushProducer)
class DaphnePort:
    """The sending side of a socket: straight into Twisted, told when it is full.

    Twisted calls ``pauseProducing`` when its buffer passes 64 KiB and
    ``resumeProducing`` when that is empty.
    """

    def __init__(self, protocol: "LiveProtocol") -> None:
        self.is_ready = True
        self.on_ready: Callable[[], None] = lambda: None
        self._protocol = protocol

    def write(self, frame: bytes) -> None:
        if self._protocol.state == Autobahn.STATE_OPEN:
            self._protocol.sendMessage(frame, False)

    def close(self, code: int) -> None:
        if self._protocol.state == Autobahn.STATE_OPEN:
            # sendClose refuses 1001 and 1009.
            self._protocol.sendCloseFrame(code=int(code))

    async def finish(self) -> None:
        return

    def pauseProducing(self) -> None:
        self.is_ready = False

    def resumeProducing(self) -> None:
        self.is_ready = True
        self.on_ready()

    def stopProducing(self) -> None:
        self.is_ready = False


class LiveProtocol(WebSocketProtocol):
    """A WebSocket whose application can write without ASGI's detour."""

    def onConnect(self, request: Any) -> Any:
        self.port = DaphnePort(self)
        return super().onConnect(request)

    def onOpen(self) -> None:
        # The HTTP channel is registered, which has nothing more to produce.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.port, True)
        super().onOpen()

    def sendData(
        self, data: bytes, sync: bool = False, chopsize: int | None = None
    ) -> None:
        # The original also formats a log line for each frame, whether anybody wants it
        # or not: 40 % of a delivery (cProfile of benchmarks/fanout_smoke.py).
        self.transport.write(data)


class LiveServer(Server):
    """Daphne's server with our protocol, addresses announced and a clean end."""

    def __init__(
        self, application: Any, *, host: str, port: int, ping_interval_s: float
    ) -> None:
        host = host.replace(":", "\\:")
        super().__init__(
            application,
            endpoints=[f"tcp:port={port}:interface={host}:backlog={BACKLOG}"],
            signal_handlers=False,
            ready_callable=self._prepare,
            websocket_timeout=-1,
            websocket_connect_timeout=CONNECT_TIMEOUT_S,
            websocket_handshake_timeout=CONNECT_TIMEOUT_S,
            ping_interval=max(ping_interval_s - PING_EARLY_S, 0.5),
            ping_timeout=PING_TIMEOUT_S,
            websocket_max_message_size=MAX_MESSAGE_BYTES,
            websocket_max_frame_size=MAX_MESSAGE_BYTES,
            verbosity=0,
        )
        self.on_listening: Callable[[str, int], None] = lambda host, port: None
        self.has_failed = False
        self._ports: list[Any] = []
        self._gates = StreamGates()
        self._is_stopping = False

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Start the application of a connection, with what our server adds."""
        extensions = scope.setdefault("extensions", {})
        if isinstance(protocol, LiveProtocol):
            extensions[PORT_EXTENSION] = protocol.port
        else:
            extensions[ABORT_EXTENSION] = lambda: _abort(protocol)
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Send a message; of an answer in many parts, when there is room for more."""
        gate = None
        if not self.connections.get(protocol, {}).get("disconnected"):
            gate = self._gates.before(protocol, message)
        await super().handle_reply(protocol, message)
        if gate is not None:
            await gate.passed()

    def protocol_disconnected(self, protocol: Any) -> None:
        """Note that a connection, or a request on it, has ended."""
        self._gates.drop(protocol)
        super().protocol_disconnected(protocol)

    def listen_success(self, port: Any) -> None:
        """Note the port and say where we listen."""
        super().listen_success(port)
        self._ports.append(port)
        address = port.getHost()
        self.on_listening(address.host, address.port)

    def listen_error(self, failure: Any) -> None:
        """Stop: without its port this process is of no use."""
        self.has_failed = True
        super().listen_error(failure)

    def kill_all_applications(self) -> "defer.Deferred[None]":
        """Close all clients, then cancel what is left: Daphne's hook before the end."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    def _prepare(self) -> None:
        self.ws_factory.protocol = LiveProtocol
        self.ws_factory.setProtocolOptions(
            failByDrop=False, closeHandshakeTimeout=CLOSE_HANDSHAKE_S
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            twisted_loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if self._is_stopping:
            os._exit(128 + number)
        self._is_stopping = True
        reactor.stop()

    async def _drain(self) -> None:
        for port in self._ports:
            port.stopListening()
        for protocol in self.connections:
            if isinstance(protocol, LiveProtocol) and hasattr(
                protocol, "application_queue"
            ):
                protocol.application_queue.put_nowait({"type": "websocket.shutdown"})
        running = self._running()
        if running:
            await asyncio.wait(running, timeout=DRAIN_S)
        left = self._running()
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _running(self) -> list[asyncio.Future[Any]]:
        tasks = (item.get("application_instance") for item in self.connections.values())
        return [task for task in tasks if task is not None and not task.done()]


def _abort(protocol: Any) -> None:
    if protocol.channel is not None:
        protocol.channel.transport.abortConnection()
