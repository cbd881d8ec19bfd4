"""Dukascopy's hourly tick files (`.bi5`): bytes in, arrays of ticks out. Pure."""

import lzma

import numpy as np

from importer.exceptions import DamagedFile
from importer.hour_ticks import HourTicks
from importer.hours import HOUR_MS

# One row, big-endian. Format as in dukascopy-node (github.com/Leo4815162342/
# dukascopy-node, read 2026-11-21) and measured on all of our files:
#   00 00 03 e2  00 01 bf 71  00 01 bf 6f  3f 80 00 00  40 03 d7 0a
#   994 ms       ask 114545   bid 114543   ask size 1   bid size 2.06
ROW = np.dtype(
    [("ms", ">u4"), ("ask", ">u4"), ("bid", ">u4"), ("ask_size", ">f4")]
    + [("bid_size", ">f4")]
)

# Properties, dictionary size, and the length of the content (-1 for unknown).
_HEADER_BYTES = 13
_UNKNOWN_LENGTH = 2**64 - 1
# A row for each millisecond of the hour; the busiest real files hold 1 % of that.
_MAX_CONTENT_BYTES = HOUR_MS * ROW.itemsize
# The files have dictionaries of 4 MiB. A flipped bit may ask for 2 GiB.
_MEMORY_LIMIT_BYTES = 64 * 1024 * 1024


def decode_ticks(
    data: bytes, hour_us: int, *, price_scale: int, name: str
) -> HourTicks:
    """Return the ticks in a file; none for an empty file, which is a valid hour.

    A price is the file's integer divided by ``price_scale``: the float nearest to its
    decimal text. Ticks with the same time keep the file's order. Prices and sizes are
    for the quality gate to judge, not for the decoder.

    Raises:
        DamagedFile: naming the file ``name``, what was expected, and what was found.
    """
    rows = np.frombuffer(_decompress(data, name), dtype=ROW)
    _check_rows(rows, name)
    return HourTicks(
        time_us=hour_us + rows["ms"].astype(np.int64) * 1_000,
        bid=rows["bid"] / np.float64(price_scale),
        ask=rows["ask"] / np.float64(price_scale),
        bid_size=rows["bid_size"].astype(np.float64),
        ask_size=rows["ask_size"].astype(np.float64),
    )


def _decompress(data: bytes, name: str) -> bytes:
    if not data:
        return b""
    if len(data) < _HEADER_BYTES:
        raise DamagedFile(name, f"{_HEADER_BYTES} header bytes", f"{len(data)} bytes")
    decompressor = lzma.LZMADecompressor(
        format=lzma.FORMAT_ALONE, memlimit=_MEMORY_LIMIT_BYTES
    )
    try:
        content = decompressor.decompress(data, max_length=_MAX_CONTENT_BYTES + 1)
    except lzma.LZMAError as exc:
        found = f"{len(data)} bytes beginning {data[:12]!r} ({exc})"
        raise DamagedFile(name, "an intact LZMA stream", found) from exc
    _check_content(content, data, decompressor, name=name)
    return content


def _check_content(
    content: bytes, data: bytes, decompressor: lzma.LZMADecompressor, *, name: str
) -> None:
    # The decompressor hands out what it has of a stream that was cut, without a word.
    if len(content) > _MAX_CONTENT_BYTES:
        raise DamagedFile(name, f"at most {_MAX_CONTENT_BYTES} bytes of rows", "more")
    declared = int.from_bytes(data[5:_HEADER_BYTES], "little")
    if declared not in (len(content), _UNKNOWN_LENGTH):
        found = f"{len(content)} in a file of {len(data)} bytes"
        raise DamagedFile(name, f"{declared} bytes of rows", found)
    if not decompressor.eof:
        found = f"the file's end after {len(content)} bytes of rows"
        raise DamagedFile(name, "the end of the LZMA stream", found)
    if decompressor.unused_data:
        found = f"{len(decompressor.unused_data)} bytes more"
        raise DamagedFile(name, "nothing behind the LZMA stream", found)
    left_over = len(content) % ROW.itemsize
    if left_over:
        found = f"{left_over} bytes left over"
        raise DamagedFile(name, f"{ROW.itemsize}-byte rows", found)


def _check_rows(rows: np.ndarray, name: str) -> None:
    ms = rows["ms"]
    _refuse(ms >= HOUR_MS, ms, f"milliseconds below {HOUR_MS}", name=name)
    is_back = np.concatenate(([False], ms[1:] < ms[:-1]))
    _refuse(is_back, ms, "milliseconds in order", name=name)


def _refuse(
    is_wrong: np.ndarray, values: np.ndarray, expected: str, *, name: str
) -> None:
    if is_wrong.any():
        row = int(is_wrong.argmax())
        raise DamagedFile(name, expected, f"{values[row]} in row {row}")
