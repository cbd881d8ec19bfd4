"""Answers of Dukascopy's JSON API to requests for ticks: bytes in, arrays out. Pure.

    GET <base>/ticks/BTC-USD/2023/2/20/12            (months count from 1, no zeros)

    {"timestamp":1676894400000,      start of the hour, ms since the epoch
     "multiplier":0.1,               one point; 1 / multiplier points make a unit
     "ask":24921.5,"bid":24849.4,    what the first deltas are added to
     "times":[84,114,101,...],       ms since the tick before, or since the timestamp
     "asks":[0,0,28,...],            points above the tick before
     "bids":[0,0,8,...],
     "askVolumes":[1.48,1.48,...],   units of the base currency
     "bidVolumes":[13.0,13.0,...]}

An hour without ticks has empty arrays and null prices. The API is not documented; the
shape is that of recorded answers (github.com/Leo4815162342/dukascopy-node, fixtures of
2026-07, read 2026-11-21).
"""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from importer.exceptions import DamagedFile
from importer.hour_ticks import HourTicks
from importer.hours import HOUR_MS

# The `.bi5` files give sizes in millions of units, as 32-bit floats.
_UNITS = 1e6
# As in the `.bi5` files, whose prices are 32-bit integers; keeps sums within 64 bits.
_MAX_POINTS = 2**32 - 1
# A base price is a multiple of a point but for the last bits of its decimal text.
_ROUNDING = 1e-3

_Step = Annotated[int, Meta(ge=0, lt=HOUR_MS)]
_Points = Annotated[int, Meta(ge=-_MAX_POINTS, le=_MAX_POINTS)]
# Far above any size, and far below what a 32-bit float can hold.
_Size = Annotated[float, Meta(ge=-1e30, le=1e30)]


class _Answer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    timestamp: int
    multiplier: Annotated[float, Meta(gt=0, le=1)]
    ask: float | None
    bid: float | None
    times: list[_Step]
    asks: list[_Points]
    bids: list[_Points]
    ask_volumes: list[_Size]
    bid_volumes: list[_Size]


_decoder = msgspec.json.Decoder(_Answer)


def decode_ticks(data: bytes, hour_us: int, *, name: str) -> HourTicks:
    """Return the ticks in an answer; none if it says that the hour has none.

    Times and prices are those of the hour's `.bi5` file, bit for bit: a price is an
    integer of points divided by the points of a unit, which the answer itself states.
    Sizes are in millions at the file's precision; where the file has them in whole
    units (coins: 1.46 here is 1 there), they differ by that rounding. Prices and sizes
    are for the quality gate to judge, not for the decoder.

    Raises:
        DamagedFile: naming the answer ``name``, what was expected, and what was found.
    """
    try:
        answer = _decoder.decode(data)
    except msgspec.MsgspecError as exc:
        found = f"{len(data)} bytes beginning {data[:12]!r} ({exc})"
        raise DamagedFile(name, "an answer with columns of ticks", found) from exc
    hour_ms = hour_us // 1_000
    if not hour_ms <= answer.timestamp < hour_ms + HOUR_MS:
        expected = f"a timestamp from {hour_ms} to {hour_ms + HOUR_MS - 1}"
        raise DamagedFile(name, expected, str(answer.timestamp))
    _check_lengths(answer, name)
    return HourTicks(
        time_us=_times(answer, hour_ms, name=name) * 1_000,
        bid=_prices(answer, "bid", answer.bids, name=name),
        ask=_prices(answer, "ask", answer.asks, name=name),
        bid_size=_sizes(answer.bid_volumes),
        ask_size=_sizes(answer.ask_volumes),
    )


def _check_lengths(answer: _Answer, name: str) -> None:
    expected = len(answer.times)
    for column in ("asks", "bids", "ask_volumes", "bid_volumes"):
        found = len(getattr(answer, column))
        if found != expected:
            raise DamagedFile(name, f"{expected} {column}, as times", str(found))


def _times(answer: _Answer, hour_ms: int, *, name: str) -> NDArray[np.int64]:
    times = answer.timestamp + np.cumsum(np.array(answer.times, np.int64))
    if len(times) and times[-1] >= hour_ms + HOUR_MS:
        found = f"{times[-1] - hour_ms} ms after its start"
        raise DamagedFile(name, "ticks of one hour", found)
    return times


def _prices(
    answer: _Answer, side: str, deltas: list[int], *, name: str
) -> NDArray[np.float64]:
    base = getattr(answer, side)
    if not deltas:
        return np.empty(0)
    if base is None:
        raise DamagedFile(name, f"a base {side} beside {len(deltas)} ticks", "none")
    scale = round(1 / answer.multiplier)
    points = base * scale
    if abs(points) > _MAX_POINTS or abs(points - round(points)) > _ROUNDING:
        expected = f"a base {side} of whole points of {answer.multiplier}"
        raise DamagedFile(name, expected, str(base))
    prices = round(points) + np.cumsum(np.array(deltas, np.int64))
    return prices / np.float64(scale)


def _sizes(units: list[float]) -> NDArray[np.float64]:
    sizes = np.array(units, np.float64) / _UNITS
    return sizes.astype(np.float32).astype(np.float64)
