"""WebSocket frames as they leave a server: finished bytes, made once for all clients.

A server's frames are not masked (RFC 6455 5.1), so one frame fits every socket; with
permessage-deflate without context takeover (RFC 7692 7.1.1.1) so does a compressed one.
"""

import zlib
from collections.abc import Iterable, Sequence
from struct import pack

TEXT = 0x1
PING = 0x9
MIN_DEFLATED_BYTES = 1024  # smaller ones gain little (PROTOCOL 1.3)
MAX_BATCH_BYTES = 64 * 1024
MAX_CONTROL_BYTES = 125  # RFC 6455 5.5

_FIN = 0x80
_RSV1 = 0x40
_DEFLATE_LEVEL = 1
_RAW = -15  # no zlib header, a window of 32 KiB
_TAIL = b"\x00\x00\xff\xff"  # left out by RFC 7692 7.2.1


def frame_head(opcode: int, size: int, *, is_deflated: bool = False) -> bytes:
    """Return what precedes ``size`` bytes of payload in a frame that is not split."""
    first = _FIN | opcode | (_RSV1 if is_deflated else 0)
    if size < 126:
        return pack("!BB", first, size)
    if size < 65_536:
        return pack("!BBH", first, 126, size)
    return pack("!BBQ", first, 127, size)


def text_frames(payloads: Iterable[bytes]) -> bytes:
    """Return one text frame per payload, joined."""
    parts = []
    for payload in payloads:
        parts.append(frame_head(TEXT, len(payload)))
        parts.append(payload)
    return b"".join(parts)


def deflated_frames(payloads: Iterable[bytes]) -> bytes:
    """Return one text frame per payload, joined; compressed where that is worth it."""
    parts = []
    for payload in payloads:
        is_deflated = len(payload) >= MIN_DEFLATED_BYTES
        if is_deflated:
            payload = _deflate(payload)
        parts.append(frame_head(TEXT, len(payload), is_deflated=is_deflated))
        parts.append(payload)
    return b"".join(parts)


def close_reason(text: str) -> bytes:
    """Return a reason as a close frame can carry it, cut between characters."""
    size = MAX_CONTROL_BYTES - 2  # the code
    return text.encode()[:size].decode(errors="ignore").encode()


def ping_frame() -> bytes:
    """Return a ping without payload."""
    return frame_head(PING, 0)


class Batch:
    """Frames that go out together, in order, in every form that a socket may want.

    ``payloads`` are the texts, ``wire`` their frames, ``size`` its bytes. Shared by all
    that get it and never changed.
    """

    __slots__ = ("_deflated", "count", "payloads", "size", "wire")

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.payloads = payloads
        self.count = len(payloads)
        self.wire = text_frames(payloads)
        self.size = len(self.wire)
        self._deflated: bytes | None = None

    @property
    def deflated_wire(self) -> bytes:
        """The frames for sockets that agreed on permessage-deflate; made once."""
        if self._deflated is None:
            is_worth_it = any(
                len(payload) >= MIN_DEFLATED_BYTES for payload in self.payloads
            )
            self._deflated = (
                deflated_frames(self.payloads) if is_worth_it else self.wire
            )
        return self._deflated


def make_batches(payloads: Sequence[bytes]) -> list[Batch]:
    """Return the payloads in batches of about ``MAX_BATCH_BYTES`` at most.

    What a socket leaves of a batch is copied for that client alone.
    """
    if len(payloads) == 1:
        return [Batch(payloads)]
    batches, start, size = [], 0, 0
    for index, payload in enumerate(payloads):
        if size and size + len(payload) > MAX_BATCH_BYTES:
            batches.append(Batch(payloads[start:index]))
            start, size = index, 0
        size += len(payload)
    if size:
        batches.append(Batch(payloads[start:] if start else payloads))
    return batches


def _control_batch(wire: bytes) -> Batch:
    batch = Batch(())
    batch.wire = batch._deflated = wire
    batch.size = len(wire)
    return batch


# Counts as no frame, because clients do not see it.
PING_BATCH = _control_batch(ping_frame())


def _deflate(payload: bytes) -> bytes:
    compressor = zlib.compressobj(_DEFLATE_LEVEL, wbits=_RAW)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(_TAIL)
