"""Rows of a statement of `candle_plan` as values."""

from collections.abc import Iterable
from typing import Any

import msgspec

from history.timestamps import to_us


class CandleRow(msgspec.Struct, frozen=True, gc=False):
    """OHLC of the bucket that starts at ``time_us``; prices are exact, not rounded.

    ``rev`` rises when the candle changes. ``complete`` is True once the bucket has
    ended and no change of it waits for a refresh.
    """

    time_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    rev: int
    complete: bool = True


def candle_rows(rows: Iterable[tuple[Any, ...]]) -> list[CandleRow]:
    """Return the rows as candles, in their order."""
    return [CandleRow(to_us(start), *values) for start, *values in rows]
