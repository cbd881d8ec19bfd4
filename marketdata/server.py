"""The web process: Daphne with a port for sessions, exact limits and a clean end.

    python -m marketdata.server config.asgi:application

is `daphne` with this server; `manage.py serve` takes everything from the settings.
"""

# Daphne first: it installs its reactor, which has to happen before any other import of
# Twisted's.
from daphne.server import reactor  # isort: skip
from daphne.cli import CommandLineInterface  # isort: skip

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import defer, tcp

from marketdata.asgi_extensions import ABORT_EXTENSION
from marketdata.connection_book import ConnectionBook
from marketdata.live_protocol import (
    CLOSE_HANDSHAKE_S,
    Admits,
    LiveProtocol,
    accept_deflate,
)
from marketdata.outbox import PORT_EXTENSION
from marketdata.socket_port import NOTSENT_BYTES, limit_unsent
from marketdata.stream_gate import StreamGates

BACKLOG = 2048  # with Twisted's 50 a burst of 1500 connects got in at 52 per second
# Each costs about 1 ms until it is welcomed. In a storm of connects the clients that
# are here get their turn after so many.
ACCEPTS_PER_TURN = 8
CONNECTS_PER_FREEZE = 500
DRAIN_S = 3.0  # for close handshakes and requests under way
# Clients that are told at once to come back come back at once.
NOTICE_SPREAD_S = 2.0
NOTICES_PER_S = 1_000  # fewer clients need less time
CONNECT_TIMEOUT_S = 10
# Of what Autobahn reads. The consumer holds clients to MAX_FRAME_BYTES, because
# Autobahn's limit of messages would bind what we send, too.
MAX_MESSAGE_BYTES = 1024 * 1024


class LiveServer(ConnectionBook):
    """Daphne's server with our protocol, addresses announced and a clean end.

    Takes Daphne's options; those of pings and timeouts of WebSockets have no effect,
    because sessions see to that. An application may have a method ``admits`` (`Admits`)
    that decides about each WebSocket before its handshake, and a coroutine ``start``.
    """

    def __init__(self, application: Any, **options: Any) -> None:
        super().__init__(
            application,
            **options
            | {
                "endpoints": [_with_backlog(item) for item in options["endpoints"]],
                "signal_handlers": False,
                "ready_callable": self._prepare,
                "websocket_handshake_timeout": CONNECT_TIMEOUT_S,
                "websocket_max_message_size": MAX_MESSAGE_BYTES,
                "websocket_max_frame_size": MAX_MESSAGE_BYTES,
            },
        )
        self.on_listening: Callable[[str, int], None] = lambda host, port: None
        self.has_failed = False
        self.stops_at_end_of_input = False
        self._admits: Admits | None = getattr(application, "admits", None)
        self._starts = getattr(application, "start", None)
        self._start: asyncio.Task[None] | None = None
        self._adopted: socket.socket | None = None
        self._ports: list[Any] = []
        self._gates = StreamGates()
        self._is_stopping = False
        self._connects = 0

    def adopt(self, bound: socket.socket) -> None:
        """Serve a bound TCP socket, and close it at the end, in place of endpoints."""
        # Daphne's endpoint `fd:` knows no IPv6.
        self.endpoints: list[str] = []
        self._adopted = bound

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Start the application of a connection, with what our server adds."""
        extensions = scope.setdefault("extensions", {})
        if isinstance(protocol, LiveProtocol):
            extensions[PORT_EXTENSION] = protocol.port
            self._connects += 1
            if self._connects % CONNECTS_PER_FREEZE == 0:
                _spare_the_garbage_collector()
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
        if isinstance(port, tcp.Port):  # or of a Unix socket, but not of TLS
            limit_unsent(port.socket, NOTSENT_BYTES)  # connections inherit it
            _pace(port)
        address = port.getHost()
        if hasattr(address, "host"):
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
        if self._admits is not None:
            self.ws_factory.protocol.admits = staticmethod(self._admits)
        self.ws_factory.setProtocolOptions(
            failByDrop=False,
            closeHandshakeTimeout=CLOSE_HANDSHAKE_S,
            perMessageCompressionAccept=accept_deflate,
        )
        loop = reactor._asyncioEventloop
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        if self.stops_at_end_of_input:
            loop.add_reader(0, self._on_input)
        if self._starts is not None:
            self._start = loop.create_task(self._starts())
        if self._adopted is not None:
            self._listen_on(self._adopted)
        _spare_the_garbage_collector()

    def _listen_on(self, bound: socket.socket) -> None:
        bound.setblocking(False)
        bound.listen(BACKLOG)
        port = reactor.adoptStreamPort(bound.fileno(), bound.family, self.http_factory)
        bound.close()  # the port has a duplicate
        self.listen_success(port)

    def _on_input(self) -> None:
        if not os.read(0, 1024):
            reactor._asyncioEventloop.remove_reader(0)
            if not self._is_stopping:
                self._on_signal(signal.SIGTERM)

    def _on_signal(self, number: int) -> None:
        if self._is_stopping:
            os._exit(128 + number)
        self._is_stopping = True
        reactor.stop()

    async def _drain(self) -> None:
        for port in self._ports:
            port.stopListening()
        sessions = [
            protocol
            for protocol in self.connections
            if isinstance(protocol, LiveProtocol)
            and hasattr(protocol, "application_queue")
        ]
        loop = asyncio.get_running_loop()
        spread_s = min(NOTICE_SPREAD_S, len(sessions) / NOTICES_PER_S)
        for index, protocol in enumerate(sessions):
            loop.call_later(
                spread_s * index / len(sessions),
                protocol.application_queue.put_nowait,
                {"type": "websocket.shutdown"},
            )
        running = self._running()
        if running:
            await asyncio.wait(running, timeout=spread_s + DRAIN_S)
        left = self._running()
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _running(self) -> list[asyncio.Future[Any]]:
        tasks = (item.get("application_instance") for item in self.connections.values())
        return [task for task in tasks if task is not None and not task.done()]


class LiveCommandLine(CommandLineInterface):
    """Daphne's command line, for our server."""

    server_class = LiveServer


def tcp_endpoint(host: str, port: int) -> str:
    """Return Twisted's description of a port to listen on."""
    host = host.replace(":", "\\:")
    return f"tcp:port={port}:interface={host}"


def _with_backlog(endpoint: str) -> str:
    is_tcp = endpoint.startswith(("tcp:", "ssl:"))
    has_none = is_tcp and "backlog=" not in endpoint
    return f"{endpoint}:backlog={BACKLOG}" if has_none else endpoint


def _pace(port: tcp.Port) -> None:
    """Let the port accept few connections per turn of the loop; Twisted takes 100."""
    accept = port.doRead

    def accept_some() -> None:
        port.numberAccepts = ACCEPTS_PER_TURN
        accept()  # type: ignore[no-untyped-call]

    port.doRead = accept_some  # type: ignore[method-assign]


def _spare_the_garbage_collector() -> None:
    """Leave all that lives out of later collections.

    Modules stay, and connections leave no cycles when they end (`LiveProtocol.release`;
    a test holds them to it). At 4,500 clients a full collection stopped the loop for up
    to 0.96 s, 15 times while they came.
    """
    gc.collect(1)  # what has been dropped just now should not stay for ever
    gc.freeze()


def _abort(protocol: Any) -> None:
    if protocol.channel is not None:
        protocol.channel.transport.abortConnection()


if __name__ == "__main__":
    LiveCommandLine.entrypoint()
