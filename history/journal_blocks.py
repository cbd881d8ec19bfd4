"""Blocks of a journal: rows with their length and checksum, to bytes and back.

    4 bytes  "MDJ1"
    4 bytes  CRC-32 of all that follows, little-endian like the next
    4 bytes  length of the rows
    n bytes  the rows in MessagePack: [[record, epoch, number], ...], a record as an
             array of its tag (`tick`, `trade`) and its fields in the order of
             `marketdata.records`

A process that is killed leaves at most its last block incomplete. Anything else that
does not fit its checksum is damage; reading goes on with the next block behind it.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from history.live_rows import Row

_MAGIC = b"MDJ1"
_HEADER = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Row])


class Damage(NamedTuple):
    """Bytes that are no block; ``is_tail``: they may be the begin of an unfinished one.

    ``start`` and ``end`` are offsets in what was read.
    """

    start: int
    end: int
    is_tail: bool


def encode_block(rows: Sequence[Row]) -> bytes:
    """Return the rows as a block.

    Costs 0.2 us a row, and 0.3 us more for a block of one (docs/decisions/0011).
    """
    payload = _encoder.encode(rows)
    length = _LENGTH.pack(len(payload))
    checksum = zlib.crc32(payload, zlib.crc32(length))
    return _HEADER.pack(_MAGIC, checksum, len(payload)) + payload


def decode_blocks(data: bytes) -> Iterator[list[Row] | Damage]:
    """Yield the rows of each block in order, and what is damaged between them."""
    start = 0
    while start < len(data):
        found = _block_at(data, start)
        if found is None:
            end = _next_block(data, start + 1)
            is_tail = end == len(data) and _is_cut(data, start)
            yield Damage(start, end, is_tail)
            start = end
        else:
            rows, start = found
            yield rows


def _block_at(data: bytes, start: int) -> tuple[list[Row], int] | None:
    """Return the rows of the block that starts there, and where it ends."""
    begin = start + _HEADER.size
    if begin > len(data):
        return None
    magic, checksum, length = _HEADER.unpack_from(data, start)
    end = begin + length
    if magic != _MAGIC or end > len(data):
        return None
    checked = memoryview(data)[begin - _LENGTH.size : end]
    if zlib.crc32(checked) != checksum:
        return None
    try:
        return _decoder.decode(checked[_LENGTH.size :]), end
    except msgspec.DecodeError:  # of another version of ours
        return None


def _next_block(data: bytes, start: int) -> int:
    """Return where the next whole block starts, the end of the data without one."""
    while (start := data.find(_MAGIC, start)) >= 0:
        if _block_at(data, start) is not None:
            return start
        start += 1
    return len(data)


def _is_cut(data: bytes, start: int) -> bool:
    """Return whether a block starts there and the data end before it does."""
    left = len(data) - start
    if left < _HEADER.size:
        return _MAGIC.startswith(data[start : start + len(_MAGIC)])
    magic, _, length = _HEADER.unpack_from(data, start)
    return bool(magic == _MAGIC) and left < _HEADER.size + length
