"""Where a page of records ended, as a text that clients hand back unread."""

import binascii
import struct
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from history.exceptions import InvalidCursor

_FIELDS = struct.Struct(">qq")  # time_us, seq
_CHECK = struct.Struct(">H")
_LENGTH = _FIELDS.size + _CHECK.size
_MAX_TIME_US = 100_000_000_000_000_000  # the year 5138, the end of REST's times


class Position(msgspec.Struct, frozen=True, order=True, gc=False):
    """A record's place in its series: by time, then by `seq`."""

    time_us: int
    seq: int = 0


def encode_cursor(position: Position) -> str:
    """Return 24 characters that need no quoting in an address."""
    fields = _FIELDS.pack(position.time_us, position.seq)
    return urlsafe_b64encode(fields + _check(fields)).decode()


def decode_cursor(text: str) -> Position:
    """Return the position that ``encode_cursor`` was given.

    Raises:
        InvalidCursor: it is no text of ours; a slip in copying is seen, too.
    """
    try:
        data = urlsafe_b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError, ValueError) as exc:
        raise InvalidCursor(text) from exc
    if len(data) != _LENGTH:
        raise InvalidCursor(text)
    position = Position(*_FIELDS.unpack_from(data))
    is_in_bounds = 0 <= position.time_us <= _MAX_TIME_US and position.seq >= 0
    # Encoding again checks the digits, and that there is one text for each position.
    if not is_in_bounds or encode_cursor(position) != text:
        raise InvalidCursor(text)
    return position


def _check(fields: bytes) -> bytes:
    return _CHECK.pack(zlib.crc32(fields) & 0xFFFF)
