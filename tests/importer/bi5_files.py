"""Makes and reads `.bi5` files for the tests, and finds the real ones."""

import lzma
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from importer.bi5 import ROW

PAYLOADS = Path(__file__).resolve().parent.parent / "payloads" / "dukascopy"

DAY = "2019-02-04"
DAY_US = 1_549_238_400_000_000  # 2019-02-04T00:00:00Z
HOUR_US = 3_600_000_000
DAY_TICKS = 136_741

# u32 seconds into the period, open, close, low, high (in this order), f32 volume.
CANDLE_ROW = np.dtype(
    [("s", ">u4"), ("open", ">u4"), ("close", ">u4"), ("low", ">u4"), ("high", ">u4")]
    + [("volume", ">f4")]
)

Row = Sequence[float]  # ms, ask, bid, ask size, bid size


def tick_file(hour: int, day: str = DAY, symbol: str = "EURUSD") -> bytes:
    """Return a real file."""
    return (PAYLOADS / f"{symbol}_{day}_{hour:02}h_ticks.bi5").read_bytes()


def candles_of(side: str, day: str = DAY) -> np.ndarray:
    """Return Dukascopy's own minute candles of EURUSD, `BID` or `ASK`, prices x 1e5."""
    path = PAYLOADS / f"EURUSD_{day}_{side}_candles_min_1.bi5"
    return np.frombuffer(lzma.decompress(path.read_bytes()), CANDLE_ROW)


def encode(rows: Iterable[Row]) -> bytes:
    """Return a file with the rows, as the archive writes them."""
    return compress(np.array([tuple(row) for row in rows], ROW).tobytes())


def compress(content: bytes) -> bytes:
    """Return content as the archive does: its length is in the header."""
    packed = lzma.compress(content, format=lzma.FORMAT_ALONE)
    return packed[:5] + len(content).to_bytes(8, "little") + packed[13:]
