import asyncio

import pytest

from marketdata.outbox import AsgiPort, Outbox
from tests.marketdata.polling import until


class RecordingPort:
    """Keeps what is written; a test turns `is_ready` on and off."""

    def __init__(self) -> None:
        self.is_ready = True
        self.on_ready = lambda: None
        self.written = []

    def write(self, frame):
        self.written.append(frame)

    def close(self, code):
        self.written.append(code)

    def become_ready(self):
        self.is_ready = True
        self.on_ready()


class Overflow:
    """Counts overflows."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self):
        self.count += 1


def make(max_bytes=10):
    port, overflow = RecordingPort(), Overflow()
    return port, overflow, Outbox(port, max_bytes, overflow)


def test_deliver_to_a_ready_socket_writes_at_once():
    port, _, outbox = make()

    outbox.deliver([b"a", b"b"])

    assert port.written == [b"a", b"b"]
    assert (outbox.sent, outbox.queued_bytes) == (2, 0)


def test_deliver_to_a_full_socket_waits_and_keeps_order():
    port, _, outbox = make()
    port.is_ready = False

    outbox.deliver([b"aa", b"b"])
    outbox.deliver([b"c"])
    assert (port.written, outbox.queued_bytes) == ([], 4)
    port.become_ready()
    outbox.deliver([b"d"])

    assert port.written == [b"aa", b"b", b"c", b"d"]
    assert (outbox.sent, outbox.queued_bytes) == (4, 0)


def test_flush_stops_when_the_socket_is_full_again():
    port, _, outbox = make()
    port.is_ready = False
    outbox.deliver([b"a", b"b"])
    write = port.write

    def write_one(frame):
        write(frame)
        port.is_ready = False

    port.write = write_one
    port.become_ready()

    assert port.written == [b"a"]
    assert outbox.queued_bytes == 1


def test_deliver_up_to_the_limit_is_kept():
    port, overflow, outbox = make(max_bytes=10)
    port.is_ready = False

    outbox.deliver([b"x" * 10])

    assert (overflow.count, outbox.queued_bytes) == (0, 10)


def test_deliver_over_the_limit_drops_what_waits_and_tells_once():
    port, overflow, outbox = make(max_bytes=10)
    port.is_ready = False

    outbox.deliver([b"x" * 10, b"y"])
    outbox.deliver([b"z"])

    assert (overflow.count, outbox.queued_bytes, outbox.is_closed) == (1, 0, True)
    assert port.written == []


def test_close_after_an_overflow_still_sends_the_last_frame():
    port, _, outbox = make(max_bytes=1)
    port.is_ready = False
    outbox.deliver([b"xx"])

    outbox.close(4002, b"too slow")

    assert port.written == [b"too slow", 4002]


def test_close_twice_closes_once_and_nothing_follows():
    port, _, outbox = make()

    outbox.close(1001)
    outbox.close(4001, b"x")
    outbox.deliver([b"y"])

    assert port.written == [1001]


async def never():
    await asyncio.Event().wait()


async def test_asgi_port_sends_in_order_and_closes_last():
    sent = []

    async def send(message):
        await asyncio.sleep(0)
        sent.append(message)

    port = AsgiPort(send, never)
    outbox = Outbox(port, 1_000, Overflow())

    outbox.deliver([b"a", b"b"])
    outbox.deliver([b"c"])
    await until(lambda: len(sent) == 3)
    outbox.close(4001, b"d")
    await port.finish()

    assert [message.get("text") for message in sent] == ["a", "b", "c", "d", None]
    assert sent[-1] == {"type": "websocket.close", "code": 4001}


async def test_asgi_port_that_blocks_makes_the_outbox_overflow():
    gate = asyncio.Event()

    async def send(message):
        await gate.wait()

    overflow = Overflow()
    port = AsgiPort(send, never)
    outbox = Outbox(port, 100, overflow)

    for _ in range(20):
        outbox.deliver([b"x" * 10])
        await asyncio.sleep(0)

    assert overflow.count == 1
    gate.set()
    await port.finish()


async def test_asgi_port_of_a_client_that_went_away_is_quiet():
    async def send(message):
        raise ConnectionResetError

    port = AsgiPort(send, never)
    Outbox(port, 100, Overflow()).deliver([b"x"])

    await port.finish()


@pytest.mark.parametrize(
    ("code", "sent_code"),
    [(1001, 4000), (1009, 4000), (1000, 1000), (4002, 4002), (4506, 4506)],
)
async def test_asgi_port_closes_with_codes_that_servers_accept(code, sent_code):
    sent = []

    async def send(message):
        sent.append(message)

    port = AsgiPort(send, never)
    port.close(code)
    await port.finish()

    assert sent == [{"type": "websocket.close", "code": sent_code}]
