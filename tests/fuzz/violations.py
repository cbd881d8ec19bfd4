"""Violations of the WebSocket protocol (RFC 6455), and how the server must close."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG = 1002, 1007, 1009
MAX_FRAME_BYTES = 100 * 1024  # the server's setting
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80


class Violation(NamedTuple):
    """Bytes that end a connection, and the codes that the close frame may have.

    No codes: the client itself leaves, and nothing needs to answer.
    """

    name: str
    make: Callable[[Random], bytes]
    codes: frozenset[int]


def frame(
    opcode: int, payload: bytes, *, first: int = FIN, is_masked: bool = True
) -> bytes:
    """Return a client's frame; ``first`` are the upper bits of its first byte."""
    size, mask_bit = len(payload), 0x80 * is_masked
    if size < 126:
        length = bytes((mask_bit | size,))
    elif size < 1 << 16:
        length = bytes((mask_bit | 126,)) + size.to_bytes(2)
    else:
        length = bytes((mask_bit | 127,)) + size.to_bytes(8)
    # A mask of zeros leaves the payload as it is.
    return bytes((first | opcode,)) + length + bytes(4 * is_masked) + payload


def text(payload: str | bytes) -> bytes:
    """Return a text frame."""
    return frame(TEXT, payload.encode() if isinstance(payload, str) else payload)


def violations() -> list[Violation]:
    """Return all that this module knows."""
    return [
        *_of(
            {PROTOCOL_ERROR},
            reserved_opcode=lambda r: frame(r.choice(_RESERVED), b"x"),
            reserved_bits=lambda r: frame(TEXT, b"x", first=FIN | r.choice(_RSV)),
            reserved_bits_of_control=lambda r: frame(PING, b"", first=FIN | 0x40),
            unmasked=lambda r: frame(TEXT, b"{}", is_masked=False),
            unmasked_control=lambda r: frame(PING, b"x", is_masked=False),
            fragmented_control=lambda r: frame(r.choice(_CONTROL), b"", first=0),
            long_control=lambda r: frame(PING, bytes(r.randrange(126, 400))),
            continuation_of_nothing=lambda r: frame(0, b"x"),
            text_inside_a_text=lambda r: frame(TEXT, b"a", first=0) + text(b"b"),
            length_too_long_for_its_size=lambda r: b"\x81\xfe\x00\x05" + bytes(9),
            close_of_one_byte=lambda r: frame(CLOSE, b"\x03"),
            close_with_bad_code=lambda r: frame(
                CLOSE, r.choice(_BAD_CODES).to_bytes(2) + b"bye"
            ),
            length_over_63_bits=lambda r: b"\x81\xff" + b"\xff" * 8 + bytes(4),
        ),
        *_of(
            {INVALID_TEXT},
            invalid_utf8=lambda r: text(r.choice(_NOT_UTF8)),
            utf8_cut_at_the_end=lambda r: text(b'{"action":"' + b"\xe2\x82"),
            invalid_utf8_in_a_continuation=lambda r: (
                frame(TEXT, b'{"a":"', first=0) + frame(0, b"\xff")
            ),
        ),
        # Autobahn takes a bad reason for a protocol error.
        *_of(
            {PROTOCOL_ERROR, INVALID_TEXT},
            close_with_bad_reason=lambda r: frame(CLOSE, b"\x03\xe8\xff\xfe"),
        ),
        *_of(
            {TOO_BIG},
            oversized=lambda r: text("x" * (MAX_FRAME_BYTES + r.randrange(1, 9))),
            oversized_by_its_header=lambda r: (
                b"\x81\xff" + r.randrange(1 << 24, 1 << 40).to_bytes(8) + bytes(4)
            ),
            oversized_in_parts=lambda r: (
                frame(TEXT, bytes(60_000), first=0) + frame(0, bytes(60_000))
            ),
        ),
        *_of(
            {1000, 1001, 3000, 4999},
            close=lambda r: frame(CLOSE, r.choice(_GOOD_CODES).to_bytes(2)),
            garbage_after_close=lambda r: (
                frame(CLOSE, b"\x03\xe8") + r.randbytes(r.randrange(1, 400))
            ),
            requests_after_close=lambda r: (
                frame(CLOSE, b"\x03\xe8") + text('{"action":"ping"}') * 5
            ),
        ),
        *_of(
            set(),
            half_a_frame=lambda r: text("x" * 500)[: r.randrange(1, 500)],
            half_a_header=lambda r: b"\x81\xfe\x10",
            nothing=lambda r: b"",
            noise=lambda r: r.randbytes(r.randrange(1, 2_000)),
        ),
    ]


def _of(codes: set[int], **makers: Callable[[Random], bytes]) -> list[Violation]:
    return [Violation(name, make, frozenset(codes)) for name, make in makers.items()]


_RESERVED = (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)
_RSV = (0x10, 0x20, 0x40, 0x70)
_CONTROL = (PING, PONG, CLOSE)
_BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
_GOOD_CODES = (1000, 1001, 3000, 4999)
_NOT_UTF8 = (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xfe")
