import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from marketdata.wire import (
    MIN_DEFLATED_BYTES,
    PING_BATCH,
    Batch,
    close_reason,
    frame_head,
    make_batches,
    text_frames,
)


def read_frames(data, extensions=None):
    """Return the frames that an independent client reads."""
    reader, frames = StreamReader(), []
    reader.feed_data(data)
    reader.feed_eof()
    while data:
        parser = Frame.parse(
            reader.read_exact, mask=False, max_size=None, extensions=extensions
        )
        with pytest.raises(StopIteration) as result:
            next(parser)
        frames.append(result.value.value)
        data = reader.buffer
    return frames


def deflate():
    return [PerMessageDeflate(True, True, 15, 15)]


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f" + struct.pack("!Q", 65_536)),
    ],
)
def test_frame_head_has_the_shortest_length(size, head):
    assert frame_head(1, size) == head


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_text_frames_are_read_back_by_another_implementation(payloads):
    frames = read_frames(text_frames(payloads))

    assert [bytes(frame.data) for frame in frames] == payloads
    assert {frame.opcode for frame in frames} <= {Opcode.TEXT}


def test_batch_knows_its_frames_and_bytes():
    batch = Batch((b"ab", b"c" * 200))

    assert batch.count == 2
    assert batch.wire == b"\x81\x02ab" + b"\x81\x7e\x00\xc8" + b"c" * 200
    assert batch.size == len(batch.wire)


def test_small_frames_are_the_same_for_clients_with_deflate():
    batch = Batch((b"x" * (MIN_DEFLATED_BYTES - 1),))

    assert batch.deflated_wire is batch.wire


def test_large_frames_are_compressed_once_and_each_by_itself():
    large = b'{"price":1.08512}' * 100
    batch = Batch((b"small", large, large))

    wire = batch.deflated_wire

    assert batch.deflated_wire is wire
    assert len(wire) < len(large) / 2
    for _ in range(2):  # no context of an earlier batch is needed
        frames = read_frames(wire, deflate())
        assert [bytes(frame.data) for frame in frames] == [b"small", large, large]


def test_compressed_frame_is_raw_deflate_without_its_tail():
    payload = b"y" * 5_000

    wire = Batch((payload,)).deflated_wire

    assert wire[0] == 0xC1  # FIN, RSV1, text
    assert not wire.endswith(b"\x00\x00\xff\xff")
    inflator = zlib.decompressobj(wbits=-15)
    assert inflator.decompress(wire[2:] + b"\x00\x00\xff\xff") == payload


def test_batches_are_cut_between_frames_and_lose_none():
    payloads = [bytes([n]) * 1_000 for n in range(200)]

    batches = make_batches(payloads)

    assert [payload for item in batches for payload in item.payloads] == payloads
    assert [item.count for item in batches] == [65, 65, 65, 5]


def test_batch_of_one_frame_may_be_large():
    assert [item.count for item in make_batches([b"x" * 100_000, b"y"])] == [1, 1]
    assert make_batches([]) == []


def test_ping_has_no_payload_and_is_no_frame_of_data():
    assert (PING_BATCH.wire, PING_BATCH.deflated_wire) == (b"\x89\x00", b"\x89\x00")
    assert (PING_BATCH.count, PING_BATCH.size, PING_BATCH.payloads) == (0, 2, ())


@pytest.mark.parametrize(
    ("text", "size"), [("", 0), ("x" * 123, 123), ("x" * 124, 123), ("é" * 70, 122)]
)
def test_close_reason_is_cut_between_characters(text, size):
    reason = close_reason(text)

    assert len(reason) == size
    assert text.startswith(reason.decode())
