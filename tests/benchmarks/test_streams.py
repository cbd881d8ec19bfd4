"""The load generator must notice what it says that it checks."""

import re

import pytest

from benchmarks.fanout.clients import Client, Request
from benchmarks.fanout.streams import Marks, Stream, next_frame

MARKS = Marks(stamp=re.compile(rb'"at":(\d{16})'), numbers=re.compile(rb'"seq":(\d+)'))
NOW_US = 1_700_000_000_000_000


class Socket:
    """Gives bytes in the pieces that it was made with."""

    def __init__(self, *pieces: bytes) -> None:
        self.sent = b""
        self._pieces = [*pieces]

    def recv_into(self, buffer: bytearray) -> int:
        piece = self._pieces.pop(0)
        buffer[: len(piece)] = piece
        return len(piece)

    def send(self, data: bytes) -> None:
        self.sent += data


def text(payload: str, opcode: int = 1) -> bytes:
    return bytes((0x80 | opcode, len(payload))) + payload.encode()


def record(number: int) -> bytes:
    return text(f'{{"seq":{number},"at":{NOW_US + number}}}')


HEARTBEAT = text('{"type":"heartbeat","sent":9}')
HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def read(stream: Stream, *pieces: bytes) -> Client:
    """Return a client of the stream that has read the pieces after its handshake."""
    client = Client(Socket(HEAD, *pieces), Request("/"), stream)
    for _ in range(1 + len(pieces)):
        client.read()
    return client


def test_clients_that_got_the_same_are_whole() -> None:
    stream = Stream(MARKS)
    whole = record(1) + record(2) + record(3)

    clients = [read(stream, whole), read(stream, whole[:5], whole[5:40], whole[40:])]

    assert {client.offset for client in clients} == {len(stream.bytes)}
    assert (stream.frames, stream.mismatches, stream.is_in_order()) == (3, 0, True)
    assert len(stream.latencies_us()) == 6


def test_latency_is_the_time_of_reading_less_that_in_the_record() -> None:
    stream = Stream(MARKS)
    read(stream, record(1) + record(2))
    stream.reads[-1] = NOW_US + 500

    assert stream.latencies_us().tolist() == [499, 498]


@pytest.mark.parametrize(
    "got",
    [
        record(1) + record(3),
        record(1) + record(1) + record(2) + record(3),
        record(2) + record(1) + record(3),
        record(1) + record(2) + text('{"seq":3,"at":1700000000000009}'),
    ],
    ids=["lost", "twice", "disorder", "other bytes"],
)
def test_client_that_got_something_else_is_noticed(got: bytes) -> None:
    stream = Stream(MARKS)
    read(stream, record(1) + record(2) + record(3))

    client = read(stream, got)

    assert stream.mismatches > 0 or client.offset != len(stream.bytes)


def test_hole_that_all_clients_have_is_noticed() -> None:
    stream = Stream(MARKS)

    read(stream, record(1) + record(3))

    assert not stream.is_in_order()


def test_client_that_is_behind_is_noticed() -> None:
    stream = Stream(MARKS)
    read(stream, record(1) + record(2))

    client = read(stream, record(1) + record(2)[:-1])

    assert client.offset < len(stream.bytes)


def test_heartbeats_and_pings_are_no_part_of_the_stream() -> None:
    stream = Stream(MARKS)
    whole = record(1) + HEARTBEAT + text("hi", opcode=9) + record(2)
    first = read(stream, whole)

    second = read(stream, record(1) + HEARTBEAT[:7], HEARTBEAT[7:] + record(2))

    assert stream.bytes == record(1) + record(2)
    assert (first.offset, second.offset) == (len(stream.bytes),) * 2
    assert stream.mismatches == 0
    assert first.sock.sent.endswith(b"\x8a\x82\x00\x00\x00\x00hi")


def test_frame_that_is_not_all_there_is_none() -> None:
    frame = record(1)

    assert next_frame(frame, 0).end == len(frame)
    assert next_frame(frame[:-1], 0) is None
    assert next_frame(b"\x81\x7e\x00", 0) is None
