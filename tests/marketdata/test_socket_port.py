"""The way past the outbox: open while whole frames may follow, else closed."""

import pytest
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet import tcp

from marketdata.socket_port import PlainPort, TransportPort, make_port
from marketdata.wire import Batch


class Kernel:
    """A socket that takes so many bytes; none raises."""

    def __init__(self):
        self.room = 1_000
        self.taken = b""

    def send(self, data):
        if not self.room:
            raise BlockingIOError
        part = data[: self.room]
        self.room -= len(part)
        self.taken += part
        return len(part)


class Transport:
    """Keeps what the port leaves to it."""

    def __init__(self):
        self.socket = Kernel()
        self.dataBuffer = b""
        self._tempDataBuffer = []

    def write(self, data):
        self._tempDataBuffer.append(data)

    def empty(self):
        """Hand everything to the kernel, as Twisted does once it may."""
        for data in self._tempDataBuffer:
            self.socket.taken += data
        self._tempDataBuffer = []


class Protocol:
    """As much of a WebSocket as a port uses."""

    def __init__(self, transport=None):
        self.state = WebSocketProtocol.STATE_OPEN
        self.transport = transport or Transport()
        self.port = None
        self.closes = []

    def sendCloseFrame(self, code, reason):
        self.closes.append((code, reason))


@pytest.fixture
def protocol():
    return Protocol()


@pytest.fixture
def port(protocol):
    port = PlainPort(protocol)
    port.open(has_deflate=False)
    return port


def test_way_is_the_sockets_own_send(port, protocol):
    assert port.send == protocol.transport.socket.send


def test_way_opens_with_the_handshake_and_not_before(protocol):
    port = PlainPort(protocol)

    assert port.send is None


def test_way_stays_closed_where_frames_are_compressed(protocol):
    port = PlainPort(protocol)
    port.open(has_deflate=True)
    port.resumeProducing()

    assert (port.send, port.is_ready) == (None, True)


@pytest.mark.parametrize("room", [0, 5])
def test_way_closes_when_the_socket_leaves_something(port, protocol, room):
    protocol.transport.socket.room = room

    port.write(Batch((b"12345678",)))

    assert (port.send, port.is_ready) == (None, False)
    assert len(protocol.transport.socket.taken) == room
    assert b"".join(protocol.transport._tempDataBuffer).endswith(b"678")


def test_way_closes_when_the_loop_over_sinks_leaves_something(port, protocol):
    port.write_rest(Batch((b"12345678",)), 4)

    assert (port.send, port.is_ready) == (None, False)
    assert protocol.transport._tempDataBuffer == [b"345678"]


def test_way_opens_again_once_the_transport_is_empty(port, protocol):
    told = []
    port.on_ready = lambda: told.append(port.send is not None)
    port.write_rest(Batch((b"12345678",)), 4)

    port.resumeProducing()
    assert (port.send, told) == (None, [])
    protocol.transport.empty()
    port.resumeProducing()

    # Open already when what waits in the outbox is sent: it closes it again if it must.
    assert told == [True]


def test_what_follows_a_rest_comes_behind_it(port, protocol):
    port.write_rest(Batch((b"12345678",)), 4)

    port.write_bytes(b"pong")
    protocol.transport.empty()

    assert protocol.transport.socket.taken == b"345678pong"


@pytest.mark.parametrize("end", ["close", "end", "stopProducing"])
def test_way_is_closed_for_good_at_the_end(port, protocol, end):
    getattr(port, end)(*((4002, "slow") if end == "close" else ()))
    protocol.state = WebSocketProtocol.STATE_CLOSING

    port.resumeProducing()
    port.write(Batch((b"late",)))

    assert (port.send, port.is_ready) == (None, False)
    assert protocol.transport.socket.taken == b""


def test_client_is_gone_after_one_ping_without_a_pong(port):
    assert [port.is_answering(), port.is_answering()] == [True, False]
    port.unanswered_pings = 0
    assert port.is_answering()


def test_only_plain_sockets_have_a_way(protocol):
    plain, ciphered = (tcp.Server.__new__(tcp.Server) for _ in range(2))
    plain.socket, ciphered.TLS = Kernel(), True

    assert type(make_port(Protocol(plain))) is PlainPort
    for transport in (ciphered, Transport()):
        port = make_port(Protocol(transport))
        port.open(has_deflate=False)
        assert type(port) is TransportPort
        assert port.send is None
