"""Makes answers of the JSON API for the tests."""

import lzma
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np

from importer.bi5 import ROW
from tests.importer.bi5_files import Row


def answer(rows: Sequence[Row], hour_us: int, price_scale: int = 100_000) -> bytes:
    """Return the answer with rows as `bi5_files.encode` takes them."""
    return with_timestamp(_columns(np.array(rows, ROW), price_scale), hour_us)


@lru_cache(maxsize=256)
def answer_of_file(data: bytes, price_scale: int) -> bytes:
    """Return the answer with the rows of a `.bi5` file, for `with_timestamp`."""
    content = lzma.decompress(data) if data else b""
    return _columns(np.frombuffer(content, ROW), price_scale)


def with_timestamp(columns: bytes, hour_us: int) -> bytes:
    """Return the answer for the hour."""
    return b'{"timestamp":%d,' % (hour_us // 1_000) + columns[1:]


def _columns(rows: np.ndarray, price_scale: int) -> bytes:
    ms, ask, bid = (rows[name].astype(np.int64) for name in ("ms", "ask", "bid"))
    is_empty = not len(rows)
    return msgspec.json.encode(
        {
            "multiplier": 1 / price_scale,
            "ask": None if is_empty else int(ask[0]) / price_scale,
            "bid": None if is_empty else int(bid[0]) / price_scale,
            "times": np.diff(ms, prepend=0).tolist(),
            "asks": np.diff(ask, prepend=ask[:1]).tolist(),
            "bids": np.diff(bid, prepend=bid[:1]).tolist(),
            "askVolumes": _units(rows["ask_size"]),
            "bidVolumes": _units(rows["bid_size"]),
        }
    )


def _units(millions: np.ndarray) -> list[float]:
    # The shortest decimal text of the 32-bit float, times a million.
    return [float(np.format_float_positional(size)) * 1e6 for size in millions]
